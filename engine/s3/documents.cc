#include "s3/documents.h"

#include <charconv>
#include <cctype>
#include <functional>

#include <aws/common/date_time.h>
#include <aws/common/xml_parser.h>

#include "s3/crt.h"

namespace headrace::s3 {
namespace {

constexpr std::size_t kDepthMax = 8;

/// Called with each child's name; reads its text with `text`, or its children with `children`.
class Node {
 public:
  explicit Node(aws_xml_node* node) : node_(node) {}

  [[nodiscard]] std::string_view name() const {
    const aws_byte_cursor name = aws_xml_node_get_name(node_);
    return view(name);
  }
  [[nodiscard]] std::string text() const {
    aws_byte_buf body{};
    aws_byte_buf_init(&body, aws_default_allocator(), 64);
    std::string text;
    if (aws_xml_node_as_body_unescaped(aws_default_allocator(), node_, &body) == AWS_OP_SUCCESS) {
      text = view(aws_byte_cursor_from_buf(&body));
    }
    aws_byte_buf_clean_up(&body);
    return text;
  }
  bool children(const std::function<void(Node)>& each) const {
    return aws_xml_node_traverse(node_, call, const_cast<std::function<void(Node)>*>(&each)) == AWS_OP_SUCCESS;
  }
  static int call(aws_xml_node* node, void* each) {
    (*static_cast<std::function<void(Node)>*>(each))(Node{node});
    return AWS_OP_SUCCESS;
  }

 private:
  aws_xml_node* node_;
};

bool read_root(std::string_view xml, const std::function<void(Node)>& root) {
  aws_xml_parser_options options{};
  options.doc = cursor(xml);
  options.max_depth = kDepthMax;
  options.on_root_encountered = Node::call;
  options.user_data = const_cast<std::function<void(Node)>*>(&root);
  return aws_xml_parse(aws_default_allocator(), &options) == AWS_OP_SUCCESS;
}

/// The text of a child of the document's root; empty if there is none.
std::string read_child(std::string_view xml, std::string_view root_name, std::string_view name) {
  std::string text;
  if (xml.find('<') == std::string_view::npos) return text;
  start_library();
  read_root(xml, [&](Node root) {
    if (root.name() != root_name) return;
    root.children([&](Node field) {
      if (field.name() == name) text = field.text();
    });
  });
  return text;
}

std::string escape_text(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '"': escaped += "&quot;"; break;
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

std::uint64_t read_size(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Listed read_contents(const Node& node) {
  Listed entry;
  node.children([&](Node field) {
    if (field.name() == "Key") entry.key = unescape(field.text());
    else if (field.name() == "Size") entry.size = read_size(field.text());
    else if (field.name() == "ETag") entry.etag = field.text();
    else if (field.name() == "LastModified") entry.last_modified = read_time(field.text());
  });
  return entry;
}

Listed read_prefix(const Node& node) {
  Listed entry{.key = {}, .prefix = true, .size = 0, .etag = {}, .last_modified = {}};
  node.children([&](Node field) {
    if (field.name() == "Prefix") entry.key = unescape(field.text());
  });
  return entry;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string escape(std::string_view text, bool keep_slash) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '-' || c == '_' || c == '.' || c == '~' || (keep_slash && c == '/')) {
      result += c;
    } else {
      result += '%';
      result += kHex[byte >> 4U];
      result += kHex[byte & 15U];
    }
  }
  return result;
}

}  // namespace

std::string read_upload_id(std::string_view xml) { return read_child(xml, "InitiateMultipartUploadResult", "UploadId"); }

std::string read_upload_etag(std::string_view xml) { return read_child(xml, "CompleteMultipartUploadResult", "ETag"); }

std::string write_parts(const std::vector<UploadedPart>& parts) {
  std::string xml = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (std::size_t i = 0; i < parts.size(); ++i) {
    xml += "<Part>";
    if (!parts[i].crc.empty()) xml += "<ChecksumCRC32C>" + escape_text(parts[i].crc) + "</ChecksumCRC32C>";
    xml += "<ETag>" + escape_text(parts[i].etag) + "</ETag><PartNumber>" + std::to_string(i + 1) + "</PartNumber></Part>";
  }
  return xml + "</CompleteMultipartUpload>";
}

ErrorDocument read_error(std::string_view xml) {
  ErrorDocument document;
  if (xml.find('<') == std::string_view::npos) return document;
  start_library();
  read_root(xml, [&](Node root) {
    if (root.name() != "Error") return;
    root.children([&](Node field) {
      if (field.name() == "Code") document.code = field.text();
      else if (field.name() == "Message") document.message = field.text();
      else if (field.name() == "Region") document.region = field.text();
    });
  });
  return document;
}

Result<ListPage> read_list(std::string_view xml) {
  start_library();
  ListPage page;
  bool right = false;
  bool truncated = false;
  bool whole = read_root(xml, [&](Node root) {
    right = root.name() == "ListBucketResult" && root.children([&](Node field) {
      if (field.name() == "Contents") page.entries.push_back(read_contents(field));
      else if (field.name() == "CommonPrefixes") page.entries.push_back(read_prefix(field));
      else if (field.name() == "NextContinuationToken") page.next = field.text();
      else if (field.name() == "IsTruncated") truncated = field.text() == "true";
    });
  });
  if (!whole || !right) {
    return Error{.kind = Kind::failed, .what = "the list cannot be read", .why = "the answer is not S3's list of objects, or cut off"};
  }
  if (truncated && page.next.empty()) {
    return Error{.kind = Kind::failed, .what = "the list cannot be read", .why = "it goes on, but without a token to ask for the rest"};
  }
  if (!truncated) page.next.clear();
  return page;
}

std::string unescape(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
    if (low >= 0) {
      result += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      result += text[i] == '+' ? ' ' : text[i];
    }
  }
  return result;
}

std::string escape_path(std::string_view path) { return escape(path, true); }
std::string escape_query(std::string_view text) { return escape(text, false); }

std::optional<WallTime> read_time(std::string_view text) {
  const aws_byte_cursor bytes = cursor(text);
  aws_date_time time{};
  const bool iso = text.size() > 10 && text[4] == '-';
  const auto form = iso ? AWS_DATE_FORMAT_ISO_8601 : AWS_DATE_FORMAT_RFC822;
  if (aws_date_time_init_from_str_cursor(&time, &bytes, form) != AWS_OP_SUCCESS) return std::nullopt;
  WallTime result{std::chrono::milliseconds{static_cast<std::int64_t>(aws_date_time_as_millis(&time))}};
  // The CRT leaves out the fraction, which is always three digits in S3's lists.
  const auto dot = iso ? text.find('.') : std::string_view::npos;
  if (dot != std::string_view::npos) result += std::chrono::milliseconds{read_size(text.substr(dot + 1, 3)) % 1000};
  return result;
}

}  // namespace headrace::s3
