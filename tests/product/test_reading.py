"""Reading much: nothing is left open behind a read."""

from __future__ import annotations

from pathlib import Path

MANY = '''from metaflow import FlowSpec, step


class ManyFlow(FlowSpec):
    @step
    def start(self):
        for number in range(400):
            setattr(self, "value_%d" % number, "text %d" % number)
        self.next(self.end)

    @step
    def end(self):
        print(len({getattr(self, "value_%d" % number) for number in range(400)}))


if __name__ == "__main__":
    ManyFlow()
'''


def test_hundreds_of_artifacts_are_read_one_after_another(headrace, tmp_path: Path) -> None:
    flow = tmp_path / "many.py"
    flow.write_text(MANY)
    ran = headrace.run(flow)
    assert ran.code == 0, ran.stdout
    assert "] 400" in ran.stdout
    read = headrace("-c", "from metaflow import Flow, namespace\nnamespace(None)\n"
                          "print(len({a.data for a in Flow('ManyFlow').latest_run['end'].task}))")
    assert read.code == 0, read.stderr
    assert read.stdout.strip() == "401"
