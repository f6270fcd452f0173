#pragma once

#include <optional>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/error.h"

namespace headrace {

/// A value or the Error why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  [[nodiscard]] T& value() & { HR_CHECK(ok()); return std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { HR_CHECK(ok()); return std::get<0>(state_); }
  [[nodiscard]] T&& value() && { HR_CHECK(ok()); return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  [[nodiscard]] const Error& error() const& { HR_CHECK(!ok()); return std::get<1>(state_); }
  [[nodiscard]] Error&& error() && { HR_CHECK(!ok()); return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

/// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  [[nodiscard]] bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  void value() const { HR_CHECK(ok()); }

  [[nodiscard]] const Error& error() const& { HR_CHECK(!ok()); return *error_; }
  [[nodiscard]] Error&& error() && { HR_CHECK(!ok()); return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

}  // namespace headrace

/// The value of a Result; on failure returns its Error from the enclosing function. Not for coroutines: `co_return` there.
#define HR_TRY(expression)                                     \
  ({                                                           \
    auto hr_try_result = (expression);                         \
    if (!hr_try_result) return std::move(hr_try_result).error(); \
    std::move(hr_try_result).value();                          \
  })
