#include "s3/request.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include <aws/io/io.h>
#include <aws/s3/s3.h>
#include <fmt/format.h>

namespace headrace::s3 {

void Answer::add_header(std::string_view name, std::string_view value) {
  std::string small{name};
  std::transform(small.begin(), small.end(), small.begin(), [](unsigned char c) { return std::tolower(c); });
  headers[small] = value;
}

void Answer::add_failure(int failed_with, int failed_status) {
  if (failed_status < 300 || failed_status >= 500) ++lost;  // also an answer that broke off after it had said 200
  last_trouble = failed_status >= 300 ? fmt::format("HTTP status {}", failed_status) : std::string{aws_error_str(failed_with)};
}

std::uint64_t Answer::announced_size() const {
  const std::string length = header("content-length");
  std::uint64_t size = 0;
  std::from_chars(length.data(), length.data() + length.size(), size);
  return size;
}

Message make_message(const Request& request) {
  Message message{aws_http_message_new_request(aws_default_allocator())};
  aws_http_message_set_request_method(message.get(), cursor(request.method));
  aws_http_message_set_request_path(message.get(), cursor(request.target));
  for (const auto& [name, value] : request.headers) add_header(message.get(), name, value);
  return message;
}

void add_header(aws_http_message* message, std::string_view name, std::string_view value) {
  const aws_http_header header{.name = cursor(name), .value = cursor(value), .compression = AWS_HTTP_HEADER_COMPRESSION_USE_CACHE};
  aws_http_message_add_header(message, header);
}

bool is_throttled(int error, int status) { return error == AWS_ERROR_S3_SLOW_DOWN || status == 429 || status == 503; }

bool is_distrust(int error) { return error == AWS_IO_TLS_ERROR_NEGOTIATION_FAILURE || error == AWS_IO_TLS_CTX_ERROR; }

}  // namespace headrace::s3
