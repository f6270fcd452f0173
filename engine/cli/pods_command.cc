#include "cli/pods_command.h"

#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "cli/cluster.h"
#include "codec/json_path.h"
#include "console/error_block.h"
#include "console/output.h"
#include "kube/client.h"
#include "loop/event_loop.h"
#include "loop/signals.h"

namespace headrace::cli {

namespace {

using codec::Json;
using codec::text_at;

struct Options {
  bool kill = false;
  std::string flow;
  std::string run;   ///< empty: of any run
  std::string user;  ///< empty: of anybody
  std::vector<std::string> namespaces;
};

Result<Options> parse(std::span<const std::string> arguments) {
  const auto misuse = [](std::string what) {
    return Error{.kind = Kind::misuse, .what = std::move(what), .next = "use `python flow.py kubernetes list` or `kill`"};
  };
  if (arguments.empty() || (arguments[0] != "list" && arguments[0] != "kill")) return misuse("`headrace pods` lists or kills");
  Options options{.kill = arguments[0] == "kill"};
  for (std::size_t i = 1; i < arguments.size(); i += 2) {
    const std::string& name = arguments[i];
    if (i + 1 >= arguments.size()) return misuse(fmt::format("`{}` has no value", name));
    const std::string& value = arguments[i + 1];
    if (name == "--flow") {
      options.flow = value;
    } else if (name == "--run-id") {
      options.run = value;
    } else if (name == "--user") {
      options.user = value;
    } else if (name == "--namespace") {
      options.namespaces.push_back(value);
    } else {
      return misuse(fmt::format("`headrace pods` does not understand `{}`", name));
    }
  }
  if (options.flow.empty() || options.namespaces.empty()) return misuse("`headrace pods` needs --flow and --namespace");
  return options;
}

/// Whether an object belongs to the runs that were asked for.
bool belongs(const Json& object, const Options& options) {
  const auto annotation = [&](std::string_view name) { return text_at(object, {"metadata", "annotations", name}); };
  return annotation("metaflow/flow_name") == options.flow && (options.run.empty() || annotation("metaflow/run_id") == options.run) &&
         (options.user.empty() || annotation("metaflow/user") == options.user);
}

bool wanted(const Json& pod, const Options& options) {
  const std::string phase = text_at(pod, {"status", "phase"});
  return phase != "Succeeded" && phase != "Failed" && belongs(pod, options);
}

/// `2026-01-02T03:04:05Z` as Metaflow shows it.
std::string shown_time(std::string text) {
  if (text.empty()) return "not yet";
  if (text.size() > 10 && text[10] == 'T') text[10] = ' ';
  if (text.back() == 'Z') text.pop_back();
  return text;
}

/// It may be gone already.
loop::Async<Result<void>> remove(kube::Client& client, std::string path) {
  kube::Call removal{.method = "DELETE", .path = std::move(path), .query = {{"propagationPolicy", "Background"}}};
  auto removing = client.call_ok(std::move(removal));
  auto removed = co_await std::move(removing);
  if (!removed && removed.error().kind != Kind::missing) co_return std::move(removed).error();
  co_return Result<void>{};
}

/// Of the pods of one namespace; how many there were.
loop::Async<Result<std::size_t>> look(kube::Client& client, Options options, std::string ns, console::Output& err) {
  kube::Call asked{.path = fmt::format("/api/v1/namespaces/{}/pods", ns), .query = {{"labelSelector", "app.kubernetes.io/part-of=metaflow"}}};
  auto listing = client.list(std::move(asked));
  auto listed = co_await std::move(listing);
  if (!listed) co_return std::move(listed).error();
  std::size_t count = 0;
  for (const Json& pod : listed->items) {
    if (!wanted(pod, options)) continue;
    ++count;
    const std::string name = text_at(pod, {"metadata", "name"});
    if (!options.kill) {
      console::say(err, fmt::format("Run: {} Pod: {} Started At: {} Status: {}", text_at(pod, {"metadata", "annotations", "metaflow/run_id"}), name,
                                    shown_time(text_at(pod, {"status", "startTime"})), text_at(pod, {"status", "phase"})));
      continue;
    }
    console::say(err, fmt::format("Killing Kubernetes pod {}", name));
    auto removing = remove(client, fmt::format("/api/v1/namespaces/{}/pods/{}", ns, name));
    auto removed = co_await std::move(removing);
    if (!removed) co_return std::move(removed).error();
  }
  if (!options.kill) co_return count;
  // What owns the pods of a run has nothing to own any more; it would else wait for its lease.
  kube::Call owners{.path = fmt::format("/apis/batch/v1/namespaces/{}/jobs", ns), .query = {{"labelSelector", "app.kubernetes.io/name=headrace-run"}}};
  auto looking = client.list(std::move(owners));
  auto found = co_await std::move(looking);
  if (!found) co_return std::move(found).error();
  for (const Json& owner : found->items) {
    if (!belongs(owner, options)) continue;
    auto removing = remove(client, fmt::format("/apis/batch/v1/namespaces/{}/jobs/{}", ns, text_at(owner, {"metadata", "name"})));
    auto removed = co_await std::move(removing);
    if (!removed) co_return std::move(removed).error();
  }
  co_return count;
}

loop::Async<int> work(kube::Client& client, Options options, console::Output& err) {
  std::size_t count = 0;
  for (const std::string& ns : options.namespaces) {
    auto looking = look(client, options, ns, err);
    auto looked = co_await std::move(looking);
    if (!looked) {
      console::error_block(err, looked.error());
      co_return 1;
    }
    count += *looked;
  }
  if (count == 0) console::say(err, "No active Kubernetes pods found.");
  co_return 0;
}

}  // namespace

int pods_command(std::span<const std::string> arguments) {
  loop::reset_signals();
  console::Output err(2);
  auto options = parse(arguments);
  int code = 1;
  if (!options) {
    console::error_block(err, options.error());
    code = 2;
  } else {
    loop::EventLoop event_loop;
    auto client = open_client(event_loop, err);
    if (!client) {
      console::error_block(err, client.error());
    } else {
      code = event_loop.block_on(work(**client, *options, err));
      (*client)->close();
    }
  }
  err.drain(2s);
  return code;
}

}  // namespace headrace::cli
