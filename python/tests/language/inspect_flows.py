"""Run by either product's Python: reads flow files, prints what the graph and the checks say, as JSON."""

import importlib.util
import json
import sys


def look_at(path: str) -> dict:
    spec = importlib.util.spec_from_file_location("flow_under_test", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["flow_under_test"] = module
    try:
        spec.loader.exec_module(module)
        graph = module.TheFlow._graph
        from metaflow.lint import linter

        result = {
            "sorted": graph.sorted_nodes,
            "nodes": {
                n.name: [
                    n.type, n.out_funcs, n.in_funcs, n.split_parents, n.split_branches, n.matching_join, n.num_args,
                    n.has_tail_next, n.invalid_tail_next, n.foreach_param, n.condition, n.func_lineno,
                    n.tail_next_lineno, n.is_inside_foreach, n.parallel_foreach, n.parallel_step, n.doc,
                ]
                for n in graph
            },
        }
        try:
            linter.run_checks(graph)
        except Exception as e:
            result["error"] = [
                type(e).__name__, getattr(e, "headline", ""), getattr(e, "message", str(e)), getattr(e, "line_no", None),
            ]
        else:
            result["steps"] = graph.output_steps()
            result["dot"] = graph.output_dot()
            result["raw"] = str(graph)
        return result
    except Exception as e:
        return {"raised": "%s: %s" % (type(e).__name__, e)}


print(json.dumps({path: look_at(path) for path in sys.argv[1:]}))
