#include "kube/exec_plugin.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codec/base64.h"
#include "codec/json.h"
#include "codec/timestamp.h"
#include "loop/unique_fd.h"

namespace headrace::kube {

namespace {

constexpr std::size_t kLastWordsBytesMax = 600;

Error plugin_error(const ExecPlugin& plugin, std::string why, std::string next = "") {
  if (next.empty()) next = plugin.install_hint.empty() ? "run that program by hand to see what it needs (log in again?)" : plugin.install_hint;
  for (char& c : next) {
    if (c == '\n') c = ' ';
  }
  return Error{.kind = Kind::misuse, .what = fmt::format("the program `{}` gives no credentials for the cluster", plugin.command),
               .why = std::move(why), .next = std::move(next)};
}

/// The file that `command` names, looked for in the PATH of `environment`; empty if there is none.
std::string find_program(const std::string& command, const Environment& environment) {
  if (command.find('/') != std::string::npos) return ::access(command.c_str(), X_OK) == 0 ? command : "";
  std::string_view path;
  const std::string held = environment.get("PATH");
  path = held;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find(':'), path.size());
    const std::string file = std::string(path.substr(0, end)) + "/" + command;
    if (end > 0 && ::access(file.c_str(), X_OK) == 0) return file;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return "";
}

std::string exec_info(const Access& access) {
  codec::Json spec = {{"interactive", false}};
  if (access.exec->provide_cluster_info) {
    codec::Json cluster = {{"server", access.server}};
    if (!access.tls_server_name.empty()) cluster["tls-server-name"] = access.tls_server_name;
    if (access.skip_verify) cluster["insecure-skip-tls-verify"] = true;
    if (!access.ca_pem.empty()) cluster["certificate-authority-data"] = codec::to_base64(access.ca_pem);
    if (!access.proxy.empty()) cluster["proxy-url"] = access.proxy;
    spec["cluster"] = std::move(cluster);
  }
  const codec::Json info = {{"kind", "ExecCredential"}, {"apiVersion", access.exec->api_version}, {"spec", std::move(spec)}};
  return codec::dump_json(info);
}

std::vector<std::string> plugin_variables(const Access& access) {
  auto all = access.environment.variables;
  for (const auto& [name, value] : access.exec->environment) all[name] = value;
  all["KUBERNETES_EXEC_INFO"] = exec_info(access);
  std::vector<std::string> list;
  for (const auto& [name, value] : all) list.push_back(name + "=" + value);
  return list;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

/// In a process group of its own, with default signals, so that Ctrl-C and our signal mask do not reach it.
Result<pid_t> start(const std::string& file, const Access& access, int out, int err) {
  std::vector<std::string> words{access.exec->command};
  words.insert(words.end(), access.exec->arguments.begin(), access.exec->arguments.end());
  std::vector<std::string> variables = plugin_variables(access);
  const std::vector<char*> argv = pointers(words), envp = pointers(variables);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, err, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  pid_t pid = 0;
  const int code = ::posix_spawn(&pid, file.c_str(), &actions, &attributes, argv.data(), envp.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (code != 0) return system_error(code, fmt::format("cannot start {}", file));
  return pid;
}

struct Spoken {
  std::string out, last_words;
  bool too_long = false, too_slow = false;
};

/// Reads both pipes until they end; what comes on `err` also goes to our standard error.
Spoken listen(int out, int err, Instant deadline) {
  Spoken spoken;
  std::array<pollfd, 2> ends{{{out, POLLIN, 0}, {err, POLLIN, 0}}};
  std::array<char, 8192> bytes;
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) {
      spoken.too_slow = true;
      return spoken;
    }
    if (::poll(ends.data(), ends.size(), static_cast<int>(left)) < 0 && errno != EINTR) return spoken;
    for (pollfd& end : ends) {
      if (end.fd < 0 || end.revents == 0) continue;
      const ssize_t count = ::read(end.fd, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) {
        end.fd = -1;
        continue;
      }
      const std::string_view piece(bytes.data(), static_cast<std::size_t>(count));
      if (&end == &ends[0]) {
        spoken.out += piece;
        if (spoken.out.size() > kPluginBytesMax) {
          spoken.too_long = true;
          return spoken;
        }
      } else {
        (void)!::write(STDERR_FILENO, piece.data(), piece.size());
        spoken.last_words += piece;
        if (spoken.last_words.size() > kLastWordsBytesMax) {
          spoken.last_words.erase(0, spoken.last_words.size() - kLastWordsBytesMax);
        }
      }
    }
  }
  return spoken;
}

std::string one_line(std::string text) {
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.pop_back();
  for (char& c : text) {
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
  }
  return text;
}

}  // namespace

Result<ExecCredential> run_plugin(const Access& access, Duration time_max) {
  HR_CHECK(access.exec.has_value());
  const ExecPlugin& plugin = *access.exec;
  const std::string file = find_program(plugin.command, access.environment);
  if (file.empty()) {
    return plugin_error(plugin, plugin.command.find('/') == std::string::npos ? "it is not in PATH" : "there is no such program",
                        plugin.install_hint.empty() ? "install that program, or use credentials of another kind" : "");
  }
  loop::FdPair out = HR_TRY(loop::make_pipe());
  loop::FdPair err = HR_TRY(loop::make_pipe());
  auto started = start(file, access, out.second.get(), err.second.get());
  if (!started) return plugin_error(plugin, started.error().why);
  out.second.reset();
  err.second.reset();
  const Spoken spoken = listen(out.first.get(), err.first.get(), std::chrono::steady_clock::now() + time_max);
  if (spoken.too_slow || spoken.too_long) ::kill(-*started, SIGKILL);
  int status = 0;
  while (::waitpid(*started, &status, 0) < 0 && errno == EINTR) {
  }
  if (spoken.too_slow) {
    Error error = plugin_error(plugin, fmt::format("it did not end within {} s", std::chrono::duration_cast<std::chrono::seconds>(time_max).count()));
    error.kind = Kind::retry;
    return error;
  }
  if (spoken.too_long) return plugin_error(plugin, fmt::format("it prints more than {} bytes", kPluginBytesMax));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    std::string why = WIFEXITED(status) ? fmt::format("it ended with exit code {}", WEXITSTATUS(status))
                                        : fmt::format("it was ended by signal {}", WTERMSIG(status));
    const std::string words = one_line(spoken.last_words);
    if (!words.empty()) why += ": " + words;
    return plugin_error(plugin, why);
  }
  auto credential = parse_credential(spoken.out, plugin.api_version);
  if (!credential) {
    const Error& error = credential.error();
    return plugin_error(plugin, fmt::format("its output: {}{}{}", error.what, error.why.empty() ? "" : ": ", error.why));
  }
  return credential;
}

Result<ExecCredential> parse_credential(std::string_view output, const std::string& api_version) {
  const codec::Json answer = HR_TRY(codec::parse_json(output, "its output"));
  const auto wrong = [](std::string what) { return Error{.kind = Kind::misuse, .what = std::move(what)}; };
  const std::string kind = HR_TRY(codec::get_string(answer, "kind"));
  if (kind != "ExecCredential") return wrong(fmt::format("it printed an object of the kind `{}`, not ExecCredential", kind));
  const std::string version = HR_TRY(codec::get_string(answer, "apiVersion"));
  if (version != api_version) return wrong(fmt::format("it answers in `{}`, the kubeconfig says `{}`", version, api_version));
  const codec::Json* status = HR_TRY(codec::find_object(answer, "status"));
  if (status == nullptr) return wrong("its answer has no status");
  ExecCredential credential;
  credential.token = Secret(HR_TRY(codec::find_string(*status, "token")).value_or(""));
  credential.certificate_pem = HR_TRY(codec::find_string(*status, "clientCertificateData")).value_or("");
  credential.key_pem = Secret(HR_TRY(codec::find_string(*status, "clientKeyData")).value_or(""));
  if (credential.certificate_pem.empty() != credential.key_pem.empty()) {
    return wrong("its answer has only one of client certificate and key");
  }
  if (credential.token.empty() && credential.certificate_pem.empty()) return wrong("its answer has neither a token nor a certificate");
  const auto expires = HR_TRY(codec::find_string(*status, "expirationTimestamp"));
  if (expires && !expires->empty()) {
    credential.expires = codec::from_iso(*expires);
    if (!credential.expires) return wrong(fmt::format("`{}` is no time", *expires));
  }
  return credential;
}

}  // namespace headrace::kube
