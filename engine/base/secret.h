#pragma once

#include <ostream>
#include <string>
#include <utility>

namespace headrace {

/// Text that no log, error or test output may show: printed as `****`. `reveal` where it is sent.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}

  [[nodiscard]] const std::string& reveal() const { return text_; }
  [[nodiscard]] bool empty() const { return text_.empty(); }
  bool operator==(const Secret&) const = default;

  friend std::ostream& operator<<(std::ostream& out, const Secret&) { return out << "****"; }

 private:
  std::string text_;
};

}  // namespace headrace
