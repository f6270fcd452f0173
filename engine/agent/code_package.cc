#include "agent/code_package.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "codec/tar.h"
#include "loop/unique_fd.h"
#include "store/archive.h"

namespace headrace::agent {
namespace {

class Unpacker : public codec::TarSink {
 public:
  explicit Unpacker(std::string folder) : folder_(std::move(folder)) {}

  Result<void> begin(const codec::TarMember& member) override {
    path_ = folder_ + "/" + member.name;
    HR_TRY(make_folders(path_.substr(0, path_.rfind('/'))));
    file_ = loop::UniqueFd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, member.executable ? 0755 : 0644));
    return file_ ? Result<void>() : failed();
  }
  Result<void> content(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t count = ::write(file_.get(), bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return failed();
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return {};
  }
  Result<void> end() override {
    file_.reset();
    return {};
  }

 private:
  Result<void> make_folders(const std::string& folder) {
    if (folder == last_folder_) return {};
    std::error_code code;
    std::filesystem::create_directories(folder, code);
    if (code) return system_error(code.value(), "a folder of the code package cannot be made").at(folder);
    last_folder_ = folder;
    return {};
  }
  Error failed() const { return system_error(errno, "a file of the code package cannot be written").at(path_); }

  std::string folder_;
  std::string last_folder_;
  std::string path_;
  loop::UniqueFd file_;
};

}  // namespace

Result<void> unpack_code(store::BlobStore& blobs, const wire::CodePackage& code, const std::string& folder) {
  const std::string place = "the code package " + code.url;
  const store::BlobUse use{.name = "code package", .path = {}};
  for (int attempt = 0;; ++attempt) {
    auto blob = blobs.raw_reader(BlobKey(code.sha), use);
    if (!blob) return std::move(blob).error().at(place);
    Unpacker files(folder);
    auto unpacked = store::read_archive(**blob, files);
    // Damage on the way is gone when the same is read again.
    if (unpacked.ok() || unpacked.error().kind != Kind::failed || attempt > 0) {
      return unpacked ? std::move(unpacked) : std::move(unpacked).error().at(place);
    }
  }
}

}  // namespace headrace::agent
