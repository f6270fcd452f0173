#include <chrono>
#include <vector>

#include <fmt/format.h>

#include "codec/json_path.h"
#include "codec/timestamp.h"
#include "kube/request.h"

namespace headrace::kube {

namespace {

constexpr std::size_t kMessageBytesMax = 1000;

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    if (slash != 0) parts.emplace_back(path.substr(0, slash));
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return parts;
}

/// Why the server may not know us any more, as far as can be told from here; empty: nothing to tell.
std::string credentials_note(const Access& access) {
  if (access.exec) return fmt::format("they come from the program `{}`", access.exec->command);
  if (!access.token_file.empty()) return fmt::format("they are the token in {}", access.token_file);
  if (!access.token.empty()) return "they are a token";
  if (!access.username.empty()) return fmt::format("they are the password of `{}`", access.username);
  if (access.certificate_pem.empty()) return "there are none";
  const auto facts = net::read_certificate(access.certificate_pem);
  if (!facts) return "they are a client certificate";
  const auto now = std::chrono::system_clock::now();
  return fmt::format("they are the client certificate `{}`, which {} at {} UTC", facts->subject,
                     facts->not_after < now ? "expired" : "expires", codec::to_iso(facts->not_after).substr(0, 19));
}

void explain_denied(Error& error, const Target& target, const Answer& answer, const Access& access) {
  const std::string said = answer.message();
  if (answer.status == 401) {
    error.why = fmt::format("the cluster does not accept the credentials; {}", credentials_note(access));
    error.next = access.exec ? "log in again with that program's own command" : "log in to the cluster again, or renew them";
    return;
  }
  if (said.find("exceeded quota") != std::string::npos) {
    error.next = "ask for less, wait until other pods have ended, or have the namespace's quota raised";
  } else if (said.find("violates PodSecurity") != std::string::npos) {
    error.next = "what the message names must change in the pod, or the namespace must allow it";
  } else if (said.find("is being terminated") != std::string::npos) {
    error.next = "the namespace is being deleted: choose another";
  } else if (said.find(" cannot ") != std::string::npos || said.empty()) {
    const std::string where = target.namespace_.empty() ? std::string("in the cluster") : fmt::format("in namespace `{}`", target.namespace_);
    error.next = fmt::format("have the right `{}` on `{}` (API group `{}`) {} given to this user", target.verb, target.resource,
                             target.group, where);
  } else {
    error.next = "the cluster's administrator can tell why it refuses this";
  }
}

void explain_missing(Error& error, const Target& target, const Answer& answer) {
  const auto details = answer.body.is_object() ? answer.body.find("details") : answer.body.end();
  const bool namespace_missing = answer.body.is_object() && details != answer.body.end() && details->is_object() &&
                                 codec::text_at(*details, "kind") == "namespaces";
  if (namespace_missing) {
    error.next = fmt::format("create the namespace `{}`, or choose another one", target.namespace_);
  } else if (codec::text_at(answer.body, "kind") != "Status") {
    error.next = "check that the address is that of a Kubernetes API server";
  } else if (target.name.empty()) {
    error.next = "this cluster does not have that kind of object";
  }
}

}  // namespace

std::string Answer::reason() const { return codec::text_at(body, "reason"); }

std::string Answer::message() const {
  std::string text = codec::text_at(body, "message");
  if (text.empty() && body.is_string()) text = body.get<std::string>();
  if (text.size() > kMessageBytesMax) text = text.substr(0, kMessageBytesMax) + "...";
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

std::string Target::described() const {
  std::string text = fmt::format("{} {}", verb, resource.empty() ? "the API" : resource);
  if (!name.empty()) text += fmt::format(" `{}`", name);
  if (!namespace_.empty()) text += fmt::format(" in namespace `{}`", namespace_);
  return text;
}

Target target_of(const Call& call) {
  Target target;
  std::vector<std::string> parts = split_path(call.path);
  std::size_t at = 0;
  if (at < parts.size() && parts[at] == "api") {
    at += 2;
  } else if (at < parts.size() && parts[at] == "apis") {
    if (at + 1 < parts.size()) target.group = parts[at + 1];
    at += 3;
  } else {
    at = parts.size();
  }
  // `namespaces/NS/pods` is in a namespace; `namespaces/NS` is the namespace itself.
  if (at + 2 < parts.size() && parts[at] == "namespaces") {
    target.namespace_ = parts[at + 1];
    at += 2;
  }
  if (at < parts.size()) target.resource = parts[at++];
  if (at < parts.size()) target.name = parts[at++];
  if (at < parts.size()) target.resource += "/" + parts[at];
  const bool one = !target.name.empty() || target.resource.empty();
  const auto watch = call.query.find("watch");
  if (call.method == "GET") {
    target.verb = one ? "get" : watch != call.query.end() && watch->second == "true" ? "watch" : "list";
  } else if (call.method == "POST") {
    target.verb = "create";
  } else if (call.method == "PUT") {
    target.verb = "update";
  } else if (call.method == "PATCH") {
    target.verb = "patch";
  } else if (call.method == "DELETE") {
    target.verb = one ? "delete" : "deletecollection";
  } else {
    target.verb = call.method;
  }
  return target;
}

std::string target_text(const Call& call) {
  std::string text = call.path;
  char mark = '?';
  for (const auto& [key, value] : call.query) {
    text += fmt::format("{}{}={}", mark, net::escape_query(key), net::escape_query(value));
    mark = '&';
  }
  return text;
}

Answer to_answer(int status, const std::string& body) {
  Answer answer{.status = status, .body = nullptr};
  if (body.empty()) return answer;
  auto parsed = codec::parse_json(body, "the API server's answer");
  answer.body = parsed ? std::move(parsed).value() : codec::Json(body);
  return answer;
}

Error refusal(const Call& call, const Answer& answer, const Access& access) {
  HR_CHECK(!answer.ok());
  const Target target = target_of(call);
  Error error{.kind = Kind::failed, .what = fmt::format("cannot {}", target.described()), .where = access.described(),
              .why = answer.message()};
  if (error.why.empty()) error.why = fmt::format("the API server answers {}", answer.status);
  switch (answer.status) {
    case 401:
    case 403:
      error.kind = Kind::denied;
      explain_denied(error, target, answer, access);
      break;
    case 404:
    case 410:
      error.kind = Kind::missing;
      if (answer.status == 404) explain_missing(error, target, answer);
      break;
    case 400:
    case 422:
      error.kind = Kind::misuse;
      error.next = "change what the message names";
      break;
    case 409:
      if (answer.reason() == "AlreadyExists") error.next = "delete the object that has this name, or use another name";
      break;
    case 413:
      error.kind = Kind::misuse;
      error.next = "the object is too large for the API server: make it smaller";
      break;
    case 429:
      error.kind = Kind::retry;
      error.next = "the API server is overloaded or limits this user; try again later";
      break;
    default:
      if (answer.status >= 300 && answer.status < 400) {
        error.why = fmt::format("the server answers {}, a redirect", answer.status);
        error.next = "check that the address is that of a Kubernetes API server and not of a login page";
      } else if (answer.status >= 500) {
        error.kind = Kind::retry;
        error.why += fmt::format(" (status {})", answer.status);
        error.next = "the API server has trouble; its administrator can tell";
      }
  }
  return error;
}

}  // namespace headrace::kube
