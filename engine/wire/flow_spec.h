#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "flow/graph.h"
#include "flow/limits.h"
#include "wire/frame.h"
#include "wire/messages.h"
#include "wire/pod_settings.h"

/// What `python flow.py run` hands to the engine: docs/formats/wire.md, section 6.
namespace headrace::wire {

enum class RunCommand { run, resume, spin, init };

[[nodiscard]] std::string_view to_string(RunCommand command);

struct ParameterValue {
  std::string name;
  std::string type;
  std::string encoding;
  std::string pickle;
};

/// A file of IncludeFile, to be stored by the engine.
struct IncludedFile {
  std::string path;
  std::string sha;
  std::string url;
};

struct ResumeSpec {
  std::string origin_run_id;
  std::vector<flow::StepIndex> rerun;
  std::optional<std::string> run_id;
  bool clone_only = false;
  std::optional<std::string> reentrant_as;  ///< several commands resume one run under one id; this one's name among them
};

struct SpinSpec {
  flow::StepIndex step = 0;
  std::vector<std::string> inputs;  ///< run/step/task
  std::string input_root;           ///< of the datastore that they are in
  std::string runs_root;            ///< the directory whose FLOW/latest_run is written
  std::optional<std::int64_t> split_index;
};

/// `init`: where the values of a run that others run are stored.
struct InitSpec {
  std::string run_id;
  std::string task_id;  ///< of `_parameters`
};

/// What all pods of a run have in common.
struct PodRun {
  std::map<std::string, std::string> environment;  ///< of their containers
  std::vector<std::string> command;  ///< what runs a step in the unpacked code package, without the interpreter and `step NAME`
  std::string configs;               ///< JSON text for --local-config-file; "" if the flow has no configs
  std::string package;               ///< the code package: bytes of a tar, gzip'd
  std::string package_metadata;      ///< JSON text
};

struct RunSpec {
  RunCommand command = RunCommand::run;
  std::string flow;
  std::string script;
  std::string user;
  std::string namespace_;
  std::vector<std::string> tags;
  std::vector<std::string> sys_tags;
  std::vector<MetadataField> sysmeta;  ///< written for every attempt
  std::string sys_version;             ///< of Python: `python_version` of N.data.json
  std::string datastore_type;
  std::string datastore_root;
  std::string metadata_root;
  std::optional<std::string> run_id_file;
  std::optional<std::string> runner_attribute_file;
  std::string ui_url;
  flow::Limits limits;
  flow::Graph graph;
  std::map<flow::StepIndex, PodSettings> pods;  ///< of each step whose backend is Kubernetes, and of no other
  std::optional<PodRun> pod_run;                ///< there whenever a step is to run as a pod
  std::vector<ParameterValue> parameters;
  std::vector<IncludedFile> includes;
  std::optional<ResumeSpec> resume;
  std::optional<SpinSpec> spin;
  std::optional<InitSpec> init;
};

/// Checks everything: what is accepted can be run. Error (misuse) names the field.
Result<RunSpec> parse_run_spec(const Frame& frame);
Result<RunSpec> parse_run_spec(std::string_view bytes);
/// Reads the spec from a memfd (from its start) to its end.
Result<RunSpec> read_run_spec(int fd);

}  // namespace headrace::wire
