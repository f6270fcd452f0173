#include "cli/s3_transfers.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/time.h"
#include "loop/task_group.h"
#include "wire/frame.h"

namespace headrace::cli {
namespace {

using codec::Json;

/// Larger objects are looked for before they are sent in vain.
constexpr std::uint64_t kLookFirstBytes = 1 << 20;

enum class Op { get, info, put, list };

constexpr std::array<std::pair<std::string_view, Op>, 4> kOps = {
    {{"s3_get", Op::get}, {"s3_info", Op::info}, {"s3_put", Op::put}, {"s3_list", Op::list}}};

std::optional<Op> op_named(std::string_view name) {
  for (const auto& [known, op] : kOps) {
    if (known == name) return op;
  }
  return std::nullopt;
}

/// One object of a request.
struct Item {
  s3::Address address;
  std::string path;                  ///< get: the file to write; put: to read, empty if `bytes` are meant
  std::optional<s3::Range> range;    ///< get
  std::string_view bytes;            ///< put: in the request's payload
  s3::PutOptions options;            ///< put
};

/// A thread of the pool goes on from object to object for that long while other requests wait for it: a small object takes less than
/// it costs to hand it over.
constexpr Duration kTurn = 10ms;

/// A request under way. Each object is taken by one thread of the pool, which writes its result.
struct Batch {
  Op op = Op::get;
  std::shared_ptr<s3::Client> client;
  std::string payload;
  std::vector<Item> items;
  bool overwrite = true;
  bool recursive = false;
  bool missing_allowed = false;

  std::vector<Json> results;
  std::atomic<std::size_t> next{0};
  std::atomic<bool> stopped{false};  ///< an error that ends the whole: what has not begun is left out
  S3Transfers::Gone gone;

  [[nodiscard]] bool is_left() const { return !stopped && !*gone && next < items.size(); }
};

std::optional<s3::Range> range_of(std::optional<std::int64_t> offset, std::optional<std::int64_t> length) {
  if (!offset && !length) return std::nullopt;
  if (length && *length < 0) return s3::Range{.offset = 0, .length = static_cast<std::uint64_t>(-*length), .suffix = true};
  s3::Range range{.offset = static_cast<std::uint64_t>(offset.value_or(0)), .length = {}, .suffix = false};
  if (length) range.length = static_cast<std::uint64_t>(*length);
  return range;
}

Result<void> read_put_fields(const Json& json, std::string_view& payload, Item& item) {
  if (item.path.empty()) {
    const std::uint64_t size = HR_TRY(codec::get_uint(json, "size"));
    if (size > payload.size()) return Error{.kind = Kind::misuse, .what = "the payload is shorter than its objects"};
    item.bytes = payload.substr(0, size);
    payload.remove_prefix(size);
  }
  item.options.content_type = HR_TRY(codec::find_string(json, "content_type")).value_or("");
  const Json* metadata = HR_TRY(codec::find_object(json, "metadata"));
  if (metadata == nullptr) return {};
  for (const auto& [name, value] : metadata->items()) item.options.metadata[name] = HR_TRY(codec::get_string(*metadata, name));
  return {};
}

Result<void> read_items(const Json& request, Batch& batch) {
  std::string_view payload = batch.payload;
  const Json* items = HR_TRY(codec::get_array(request, "items"));
  for (const Json& json : *items) {
    const std::string url = HR_TRY(codec::get_string(json, "url"));
    Item item;
    item.address = HR_TRY(s3::parse_address(url));
    item.path = HR_TRY(codec::find_string(json, "path")).value_or("");
    if (batch.op == Op::get) {
      const auto offset = HR_TRY(codec::find_int(json, "offset"));
      if (offset && *offset < 0) {
        return Error{.kind = Kind::misuse, .what = fmt::format("the range of `{}` begins before the object", url)};
      }
      item.range = range_of(offset, HR_TRY(codec::find_int(json, "length")));
    }
    if (batch.op == Op::put) HR_TRY(read_put_fields(json, payload, item));
    batch.items.push_back(std::move(item));
  }
  batch.results.resize(batch.items.size());
  return {};
}

Result<std::shared_ptr<Batch>> read_batch(const Json& request, Op op, std::string payload) {
  auto batch = std::make_shared<Batch>();
  batch->op = op;
  batch->payload = std::move(payload);
  batch->overwrite = HR_TRY(codec::find_bool(request, "overwrite")).value_or(true);
  batch->recursive = HR_TRY(codec::find_bool(request, "recursive")).value_or(false);
  batch->missing_allowed = HR_TRY(codec::find_bool(request, "missing_allowed")).value_or(false);
  HR_TRY(read_items(request, *batch));
  return batch;
}

// --- one object, on a thread of the pool ---

Json info_json(const s3::Info& info) {
  Json json{{"size", info.size}};
  if (!info.content_type.empty()) json["content_type"] = info.content_type;
  if (!info.encryption.empty()) json["encryption"] = info.encryption;
  if (info.last_modified) {
    json["last_modified"] = std::chrono::duration<double>(info.last_modified->time_since_epoch()).count();
  }
  if (!info.metadata.empty()) json["metadata"] = info.metadata;
  return json;
}

/// Where in an object of this size the range lies.
std::pair<std::uint64_t, std::uint64_t> place_in(std::uint64_t size, const std::optional<s3::Range>& range) {
  if (!range) return {0, size};
  const std::uint64_t asked = range->length.value_or(size);
  if (range->suffix) return {size - std::min(asked, size), std::min(asked, size)};
  const std::uint64_t offset = std::min(range->offset, size);
  return {offset, std::min(asked, size - offset)};
}

Result<Json> get_one(s3::Client& client, const Item& item) {
  if (item.range && item.range->length == 0) {
    return Error{.kind = Kind::misuse, .what = fmt::format("the range of `{}` is empty", item.address.str())};
  }
  const s3::Info info = HR_TRY(client.get_to_file(item.address, item.path, item.range));
  const auto [offset, length] = place_in(info.size, item.range);
  Json json = info_json(info);
  json["offset"] = offset;
  json["length"] = length;
  return json;
}

Result<Json> info_one(s3::Client& client, const Item& item) {
  const auto info = HR_TRY(client.head(item.address));
  if (info) return info_json(*info);
  return Error{.kind = Kind::missing, .what = fmt::format("there is no object `{}`", item.address.str())};
}

Result<Json> put_one(s3::Client& client, const Item& item, bool overwrite) {
  s3::PutOptions options = item.options;
  options.if_none_match = !overwrite;
  if (!overwrite && (!item.path.empty() || item.bytes.size() >= kLookFirstBytes)) {
    if (HR_TRY(client.head(item.address))) return Json{{"written", false}};
  }
  const s3::PutResult put = item.path.empty() ? HR_TRY(client.put(item.address, item.bytes, options))
                                              : HR_TRY(client.put_file(item.address, item.path, options));
  return Json{{"written", put.written}};
}

/// `[[key, size or null for a prefix], ...]`.
Result<Json> list_one(s3::Client& client, const Item& item, bool recursive) {
  Json rows = Json::array();
  for (const s3::Listed& listed : HR_TRY(client.list(item.address.bucket, item.address.key, recursive ? "" : "/"))) {
    rows.push_back({listed.key, listed.prefix ? Json() : Json(listed.size)});
  }
  return rows;
}

Json failure_json(const Error& error, const Item& item) {
  Json json = wire::error_body(error);
  json.erase("ok");
  // What the caller tells apart beyond the kind.
  if (error.why.find(std::strerror(ENOSPC)) != std::string::npos) json["reason"] = "disk_full";
  if (error.kind == Kind::misuse && item.range) json["reason"] = "range";
  return json;
}

void do_item(Batch& batch, std::size_t index) {
  const Item& item = batch.items[index];
  auto result = batch.op == Op::get    ? get_one(*batch.client, item)
                : batch.op == Op::info ? info_one(*batch.client, item)
                : batch.op == Op::put  ? put_one(*batch.client, item, batch.overwrite)
                                       : list_one(*batch.client, item, batch.recursive);
  if (!result && !(batch.missing_allowed && result.error().kind == Kind::missing)) batch.stopped = true;
  batch.results[index] = result ? *std::move(result) : failure_json(result.error(), item);
}

/// Objects of the batch, one after the other, for one turn; alone (`batches` are under way), all that are left.
void do_some(Batch& batch, const std::atomic<int>& batches) {
  const Instant until = std::chrono::steady_clock::now() + kTurn;
  while (batch.is_left()) {
    const std::size_t index = batch.next++;
    if (index < batch.items.size()) do_item(batch, index);
    if (batches > 1 && std::chrono::steady_clock::now() >= until) return;
  }
}

// --- a whole request, on the loop thread ---

/// By turns, so that the threads are shared with other requests.
loop::Async<void> do_items(loop::WorkerPool& pool, std::shared_ptr<Batch> batch, const std::atomic<int>& batches) {
  while (batch->is_left()) {
    auto work = [batch, &batches] { do_some(*batch, batches); };
    co_await pool.run(work);
  }
}

}  // namespace

S3Transfers::S3Transfers(loop::EventLoop& loop, MakeClient make_client, StopClient stop_client)
    : loop_(loop), make_client_(std::move(make_client)), stop_client_(std::move(stop_client)) {}

bool S3Transfers::knows(std::string_view op) { return op_named(op).has_value(); }

Result<std::shared_ptr<s3::Client>> S3Transfers::client() {
  if (!client_) client_ = HR_TRY(make_client_());
  return client_;
}

void S3Transfers::asker_left() {
  --askers_;
  end_if_alone();
}

void S3Transfers::no_more_come() {
  more_may_come_ = false;
  end_if_alone();
}

void S3Transfers::end_if_alone() {
  if (askers_ == 0 && !more_may_come_) stop_client_();
}

loop::Async<Result<StoreReply>> S3Transfers::answer(Json request, std::string payload, Gone gone) {
  auto op = codec::get_string(request, "op");
  if (!op) co_return std::move(op).error();
  auto batch = read_batch(request, op_named(*op).value_or(Op::get), std::move(payload));
  if (!batch) co_return std::move(batch).error();
  auto made = client();
  if (!made) co_return std::move(made).error();
  (*batch)->client = *made;
  (*batch)->gone = std::move(gone);
  if (!pool_) pool_ = std::make_unique<loop::WorkerPool>(loop_, kThreads);
  loop::TaskGroup moving(loop_);
  const std::size_t side_by_side = std::min<std::size_t>(kThreads, (*batch)->items.size());
  ++batches_;
  for (std::size_t i = 0; i < side_by_side; ++i) moving.spawn(do_items(*pool_, *batch, batches_));
  co_await moving.wait();
  --batches_;
  StoreReply reply{.body = wire::ok_body(), .payload = {}, .stream = nullptr};
  // Not in the body: a listing may be longer than a body can be.
  reply.payload = codec::dump_json(Json((*batch)->results));
  co_return reply;
}

}  // namespace headrace::cli
