"""The product page's programs, as they stand, run locally."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

BIG_SUM = '''from metaflow import FlowSpec, step, resources

class BigSum(FlowSpec):

    @resources(memory=60000, cpu=1)
    @step
    def start(self):
        import numpy
        import time
        big_matrix = numpy.random.ranf((80000, 80000))
        t = time.time()
        self.sum = numpy.sum(big_matrix)
        self.took = time.time() - t
        self.next(self.end)

    @step
    def end(self):
        print("The sum is %f." % self.sum)
        print("Computing it took %dms." % (self.took * 1000))

if __name__ == '__main__':
    BigSum()
'''

MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.fixture
def big_sum(tmp_path: Path) -> Path:
    flow = tmp_path / "BigSum.py"
    flow.write_text(BIG_SUM)
    return flow


@pytest.mark.skipif(MEMORY > 50e9, reason="the matrix fits this machine")
def test_a_matrix_that_does_not_fit_is_a_memory_error(headrace, big_sum: Path, noiseless) -> None:
    ran = headrace.run(big_sum)
    assert ran.code == 1
    lines = noiseless(ran.stdout)
    task = "TIME [RUN/start/1 (pid N)]"
    assert lines[:2] == ["TIME Workflow starting (run-id RUN):", task + " Task is starting."]
    assert task + " <flow BigSum step start> failed:" in lines
    assert task + " big_matrix = numpy.random.ranf((80000, 80000))" in lines
    assert any(line.startswith(task + " numpy") and "MemoryError" in line for line in lines)
    assert lines[-4:] == [task + " Task failed.", "TIME Workflow failed.", "TIME Terminating 0 active tasks...",
                          "TIME Flushing logs..."]
    assert "    Step failure:\n    Step start (task-id 1) failed.\n" in ran.stderr
    assert "60000 MB" in ran.stderr and "--with kubernetes" in ran.stderr, "the advice is missing"


def test_it_succeeds_where_the_matrix_fits(headrace, big_sum: Path) -> None:
    big_sum.write_text(BIG_SUM.replace("80000, 80000", "800, 800"))
    ran = headrace.run(big_sum)
    assert ran.code == 0, ran.stdout + ran.stderr
    assert "The sum is 3" in ran.stdout and "Computing it took" in ran.stdout
    logs = headrace(str(big_sum), "logs", "%s/end" % ran.run_id)
    assert logs.code == 0 and logs.stdout.startswith("The sum is 3"), logs


SECOND = (BIG_SUM.replace("step, resources", "step, batch, parallel_map")
          .replace("@resources(memory=60000, cpu=1)", "@kubernetes(memory=60000, cpu=8)")
          .replace("self.sum = numpy.sum(big_matrix)",
                   "parts = parallel_map(lambda i: big_matrix[i:i+10000].sum(),\n"
                   "                             range(0, 80000, 10000))\n        self.sum = sum(parts)"))


def test_second_program_lacks_an_import_and_is_told_which(headrace, big_sum: Path) -> None:
    """The page imports `batch` and writes `@kubernetes`: Python's NameError, and one hint."""
    big_sum.write_text(SECOND)
    ran = headrace.run(big_sum)
    assert ran.code == 1
    assert ran.stderr.splitlines()[-2:] == [
        "NameError: name 'kubernetes' is not defined", "hint: add the import: from metaflow import kubernetes"]
    assert not list(headrace.folder.glob(".metaflow/BigSum/[0-9]*")), "a run was made"


def test_second_program_with_its_import_wants_a_shared_datastore(headrace, big_sum: Path) -> None:
    big_sum.write_text(SECOND.replace("step, batch,", "step, kubernetes,"))
    assert headrace(str(big_sum), "--datastore", "s3", "--datastore-root", "s3://b/p", "show").code == 0
    ran = headrace.run(big_sum)
    assert ran.code == 1
    assert "Kubernetes error" in ran.stderr and "--datastore s3" in ran.stderr and "Traceback" not in ran.stderr


def test_second_program_sums_in_parallel(headrace, big_sum: Path) -> None:
    """Without its decorator, and with a matrix that fits."""
    big_sum.write_text(SECOND.replace("    @kubernetes(memory=60000, cpu=8)\n", "").replace("80000", "800").replace("10000", "100"))
    ran = headrace.run(big_sum)
    assert ran.code == 0, ran.stdout + ran.stderr
    assert "The sum is 3" in ran.stdout


def test_unknown_names_stay_unknown(headrace, big_sum: Path) -> None:
    big_sum.write_text(BIG_SUM.replace("@resources(memory=60000, cpu=1)", "@nonsense"))
    ran = headrace.run(big_sum)
    assert ran.code == 1
    assert "NameError: name 'nonsense' is not defined" in ran.stderr


def test_with_kubernetes_says_what_is_missing(headrace, big_sum: Path) -> None:
    ran = headrace(str(big_sum), "--no-pylint", "run", "--with", "kubernetes:cpu=4,memory=10000,namespace=foo,image=ubuntu:latest")
    assert ran.code == 1
    assert "kubernetes" in ran.stderr.lower() and "Traceback" not in ran.stderr
    assert not list(headrace.folder.glob(".metaflow/BigSum/[0-9]*")), "a run was made"


def test_safeguard_flag(headrace, tmp_path: Path) -> None:
    flow = tmp_path / "wide.py"
    flow.write_text('''from metaflow import FlowSpec, step

class Wide(FlowSpec):
    @step
    def start(self):
        self.params = range(101)
        self.next(self.fanned_out, foreach='params')

    @step
    def fanned_out(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        self.count = len(list(inputs))
        self.next(self.end)

    @step
    def end(self):
        print("%d came" % self.count)

if __name__ == '__main__':
    Wide()
''')
    ran = headrace.run(flow)
    assert ran.code == 1
    assert "Foreach in step start yielded 101 child steps" in ran.stderr and "--max-num-splits" in ran.stderr
    resumed = headrace(str(flow), "--no-pylint", "resume", "--max-num-splits", "200")
    assert resumed.code == 0, resumed.stdout + resumed.stderr
    assert "101 came" in resumed.stdout
    assert "Cloning previously run task" in resumed.stdout
