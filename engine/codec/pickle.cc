#include "codec/pickle.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <unordered_map>

#include <fmt/format.h>

namespace headrace::codec {

namespace {

// Values that are still being filled (lists, dicts, objects before BUILD) are mutable until the pickle ends.
using Mutable = std::shared_ptr<PickleValue>;

constexpr std::size_t kNameBytesMax = 1000;

// Opcodes by the names that Python's pickletools gives them.
enum Op : unsigned char {
  kMark = '(', kStop = '.', kPop = '0', kPopMark = '1', kBinFloat = 'G', kBinInt = 'J', kBinInt1 = 'K', kBinInt2 = 'M',
  kNone = 'N', kReduce = 'R', kBinUnicode = 'X', kAppend = 'a', kBuild = 'b', kGlobal = 'c', kEmptyDict = '}', kAppends = 'e',
  kBinGet = 'h', kLongBinGet = 'j', kEmptyList = ']', kSetItem = 's', kTuple = 't', kEmptyTuple = ')', kSetItems = 'u',
  kBinBytes = 'B', kShortBinBytes = 'C', kBinPut = 'q', kLongBinPut = 'r', kProto = 0x80, kNewObj = 0x81, kTuple1 = 0x85,
  kTuple2 = 0x86, kTuple3 = 0x87, kNewTrue = 0x88, kNewFalse = 0x89, kLong1 = 0x8a, kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d, kBinBytes8 = 0x8e, kNewObjEx = 0x92, kStackGlobal = 0x93, kMemoize = 0x94, kFrameOp = 0x95,
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  Result<PicklePtr> run() {
    Result<PicklePtr> result = read();
    if (!result) {
      // What was made may contain itself, or be nested so deep that freeing it from the outside would use up the stack.
      for (const Mutable& value : made_) value->data = PickleNone{};
    }
    return result;
  }

 private:
  Result<PicklePtr> read() {
    for (;;) {
      opcode_place_ = place_;
      const unsigned char op = HR_TRY(byte());
      if (op == kStop) break;
      HR_TRY(step(op));
      if (work_ > kPickleValuesMax) return problem(fmt::format("it holds more than {} values", kPickleValuesMax));
    }
    const Mutable top = HR_TRY(pop());
    if (!stack_.empty()) return problem("it ends with values left over");
    if (place_ != bytes_.size()) return problem("bytes follow its end");
    if (!depth_of(*top, 1)) return problem(fmt::format("it is nested deeper than {}, or contains itself", kPickleDepthMax));
    return PicklePtr(top);
  }

  struct Slot {
    Mutable value;  // nullptr: a mark
  };

  Error problem(std::string_view why) const {
    return Error{.what = "this pickle cannot be read here", .why = fmt::format("{} (byte {})", why, opcode_place_)};
  }

  Result<std::string_view> take(std::uint64_t count) {
    if (count > bytes_.size() - place_) return problem("it ends in the middle");
    const std::string_view part = bytes_.substr(place_, static_cast<std::size_t>(count));
    place_ += part.size();
    return part;
  }
  Result<unsigned char> byte() { return static_cast<unsigned char>(HR_TRY(take(1))[0]); }
  Result<std::uint64_t> little(std::size_t size) {
    const std::string_view part = HR_TRY(take(size));
    std::uint64_t number = 0;
    for (std::size_t i = size; i-- > 0;) number = number << 8 | static_cast<unsigned char>(part[i]);
    return number;
  }
  /// A length of `size` bytes, then as many bytes.
  Result<std::string_view> counted(std::size_t size) {
    const std::uint64_t count = HR_TRY(little(size));
    return take(count);
  }
  Result<std::string_view> line() {
    const std::size_t end = bytes_.find('\n', place_);
    if (end == std::string_view::npos) return problem("it ends in the middle");
    const std::string_view text = HR_TRY(take(end - place_));
    ++place_;
    return text;
  }

  template <class T>
  Result<void> push(T data) {
    ++work_;
    auto value = std::make_shared<PickleValue>();
    value->data = std::move(data);
    made_.push_back(value);
    stack_.push_back({std::move(value)});
    return {};
  }
  Result<Mutable> pop() {
    if (stack_.empty() || !stack_.back().value) return problem("a value is missing");
    Mutable value = std::move(stack_.back().value);
    stack_.pop_back();
    return value;
  }
  Result<Mutable> top() {
    if (stack_.empty() || !stack_.back().value) return problem("a value is missing");
    return stack_.back().value;
  }
  /// What was pushed since the last mark, and without the mark.
  Result<std::vector<PicklePtr>> pop_mark() {
    std::size_t first = stack_.size();
    while (first > 0 && stack_[first - 1].value) --first;
    if (first == 0) return problem("a mark is missing");
    std::vector<PicklePtr> items;
    items.reserve(stack_.size() - first);
    for (std::size_t i = first; i < stack_.size(); ++i) items.push_back(std::move(stack_[i].value));
    stack_.resize(first - 1);
    return items;
  }

  Result<void> step(unsigned char op);
  Result<void> step_object(unsigned char op);
  Result<void> step_memo(unsigned char op);
  Result<void> push_tuple(std::size_t count);
  Result<void> push_global(std::string module, std::string name);
  Result<void> push_long(std::string_view digits);
  Result<void> append(std::vector<PicklePtr> items);
  Result<void> set_items(std::vector<PicklePtr> items);
  Result<void> put(std::uint64_t index);
  Result<void> get(std::uint64_t index);
  std::optional<int> depth_of(const PickleValue& value, int level);

  std::string_view bytes_;
  std::size_t place_ = 0;
  std::size_t opcode_place_ = 0;
  std::size_t work_ = 0;  // Values made and references to them.
  std::vector<Mutable> made_;
  std::vector<Slot> stack_;
  std::unordered_map<std::uint64_t, Mutable> memo_;
  std::unordered_map<const PickleValue*, int> depths_;
};

Result<void> Reader::step(unsigned char op) {
  switch (op) {
    case kProto: {
      const unsigned char version = HR_TRY(byte());
      if (version < 2 || version > 5) return problem(fmt::format("its protocol is {}, not 2 to 5", version));
      return {};
    }
    case kFrameOp: (void)HR_TRY(little(8)); return {};  // Only a hint for reading ahead.
    case kMark:
      ++work_;
      stack_.push_back({});
      return {};
    case kPop:
      if (stack_.empty()) return problem("a value is missing");
      stack_.pop_back();
      return {};
    case kPopMark: (void)HR_TRY(pop_mark()); return {};
    case kNone: return push(PickleNone{});
    case kNewTrue: return push(true);
    case kNewFalse: return push(false);
    case kBinInt: return push(static_cast<std::int64_t>(static_cast<std::int32_t>(HR_TRY(little(4)))));
    case kBinInt1: return push(static_cast<std::int64_t>(HR_TRY(little(1))));
    case kBinInt2: return push(static_cast<std::int64_t>(HR_TRY(little(2))));
    case kLong1: return push_long(HR_TRY(counted(1)));
    case kBinFloat: {
      std::uint64_t bits = 0;
      for (const char c : HR_TRY(take(8))) bits = bits << 8 | static_cast<unsigned char>(c);
      double number = 0;
      std::memcpy(&number, &bits, sizeof number);
      return push(number);
    }
    case kShortBinUnicode: return push(std::string(HR_TRY(counted(1))));
    case kBinUnicode: return push(std::string(HR_TRY(counted(4))));
    case kBinUnicode8: return push(std::string(HR_TRY(counted(8))));
    case kShortBinBytes: return push(PickleBytes{std::string(HR_TRY(counted(1)))});
    case kBinBytes: return push(PickleBytes{std::string(HR_TRY(counted(4)))});
    case kBinBytes8: return push(PickleBytes{std::string(HR_TRY(counted(8)))});
    case kEmptyList: return push(PickleList{});
    case kEmptyDict: return push(PickleDict{});
    case kEmptyTuple: return push(PickleTuple{});
    case kTuple1: return push_tuple(1);
    case kTuple2: return push_tuple(2);
    case kTuple3: return push_tuple(3);
    case kTuple: return push(PickleTuple{HR_TRY(pop_mark())});
    case kAppend: return append({HR_TRY(pop())});
    case kAppends: return append(HR_TRY(pop_mark()));
    case kSetItems: return set_items(HR_TRY(pop_mark()));
    case kSetItem: {
      PicklePtr value = HR_TRY(pop());
      PicklePtr key = HR_TRY(pop());
      return set_items({std::move(key), std::move(value)});
    }
    case kBinPut: case kLongBinPut: case kMemoize: case kBinGet: case kLongBinGet: return step_memo(op);
    default: return step_object(op);
  }
}

Result<void> Reader::step_memo(unsigned char op) {
  switch (op) {
    case kBinPut: return put(HR_TRY(little(1)));
    case kLongBinPut: return put(HR_TRY(little(4)));
    case kMemoize: return put(memo_.size());
    case kBinGet: return get(HR_TRY(little(1)));
    default: return get(HR_TRY(little(4)));
  }
}

Result<void> Reader::step_object(unsigned char op) {
  switch (op) {
    case kGlobal: {
      std::string module(HR_TRY(line()));
      return push_global(std::move(module), std::string(HR_TRY(line())));
    }
    case kStackGlobal: {
      const Mutable name = HR_TRY(pop());
      const Mutable module = HR_TRY(pop());
      if (!name->get<std::string>() || !module->get<std::string>()) return problem("the name of a class is no text");
      return push_global(*module->get<std::string>(), *name->get<std::string>());
    }
    case kReduce:
    case kNewObj:
    case kNewObjEx: {
      std::vector<PicklePtr> args;
      if (op == kNewObjEx) {
        const Mutable named = HR_TRY(pop());
        const PickleDict* dict = named->get<PickleDict>();
        if (!dict || !dict->items.empty()) return problem("an object is made with named arguments, which is not read here");
      }
      const Mutable given = HR_TRY(pop());
      const PickleTuple* tuple = given->get<PickleTuple>();
      if (!tuple) return problem("the arguments of an object are no tuple");
      args = tuple->items;
      work_ += args.size();
      const Mutable type = HR_TRY(pop());
      const PickleGlobal* global = type->get<PickleGlobal>();
      if (!global) return problem("an object is made by something that is no class");
      return push(PickleObject{*global, std::move(args), nullptr});
    }
    case kBuild: {
      PicklePtr state = HR_TRY(pop());
      const Mutable object = HR_TRY(top());
      auto* made = std::get_if<PickleObject>(&object->data);
      if (!made) return problem("a state is given to something that is no object");
      made->state = std::move(state);
      return {};
    }
    default: return problem(fmt::format("the opcode 0x{:02x} is not read here", op));
  }
}

Result<void> Reader::push_tuple(std::size_t count) {
  std::vector<PicklePtr> items(count);
  for (std::size_t i = count; i-- > 0;) items[i] = HR_TRY(pop());
  return push(PickleTuple{std::move(items)});
}

Result<void> Reader::push_global(std::string module, std::string name) {
  // Each object holds a copy of the name of its class.
  if (module.size() + name.size() > kNameBytesMax) return problem("the name of a class is too long");
  return push(PickleGlobal{std::move(module), std::move(name)});
}

Result<void> Reader::push_long(std::string_view digits) {
  if (digits.size() > 8) return problem("an integer has more than 64 bits");
  std::uint64_t number = 0;
  for (std::size_t i = digits.size(); i-- > 0;) number = number << 8 | static_cast<unsigned char>(digits[i]);
  const bool negative = !digits.empty() && (static_cast<unsigned char>(digits.back()) & 0x80) != 0;
  if (negative && digits.size() < 8) number |= ~std::uint64_t{0} << (8 * digits.size());
  return push(static_cast<std::int64_t>(number));
}

Result<void> Reader::append(std::vector<PicklePtr> items) {
  const Mutable list = HR_TRY(top());
  auto* found = std::get_if<PickleList>(&list->data);
  if (!found) return problem("items are added to something that is no list");
  work_ += items.size();
  found->items.insert(found->items.end(), items.begin(), items.end());
  return {};
}

Result<void> Reader::set_items(std::vector<PicklePtr> items) {
  if (items.size() % 2 != 0) return problem("a key of a dict has no value");
  const Mutable dict = HR_TRY(top());
  auto* found = std::get_if<PickleDict>(&dict->data);
  if (!found) return problem("keys are set in something that is no dict");
  work_ += items.size();
  for (std::size_t i = 0; i < items.size(); i += 2) found->items.emplace_back(std::move(items[i]), std::move(items[i + 1]));
  return {};
}

Result<void> Reader::put(std::uint64_t index) {
  ++work_;
  memo_[index] = HR_TRY(top());
  return {};
}

Result<void> Reader::get(std::uint64_t index) {
  const auto found = memo_.find(index);
  if (found == memo_.end()) return problem("it refers to a value that it has not given");
  ++work_;
  stack_.push_back({found->second});
  return {};
}

/// How deep `value` is nested; nullopt if more than kPickleDepthMax or if it contains itself. Each shared value is looked at
/// once, so this is quick even where following every path would not be.
std::optional<int> Reader::depth_of(const PickleValue& value, int level) {
  constexpr int kInProgress = 0;
  if (level > kPickleDepthMax) return std::nullopt;
  const auto [known, is_new] = depths_.emplace(&value, kInProgress);
  if (!is_new) {
    if (known->second == kInProgress || level + known->second > kPickleDepthMax) return std::nullopt;
    return known->second;
  }
  int deepest = 0;
  const auto fits = [&](const PicklePtr& child) {
    if (!child) return true;
    const std::optional<int> below = depth_of(*child, level + 1);
    deepest = std::max(deepest, below.value_or(0));
    return below.has_value();
  };
  const auto all_fit = [&](const std::vector<PicklePtr>& items) { return std::all_of(items.begin(), items.end(), fits); };
  bool fine = true;
  if (const auto* list = value.get<PickleList>()) fine = all_fit(list->items);
  if (const auto* tuple = value.get<PickleTuple>()) fine = all_fit(tuple->items);
  if (const auto* object = value.get<PickleObject>()) fine = all_fit(object->args) && fits(object->state);
  if (const auto* dict = value.get<PickleDict>()) {
    for (const auto& [key, item] : dict->items) fine = fine && fits(key) && fits(item);
  }
  if (!fine) return std::nullopt;
  return depths_[&value] = deepest + 1;
}

std::string_view name_of(const PickleValue& value) {
  constexpr std::string_view kNames[] = {"None", "a bool", "an int", "a float", "a str", "bytes", "a list", "a tuple", "a dict",
                                         "a class", "an object"};
  return kNames[value.data.index()];
}

Error not_a(std::string_view expected, const PicklePtr& value) {
  return Error{.what = fmt::format("a pickled value is not {}", expected), .why = fmt::format("it is {}", name_of(*value))};
}

}  // namespace

Result<PicklePtr> read_pickle(std::string_view bytes) {
  if (bytes.size() > kPickleBytesMax) {
    return Error{.what = "this pickle cannot be read here", .why = fmt::format("it has more than {} bytes", kPickleBytesMax)};
  }
  return Reader(bytes).run();
}

Result<bool> pickled_bool(const PicklePtr& value) {
  if (const bool* found = value->get<bool>()) return *found;
  return not_a("a bool", value);
}

Result<std::int64_t> pickled_int(const PicklePtr& value) {
  if (const auto* found = value->get<std::int64_t>()) return *found;
  return not_a("an int", value);
}

Result<std::string> pickled_string(const PicklePtr& value) {
  if (const auto* found = value->get<std::string>()) return *found;
  return not_a("a str", value);
}

Result<std::vector<PicklePtr>> pickled_items(const PicklePtr& value) {
  if (const auto* list = value->get<PickleList>()) return list->items;
  if (const auto* tuple = value->get<PickleTuple>()) return tuple->items;
  return not_a("a list or tuple", value);
}

}  // namespace headrace::codec
