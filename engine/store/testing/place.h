#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "s3/client.h"
#include "store/backend.h"
#include "store/testing/temporary_directory.h"

namespace headrace::store::testing {

/// A place of a test's own for objects: a directory, or a prefix of a bucket. Empty at first; what is in it goes with it.
class Place {
 public:
  enum class Kind { directory, s3 };

  explicit Place(Kind kind);
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place();

  /// A backend that knows of the place what another process would.
  [[nodiscard]] std::unique_ptr<Backend> open() const;
  /// Its path, or its URL.
  [[nodiscard]] std::string root() const { return client_ ? url_ : directory_.path(); }
  /// Of a place in S3.
  [[nodiscard]] s3::Client& client() const { return *client_; }

 private:
  TemporaryDirectory directory_;
  std::shared_ptr<s3::Client> client_;
  std::string url_;
};

/// Whether there is an S3 server: METAFLOW_S3_ENDPOINT_URL, credentials, and HEADRACE_TEST_S3_ROOT=s3://bucket/prefix to write below.
bool has_s3();
/// The kinds of places there can be here.
std::vector<Place::Kind> kinds_of_places();
std::string name_of_kind(const ::testing::TestParamInfo<Place::Kind>& kind);

/// A fixture whose tests run once in each kind of place:
///     INSTANTIATE_TEST_SUITE_P(In, MyTest, ::testing::ValuesIn(testing::kinds_of_places()), testing::name_of_kind);
class InEachPlace : public ::testing::TestWithParam<Place::Kind> {
 protected:
  Place place_{GetParam()};
  std::unique_ptr<Backend> opened_ = place_.open();
  Backend& backend_ = *opened_;
};

}  // namespace headrace::store::testing
