#include "codec/tar.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace headrace::codec {
namespace {

constexpr std::size_t kBlock = 512;
/// Names and PAX headers longer than this are an attack, not an archive.
constexpr std::uint64_t kExtensionBytesMax = 1 << 20;

// Fields of a header: offset and length.
struct Field {
  std::size_t at;
  std::size_t length;
};
constexpr Field kName{0, 100};
constexpr Field kMode{100, 8};
constexpr Field kOwner{108, 8};
constexpr Field kGroup{116, 8};
constexpr Field kSize{124, 12};
constexpr Field kModified{136, 12};
constexpr Field kChecksum{148, 8};
constexpr std::size_t kKind = 156;
constexpr Field kMagic{257, 8};
constexpr Field kPrefix{345, 155};

Error damaged(std::string why) {
  return Error{.kind = Kind::failed, .what = "the archive is damaged", .why = std::move(why)};
}

std::string_view bytes_of(std::string_view block, Field field) { return block.substr(field.at, field.length); }

/// Up to the first NUL.
std::string_view text_of(std::string_view block, Field field) {
  const std::string_view bytes = bytes_of(block, field);
  return bytes.substr(0, bytes.find('\0'));
}

/// Octal digits, or a number of base 256 if the first bit is set.
Result<std::uint64_t> number_of(std::string_view block, Field field) {
  std::string_view bytes = bytes_of(block, field);
  if ((static_cast<unsigned char>(bytes[0]) & 0x80) != 0) {
    std::uint64_t value = static_cast<unsigned char>(bytes[0]) & 0x7f;
    for (const char byte : bytes.substr(1)) {
      if (value >> 55 != 0) return damaged("a number is too large");
      value = value << 8 | static_cast<unsigned char>(byte);
    }
    return value;
  }
  bytes = bytes.substr(0, bytes.find('\0'));
  while (!bytes.empty() && bytes.front() == ' ') bytes.remove_prefix(1);
  while (!bytes.empty() && bytes.back() == ' ') bytes.remove_suffix(1);
  if (bytes.empty()) return 0;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), value, 8);
  if (error != std::errc() || end != bytes.data() + bytes.size()) return damaged("a number is not octal");
  return value;
}

std::uint64_t checksum_of(std::string_view block) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    const bool own = i >= kChecksum.at && i < kChecksum.at + kChecksum.length;
    sum += own ? ' ' : static_cast<unsigned char>(block[i]);
  }
  return sum;
}

/// The name as a path below a folder; nullopt if it is none.
std::optional<std::string> plain_path(std::string_view name) {
  while (name.starts_with("./")) name.remove_prefix(2);
  if (name.empty() || name.find('\0') != std::string_view::npos) return std::nullopt;
  for (std::size_t start = 0; start <= name.size();) {
    const std::size_t end = std::min(name.find('/', start), name.size());
    const std::string_view part = name.substr(start, end - start);
    if (part.empty() || part == "." || part == "..") return std::nullopt;
    start = end + 1;
  }
  return std::string(name);
}

void put(std::string& block, Field field, std::string_view text) {
  std::memcpy(block.data() + field.at, text.data(), std::min(text.size(), field.length));
}

void put_octal(std::string& block, Field field, std::uint64_t value) {
  put(block, field, fmt::format("{:0{}o}", value, field.length - 1));
}

void put_size(std::string& block, std::uint64_t size) {
  if (size < std::uint64_t{1} << 33) {
    put_octal(block, kSize, size);
    return;
  }
  std::string bytes(kSize.length, '\0');
  bytes[0] = '\x80';
  for (std::size_t i = 0; i < 8; ++i) bytes[kSize.length - 1 - i] = static_cast<char>(size >> (8 * i));
  put(block, kSize, bytes);
}

void append_header(std::string& out, std::string_view name, char kind, std::uint64_t size, std::int64_t modified) {
  std::string block(kBlock, '\0');
  put(block, kName, name);
  put_octal(block, kMode, 0644);
  put_octal(block, kOwner, 0);
  put_octal(block, kGroup, 0);
  put_size(block, size);
  put_octal(block, kModified, static_cast<std::uint64_t>(std::max<std::int64_t>(modified, 0)));
  block[kKind] = kind;
  put(block, kMagic, std::string_view("ustar\00000", 8));
  put(block, kChecksum, fmt::format("{:06o}", checksum_of(block)));
  block[kChecksum.at + 7] = ' ';
  out += block;
}

void append_content(std::string& out, std::string_view content) {
  out += content;
  out.append((kBlock - content.size() % kBlock) % kBlock, '\0');
}

/// `LENGTH path=NAME\n`, whose length counts its own digits.
std::string pax_record(std::string_view name) {
  const std::size_t rest = name.size() + std::string_view(" path=\n").size();
  std::size_t length = rest;
  while (std::to_string(length).size() + rest != length) length = std::to_string(length).size() + rest;
  return fmt::format("{} path={}\n", length, name);
}

}  // namespace

Result<void> TarReader::feed(std::string_view bytes) {
  while (!bytes.empty() && state_ != State::ended) {
    if (state_ == State::header) {
      const std::size_t take = std::min(bytes.size(), kBlock - block_.size());
      block_ += bytes.substr(0, take);
      bytes.remove_prefix(take);
      if (block_.size() < kBlock) return {};
      HR_TRY(header());
      block_.clear();
      continue;
    }
    std::uint64_t& left = state_ == State::padding ? padding_ : left_;
    const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left));
    const std::string_view piece = bytes.substr(0, take);
    if (state_ == State::content && take > 0) HR_TRY(sink_.content(piece));
    if (state_ == State::extension) extension_ += piece;
    bytes.remove_prefix(take);
    left -= take;
    if (left == 0) HR_TRY(member_ended());
  }
  return {};
}

Result<void> TarReader::member_ended() {
  switch (state_) {
    case State::content: HR_TRY(sink_.end()); break;
    case State::extension: HR_TRY(extension()); break;
    default: break;
  }
  state_ = state_ != State::padding && padding_ > 0 ? State::padding : State::header;
  return {};
}

Result<void> TarReader::header() {
  if (block_.find_first_not_of('\0') == std::string::npos) {
    state_ = State::ended;
    return {};
  }
  if (HR_TRY(number_of(block_, kChecksum)) != checksum_of(block_)) return damaged("the checksum of a header is wrong");
  const char kind = block_[kKind];
  const std::uint64_t size = HR_TRY(number_of(block_, kSize));
  if (size >> 62 != 0) return damaged("a member's size is too large");
  left_ = size;
  if (kind == 'x' || kind == 'g' || kind == 'L') {
    if (size > kExtensionBytesMax) return damaged("a header's extension is too large");
    kind_ = kind;
    extension_.clear();
    padding_ = (kBlock - size % kBlock) % kBlock;
    state_ = State::extension;
    return size == 0 ? member_ended() : Result<void>();
  }
  std::string name(text_of(block_, kName));
  const std::string_view prefix = text_of(block_, kPrefix);
  if (std::string_view(block_).substr(kMagic.at, 6) == std::string_view("ustar\0", 6) && !prefix.empty()) {
    name = fmt::format("{}/{}", prefix, name);
  }
  if (!long_name_.empty()) name = std::exchange(long_name_, {});
  if (long_size_ >= 0) left_ = static_cast<std::uint64_t>(std::exchange(long_size_, -1));
  padding_ = (kBlock - left_ % kBlock) % kBlock;
  if (kind == '5') {
    // Directories have no content.
    state_ = State::header;
    return {};
  }
  if (kind != '0' && kind != '\0') {
    return Error{.kind = Kind::failed,
                 .what = fmt::format("the archive's member `{}` is not a file", name),
                 .why = "links, devices and pipes are not unpacked"};
  }
  const bool executable = (HR_TRY(number_of(block_, kMode)) & 0100) != 0;
  return begin_member(TarMember{.name = std::move(name), .size = left_, .executable = executable});
}

Result<void> TarReader::begin_member(TarMember member) {
  auto path = plain_path(member.name);
  if (!path) {
    return Error{.kind = Kind::failed,
                 .what = fmt::format("the archive has a member `{}`", member.name),
                 .why = "its name leads out of the folder where it is unpacked"};
  }
  member.name = std::move(*path);
  HR_TRY(sink_.begin(member));
  state_ = State::content;
  return left_ == 0 ? member_ended() : Result<void>();
}

Result<void> TarReader::extension() {
  if (kind_ == 'L') {
    long_name_ = extension_.substr(0, extension_.find('\0'));
    return {};
  }
  if (kind_ == 'g') return {};
  // Records `LENGTH KEY=VALUE\n`; others than these two do not matter for files.
  for (std::string_view rest = extension_; !rest.empty();) {
    std::size_t length = 0;
    const auto [digits, error] = std::from_chars(rest.data(), rest.data() + rest.size(), length);
    const auto start = static_cast<std::size_t>(digits - rest.data()) + 1;
    const bool shaped = error == std::errc() && length <= rest.size() && length > start && *digits == ' ' && rest[length - 1] == '\n';
    if (!shaped) return damaged("a PAX header cannot be read");
    const std::string_view record = rest.substr(start, length - start - 1);
    rest.remove_prefix(length);
    const std::size_t equals = record.find('=');
    if (equals == std::string_view::npos) return damaged("a PAX header cannot be read");
    const std::string_view value = record.substr(equals + 1);
    if (record.substr(0, equals) == "path") long_name_ = value;
    if (record.substr(0, equals) == "size") {
      const auto [end, bad] = std::from_chars(value.data(), value.data() + value.size(), long_size_);
      if (bad != std::errc() || end != value.data() + value.size() || long_size_ < 0) return damaged("a PAX header cannot be read");
    }
  }
  return {};
}

Result<void> TarReader::finish() {
  const bool between = state_ == State::header && block_.empty();
  if (state_ == State::ended || between || (state_ == State::padding)) return {};
  return damaged("it ends in the middle of a member");
}

void TarWriter::add(std::string_view name, std::string_view content, std::int64_t modified, std::string& out) {
  if (name.size() > kName.length) {
    const std::string record = pax_record(name);
    append_header(out, "pax", 'x', record.size(), modified);
    append_content(out, record);
  }
  append_header(out, name, '0', content.size(), modified);
  append_content(out, content);
}

void TarWriter::finish(std::string& out) { out.append(2 * kBlock, '\0'); }

}  // namespace headrace::codec
