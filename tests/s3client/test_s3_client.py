"""`metaflow.S3` against a real S3 server: as Metaflow's own client, in scripts, flows, threads and children of a fork."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any, Dict

import pytest

HERE = Path(__file__).resolve().parent
#: What Metaflow 2.19.38 printed for scenario.py; `test_the_real_client_still_says_so` prints it again.
MEASURED = HERE / "metaflow-2.19.38.json"


@pytest.fixture
def root(s3: Dict[str, str]) -> str:
    return "%s/client/%s" % (s3["METAFLOW_DATASTORE_SYSROOT_S3"].rstrip("/"), uuid.uuid4().hex)


@pytest.fixture
def script(headrace: Any, s3: Dict[str, str], root: str) -> Any:
    """Runs a script with the variables of the server; ROOT is its place. Gives what it printed."""
    (headrace.folder / "work").mkdir()

    def run(code: str, **env: str) -> str:
        ran = headrace("-c", code, env={**s3, "ROOT": root, **env})
        assert ran.code == 0, ran.stdout + ran.stderr
        text: str = ran.stdout
        return text

    return run


def scenario(product: Any, s3: Dict[str, str], root: str, timeout_s: float) -> Dict[str, Any]:
    env = dict(s3, METAFLOW_S3_RETRY_COUNT="1", METAFLOW_S3_TRANSIENT_RETRY_COUNT="1")
    ran = product(str(HERE / "scenario.py"), root, env=env, timeout_s=timeout_s)
    assert ran.code == 0, ran.stderr
    told: Dict[str, Any] = json.loads(ran.stdout)
    return told


def test_it_does_what_metaflows_client_does(headrace: Any, s3: Dict[str, str], root: str) -> None:
    told = scenario(headrace, s3, root, timeout_s=120)
    measured = json.loads(MEASURED.read_text())
    assert told.keys() == measured.keys()
    assert {name: told[name] for name in told if told[name] != measured[name]} == {}


@pytest.mark.skipif(not os.environ.get("HEADRACE_S3_PEER"), reason="minutes of starting interpreters: set HEADRACE_S3_PEER=1")
def test_the_real_client_still_says_so(metaflow: Any, s3: Dict[str, str], root: str) -> None:
    assert scenario(metaflow, s3, root, timeout_s=1500) == json.loads(MEASURED.read_text())


def test_nothing_is_lost_in_silence_when_the_bucket_is_missing(script: Any) -> None:
    said = script(
        "from metaflow import S3\n"
        "from metaflow.datatools.s3 import MetaflowS3NotFound\n"
        "with S3() as s3:\n"
        "    try: print(s3.put_many([('s3://there-is-no-such-bucket-here/x', '1')]))\n"
        "    except MetaflowS3NotFound as e: print('raised', 'there-is-no-such-bucket-here' in str(e))\n"
    )
    assert said == "raised True\n"


def test_threads_share_one_client(script: Any) -> None:
    said = script(
        "import os\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from metaflow import S3\n"
        "with S3(s3root=os.environ['ROOT']) as s3, ThreadPoolExecutor(16) as pool:\n"
        "    def both(i):\n"
        "        s3.put('t/%d' % i, str(i) * 1000)\n"
        "        return s3.get('t/%d' % i).text == str(i) * 1000\n"
        "    print(all(pool.map(both, range(200))), len(s3.list_recursive(['t'])))\n"
    )
    assert said == "True 200\n"


def test_children_of_a_fork_have_clients_of_their_own(script: Any) -> None:
    said = script(
        "import multiprocessing, os\n"
        "from metaflow import S3\n"
        "def child(i):\n"
        "    with S3(s3root=os.environ['ROOT']) as s3:\n"
        "        s3.put('f/%d' % i, str(i))\n"
        "        return int(s3.get('f/%d' % i).text)\n"
        "with S3(s3root=os.environ['ROOT']) as s3:\n"
        "    s3.put('f/parent', 'p')\n"
        "    with multiprocessing.get_context('fork').Pool(4) as pool:\n"
        "        print(sorted(pool.map(child, range(40))) == list(range(40)))\n"
        "    print(s3.get('f/parent').text, len(s3.list_paths(['f'])))\n"
    )
    assert said == "True\np 41\n"


def test_credentials_are_those_of_the_moment(script: Any) -> None:
    """Variables that are set before an S3 is made count, as in a step that gets its secrets first."""
    said = script(
        "import os\n"
        "from metaflow import S3\n"
        "from metaflow.datatools.s3 import MetaflowS3AccessDenied\n"
        "with S3(s3root=os.environ['ROOT']) as s3: s3.put('c', '1')\n"
        "good = os.environ['AWS_SECRET_ACCESS_KEY']\n"
        "os.environ['AWS_SECRET_ACCESS_KEY'] = 'wrong-secret'\n"
        "with S3(s3root=os.environ['ROOT']) as s3:\n"
        "    try: print(s3.get('c').text)\n"
        "    except MetaflowS3AccessDenied as e: print('denied', os.environ['ROOT'] + '/c' in str(e))\n"
        "    try: s3.get_many(['c'])\n"
        "    except MetaflowS3AccessDenied as e: print('denied')\n"
        "with S3(s3root=os.environ['ROOT'], client_params={'aws_secret_access_key': good}) as s3: print(s3.get('c').text)\n"
        "os.environ['AWS_SECRET_ACCESS_KEY'] = good\n"
        "with S3(s3root=os.environ['ROOT']) as s3: print(s3.get('c').text)\n"
    )
    assert said == "denied True\ndenied\n1\n1\n"


def without_keys(s3: Dict[str, str]) -> Dict[str, str]:
    """The server by nothing but METAFLOW_DATATOOLS_CLIENT_PARAMS."""
    params = {"endpoint_url": s3["METAFLOW_S3_ENDPOINT_URL"], "aws_access_key_id": s3["AWS_ACCESS_KEY_ID"],
              "aws_secret_access_key": s3["AWS_SECRET_ACCESS_KEY"], "region_name": "us-east-1"}
    return {"METAFLOW_DATATOOLS_CLIENT_PARAMS": json.dumps(params), "METAFLOW_S3_ENDPOINT_URL": "", "AWS_ACCESS_KEY_ID": "",
            "AWS_SECRET_ACCESS_KEY": "", "AWS_DEFAULT_REGION": "", "AWS_REGION": "", "AWS_EC2_METADATA_DISABLED": "true"}


def test_client_parameters_of_the_configuration_count(script: Any, s3: Dict[str, str]) -> None:
    said = script(
        "import os\n"
        "from metaflow import S3\n"
        "with S3(s3root=os.environ['ROOT']) as s3: s3.put('p', '1'); print(s3.get('p').text, s3.get_many(['p'])[0].text)\n",
        **without_keys(s3)
    )
    assert said == "1 1\n"


def test_client_parameters_of_the_configuration_are_of_the_datastore_too(headrace: Any, s3: Dict[str, str], root: str) -> None:
    env = dict(s3, METAFLOW_DATASTORE_SYSROOT_S3=root, **without_keys(s3))
    ran = headrace(str(HERE / "flow_with_s3.py"), "--no-pylint", "--datastore", "s3", "run", env=env)
    assert ran.code == 0 and "read [2, 3, 4, 5]" in ran.stdout, ran.stdout + ran.stderr
    after = headrace("-c", "from metaflow import Flow, namespace; namespace(None); print(Flow('DataFlow').latest_run['end'].task['doubles'].data)",
                     env=env)
    assert after.stdout == "[4, 6, 8]\n", after.stderr


def test_what_cannot_be_heeded_is_said(script: Any) -> None:
    said = script(
        "from metaflow import S3\n"
        "for options in ({'role': 'arn:x'}, {'external_client': 1}, {'client_params': {'nonsense': 1}}, {'nonsense': 1}):\n"
        "    try: S3(**options); print('made')\n"
        "    except Exception as e: print(type(e).__name__, next(iter(options)) in str(e))\n"
        "import os; print([n for n in os.listdir('.') if n.startswith('metaflow.s3.')])\n"
    )
    assert said == "MetaflowS3Exception True\n" * 3 + "TypeError True\n[]\n"


def test_a_download_that_fails_leaves_no_file(script: Any) -> None:
    said = script(
        "import os\n"
        "from metaflow import S3\n"
        "with S3(s3root=os.environ['ROOT'], tmproot='work') as s3:\n"
        "    for call in (lambda: s3.get('missing'), lambda: s3.get_many(['missing'])):\n"
        "        try: call()\n"
        "        except Exception as e: print(type(e).__name__)\n"
        "    print(os.listdir(s3._tmpdir), s3.get('missing', return_missing=True).exists, os.listdir(s3._tmpdir))\n"
    )
    assert said == "MetaflowS3NotFound\nMetaflowS3NotFound\n[] False []\n"


@pytest.mark.parametrize("datastore", ["local", "s3"])
def test_a_flow_reads_and_writes_the_data_of_its_run(headrace: Any, s3: Dict[str, str], root: str, datastore: str) -> None:
    env = dict(s3, METAFLOW_DATASTORE_SYSROOT_S3=root)
    ran = headrace(str(HERE / "flow_with_s3.py"), "--no-pylint", "--datastore", datastore, "run", env=env)
    assert ran.code == 0, ran.stdout + ran.stderr
    assert "read [2, 3, 4, 5] [4, 6, 8] ['numbers/2', 'numbers/3', 'numbers/4', 'numbers/5', 'numbers/one']" in ran.stdout
    code = (
        "from metaflow import S3, Flow, namespace; namespace(None)\n"
        "with S3(run=Flow('DataFlow').latest_run) as s3: print(s3.get('numbers/one').text, s3._s3root)"
    )
    after = headrace("-c", code, env=env)
    assert after.stdout == "1 %s/data/DataFlow/%s\n" % (root, ran.run_id), after.stderr
    assert not [name for name in os.listdir(headrace.folder) if name.startswith("metaflow.s3.")]
