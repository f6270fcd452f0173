#include "codec/md5.h"

#include <gtest/gtest.h>

#include <openssl/evp.h>

#include "base/random.h"
#include "codec/hex.h"

namespace headrace::codec {
namespace {

std::string one(std::string_view message) { return md5_hex({&message, 1}).front(); }

TEST(Md5, KnowsWhatRfc1321Gives) {
  EXPECT_EQ(one(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(one("abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(one("12345678901234567890123456789012345678901234567890123456789012345678901234567890"), "57edf4a22be3c955ac49da2e2107b67a");
}

std::string by_openssl(std::string_view message) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EXPECT_EQ(EVP_Digest(message.data(), message.size(), digest, &size, EVP_md5(), nullptr), 1);
  return to_hex({digest, size});
}

TEST(Md5, AnyLengthsSideBySide) {
  Random random(1);
  for (std::size_t count = 0; count <= 2 * kMd5Lanes + 1; ++count) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < count; ++i) {
      std::string text(random.below(i % 3 == 0 ? 130 : 5000), ' ');
      for (char& c : text) c = static_cast<char>(random.below(256));
      texts.push_back(std::move(text));
    }
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    const std::vector<std::string> found = md5_hex(views);
    ASSERT_EQ(found.size(), count);
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(found[i], by_openssl(texts[i])) << texts[i].size();
  }
}

TEST(Md5, EveryPlaceOfTheEnd) {
  const std::string text(200, 'x');
  for (std::size_t size = 0; size <= text.size(); ++size) EXPECT_EQ(one(text.substr(0, size)), by_openssl(text.substr(0, size)));
}

}  // namespace
}  // namespace headrace::codec
