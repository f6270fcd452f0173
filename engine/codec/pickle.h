#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace headrace::codec {

struct PickleValue;
/// Immutable and shared: a pickle may refer to one object twice.
using PicklePtr = std::shared_ptr<const PickleValue>;

struct PickleNone {};
struct PickleBytes { std::string bytes; };
struct PickleList { std::vector<PicklePtr> items; };
struct PickleTuple { std::vector<PicklePtr> items; };
struct PickleDict { std::vector<std::pair<PicklePtr, PicklePtr>> items; };
/// A class or function, by name only: nothing is imported.
struct PickleGlobal { std::string module, name; };
/// An object of a class: what its constructor was given, and its state (`BUILD`), nullptr if none.
struct PickleObject { PickleGlobal type; std::vector<PicklePtr> args; PicklePtr state; };

struct PickleValue {
  std::variant<PickleNone, bool, std::int64_t, double, std::string, PickleBytes, PickleList, PickleTuple, PickleDict,
               PickleGlobal, PickleObject>
      data;

  template <class T>
  [[nodiscard]] const T* get() const { return std::get_if<T>(&data); }
  [[nodiscard]] bool is_none() const { return std::holds_alternative<PickleNone>(data); }
};

/// More values and references to values, or larger input, is refused: these are control artifacts (`_transition`, `_foreach_stack`), not data.
inline constexpr std::size_t kPickleBytesMax = 16 * 1024 * 1024;
inline constexpr std::size_t kPickleValuesMax = 200'000;
inline constexpr int kPickleDepthMax = 100;

/// Reads a simple pickle, protocols 2 to 5, as data: None, bool, int (64 bits), float, str, bytes, list, tuple, dict, and
/// objects of any class as PickleObject. Runs nothing. Error (kind `failed`): damaged, too large, or more than this reads;
/// it names the opcode and its place.
Result<PicklePtr> read_pickle(std::string_view bytes);

/// The value as the type asked for; the error says what it is instead.
Result<bool> pickled_bool(const PicklePtr& value);
Result<std::int64_t> pickled_int(const PicklePtr& value);
Result<std::string> pickled_string(const PicklePtr& value);
/// The items of a list or tuple.
Result<std::vector<PicklePtr>> pickled_items(const PicklePtr& value);

}  // namespace headrace::codec
