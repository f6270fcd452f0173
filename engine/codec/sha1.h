#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace headrace::codec {

/// SHA-1, piece by piece.
class Sha1 {
 public:
  Sha1();
  ~Sha1();
  Sha1(Sha1&&) noexcept;
  Sha1& operator=(Sha1&&) noexcept;

  void update(std::string_view bytes);
  /// 40 lower-case hex digits of all bytes so far. Once; nothing may be added afterwards.
  [[nodiscard]] std::string finish_hex();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

[[nodiscard]] std::string sha1_hex(std::string_view bytes);

/// Is it 40 lower-case hex digits, as a blob's key?
[[nodiscard]] bool is_sha1_hex(std::string_view text);

}  // namespace headrace::codec
