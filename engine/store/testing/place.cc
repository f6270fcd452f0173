#include "store/testing/place.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>

#include "base/check.h"
#include "store/directory_backend.h"
#include "store/s3_backend.h"

namespace headrace::store::testing {
namespace {

std::string s3_root() {
  const char* root = std::getenv("HEADRACE_TEST_S3_ROOT");
  return root == nullptr ? "" : root;
}

}  // namespace

Place::Place(Kind kind) {
  if (kind == Kind::directory) return;
  static std::atomic<int> made = 0;
  auto settings = s3::Settings::from_environment();
  HR_CHECK(settings.ok());
  auto client = s3::Client::make(*settings);
  HR_CHECK(client.ok());
  client_ = std::move(*client);
  url_ = s3_root() + "/store-" + std::to_string(::getpid()) + "-" + std::to_string(++made);
}

Place::~Place() {
  if (!client_) return;
  const s3::Address place = *s3::parse_address(url_);
  auto left = client_->list(place.bucket, place.key + "/", "");
  EXPECT_TRUE(left.ok()) << to_text(left.error());
  if (!left) return;
  for (const s3::Listed& entry : *left) EXPECT_TRUE(client_->remove({.bucket = place.bucket, .key = entry.key}).ok());
}

std::unique_ptr<Backend> Place::open() const {
  if (!client_) return std::make_unique<DirectoryBackend>(directory_.path());
  auto backend = S3Backend::make(client_, url_ + "/");
  HR_CHECK(backend.ok());
  return std::move(*backend);
}

bool has_s3() { return !s3_root().empty(); }

std::vector<Place::Kind> kinds_of_places() {
  std::vector<Place::Kind> kinds{Place::Kind::directory};
  if (has_s3()) kinds.push_back(Place::Kind::s3);
  return kinds;
}

std::string name_of_kind(const ::testing::TestParamInfo<Place::Kind>& kind) {
  return kind.param == Place::Kind::s3 ? "S3" : "Directory";
}

}  // namespace headrace::store::testing
