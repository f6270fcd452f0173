#include "s3/client.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "s3/client_impl.h"
#include "s3/documents.h"
#include "s3/etag.h"

namespace headrace::s3 {
namespace {

/// User metadata that shows whose a conditional write was.
constexpr std::string_view kWriter = "headrace-writer";

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

std::string range_header(const Range& range) {
  if (range.suffix) return fmt::format("bytes=-{}", range.length.value_or(0));
  if (!range.length) return fmt::format("bytes={}-", range.offset);
  return fmt::format("bytes={}-{}", range.offset, range.offset + std::max<std::uint64_t>(*range.length, 1) - 1);
}

Error damaged(const Address& address, std::string why) {
  return Error{.kind = Kind::failed,
               .what = fmt::format("cannot read `{}`", address.str()),
               .why = std::move(why),
               .next = "remove the object and make it again, if asking once more gives the same"};
}

namespace {

/// Not of the object, or not of the answer.
Error without_length(const Address& address) {
  return Error{.kind = Kind::failed,
               .what = fmt::format("cannot read `{}`", address.str()),
               .why = "the service does not say how long it is",
               .next = "check that the endpoint is a service with S3's interface, and what is between (a proxy)"};
}

/// Of an answer with `Content-Range`: where its bytes begin in the object, and how many there are to be.
struct Place {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};
Place asked_of(const Range& range, std::uint64_t size) {
  const std::uint64_t asked = range.length.value_or(size);
  if (range.suffix) return {.offset = size - std::min(asked, size), .length = std::min(asked, size)};
  const std::uint64_t offset = std::min(range.offset, size);
  return {.offset = offset, .length = std::min(std::max<std::uint64_t>(asked, 1), size - offset)};
}

}  // namespace

Result<std::unique_ptr<Client>> Client::make(Settings settings) {
  return std::unique_ptr<Client>{HR_TRY(CrtClient::make(std::move(settings)))};
}

Info info_of(const Answer& answer) {
  Info info;
  const std::string range = answer.header("content-range");  // bytes 0-9/100
  const auto slash = range.rfind('/');
  info.size = slash == std::string::npos ? answer.announced_size() : number(std::string_view{range}.substr(slash + 1));
  info.etag = answer.header("etag");
  info.content_type = answer.header("content-type");
  info.encryption = answer.header("x-amz-server-side-encryption");
  info.last_modified = read_time(answer.header("last-modified"));
  constexpr std::string_view kMeta = "x-amz-meta-";
  for (const auto& [name, value] : answer.headers) {
    if (name.starts_with(kMeta)) info.metadata[name.substr(kMeta.size())] = value;
  }
  return info;
}

Result<Object> CrtClient::get(const Address& address, const std::optional<Range>& range) {
  const std::string doing = fmt::format("read `{}`", address.str());
  for (int attempt = 0;; ++attempt) {
    Request request = this->request("GET", address, "");
    request.checksum = settings_.checksums;
    if (range) request.headers.emplace_back("Range", range_header(*range));
    Md5Together::Expected md5{md5_};
    Answer answer = HR_TRY(ask(request, address.bucket, doing));
    if (judge(answer) != Verdict::good) return error_for(answer, doing, address.bucket);
    Info info = info_of(answer);
    // A service that does not know ranges answers with the whole object, and no `Content-Range`.
    const std::string extent = answer.header("content-range");
    const bool in_range = range && !extent.empty();
    if (!answer.has_length() || extent.ends_with("/*")) return without_length(address);
    if (!in_range && answer.header("content-length").empty()) info.size = answer.body.size();  // it came in chunks
    const Place place = range ? asked_of(*range, info.size) : Place{.offset = 0, .length = info.size};
    const std::uint64_t announced = in_range ? place.length : info.size;
    const bool in_place = !in_range || extent.starts_with(fmt::format("bytes {}-", place.offset));
    const bool whole = in_place && answer.body.size() == announced;
    if (!whole || (announced == info.size && !fits_etag(answer.body, answer, md5))) {
      if (attempt == 0) continue;
      if (whole) return damaged(address, "the MD5 of what S3 gives is not its etag, twice in a row");
      if (in_place) return damaged(address, fmt::format("{} bytes came of {}, twice in a row", answer.body.size(), announced));
      return damaged(address, fmt::format("{} came in the place of bytes {}-, twice in a row", extent, place.offset));
    }
    Object object{.bytes = std::move(answer.body), .offset = place.offset, .info = std::move(info)};
    if (range && !in_range) object.bytes = object.bytes.substr(place.offset, place.length);
    return object;
  }
}

Result<std::optional<Info>> CrtClient::head(const Address& address) {
  const std::string doing = fmt::format("look at `{}`", address.str());
  const Answer answer = HR_TRY(ask(request("HEAD", address, ""), address.bucket, doing));
  const Verdict verdict = judge(answer);
  if (verdict == Verdict::missing) return std::optional<Info>{};
  if (verdict != Verdict::good) return error_for(answer, doing, address.bucket);
  return std::optional<Info>{info_of(answer)};
}

std::string CrtClient::add_object_headers(Request& request, const PutOptions& options) {
  request.headers.emplace_back("Content-Type", options.content_type.empty() ? "binary/octet-stream" : options.content_type);
  for (const auto& [name, value] : options.metadata) {
    if (name != kWriter) request.headers.emplace_back("x-amz-meta-" + name, value);
  }
  if (!settings_.encryption.empty()) request.headers.emplace_back("x-amz-server-side-encryption", settings_.encryption);
  if (options.by_content || (!options.if_none_match && options.if_match.empty())) return "";
  const std::lock_guard lock{mutex_};
  std::string mark = fmt::format("{:016x}{:016x}", random_.next(), random_.next());
  request.headers.emplace_back(fmt::format("x-amz-meta-{}", kWriter), mark);
  return mark;
}

void CrtClient::add_conditions(Request& request, const PutOptions& options) {
  if (options.if_none_match) request.headers.emplace_back("If-None-Match", "*");
  if (!options.if_match.empty()) request.headers.emplace_back("If-Match", options.if_match);
}

std::string CrtClient::start_put(Request& request, const PutOptions& options, std::uint64_t size) {
  request.headers.emplace_back("Content-Length", std::to_string(size));
  request.checksum = settings_.checksums;
  add_conditions(request, options);
  return add_object_headers(request, options);
}

/// A condition that does not hold after a try whose answer was lost may be our own success: only what is stored can tell.
Result<PutResult> CrtClient::put_result(const Answer& answer, const Address& address, const std::string& mark) {
  const Verdict verdict = judge(answer);
  if (verdict == Verdict::good) return PutResult{.written = true, .etag = answer.header("etag")};
  if (verdict != Verdict::condition) return error_for(answer, fmt::format("write `{}`", address.str()), address.bucket);
  if (answer.lost == 0 || mark.empty()) return PutResult{.written = false, .etag = {}};
  const std::string doing = fmt::format("look at `{}`", address.str());
  const Answer stored = HR_TRY(ask(request("HEAD", address, ""), address.bucket, doing));
  if (judge(stored) == Verdict::missing) return PutResult{.written = false, .etag = {}};
  if (judge(stored) != Verdict::good) return error_for(stored, doing, address.bucket);
  const bool ours = is_marked(stored, mark);
  return PutResult{.written = ours, .etag = ours ? stored.header("etag") : ""};
}

bool CrtClient::is_marked(const Answer& answer, const std::string& mark) {
  return answer.header(fmt::format("x-amz-meta-{}", kWriter)) == mark;
}

Result<PutResult> CrtClient::put(const Address& address, std::string_view bytes, const PutOptions& options) {
  Request request = this->request("PUT", address, "");
  const std::string mark = start_put(request, options, bytes.size());
  request.body = bytes;
  const Answer answer = HR_TRY(ask(request, address.bucket, fmt::format("write `{}`", address.str())));
  return put_result(answer, address, mark);
}

Result<void> CrtClient::remove(const Address& address) {
  const std::string doing = fmt::format("remove `{}`", address.str());
  const Answer answer = HR_TRY(ask(request("DELETE", address, ""), address.bucket, doing));
  const Verdict verdict = judge(answer);
  const bool no_bucket = read_error(answer.body).code == "NoSuchBucket";
  if (verdict == Verdict::good || (verdict == Verdict::missing && !no_bucket)) return {};
  return error_for(answer, doing, address.bucket);
}

Result<std::vector<Listed>> CrtClient::list(const std::string& bucket, const std::string& prefix, const std::string& delimiter) {
  const Address place{.bucket = bucket, .key = prefix};
  const std::string doing = fmt::format("list `{}`", place.str());
  std::vector<Listed> found;
  std::string token;
  do {
    // In the order of their names, which the signature does not mind and a reader of logs likes.
    std::string query = token.empty() ? "" : "continuation-token=" + escape_query(token) + "&";
    if (!delimiter.empty()) query += "delimiter=" + escape_query(delimiter) + "&";
    query += "encoding-type=url&list-type=2&prefix=" + escape_query(prefix);
    Result<ListPage> page = ListPage{};
    for (int attempt = 0;; ++attempt) {
      const Answer answer = HR_TRY(ask(request("GET", Address{.bucket = bucket, .key = ""}, query), bucket, doing));
      if (judge(answer) != Verdict::good) return error_for(answer, doing, bucket);
      page = read_list(answer.body);
      if (page.ok() || attempt > 0) break;
    }
    if (!page) return std::move(page).error().at(place.str());
    token = page->next;
    std::move(page->entries.begin(), page->entries.end(), std::back_inserter(found));
  } while (!token.empty());
  std::sort(found.begin(), found.end(), [](const Listed& a, const Listed& b) { return a.key < b.key; });
  return found;
}

Result<std::optional<Answer>> CrtClient::get_piece(const Address& address, const Piece& piece, const Info& whole, StopGroup& group) {
  const std::string doing = fmt::format("read `{}`", address.str());
  Request request = this->request("GET", address, "");
  request.headers.emplace_back("Range", range_header({.offset = piece.from, .length = piece.length, .suffix = false}));
  request.headers.emplace_back("If-Match", whole.etag);
  request.receive = piece.to;
  request.body_max = piece.length;
  request.expected = piece.length;
  request.group = &group;
  const std::string extent = fmt::format("bytes {}-{}/", piece.from, piece.from + piece.length - 1);
  for (int attempt = 0;; ++attempt) {
    Answer answer = HR_TRY(ask(request, address.bucket, doing));
    // A service that does not know If-Match may have a shorter version by now.
    if (judge(answer) == Verdict::condition || answer.status == kRangeNotSatisfiable) return std::optional<Answer>{};
    if (judge(answer) != Verdict::good) return error_for(answer, doing, address.bucket);
    const std::string range = answer.header("content-range");
    const bool is_version = answer.header("etag") == whole.etag && (range.ends_with("/*") || info_of(answer).size == whole.size);
    if (answer.came() == piece.length && range.starts_with(extent) && is_version && !answer.too_large) return std::optional{std::move(answer)};
    if (attempt == 0) continue;
    if (range.empty()) return damaged(address, "the service answers with more than the range that it was asked for, twice in a row");
    if (!is_version) return std::optional<Answer>{};
    return damaged(address, fmt::format("{} bytes of {} came in the place of {}, twice in a row", answer.came(), range, extent));
  }
}

Result<Answer> CrtClient::get_whole(const Address& address, FileWriter* file) {
  const std::string doing = fmt::format("read `{}`", address.str());
  Request request = this->request("GET", address, "");
  request.checksum = settings_.checksums;
  request.receive.file = file;
  request.body_max = kPiece;
  Answer answer = HR_TRY(ask(request, address.bucket, doing));
  if (judge(answer) != Verdict::good) return error_for(answer, doing, address.bucket);
  if (!answer.has_length() || (answer.too_large && answer.announced_size() == 0)) return without_length(address);
  return answer;
}

}  // namespace headrace::s3
