#pragma once

#include <memory>
#include <string>

#include "console/output.h"
#include "launch/host_launcher.h"
#include "launch/testing/fake_pod_launcher.h"
#include "loop/datagram_socket.h"
#include "loop/event_loop.h"
#include "loop/worker_pool.h"
#include "run/driver.h"
#include "store/directory_backend.h"
#include "store/testing/temporary_directory.h"

namespace headrace::run::testing {

/// A whole run whose pods are fake: the driver, datastore and metadata in two directories, and a task host that can start nothing.
class PodRun {
 public:
  explicit PodRun(flow::Graph graph);
  ~PodRun();

  /// Runs to the end; the exit code.
  int run();
  /// As Ctrl-C does.
  static void interrupt();
  /// ... once so many pods run.
  [[nodiscard]] loop::Async<void> interrupt_when_running(std::size_t count);
  /// ... and once more, while these are being removed.
  [[nodiscard]] loop::Async<void> interrupt_twice(std::size_t count);

  /// Of a pod: it ended well, and `next` follows. By its report; nothing is stored.
  [[nodiscard]] static launch::PodEnd success(std::vector<std::string> next, std::optional<std::int64_t> splits = {});
  [[nodiscard]] static launch::PodEnd failure(launch::PodOutcome outcome, int exit_code, std::optional<Error> cause = {});
  /// Stores what an agent stores for a step that `end` follows, so that a lost report can be made good.
  Result<void> publish(const launch::PodStart& start);

  /// Before `run`: stdout is a pipe, and `out()` knows nothing. Its reading end, which never waits.
  [[nodiscard]] loop::UniqueFd read_out();

  /// Removes a file of the datastore, below the run, as if its writer had died before it.
  void lose(const std::string& path) const;

  /// What was printed, without times and with the run's id as RUN and this process's id as N.
  [[nodiscard]] std::string out() const { return seen(out_path_); }
  [[nodiscard]] std::string err() const { return seen(err_path_); }
  [[nodiscard]] std::string run_id() const;
  /// A file of the datastore, below the run; "" if there is none.
  [[nodiscard]] std::string stored(const std::string& path) const;

  /// Whether the metadata of a task (`start/1`) has a file whose name begins so.
  [[nodiscard]] bool recorded(const std::string& task, const std::string& beginning) const;

  loop::EventLoop loop;
  launch::testing::FakePodLauncher pods;
  wire::RunSpec spec;

 private:
  [[nodiscard]] loop::Async<void> be_the_host();
  [[nodiscard]] std::string seen(const std::string& path) const;

  store::testing::TemporaryDirectory folder_;
  store::DirectoryBackend data_;
  store::DirectoryBackend meta_;
  std::string out_path_;
  std::string err_path_;
  loop::WorkerPool pool_;
  loop::UniqueFd launcher_end_;
  std::unique_ptr<loop::DatagramSocket> host_;
};

}  // namespace headrace::run::testing
