"""The same with the data in S3 and the metadata in a local directory."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Dict, Tuple

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from agreement import assert_read_alike, assert_written_alike  # noqa: E402
from conftest import Both  # noqa: E402
from essence import flow_name  # noqa: E402
from products import Product  # noqa: E402

FLOWS = HERE.parent / "flows"
OWN = HERE / "flows"
OTHER = {"headrace": "metaflow", "metaflow": "headrace"}

_written: Dict[Tuple[str, str], Tuple[Path, Any]] = {}


class Patient(Product):
    """Metaflow starts an interpreter for each attempt's objects when they are in S3."""

    def __call__(self, *arguments: str, env: Dict[str, str] = {}, timeout_s: float = 900) -> Any:
        return super().__call__(*arguments, env=env, timeout_s=timeout_s)


def on_s3(product: Any, s3: Dict[str, str], root: str) -> Any:
    env = {**product.env, **s3, "METAFLOW_DEFAULT_DATASTORE": "s3", "METAFLOW_DATASTORE_SYSROOT_S3": root}
    return Patient(product.name, product.python, env, product.folder)


def both_in(folder: Path, headrace: Any, metaflow: Any, s3: Dict[str, str]) -> Both:
    root = "%s/interchange/%s" % (s3["METAFLOW_DATASTORE_SYSROOT_S3"].rstrip("/"), folder.name)
    return Both(on_s3(headrace, s3, root), on_s3(metaflow, s3, root), folder)


@pytest.fixture
def both(headrace: Any, metaflow: Any, s3: Dict[str, str], tmp_path_factory: Any) -> Both:
    return both_in(tmp_path_factory.mktemp("both-"), headrace, metaflow, s3)


@pytest.fixture
def written(headrace: Any, metaflow: Any, s3: Dict[str, str], tmp_path_factory: Any) -> Any:
    """As in conftest.py, in S3."""

    def write(writer: str, flow: Path) -> Tuple[Both, Any]:
        key = (writer, flow.name)
        if key not in _written:
            folder = tmp_path_factory.mktemp("%s-%s-" % (writer, flow.stem))
            products = both_in(folder, headrace, metaflow, s3)
            for text in (HERE / "flows").glob("*.txt"):
                (folder / text.name).write_bytes(text.read_bytes())
            _written[key] = folder, products[writer](
                products.copy(flow), "--no-pylint", "run", "--tag", "mine", "--max-workers", "1")
        folder, ran = _written[key]
        return both_in(folder, headrace, metaflow, s3), ran

    return write


RUNS = {"foreach": (FLOWS, True), "retrying": (FLOWS, True), "everything": (OWN, True), "broken_once": (OWN, False), "with_card": (OWN, True)}


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("writer", ["headrace", "metaflow"])
def test_both_clients_read_it_alike(written: Any, writer: str, name: str) -> None:
    folder, succeeds = RUNS[name]
    assert_read_alike(written, writer, folder / (name + ".py"), succeeds)


@pytest.mark.parametrize("name", RUNS)
def test_both_products_write_it_alike(written: Any, name: str) -> None:
    folder, _ = RUNS[name]
    assert_written_alike(written, folder / (name + ".py"))


@pytest.mark.parametrize("writer", ["headrace", "metaflow"])
def test_only_metadata_is_local(written: Any, writer: str) -> None:
    both, ran = written(writer, FLOWS / "foreach.py")
    local = both.folder / ".metaflow" / flow_name(FLOWS / "foreach.py")
    tops = {path.relative_to(local).parts[3] for path in local.glob("*/*/*/*") if path.is_dir()}
    assert tops == {"_meta"}
    assert (local / "latest_run").read_text() == ran.run_id
    assert not (local / "data").exists()


@pytest.mark.parametrize("writer", ["headrace", "metaflow"])
def test_cards_are_found_by_both(written: Any, writer: str) -> None:
    both, _ = written(writer, OWN / "with_card.py")
    code = (
        "from metaflow import Flow, namespace; from metaflow.cards import get_cards; namespace(None)\n"
        "t = Flow('CardFlow').latest_run['start'].task\n"
        "for c in sorted(get_cards(t), key=lambda c: c.type): print(c.type, c.id, c.hash, len(c.get()), c.get()[:100])"
    )
    assert both.python("headrace", code) == both.python("metaflow", code)
    lists = [both[reader]("with_card.py", "card", "list", "--as-json") for reader in ("headrace", "metaflow")]
    assert sorted(lists[0].stdout.split()) == sorted(lists[1].stdout.split())


@pytest.mark.parametrize("writer", ["headrace", "metaflow"])
@pytest.mark.parametrize("words", [("logs", "{run}/work"), ("dump", "{run}/work"), ("dump", "{run}/_parameters")])
def test_logs_and_dump_of_the_other_side(written: Any, writer: str, words: Any) -> None:
    both, ran = written(writer, OWN / "broken_once.py")
    words = [word.format(run=ran.run_id) for word in words]
    ours, theirs = (both[reader]("broken_once.py", "--no-pylint", *words) for reader in ("headrace", "metaflow"))
    assert ours.code == theirs.code == 0
    assert sorted(ours.stdout.splitlines()) == sorted(theirs.stdout.splitlines())
    assert ours.stdout


@pytest.mark.parametrize("writer", ["headrace", "metaflow"])
def test_a_run_of_the_other_side_is_resumed(both: Any, writer: str) -> None:
    flow = both.copy(OWN / "broken_once.py")
    broken = both[writer](flow, "--no-pylint", "run", "--alpha", "2")
    assert broken.code == 1
    resumed = both[OTHER[writer]](flow, "--no-pylint", "resume", env={"BROKEN": "0"})
    assert resumed.code == 0, resumed.stdout + resumed.stderr
    assert "work on b" in resumed.stdout and "work on a" not in resumed.stdout
    ours, theirs = (both.describe(reader, "BrokenFlow", resumed.run_id) for reader in ("headrace", "metaflow"))
    assert ours == theirs
    assert ours["runs"][resumed.run_id]["origin"] == "BrokenFlow/%s" % broken.run_id


@pytest.mark.parametrize("writer", ["headrace", "metaflow"])
def test_a_step_of_the_other_side_is_spun(written: Any, writer: str) -> None:
    both, ran = written(writer, OWN / "broken_once.py")
    spun = both[OTHER[writer]]("broken_once.py", "--no-pylint", "spin", "%s/start" % ran.run_id)
    assert spun.code == 0, spun.stdout + spun.stderr


def test_a_missing_root_is_told_as_metaflow_tells_it(both: Any) -> None:
    flow = both.copy(FLOWS / "hello.py")
    told = []
    for name in ("headrace", "metaflow"):
        both[name].env.pop("METAFLOW_DATASTORE_SYSROOT_S3")
        ran = both[name](flow, "--no-pylint", "--datastore", "s3", "run")
        assert ran.code == 1
        told.append(ran.stderr.split("\n", 1)[1])
    assert told[0] == told[1] and "METAFLOW_DATASTORE_SYSROOT_S3" in told[0]


def test_a_bucket_that_does_not_exist_ends_the_run_with_its_name(headrace: Any, s3: Dict[str, str]) -> None:
    (headrace.folder / "hello.py").write_bytes((FLOWS / "hello.py").read_bytes())
    missing = on_s3(headrace, s3, "s3://there-is-no-such-bucket-here/x")
    ran = missing("hello.py", "--no-pylint", "run")
    assert ran.code != 0 and "there-is-no-such-bucket-here" in ran.stdout + ran.stderr


def test_tags_are_of_the_local_metadata(both: Any) -> None:
    flow = both.copy(FLOWS / "hello.py")
    ran = both.headrace(flow, "--no-pylint", "run")
    assert both.metaflow(flow, "tag", "add", "--run-id", ran.run_id, "later").code == 0
    code = "from metaflow import Flow; print(json.dumps(sorted(Flow('%s').latest_run.user_tags)))" % flow_name(FLOWS / "hello.py")
    assert json.loads(both.python("headrace", "import json; " + code)) == ["later"]
