#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "codec/tar.h"

namespace {

/// What the reader promises about each member.
class CheckingSink : public headrace::codec::TarSink {
 public:
  headrace::Result<void> begin(const headrace::codec::TarMember& member) override {
    HR_CHECK(!open_);
    open_ = true;
    left_ = member.size;
    HR_CHECK(!member.name.empty() && member.name.front() != '/');
    const std::string path = "/" + member.name + "/";
    HR_CHECK(path.find("/../") == std::string::npos && path.find("//") == std::string::npos);
    return {};
  }
  headrace::Result<void> content(std::string_view bytes) override {
    HR_CHECK(open_ && bytes.size() <= left_);
    left_ -= bytes.size();
    return {};
  }
  headrace::Result<void> end() override {
    HR_CHECK(open_ && left_ == 0);
    open_ = false;
    return {};
  }
  bool open_ = false;
  std::uint64_t left_ = 0;
};

}  // namespace

/// Whatever bytes come, in one piece or in many: members as promised, and the same verdict.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  CheckingSink whole_sink;
  headrace::codec::TarReader whole(whole_sink);
  const bool whole_ok = whole.feed(bytes).ok() && whole.finish().ok();
  CheckingSink piece_sink;
  headrace::codec::TarReader pieces(piece_sink);
  bool pieces_ok = true;
  for (std::size_t at = 0; at < size && pieces_ok; at += 7) pieces_ok = pieces.feed(bytes.substr(at, 7)).ok();
  pieces_ok = pieces_ok && pieces.finish().ok();
  HR_CHECK(whole_ok == pieces_ok);
  return 0;
}
