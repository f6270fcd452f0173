#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "s3/client.h"

/// The XML that S3 answers with.
namespace headrace::s3 {

struct ErrorDocument {
  std::string code;     ///< e.g. NoSuchKey; empty if there is none
  std::string message;
  std::string region;   ///< the right one, when that was the trouble
};
/// Empty fields for what is no such document.
[[nodiscard]] ErrorDocument read_error(std::string_view xml);

/// Of the answer to CreateMultipartUpload; empty for what is none.
[[nodiscard]] std::string read_upload_id(std::string_view xml);
/// Of the answer to CompleteMultipartUpload, with its quotes; empty for what is none.
[[nodiscard]] std::string read_upload_etag(std::string_view xml);

struct UploadedPart {
  std::string etag;  ///< with its quotes
  std::string crc;   ///< text of its `kSentCrc`; may be empty
};
/// What CompleteMultipartUpload asks for; the parts from number 1.
[[nodiscard]] std::string write_parts(const std::vector<UploadedPart>& parts);

struct ListPage {
  std::vector<Listed> entries;  ///< keys as they are, no longer escaped
  std::string next;             ///< continuation token; empty at the end
};
/// A page of ListObjectsV2 asked for with `encoding-type=url`. Error `failed` for what is not one, cut off for example.
Result<ListPage> read_list(std::string_view xml);

/// `%41` back to `A`; `+` is a space, as S3 escapes keys.
[[nodiscard]] std::string unescape(std::string_view text);
/// RFC 3986; `/` stays as it is in a path.
[[nodiscard]] std::string escape_path(std::string_view path);
[[nodiscard]] std::string escape_query(std::string_view text);

/// `2026-01-02T03:04:05.678Z` of a list, or `Fri, 02 Jan 2026 03:04:05 GMT` of a header.
[[nodiscard]] std::optional<WallTime> read_time(std::string_view text);

}  // namespace headrace::s3
