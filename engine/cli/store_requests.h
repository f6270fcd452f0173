#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "codec/json.h"
#include "store/blob_streams.h"
#include "store/run_copies.h"

namespace headrace::cli {

struct StoreReply {
  codec::Json body;
  std::string payload;
  std::shared_ptr<store::BlobStream> stream;  ///< to be opened on the channel and named in the body
};

/// Answers one request of docs/formats/wire.md, section 5, but `read` and `close`, which concern streams. Blocks; keeps no
/// state but `copies`, the process's. `payload` is that of `put_card`.
Result<StoreReply> answer_store_request(const codec::Json& request, const std::string& payload, WallTime now,
                                        store::RunCopies& copies);

}  // namespace headrace::cli
