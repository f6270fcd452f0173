"""Reads the results of a BigSum run, as a notebook would.

    python read_big_sum.py            the newest run that succeeded
    python read_big_sum.py RUN_ID     that run
"""

import sys

from metaflow import Flow, Run, namespace

namespace(None)
run = Run("BigSum/%s" % sys.argv[1]) if len(sys.argv) > 1 else Flow("BigSum").latest_successful_run
if run is None:
    sys.exit("No run of BigSum has succeeded here yet: python big_sum.py run --size 4000")
print("%s finished %s, successfully: %s" % (run.pathspec, run.finished_at, run.successful))
for step in run:
    for task in step:
        print("  step %-6s task %s   artifacts: %s" % (step.id, task.id, ", ".join(sorted(a.id for a in task))))
print("sum: %f, computed in %d ms" % (run.data.sum, run.data.took * 1000))
