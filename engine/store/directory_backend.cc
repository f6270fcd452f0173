#include "store/directory_backend.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "base/files.h"
#include "store/object_key.h"

namespace headrace::store {
namespace {

/// A descriptor that closes itself.
class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool ok() const { return fd_ >= 0; }
  /// Closes now; a write error that only close reports (NFS, quotas) is not lost. Returns errno or 0.
  [[nodiscard]] int close_now() {
    const int fd = std::exchange(fd_, -1);
    return ::close(fd) == 0 || errno == EINTR ? 0 : errno;
  }

 private:
  int fd_;
};

Error file_error(int code, std::string_view doing, const std::string& path) {
  Error error = system_error(code, fmt::format("cannot {} `{}`", doing, path));
  switch (code) {
    case EDQUOT: error.next = "your disk quota is used up: free some space, then `resume` the run"; break;
    case EACCES:
    case EPERM: error.next = "check the owner and the mode of this path and of the directories above it"; break;
    case EROFS: error.next = "the file system is read-only: store elsewhere with METAFLOW_DATASTORE_SYSROOT_LOCAL"; break;
    case EMFILE:
    case ENFILE: error.next = "raise the limit of open files (ulimit -n), or lower --max-workers"; break;
    default: break;
  }
  return error;
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// `mkdir -p`. Returns errno or 0.
int make_directories(const std::string& path) {
  if (::mkdir(path.c_str(), 0777) == 0 || errno == EEXIST) return 0;
  if (errno != ENOENT) return errno;
  const std::string parent = parent_of(path);
  if (parent == path || parent == ".") return ENOENT;
  if (const int code = make_directories(parent); code != 0) return code;
  return ::mkdir(path.c_str(), 0777) == 0 || errno == EEXIST ? 0 : errno;
}

/// A name beside which nothing of ours or of other processes stands, most likely; O_EXCL and a loop make it sure.
std::string hidden_name(unsigned try_number) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return fmt::format(".hr-{}-{}-{:x}-{}", ::getpid(), static_cast<long>(::gettid()),
                     now.tv_sec * 1'000'000'000LL + now.tv_nsec, try_number);
}

/// The process that chose a hidden name; 0 for other names.
pid_t writer_of(std::string_view name) {
  constexpr std::string_view kHead = ".hr-";
  if (!name.starts_with(kHead)) return 0;
  pid_t pid = 0;
  const auto [end, code] = std::from_chars(name.data() + kHead.size(), name.data() + name.size(), pid);
  return code == std::errc{} && end != name.data() + name.size() && *end == '-' && pid > 0 ? pid : 0;
}

struct Temporary {
  Fd fd;
  std::string path;
};

/// A new empty hidden file in `directory`, which is made if needed.
Result<Temporary> make_temporary(const std::string& directory) {
  bool made = false;
  for (unsigned i = 0;; ++i) {
    std::string path = directory + "/" + hidden_name(i);
    Fd fd{::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
    if (fd.ok()) return Temporary{std::move(fd), std::move(path)};
    const int code = errno;
    if (code == ENOENT && !made) {
      if (const int why = make_directories(directory); why != 0) return file_error(why, "make the directory", directory);
      made = true;
    } else if ((code != EEXIST && code != EINTR) || i > 1000) {
      return file_error(code, "write in", directory);
    }
  }
}

/// Gives `from` the name `to` unless that exists. Returns errno (EEXIST: it does) or 0.
int rename_new(const std::string& from, const std::string& to, bool directory) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) return errno;
  // File systems without RENAME_NOREPLACE: a hard link does not replace either, nor does renaming onto a full directory.
  if (directory) return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : (errno == ENOTEMPTY ? EEXIST : errno);
  if (::link(from.c_str(), to.c_str()) != 0) return errno;
  ::unlink(from.c_str());
  return 0;
}

Result<bool> put_file(const std::string& path, std::string_view bytes, bool replace) {
  Temporary temporary = HR_TRY(make_temporary(parent_of(path)));
  int code = write_all(temporary.fd.get(), bytes);
  if (const int closed = temporary.fd.close_now(); code == 0) code = closed;
  if (code == 0) {
    code = replace ? (::rename(temporary.path.c_str(), path.c_str()) == 0 ? 0 : errno)
                   : rename_new(temporary.path, path, false);
  }
  if (code == 0) return true;
  ::unlink(temporary.path.c_str());
  if (!replace && code == EEXIST) return false;
  return file_error(code, "write", path);
}

/// Removes a directory of our own making, two levels of files at most deep as `put_tree` makes them.
void remove_tree(const std::string& path) {
  if (DIR* dir = ::opendir(path.c_str())) {
    while (const dirent* entry = ::readdir(dir)) {
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      const std::string child = path + "/" + name;
      if (::unlink(child.c_str()) != 0) remove_tree(child);
    }
    ::closedir(dir);
  }
  ::rmdir(path.c_str());
}

/// Writes the objects below the new directory `root`, without care for readers: nobody sees it yet.
Result<void> fill_tree(const std::string& root, std::span<const Object> objects) {
  const Fd top{::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!top.ok()) return file_error(errno, "open", root);
  std::string made;
  for (const Object& object : objects) {
    if (!is_key(object.key)) return bad_key(object.key);
    if (const auto slash = object.key.rfind('/'); slash != std::string::npos) {
      const std::string_view parent{object.key.data(), slash};
      if (parent != made) {
        if (const int code = make_directories(root + "/" + std::string{parent}); code != 0) {
          return file_error(code, "make a directory in", root);
        }
        made = parent;
      }
    }
    Fd file{::openat(top.get(), object.key.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
    if (!file.ok()) return file_error(errno, "write", root + "/" + object.key);
    int code = write_all(file.get(), object.bytes);
    if (const int closed = file.close_now(); code == 0) code = closed;
    if (code != 0) return file_error(code, "write", root + "/" + object.key);
  }
  return {};
}

/// Builds the directory aside and renames it. False if `path` exists by then.
Result<bool> build_tree(const std::string& path, std::span<const Object> objects) {
  const std::string parent = parent_of(path);
  std::string aside;
  for (unsigned i = 0;; ++i) {
    aside = parent + "/" + hidden_name(i);
    if (::mkdir(aside.c_str(), 0777) == 0) break;
    const int code = errno;
    if (code == ENOENT && i == 0) {
      if (const int why = make_directories(parent); why != 0) return file_error(why, "make the directory", parent);
    } else if (code != EEXIST || i > 1000) {
      return file_error(code, "make a directory in", parent);
    }
  }
  auto filled = fill_tree(aside, objects);
  if (!filled) {
    remove_tree(aside);
    return std::move(filled).error();
  }
  const int code = rename_new(aside, path, true);
  if (code == 0) return true;
  remove_tree(aside);
  if (code == EEXIST || code == ENOTEMPTY) return false;
  return file_error(code, "make", path);
}

Result<std::string> read_file(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return file_error(errno, "read", path);
  if (S_ISDIR(info.st_mode)) {
    return Error{.kind = Kind::missing, .what = fmt::format("cannot read `{}`", path), .why = "it is a directory"};
  }
  std::string bytes(static_cast<std::size_t>(info.st_size) + 1, '\0');  // one more, to see the end without growing
  std::size_t used = 0;
  for (;;) {
    if (used == bytes.size()) bytes.resize(bytes.size() * 2);
    const ssize_t n = ::read(fd, bytes.data() + used, bytes.size() - used);
    if (n == 0) break;
    if (n < 0) {
      if (errno == EINTR) continue;
      return file_error(errno, "read", path);
    }
    used += static_cast<std::size_t>(n);
  }
  bytes.resize(used);
  return bytes;
}

Result<Fd> open_to_read(const std::string& path) {
  Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (fd.ok()) return fd;
  // A file where a directory should be is as absent as the object itself.
  return file_error(errno == ENOTDIR ? ENOENT : errno, "read", path);
}

class FileReader final : public ObjectReader {
 public:
  FileReader(Fd fd, std::string path, std::uint64_t size) : fd_(std::move(fd)), path_(std::move(path)), size_(size) {}

  Result<std::size_t> read(std::span<char> buffer) override {
    for (;;) {
      const ssize_t n = ::read(fd_.get(), buffer.data(), std::min<std::size_t>(buffer.size(), 1U << 30));
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno != EINTR) return file_error(errno, "read", path_);
    }
  }
  [[nodiscard]] std::uint64_t size() const override { return size_; }

 private:
  Fd fd_;
  std::string path_;
  std::uint64_t size_;
};

/// Writes a file without a name (O_TMPFILE: a crash leaves nothing), or a hidden one where that does not exist.
class FileWriter final : public ObjectWriter {
 public:
  FileWriter(std::string root, Fd fd, std::string hidden) : root_(std::move(root)), fd_(std::move(fd)), hidden_(std::move(hidden)) {}
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  ~FileWriter() override {
    if (!hidden_.empty()) ::unlink(hidden_.c_str());
  }

  Result<void> write(std::string_view bytes) override {
    if (const int code = write_all(fd_.get(), bytes); code != 0) return file_error(code, "write below", root_);
    return {};
  }

  Result<bool> commit_new(const std::string& key) override {
    if (!is_key(key)) return bad_key(key);
    if (!hidden_.empty()) {  // A disk over the network tells of some errors no earlier.
      if (const int why = fd_.close_now(); why != 0) return file_error(why, "write below", root_);
    }
    const std::string path = root_ + "/" + key;
    int code = publish(path);
    if (code == ENOENT) {
      if (const int why = make_directories(parent_of(path)); why != 0) return file_error(why, "make the directory of", path);
      code = publish(path);
    }
    if (code == EEXIST) return false;
    if (code != 0) return file_error(code, "write", path);
    hidden_.clear();
    return true;
  }

 private:
  int publish(const std::string& path) {
    if (!hidden_.empty()) return rename_new(hidden_, path, false);
    const std::string self = fmt::format("/proc/self/fd/{}", fd_.get());
    return ::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
  }

  std::string root_;
  Fd fd_;
  std::string hidden_;
};

/// Over NFS only a file that is open for writing can be locked against all others.
Result<Fd> open_to_lock(const std::string& path) {
  Fd fd{::open(path.c_str(), O_RDWR | O_CLOEXEC)};
  if (fd.ok()) return fd;
  return open_to_read(path);  // where it may not be written to, it can still be replaced
}

/// An update takes about as long.
constexpr Duration kLockPause = 2ms;

/// Waits for the lock until `deadline`: who holds it may wait for S3, or be stopped.
Result<void> lock(int fd, const std::string& path, Instant deadline) {
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return file_error(errno, "lock", path);
    if (std::chrono::steady_clock::now() >= deadline) {
      return Error{.what = fmt::format("cannot lock `{}`", path),
                   .why = "another process holds its lock",
                   .next = fmt::format("try again later; `fuser -v {}` tells which process it is", path)};
    }
    std::this_thread::sleep_for(kLockPause);
  }
  return {};
}

/// Opens and locks the file that has the name `path` once the lock is held: an update may have replaced it meanwhile.
Result<Fd> open_locked(const std::string& path, Instant deadline) {
  for (;;) {
    Fd fd = HR_TRY(open_to_lock(path));
    HR_TRY(lock(fd.get(), path, deadline));
    struct stat held {};
    struct stat named {};
    if (::fstat(fd.get(), &held) != 0) return file_error(errno, "read", path);
    if (::stat(path.c_str(), &named) != 0) return file_error(errno, "read", path);
    if (held.st_ino == named.st_ino && held.st_dev == named.st_dev) return fd;
  }
}

}  // namespace

void remove_leftovers(const std::string& folder, std::time_t now) {
  constexpr std::time_t kDay = 24 * 60 * 60;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir{::opendir(folder.c_str()), ::closedir};
  while (const dirent* entry = dir ? ::readdir(dir.get()) : nullptr) {
    const pid_t writer = writer_of(entry->d_name);
    if (writer == 0) continue;
    struct stat info {};
    const bool old = ::fstatat(::dirfd(dir.get()), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode) &&
                     info.st_mtime < now - kDay;
    if (old && ::kill(writer, 0) != 0 && errno == ESRCH) ::unlinkat(::dirfd(dir.get()), entry->d_name, 0);
  }
}

DirectoryBackend::DirectoryBackend(std::string root, Duration lock_max) : root_(std::move(root)), lock_max_(lock_max) {
  while (root_.size() > 1 && root_.back() == '/') root_.pop_back();
}

std::string DirectoryBackend::location(const std::string& key) const { return key.empty() ? root_ : root_ + "/" + key; }

Result<void> DirectoryBackend::put(const std::string& key, std::string_view bytes) {
  if (!is_key(key)) return bad_key(key);
  HR_TRY(put_file(location(key), bytes, true));
  return {};
}

Result<bool> DirectoryBackend::put_new(const std::string& key, std::string_view bytes) {
  if (!is_key(key)) return bad_key(key);
  const std::string path = location(key);
  if (::access(path.c_str(), F_OK) == 0) return false;
  return put_file(path, bytes, false);
}

Result<void> DirectoryBackend::put_tree(const std::string& directory, std::span<const Object> objects) {
  if (!is_key(directory)) return bad_key(directory);
  const std::string path = location(directory);
  if (::access(path.c_str(), F_OK) != 0) {
    if (HR_TRY(build_tree(path, objects))) return {};
  }
  for (const Object& object : objects) {
    if (!is_key(object.key)) return bad_key(object.key);
    HR_TRY(put_file(path + "/" + object.key, object.bytes, true));
  }
  return {};
}

Result<bool> DirectoryBackend::put_new_tree(const std::string& directory, std::span<const Object> objects) {
  if (!is_key(directory)) return bad_key(directory);
  const std::string path = location(directory);
  if (::access(path.c_str(), F_OK) == 0) return false;
  return build_tree(path, objects);
}

Result<std::string> DirectoryBackend::get(const std::string& key) {
  if (!is_key(key)) return bad_key(key);
  const std::string path = location(key);
  const Fd fd = HR_TRY(open_to_read(path));
  return read_file(fd.get(), path);
}

Result<std::unique_ptr<ObjectReader>> DirectoryBackend::open(const std::string& key) {
  if (!is_key(key)) return bad_key(key);
  std::string path = location(key);
  Fd fd = HR_TRY(open_to_read(path));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return file_error(errno, "read", path);
  if (S_ISDIR(info.st_mode)) {
    return Error{.kind = Kind::missing, .what = fmt::format("cannot read `{}`", path), .why = "it is a directory"};
  }
  return std::unique_ptr<ObjectReader>{
      std::make_unique<FileReader>(std::move(fd), std::move(path), static_cast<std::uint64_t>(info.st_size))};
}

Result<std::unique_ptr<ObjectWriter>> DirectoryBackend::create(const std::string& directory) {
  if (!is_key(directory)) return bad_key(directory);
  const std::string path = location(directory);
  for (int i = 0; i < 2; ++i) {
    Fd fd{::open(path.c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600)};
    if (fd.ok()) return std::unique_ptr<ObjectWriter>{std::make_unique<FileWriter>(root_, std::move(fd), "")};
    if (errno != ENOENT) break;
    if (const int why = make_directories(path); why != 0) return file_error(why, "make the directory", path);
  }
  // Only here can a killed writer leave something large. Once a process: others of the run look too.
  static std::once_flag looked;
  std::call_once(looked, [&path] { remove_leftovers(path, std::time(nullptr)); });
  Temporary temporary = HR_TRY(make_temporary(path));
  return std::unique_ptr<ObjectWriter>{
      std::make_unique<FileWriter>(root_, std::move(temporary.fd), std::move(temporary.path))};
}

Result<std::optional<std::uint64_t>> DirectoryBackend::size(const std::string& key) {
  if (!is_key(key)) return bad_key(key);
  const std::string path = location(key);
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return std::optional<std::uint64_t>{};
    return std::optional<std::uint64_t>{static_cast<std::uint64_t>(info.st_size)};
  }
  if (errno == ENOENT || errno == ENOTDIR) return std::optional<std::uint64_t>{};
  return file_error(errno, "look at", path);
}

Result<void> DirectoryBackend::remove(const std::string& key) {
  if (!is_key(key)) return bad_key(key);
  const std::string path = location(key);
  if (::unlink(path.c_str()) == 0 || errno == ENOENT || errno == ENOTDIR) return {};
  return file_error(errno, "remove", path);
}

Result<std::vector<Backend::Entry>> DirectoryBackend::list(const std::string& directory) {
  if (!directory.empty() && !is_key(directory)) return bad_key(directory);
  const std::string path = location(directory);
  std::vector<Entry> entries;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir{::opendir(path.c_str()), ::closedir};
  if (!dir) {
    if (errno == ENOENT || errno == ENOTDIR) return entries;
    return file_error(errno, "list", path);
  }
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) {
      if (errno != 0) return file_error(errno, "list", path);
      break;
    }
    if (entry->d_name[0] == '.') continue;
    bool is_directory = entry->d_type == DT_DIR;
    if (entry->d_type == DT_UNKNOWN || entry->d_type == DT_LNK) {
      struct stat info {};
      if (::fstatat(::dirfd(dir.get()), entry->d_name, &info, 0) != 0) continue;  // gone, or a dangling link
      is_directory = S_ISDIR(info.st_mode);
    }
    entries.push_back(Entry{.name = entry->d_name, .directory = is_directory});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return entries;
}

Result<std::string> DirectoryBackend::update(const std::string& key, Change& change) {
  if (!is_key(key)) return bad_key(key);
  const std::string path = location(key);
  const Fd locked = HR_TRY(open_locked(path, std::chrono::steady_clock::now() + lock_max_));
  std::string before = HR_TRY(read_file(locked.get(), path));
  std::optional<std::string> after = HR_TRY(change.apply(before));
  if (!after) return before;
  HR_TRY(put_file(path, *after, true));
  return std::move(*after);
}

}  // namespace headrace::store
