#include "store/directory_backend.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/testing/backend_suite.h"
#include "store/testing/temporary_directory.h"

namespace headrace::store {
namespace {

namespace fs = std::filesystem;

class DirectoryBackendTest : public ::testing::Test {
 protected:
  /// Every file below the root, hidden ones too.
  std::vector<std::string> files() {
    std::vector<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(directory_.path())) {
      if (!entry.is_directory()) found.push_back(fs::relative(entry.path(), directory_.path()).string());
    }
    return found;
  }

  testing::TemporaryDirectory directory_;
  DirectoryBackend backend_{directory_.path() + "/root/.metaflow/"};
};

TEST_F(DirectoryBackendTest, ObjectsReplaceAndKeep) { testing::expect_objects_replace_and_keep(backend_); }
TEST_F(DirectoryBackendTest, TreesAppearWhole) { testing::expect_trees_appear_whole(backend_); }
TEST_F(DirectoryBackendTest, StreamsPublishAtCommit) { testing::expect_streams_publish_at_commit(backend_); }
TEST_F(DirectoryBackendTest, OneOfManyWritersWins) { testing::expect_one_of_many_writers_wins(backend_); }
TEST_F(DirectoryBackendTest, UpdatesLoseNothing) { testing::expect_updates_lose_nothing(backend_); }
TEST_F(DirectoryBackendTest, BadKeysAreRefused) { testing::expect_bad_keys_are_refused(backend_); }

TEST_F(DirectoryBackendTest, FilesAreForTheOwnerAndNothingElseIsLeft) {
  ASSERT_TRUE(backend_.put("a/x", "1").ok());
  const std::vector<Object> tree = {{"y", "2"}, {"m/z", "3"}};
  ASSERT_TRUE(backend_.put_tree("a/t", tree).ok());
  ASSERT_FALSE(*backend_.put_new_tree("a/t", tree));
  std::vector<std::string> found = files();
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, (std::vector<std::string>{"root/.metaflow/a/t/m/z", "root/.metaflow/a/t/y", "root/.metaflow/a/x"}));
  for (const std::string& file : found) {
    struct stat info {};
    ASSERT_EQ(::stat((directory_.path() + "/" + file).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U) << file;
  }
}

/// Says how this process has a file open while it is changed.
class LookAtFlags : public Backend::Change {
 public:
  explicit LookAtFlags(std::string path) : path_(std::move(path)) {}
  Result<std::optional<std::string>> apply(const std::string&) override {
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      if (fs::read_symlink(entry.path(), gone) == path_) flags = ::fcntl(std::stoi(entry.path().filename()), F_GETFL);
    }
    return std::optional<std::string>{};
  }
  int flags = -1;

 private:
  std::string path_;
};

TEST_F(DirectoryBackendTest, AnUpdateLocksAFileThatIsOpenForWritingAsNfsWants) {
  ASSERT_TRUE(backend_.put("a/x", "1").ok());
  LookAtFlags look{backend_.location("a/x")};
  ASSERT_TRUE(backend_.update("a/x", look).ok());
  ASSERT_NE(look.flags, -1);
  EXPECT_EQ(look.flags & O_ACCMODE, O_RDWR);
}

TEST_F(DirectoryBackendTest, AnUpdateDoesNotWaitForEverForAnother) {
  ASSERT_TRUE(backend_.put("a/x", "1").ok());
  DirectoryBackend hurried(directory_.path() + "/root/.metaflow", 20ms);
  ASSERT_EQ(hurried.location("a/x"), backend_.location("a/x"));
  const int other = ::open(backend_.location("a/x").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(::flock(other, LOCK_EX), 0);
  LookAtFlags look{hurried.location("a/x")};
  const auto refused = hurried.update("a/x", look);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().why, "another process holds its lock");
  ::close(other);
  EXPECT_TRUE(hurried.update("a/x", look).ok());
}

TEST_F(DirectoryBackendTest, HiddenFilesOfOthersAreNotListed) {
  ASSERT_TRUE(backend_.put("a/x", "1").ok());
  std::ofstream{directory_.path() + "/root/.metaflow/a/.hr-crashed"} << "half";
  auto entries = backend_.list("a");
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries->size(), 1U);
  EXPECT_EQ(entries->front().name, "x");
}

TEST_F(DirectoryBackendTest, WhatAKilledWriterLeftIsRemovedAfterADay) {
  const std::string folder = directory_.path() + "/data";
  fs::create_directories(folder + "/.hr-999999998-1-a-1");  // a folder is none of them
  const std::string gone = ".hr-999999999-1-a-0";
  const std::string alive = ".hr-" + std::to_string(::getpid()) + "-1-a-0";
  for (const std::string& name : {gone, alive, std::string(".hr-x"), std::string("blob")}) std::ofstream{folder + "/" + name} << "half";
  const std::time_t now = std::time(nullptr);
  const auto left = [&folder] {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
    return names;
  };
  remove_leftovers(folder, now + 23 * 60 * 60);
  EXPECT_EQ(left().size(), 5U);
  remove_leftovers(folder, now + 25 * 60 * 60);
  EXPECT_THAT(left(), ::testing::UnorderedElementsAre(alive, ".hr-x", "blob", ".hr-999999998-1-a-1"));
  remove_leftovers(directory_.path() + "/missing", now);
}

TEST_F(DirectoryBackendTest, ErrorsNameThePathAndTheCause) {
  // A file where a directory is needed: works for root too, who may write anywhere.
  fs::create_directories(directory_.path() + "/root");
  std::ofstream{directory_.path() + "/root/.metaflow"} << "a file";
  auto put = backend_.put("flow/x", "1");
  ASSERT_FALSE(put.ok());
  EXPECT_NE(to_text(put.error()).find("/root/.metaflow"), std::string::npos) << to_text(put.error());
  EXPECT_FALSE(put.error().why.empty());
  EXPECT_FALSE(backend_.put_new_tree("flow/t", {}).ok());
  EXPECT_FALSE(backend_.create("flow/data").ok());
  EXPECT_EQ(backend_.get("flow/x").error().kind, Kind::missing);
}

/// Writes beyond `bytes` fail while it lives, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }

 private:
  sighandler_t handler_;
  rlimit before_{};
};

TEST_F(DirectoryBackendTest, AFailedWriteLeavesWhatWasThere) {
  const std::string large(5000, 'x');
  ASSERT_TRUE(backend_.put("a/x", "old").ok());
  {
    const FileSizeLimit limit{1000};
    EXPECT_FALSE(backend_.put("a/x", large).ok());
    EXPECT_FALSE(backend_.put_new("a/y", large).ok());
    const std::vector<Object> tree = {{"small", "1"}, {"m/large", large}};
    EXPECT_FALSE(backend_.put_tree("a/t", tree).ok());
    EXPECT_FALSE(backend_.put_new_tree("a/u", tree).ok());
    auto writer = backend_.create("a/data");
    ASSERT_TRUE(writer.ok());
    auto written = (*writer)->write(large);
    ASSERT_FALSE(written.ok());
    EXPECT_NE(to_text(written.error()).find(directory_.path()), std::string::npos) << to_text(written.error());
  }
  EXPECT_EQ(files(), std::vector<std::string>{"root/.metaflow/a/x"});
  EXPECT_EQ(*backend_.get("a/x"), "old");
}

}  // namespace
}  // namespace headrace::store
