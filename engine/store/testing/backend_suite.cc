#include "store/testing/backend_suite.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace headrace::store::testing {
namespace {

std::vector<std::string> names(Backend& backend, const std::string& directory) {
  std::vector<std::string> result;
  auto entries = backend.list(directory);
  EXPECT_TRUE(entries.ok());
  if (!entries) return result;
  for (const Backend::Entry& entry : *entries) result.push_back(entry.name + (entry.directory ? "/" : ""));
  return result;
}

std::string text(Backend& backend, const std::string& key) {
  auto bytes = backend.get(key);
  return bytes ? *bytes : "<" + std::string{to_string(bytes.error().kind)} + ">";
}

class Increment final : public Backend::Change {
 public:
  Result<std::optional<std::string>> apply(const std::string& before) override {
    return std::optional<std::string>{std::to_string(std::stoi(before) + 1)};
  }
};

class Refuse final : public Backend::Change {
 public:
  Result<std::optional<std::string>> apply(const std::string&) override {
    return Error{.kind = Kind::misuse, .what = "no"};
  }
};

}  // namespace

void expect_objects_replace_and_keep(Backend& backend) {
  EXPECT_EQ(text(backend, "a/x"), "<missing>");
  EXPECT_EQ(*backend.size("a/x"), std::nullopt);
  EXPECT_TRUE(backend.put("a/x", "one").ok());
  EXPECT_TRUE(backend.put("a/x", "other").ok());
  EXPECT_EQ(text(backend, "a/x"), "other");
  EXPECT_FALSE(*backend.put_new("a/x", "late"));
  EXPECT_EQ(text(backend, "a/x"), "other");
  EXPECT_TRUE(*backend.put_new("a/b/c/y", ""));
  EXPECT_EQ(*backend.size("a/x"), 5U);
  EXPECT_EQ(*backend.size("a/b/c/y"), 0U);
  EXPECT_EQ(text(backend, "a/b/c/y"), "");
  EXPECT_EQ(names(backend, "a"), (std::vector<std::string>{"b/", "x"}));
  EXPECT_EQ(names(backend, ""), std::vector<std::string>{"a/"});
  EXPECT_EQ(names(backend, "nothing/here"), std::vector<std::string>{});
  EXPECT_EQ(text(backend, "a/b"), "<missing>");        // a directory is no object
  EXPECT_EQ(text(backend, "a/x/below"), "<missing>");  // an object is no directory
  EXPECT_TRUE(backend.remove("a/x").ok());
  EXPECT_TRUE(backend.remove("a/x").ok());
  EXPECT_EQ(text(backend, "a/x"), "<missing>");
}

void expect_trees_appear_whole(Backend& backend) {
  const std::vector<Object> first = {{"0.begin", "0"}, {"_meta/self", "self"}, {"_meta/f", "f"}};
  EXPECT_TRUE(backend.put_tree("t/work/1", first).ok());
  EXPECT_EQ(names(backend, "t/work"), std::vector<std::string>{"1/"});
  EXPECT_EQ(names(backend, "t/work/1"), (std::vector<std::string>{"0.begin", "_meta/"}));
  EXPECT_EQ(text(backend, "t/work/1/_meta/self"), "self");

  const std::vector<Object> second = {{"1.begin", "1"}, {"_meta/f", "new"}};
  EXPECT_TRUE(backend.put_tree("t/work/1", second).ok());
  EXPECT_EQ(text(backend, "t/work/1/0.begin"), "0");
  EXPECT_EQ(text(backend, "t/work/1/_meta/f"), "new");

  EXPECT_FALSE(*backend.put_new_tree("t/work/1", first));
  EXPECT_EQ(text(backend, "t/work/1/_meta/f"), "new");
  EXPECT_TRUE(*backend.put_new_tree("t/work/2", first));
  EXPECT_EQ(names(backend, "t/work"), (std::vector<std::string>{"1/", "2/"}));
}

void expect_streams_publish_at_commit(Backend& backend) {
  {
    auto dropped = backend.create("s/data");
    ASSERT_TRUE(dropped.ok());
    EXPECT_TRUE((*dropped)->write("lost").ok());
  }
  EXPECT_EQ(names(backend, "s/data"), std::vector<std::string>{});
  auto writer = backend.create("s/data");
  ASSERT_TRUE(writer.ok());
  EXPECT_TRUE((*writer)->write("ab").ok());
  EXPECT_TRUE((*writer)->write("").ok());
  EXPECT_TRUE((*writer)->write("cd").ok());
  EXPECT_EQ(text(backend, "s/data/k/key"), "<missing>");
  EXPECT_TRUE(*(*writer)->commit_new("s/data/k/key"));
  auto late = backend.create("s/data");
  ASSERT_TRUE(late.ok());
  EXPECT_TRUE((*late)->write("late").ok());
  EXPECT_FALSE(*(*late)->commit_new("s/data/k/key"));

  auto reader = backend.open("s/data/k/key");
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->size(), 4U);
  std::string found;
  for (;;) {
    std::string piece(3, '\0');
    auto n = (*reader)->read(piece);
    ASSERT_TRUE(n.ok());
    if (*n == 0) break;
    found += piece.substr(0, *n);
  }
  EXPECT_EQ(found, "abcd");
  EXPECT_EQ(backend.open("s/data/k/none").error().kind, Kind::missing);
}

void expect_one_of_many_writers_wins(Backend& backend) {
  for (int round = 0; round < 20; ++round) {
    const std::string key = "race/" + std::to_string(round);
    std::atomic<int> files{0};
    std::atomic<int> trees{0};
    std::vector<std::jthread> writers;
    for (int i = 0; i < 4; ++i) {
      writers.emplace_back([&, i] {
        const std::string me = std::to_string(i);
        files += *backend.put_new(key + "/object", me) ? 1 : 0;
        const Object object{.key = "self", .bytes = me};
        trees += *backend.put_new_tree(key + "/tree", {&object, 1}) ? 1 : 0;
      });
    }
    writers.clear();
    EXPECT_EQ(files, 1);
    EXPECT_EQ(trees, 1);
    EXPECT_EQ(text(backend, key + "/object").size(), 1U);
  }
}

void expect_updates_lose_nothing(Backend& backend) {
  Increment increment;
  EXPECT_EQ(backend.update("u/n", increment).error().kind, Kind::missing);
  EXPECT_TRUE(backend.put("u/n", "0").ok());
  std::vector<std::jthread> writers;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&] {
      for (int k = 0; k < 50; ++k) {
        Increment mine;
        const auto updated = backend.update("u/n", mine);
        EXPECT_TRUE(updated.ok()) << to_text(updated.error());
      }
    });
  }
  writers.clear();
  EXPECT_EQ(text(backend, "u/n"), "200");
  Refuse refuse;
  EXPECT_EQ(backend.update("u/n", refuse).error().kind, Kind::misuse);
  EXPECT_EQ(text(backend, "u/n"), "200");
  EXPECT_EQ(names(backend, "u"), std::vector<std::string>{"n"});
}

void expect_bad_keys_are_refused(Backend& backend) {
  using namespace std::string_literals;
  for (const std::string& key : {""s, "/"s, "/etc/x"s, "a//b"s, "a/"s, "../x"s, "a/../../x"s, ".hidden"s, "a/.b"s, "a\0b"s}) {
    SCOPED_TRACE(key);
    EXPECT_EQ(backend.put(key, "x").error().kind, Kind::misuse);
    EXPECT_EQ(backend.put_new(key, "x").error().kind, Kind::misuse);
    EXPECT_EQ(backend.get(key).error().kind, Kind::misuse);
    EXPECT_EQ(backend.open(key).error().kind, Kind::misuse);
    EXPECT_EQ(backend.size(key).error().kind, Kind::misuse);
    const Object object{.key = key, .bytes = "x"};
    EXPECT_EQ(backend.put_tree("tree", {&object, 1}).error().kind, Kind::misuse);
    EXPECT_EQ(backend.put_tree(key, {&object, 1}).error().kind, Kind::misuse);
  }
  EXPECT_EQ(names(backend, ""), std::vector<std::string>{});
}

}  // namespace headrace::store::testing
