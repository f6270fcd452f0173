#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_client.h"

namespace headrace::net {

/// Takes the bytes of one answer and gives its head and the bytes of its body. Private to this module; Beast is behind it.
class HttpParser {
 public:
  /// `no_body`: the answer to a HEAD.
  explicit HttpParser(bool no_body);
  ~HttpParser();
  HttpParser(const HttpParser&) = delete;
  HttpParser& operator=(const HttpParser&) = delete;

  /// Bytes from the connection; empty: it has ended. Error (kind `failed`) when they are not HTTP/1.1; `retry` at an early end.
  Result<void> feed(std::string_view bytes);
  /// The head, once it is whole. Interim answers (1xx) are passed over.
  [[nodiscard]] const HttpHead* head() const;
  /// Body bytes that came since the last call; at most what was fed.
  [[nodiscard]] std::string take_body();
  /// The answer is complete.
  [[nodiscard]] bool done() const;
  /// The connection may serve another request.
  [[nodiscard]] bool keeps_connection() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headrace::net
