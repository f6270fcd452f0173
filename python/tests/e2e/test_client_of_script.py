"""A script that reads artifacts whose classes are in the flow's script."""

from __future__ import annotations

from e2e_place import Place

FLOW = """
from metaflow import FlowSpec, step

class Point:
    def __init__(self, x):
        self.x = x

class Points(FlowSpec):
    @step
    def start(self):
        self.point = Point(3)
        self.next(self.end)

    @step
    def end(self):
        assert type(self.point) is Point

if __name__ == "__main__":
    Points()
"""

READ = "from metaflow import Flow\nprint(Flow('Points').latest_run.data.point.x)\n"


def test_what_is_missing_is_said(place: Place) -> None:
    place.flow("points.py", FLOW)
    assert place.run("points.py").code == 0
    ran = place("-c", READ)
    assert ran.code == 1 and "Can't get attribute 'Point' on" in ran.stderr, ran
    assert "holds an object whose class is defined in the flow's own script: import that class here" in ran.stderr, ran
    ran = place("-c", "from points import Point\n" + READ)
    assert ran.code == 0 and ran.stdout == "3\n", ran
