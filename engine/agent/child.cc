#include "agent/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

namespace headrace::agent {
namespace {

constexpr std::string_view kOomScore = "500";

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

/// The program's path; empty if it is nowhere.
std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    std::string candidate = fmt::format("{}/{}", rest.substr(0, end), name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

/// What the child needs between fork and exec, made before: there it may only make system calls.
struct Prepared {
  std::string program;
  std::vector<char*> arguments;
  std::vector<char*> environment;
  const char* folder = nullptr;
  int out = -1;
  int err = -1;
  int door = -1;
  int failure = -1;  ///< an errno is written here when exec has failed
  pid_t parent = 0;
};

void reset_for_child() {
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &usual, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void become_child(const Prepared& prepared) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != prepared.parent) ::_exit(1);
  const int null = ::open("/dev/null", O_RDONLY);
  if (null >= 0) ::dup2(null, 0);
  ::dup2(prepared.out, 1);
  ::dup2(prepared.err, 2);
  // Lower scores need a right, higher ones do not; a sandbox may have no such file, and then memory has no order.
  const int score = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (score >= 0) {
    [[maybe_unused]] const ssize_t written = ::write(score, kOomScore.data(), kOomScore.size());
    ::close(score);
  }
  reset_for_child();
  // The S3 client's sockets would stay open as long as the task. Without this call (Linux 5.11) they do.
  (void)::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  if (::fcntl(prepared.door, F_SETFD, 0) == 0 && ::chdir(prepared.folder) == 0) {
    ::execve(prepared.program.c_str(), prepared.arguments.data(), prepared.environment.data());
  }
  const int code = errno;
  [[maybe_unused]] const ssize_t told = ::write(prepared.failure, &code, sizeof code);
  ::_exit(127);
}

/// Nothing if exec has closed the pipe, else why it has failed.
std::optional<int> read_failure(int fd) {
  int code = 0;
  for (;;) {
    const ssize_t got = ::read(fd, &code, sizeof code);
    if (got < 0 && errno == EINTR) continue;
    return got == sizeof code ? std::optional(code) : std::nullopt;
  }
}

}  // namespace

Result<pid_t> start_child(ChildStart start) {
  Prepared prepared;
  prepared.program = find_program(start.command.at(0));
  if (prepared.program.empty()) {
    return Error{.kind = Kind::missing,
                 .what = fmt::format("`{}` cannot be started", start.command[0]),
                 .why = "it is not in the image's PATH",
                 .next = "use an image with Python, or name its Python with @kubernetes(executable=...)"};
  }
  std::vector<std::string> variables;
  for (const auto& [name, value] : start.environment) variables.push_back(fmt::format("{}={}", name, value));
  prepared.arguments = pointers(start.command);
  prepared.environment = pointers(variables);
  prepared.folder = start.folder.c_str();
  prepared.out = start.out.get();
  prepared.err = start.err.get();
  prepared.door = start.door.get();
  prepared.parent = ::getpid();
  auto told = loop::make_pipe();
  if (!told) return std::move(told).error();
  prepared.failure = told->second.get();
  // No handler of the agent's may run in the child before it has its own dispositions.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) become_child(prepared);
  const int code = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return system_error(code, "a process for the step cannot be made");
  // Also done by the child: whoever is first, a signal to the group reaches it.
  ::setpgid(pid, pid);
  told->second.reset();
  if (const auto failure = read_failure(told->first.get())) {
    ::waitpid(pid, nullptr, 0);
    return system_error(*failure, fmt::format("`{}` cannot be started in `{}`", prepared.program, start.folder));
  }
  return pid;
}

std::optional<ChildEnd> reap(pid_t child) {
  std::optional<ChildEnd> end;
  for (;;) {
    int status = 0;
    rusage usage{};
    const pid_t pid = ::wait4(-1, &status, WNOHANG, &usage);
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) return end;
    if (pid == child) end = ChildEnd{.status = status, .peak_kb = usage.ru_maxrss};
  }
}

}  // namespace headrace::agent
