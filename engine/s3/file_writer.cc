#include "s3/file_writer.h"

#include <utility>

#include "base/files.h"

namespace headrace::s3 {

int FileWriter::write(std::string_view bytes, std::uint64_t at) {
  std::unique_lock turn{turn_, std::try_to_lock};
  if (!turn && leave(bytes, at)) return 0;
  if (!turn) turn.lock();
  write_now(bytes, at);
  write_left();
  return error_;
}

int FileWriter::flush() {
  const std::lock_guard turn{turn_};
  write_left();
  return error_;
}

bool FileWriter::leave(std::string_view bytes, std::uint64_t at) {
  const std::lock_guard lock{mutex_};
  if (left_bytes_ + bytes.size() > kLeftMax) return false;
  std::string kept;
  if (!spare_.empty()) {
    kept = std::move(spare_.back());
    spare_.pop_back();
  }
  kept.assign(bytes);
  left_bytes_ += bytes.size();
  left_.push_back({.bytes = std::move(kept), .at = at});
  return true;
}

void FileWriter::write_left() {
  {
    const std::lock_guard lock{mutex_};
    std::swap(writing_, left_);
    left_bytes_ = 0;
  }
  if (writing_.empty()) return;
  for (const Left& one : writing_) write_now(one.bytes, one.at);
  const std::lock_guard lock{mutex_};
  for (Left& one : writing_) spare_.push_back(std::move(one.bytes));
  writing_.clear();
}

void FileWriter::write_now(std::string_view bytes, std::uint64_t at) {
  if (error_ == 0) error_ = write_all_at(fd_, bytes, at);
}

}  // namespace headrace::s3
