#include "codec/pickle.h"

#include <gtest/gtest.h>

namespace headrace::codec {
namespace {

std::string bytes_of(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return bytes;
}

Result<PicklePtr> read_hex(std::string_view hex) { return read_pickle(bytes_of(hex)); }

TEST(Pickle, TaskOk) {
  EXPECT_TRUE(pickled_bool(read_hex("8004882e").value()).value());
  EXPECT_FALSE(pickled_bool(read_hex("8004892e").value()).value());
  EXPECT_TRUE(read_hex("80044e2e").value()->is_none());
}

// pickle.dumps((['join'], None), 4) and pickle.dumps((['work'], 'items'), 2)
TEST(Pickle, Transition) {
  const auto four = pickled_items(read_hex("8004950e000000000000005d948c046a6f696e94614e86942e").value()).value();
  ASSERT_EQ(four.size(), 2u);
  EXPECT_EQ(pickled_string(pickled_items(four[0]).value().at(0)).value(), "join");
  EXPECT_TRUE(four[1]->is_none());
  const auto two = pickled_items(read_hex("80025d71005804000000776f726b71016158050000006974656d7371028671032e").value()).value();
  EXPECT_EQ(pickled_string(pickled_items(two[0]).value().at(0)).value(), "work");
  EXPECT_EQ(pickled_string(two[1]).value(), "items");
}

// pickle.dumps([ForeachFrame('work', 'items', 3, 0, 'a')], p) of a class in __main__
TEST(Pickle, ForeachStackOfEveryProtocol) {
  for (const char* hex :
       {"80025d7100635f5f6d61696e5f5f0a466f72656163684672616d650a7101285804000000776f726b710258050000006974656d7371034b034b00"
        "5801000000617104747105817106612e",
        "8004953c000000000000005d948c085f5f6d61696e5f5f948c0c466f72656163684672616d65949394288c04776f726b948c056974656d73944b03"
        "4b008c01619474948194612e",
        "8005953c000000000000005d948c085f5f6d61696e5f5f948c0c466f72656163684672616d65949394288c04776f726b948c056974656d73944b03"
        "4b008c01619474948194612e"}) {
    const auto stack = pickled_items(read_hex(hex).value()).value();
    ASSERT_EQ(stack.size(), 1u);
    const auto* frame = stack[0]->get<PickleObject>();
    ASSERT_NE(frame, nullptr);
    EXPECT_EQ(frame->type.module, "__main__");
    EXPECT_EQ(frame->type.name, "ForeachFrame");
    ASSERT_EQ(frame->args.size(), 5u);
    EXPECT_EQ(pickled_string(frame->args[0]).value(), "work");
    EXPECT_EQ(pickled_string(frame->args[1]).value(), "items");
    EXPECT_EQ(pickled_int(frame->args[2]).value(), 3);
    EXPECT_EQ(pickled_int(frame->args[3]).value(), 0);
    EXPECT_EQ(pickled_string(frame->args[4]).value(), "a");
    EXPECT_EQ(frame->state, nullptr);
  }
}

// pickle.dumps({'a': [1, -1, 70000, 2**40, -2**40, 1.5, True, None, b'xy', (1, 2, 3, 4)]}, 4)
TEST(Pickle, EveryKindOfValue) {
  const PicklePtr top = read_hex("80049543000000000000007d948c0161945d94284b014affffffff4a701101008a060000000000018a06000000000"
                                 "0ff473ff8000000000000884e4302787994284b014b024b034b04749465732e").value();
  const auto* dict = top->get<PickleDict>();
  ASSERT_NE(dict, nullptr);
  ASSERT_EQ(dict->items.size(), 1u);
  const auto items = pickled_items(dict->items[0].second).value();
  ASSERT_EQ(items.size(), 10u);
  EXPECT_EQ(pickled_int(items[1]).value(), -1);
  EXPECT_EQ(pickled_int(items[2]).value(), 70000);
  EXPECT_EQ(pickled_int(items[3]).value(), std::int64_t{1} << 40);
  EXPECT_EQ(pickled_int(items[4]).value(), -(std::int64_t{1} << 40));
  EXPECT_EQ(*items[5]->get<double>(), 1.5);
  EXPECT_EQ(items[8]->get<PickleBytes>()->bytes, "xy");
  EXPECT_EQ(pickled_items(items[9]).value().size(), 4u);
}

TEST(Pickle, StateOfAnObject) {
  // c = C(); c.x = 1, of a class C in __main__, protocol 2
  const PicklePtr top = read_pickle(std::string("\x80\x02" "c__main__\nC\n)\x81}X\x01\x00\x00\x00xK\x01sb.", 28)).value();
  const auto* object = top->get<PickleObject>();
  ASSERT_NE(object, nullptr);
  ASSERT_NE(object->state, nullptr);
  EXPECT_EQ(object->state->get<PickleDict>()->items.size(), 1u);
}

TEST(Pickle, SaysWhatItDoesNotRead) {
  auto other = read_hex("8004950400000000000000288f2e");  // A set.
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().why, "the opcode 0x8f is not read here (byte 12)");
  EXPECT_EQ(read_hex("80008812").error().why, "its protocol is 0, not 2 to 5 (byte 0)");
  EXPECT_EQ(read_hex("80068812").error().why, "its protocol is 6, not 2 to 5 (byte 0)");
  EXPECT_EQ(pickled_bool(read_hex("80044e2e").value()).error().why, "it is None");
}

TEST(Pickle, EveryCutIsFound) {
  const std::string whole = bytes_of("8004953c000000000000005d948c085f5f6d61696e5f5f948c0c466f72656163684672616d65949394288c04776f72"
                                     "6b948c056974656d73944b034b008c01619474948194612e");
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(read_pickle(std::string_view(whole).substr(0, size)).ok()) << size;
  EXPECT_FALSE(read_pickle(whole + "x").ok());
}

TEST(Pickle, HostileInputIsRefused) {
  EXPECT_FALSE(read_hex("80045d9468006168002e").ok());                              // More values than one at the end.
  EXPECT_FALSE(read_hex("80045d946800612e").ok());                                  // A list that contains itself.
  EXPECT_FALSE(read_pickle("\x80\x04" + std::string(1'000'000, ']') + ".").ok());   // Left over, many.
  EXPECT_FALSE(read_pickle("\x80\x04" + std::string(100'000, ']') + std::string(99'999, 'a') + ".").ok());  // Very deep.
  EXPECT_FALSE(read_pickle("\x80\x04" + std::string(300'000, 'N') + ".").ok());     // Too many.
  EXPECT_FALSE(read_hex("80048d" "ffffffffffffffff" "2e").ok());                    // A length without end.
  EXPECT_FALSE(read_hex("8004612e").ok());
  EXPECT_FALSE(read_hex("80044b0181" "2e").ok());
  EXPECT_FALSE(read_pickle("").ok());
}

TEST(Pickle, NestingUpToTheBoundIsRead) {
  const auto nested = [](int depth) {
    return "\x80\x04" + std::string(static_cast<std::size_t>(depth), ']') + std::string(static_cast<std::size_t>(depth - 1), 'a') + ".";
  };
  EXPECT_TRUE(read_pickle(nested(kPickleDepthMax)).ok());
  EXPECT_FALSE(read_pickle(nested(kPickleDepthMax + 1)).ok());
}

}  // namespace
}  // namespace headrace::codec
