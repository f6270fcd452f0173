#include "wire/messages.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

namespace headrace::wire {
namespace {

/// tests/wire/*.json: what both languages must read and write.
codec::Json sample(const std::string& name) {
  const std::string path = std::string(HR_WIRE_SAMPLES) + "/" + name;
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << path;
  std::stringstream text;
  text << file.rdbuf();
  auto json = codec::parse_json(text.str(), path);
  EXPECT_TRUE(json.ok()) << to_text(json.error());
  return *json;
}

TEST(AttemptRequest, EverySampleIsReadAndWrittenAlike) {
  std::set<std::string> seen;
  for (const codec::Json& message : sample("attempt_requests.json")) {
    const auto request = parse_attempt_request(message);
    ASSERT_TRUE(request.ok()) << message << "\n" << to_text(request.error());
    EXPECT_EQ(to_json(*request), message);
    seen.insert(std::string(op_of(*request)));
  }
  EXPECT_EQ(seen.size(), std::variant_size_v<AttemptRequest>) << "every message needs a sample";
}

TEST(AttemptRequest, EveryBadSampleIsRefusedByName) {
  for (const codec::Json& entry : sample("bad_attempt_requests.json")) {
    const auto request = parse_attempt_request(entry["message"]);
    ASSERT_FALSE(request.ok()) << entry;
    EXPECT_EQ(request.error().kind, Kind::misuse);
    EXPECT_EQ(request.error().what, entry["what"].get<std::string>());
    EXPECT_EQ(request.error().where, entry["where"].get<std::string>());
  }
}

TEST(BeginAnswer, EverySampleIsReadAndWrittenAlike) {
  for (const codec::Json& message : sample("begin_answers.json")) {
    const auto answer = parse_begin_answer(message);
    ASSERT_TRUE(answer.ok()) << message << "\n" << to_text(answer.error());
    EXPECT_EQ(to_json(*answer), message);
  }
}

}  // namespace
}  // namespace headrace::wire
