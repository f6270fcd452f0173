"""Prints, as JSON, all that the client of the running Python says about a datastore. Run with either product's Python.

usage: describe.py FLOW [RUN...]
"""

import json
import sys

from metaflow import DataArtifact, Flow, Metaflow, Run, Step, Task, namespace


def plain(value):
    """A text that is the same in both processes for equal values."""
    kind = type(value)
    if kind.__module__ == "builtins" and kind.__name__ not in ("list", "tuple", "dict"):
        return repr(value)
    if isinstance(value, dict):
        return "{%s}" % ", ".join("%s: %s" % (plain(k), plain(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return "%s[%s]" % (kind.__name__, ", ".join(map(plain, value)))
    if kind.__module__.startswith("metaflow.client"):
        return str(value)
    members = sorted(getattr(value, "__dict__", {}).items())
    return "%s.%s(%s)" % (kind.__module__, kind.__qualname__, members or repr(value))


def describe_artifact(artifact):
    return {
        "data": plain(artifact.data),
        "sha": artifact.sha,
        # The real client's `size` fails for an attempt that was asked for.
        "size": artifact.size if artifact._attempt is None else None,
        "created_at": str(artifact.created_at),
        "finished_at": str(artifact.finished_at),
        "pathspec": artifact.pathspec,
        "tags": sorted(artifact.tags),
    }


def describe_task(task, lineage):
    found = {
        "str": str(task),
        "artifacts": {a.id: describe_artifact(a) for a in task},
        "hidden": {
            name: plain(task[name].data)
            for name in ("_foreach_stack", "_task_ok", "_success", "_exception", "_transition", "_graph_info",
                         "_parallel_ubf_iter", "_control_mapper_tasks", "_catch_exception", "_iteration_stack", "_foreach_values")
            if name in task
        },
        "successful": task.successful,
        "finished": task.finished,
        "exception": plain(task.exception),
        "finished_at": str(task.finished_at),
        "created_at": str(task.created_at),
        "index": task.index,
        "metadata": sorted([m.name, plain(m.value), m.type, m.created_at, m.task.pathspec] for m in task.metadata),
        "metadata_dict": {name: plain(value) for name, value in sorted(task.metadata_dict.items())},
        "current_attempt": task.current_attempt,
        "code": task.code is None,
        "environment_info": task.environment_info,
        "runtime_name": task.runtime_name,
        "tags": sorted(task.tags),
        "origin": task.origin_pathspec,
        "data": sorted(task.data._artifacts),
    }
    for stream in ("stdout", "stderr"):
        found[stream] = getattr(task, stream)
        found[stream + "_size"] = getattr(task, stream + "_size")
        found[stream + "_lines"] = [[str(at), line] for at, line in task.loglines(stream)]
    if lineage and task.finished and not task.path_components[2].startswith("_"):
        found["parents"] = sorted(t.pathspec for t in task.parent_tasks)
        found["children"] = sorted(t.pathspec for t in task.child_tasks)
    return found


def describe_run(run):
    resumed = run.origin_pathspec not in (None, "%s/None" % run.parent.id)
    graph = run["_parameters"].task["_graph_info"].data["steps"]
    # The real client's `parent_steps` and `child_steps` fail where a step has not begun.
    whole = all(name in run for name in graph)
    steps = {}
    for step in list(run) + [run["_parameters"]]:
        tasks = {}
        for task in step:
            tasks[task.id] = {"latest": describe_task(task, not resumed)}
            for attempt in range(task.current_attempt + 2):
                tasks[task.id][str(attempt)] = describe_task(Task(task.pathspec, attempt=attempt), False)
        steps[step.id] = {
            "tasks": tasks,
            "finished_at": str(step.finished_at) if tasks else None,
            "created_at": str(step.created_at),
            "origin": step.origin_pathspec,
            "control": sorted(t.id for t in step.control_tasks()),
            "parents": sorted(s.id for s in step.parent_steps) if whole and step.id in graph else [],
            "children": sorted(s.id for s in step.child_steps) if whole and step.id in graph else [],
        }
    return {
        "steps": steps,
        "successful": run.successful,
        "finished": run.finished,
        "finished_at": str(run.finished_at),
        "created_at": str(run.created_at),
        "end_task": str(run.end_task),
        "data": sorted(run.data._artifacts) if run.data else None,
        "origin": run.origin_pathspec,
        "user_tags": sorted(run.user_tags),
        "system_tags": sorted(run.system_tags),
        "code": run.code is None,
        "trigger": run.trigger is None,
    }


def main():
    namespace(None)
    flow = Flow(sys.argv[1])
    wanted = sys.argv[2:]
    runs = [run for run in flow if not wanted or run.id in wanted]
    latest = flow.latest_successful_run
    print(json.dumps({
        "flows": sorted(f.id for f in Metaflow()),
        "order": [run.id for run in runs],
        "latest_run": flow.latest_run.id,
        "latest_successful_run": latest.id if latest else None,
        "runs": {run.id: describe_run(run) for run in runs},
        "artifact": str(DataArtifact("%s/_parameters/0/name" % runs[0].pathspec)),
        "step": str(Step("%s/_parameters" % runs[0].pathspec)),
        "run": str(Run(runs[0].pathspec)),
    }))


if __name__ == "__main__":
    main()
