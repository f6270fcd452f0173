#pragma once

#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "store/backend.h"

/// The metadata records of an attempt that ran on another machine travel in the datastore: `N.local_metadata` holds the key (JSON
/// text) of a raw blob, a gzip'd tar with the records below `.metaflow/` (docs/formats/datastore.md). All functions block.
namespace headrace::store {

/// Stores what `meta` has of the attempt's step and task. After DONE, so a reader that sees it sees all.
Result<void> store_local_metadata(Backend& data, Backend& meta, const FlowName& flow, const AttemptPath& attempt, WallTime now);

/// Puts these records into `meta`; what is there already stays. False if the attempt has stored none: it died early, or its datastore
/// is its metadata too. Records of another task than this are an error (failed), and nothing is written then.
Result<bool> fetch_local_metadata(Backend& data, Backend& meta, const FlowName& flow, const AttemptPath& attempt);

}  // namespace headrace::store
