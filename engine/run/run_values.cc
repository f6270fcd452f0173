#include "run/run_values.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>

#include "attempt/assignment.h"
#include "codec/gzip.h"
#include "loop/unique_fd.h"
#include "store/open_backend.h"

namespace headrace::run {

namespace {

Result<std::string> read_file(const std::string& path) {
  loop::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return system_error(errno, fmt::format("the included file `{}` cannot be read", path));
  std::string bytes;
  char buffer[1 << 16];
  while (true) {
    ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n == 0) return bytes;
    if (n > 0) bytes.append(buffer, static_cast<std::size_t>(n));
    if (n < 0 && errno != EINTR) return system_error(errno, fmt::format("the included file `{}` cannot be read", path));
  }
}

/// Stores one file where its URL says, `local://PATH` or `s3://BUCKET/KEY`, as Metaflow does: by its sha1, gzip'd.
Result<void> store_include(const wire::IncludedFile& file) {
  const store::ObjectPlace place = HR_TRY(store::place_of_url(file.url));
  const auto folder = HR_TRY(store::open_backend({}, place.folder));
  const std::string bytes = HR_TRY(read_file(file.path));
  HR_TRY(folder->put_new(place.name, codec::gzip(bytes)));
  return {};
}

/// Metadata of `_parameters`: that of every attempt, and the steps that the graph begins and ends with.
std::vector<store::Field> fields_of_parameters(const wire::RunSpec& spec, std::vector<store::Field> fields) {
  auto end_point = [&](const char* name, flow::StepIndex step) {
    fields.push_back(store::Field{
        .name = name, .type = "graph_structure", .value = spec.graph.name(step), .tags = {}, .of_attempt = false});
  };
  end_point("start_step", spec.graph.start());
  end_point("end_step", spec.graph.end());
  return fields;
}

}  // namespace

Result<void> store_includes(const wire::RunSpec& spec) {
  for (const wire::IncludedFile& file : spec.includes) HR_TRY(store_include(file));
  return {};
}

Result<store::Manifest> store_values(store::RunRecords& records, store::BlobStore& blobs, const wire::RunSpec& spec, const TaskId& task,
                                     const std::vector<store::Field>& fields, WallTime now) {
  store::Manifest manifest;
  manifest.datastore = spec.datastore_type;
  manifest.python_version = spec.sys_version;
  for (const wire::ParameterValue& value : spec.parameters) {
    manifest.set(store::Artifact{.name = value.name,
                                 .key = HR_TRY(blobs.put(value.pickle)),
                                 .size = static_cast<std::int64_t>(value.pickle.size()),
                                 .type = value.type,
                                 .encoding = value.encoding,
                                 .extra = R"({"source": "metaflow"})"});
  }
  HR_TRY(records.parameters(task, manifest, fields_of_parameters(spec, fields), now));
  return manifest;
}

Result<void> init_run(const wire::RunSpec& spec, store::Backend& data, store::Backend& meta, WallTime now) {
  HR_TRY(data.check());
  attempt::RunFacts facts = attempt::facts_of(spec, spec.sysmeta, spec.metadata_root);
  facts.identity.run = RunId(spec.init->run_id);
  HR_TRY(store::RunRecords::register_run(meta, facts.identity, now));
  HR_TRY(store_includes(spec));
  store::RunRecords records(data, meta, facts.identity);
  store::BlobStore blobs(data, facts.identity.flow);
  HR_TRY(store_values(records, blobs, spec, TaskId(spec.init->task_id), facts.fields, now));
  return {};
}

}  // namespace headrace::run
