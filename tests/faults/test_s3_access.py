"""How S3 is reached: TLS, proxies, and where credentials come from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Dict, List, Tuple

import pytest
from http_service import Answerer, HttpService
from s3_proxy import FaultProxy
from s3_work import NewPlace
from signed import temporary_credentials
from test_s3_faults import SEEDS, passed, run

ONE = "ClientTest.WhatIsPutIsReadWithItsInfo"


def without_keys(s3: Dict[str, str], tmp_path: Path) -> Dict[str, str]:
    """The server without credentials in the environment or the home directory."""
    found = {name: value for name, value in s3.items() if not name.startswith("AWS_")}
    found.update(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", HOME=str(tmp_path),
                 AWS_SHARED_CREDENTIALS_FILE=str(tmp_path / "credentials"), AWS_CONFIG_FILE=str(tmp_path / "config"))
    return found


def keys(s3: Dict[str, str]) -> Tuple[str, str]:
    return s3["AWS_ACCESS_KEY_ID"], s3["AWS_SECRET_ACCESS_KEY"]


class CredentialsServer(HttpService):
    """Answers the GETs and PUTs of `answers` (path to body), as metadata services do; `asked` is what came."""

    def __init__(self, answers: Dict[str, str]) -> None:
        self.asked: List[str] = []
        server = self

        class Handler(Answerer):
            protocol_version = "HTTP/1.1"

            def give(self) -> None:
                server.asked.append("%s %s" % (self.command, self.path))
                body = answers.get(self.path, "").encode()
                self.answer(200 if body else 404, body)

            do_GET = do_PUT = give

        super().__init__(Handler)


def credentials_json(s3: Dict[str, str]) -> str:
    """As services of metadata give them: such keys have a session token, so they are made for this, and the server knows them."""
    made = temporary_credentials(s3)
    return json.dumps({"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": made["AccessKeyId"],
                       "SecretAccessKey": made["SecretAccessKey"], "Token": made["SessionToken"], "Expiration": made["Expiration"]})


def test_a_process_of_the_profile_gives_credentials(s3: Dict[str, str], quiet: FaultProxy, tmp_path: Path) -> None:
    key, secret = keys(s3)
    given = json.dumps({"Version": 1, "AccessKeyId": key, "SecretAccessKey": secret})
    (tmp_path / "given.json").write_text(given)
    (tmp_path / "config").write_text("[profile bed]\ncredential_process = cat %s\n" % (tmp_path / "given.json"))
    done = run("s3", ONE, without_keys(s3, tmp_path), quiet, AWS_PROFILE="bed")
    assert passed(done), done.stdout


def test_the_container_gives_credentials(s3: Dict[str, str], quiet: FaultProxy, tmp_path: Path) -> None:
    with CredentialsServer({"/role": credentials_json(s3)}) as server:
        done = run("s3", ONE, without_keys(s3, tmp_path), quiet, AWS_CONTAINER_CREDENTIALS_FULL_URI=server.url + "/role")
    assert server.asked and set(server.asked) == {"GET /role"}
    assert passed(done), done.stdout


def test_instance_metadata_gives_credentials(s3: Dict[str, str], quiet: FaultProxy, tmp_path: Path) -> None:
    role = "/latest/meta-data/iam/security-credentials/"
    answers = {"/latest/api/token": "token", role: "bed", role + "bed": credentials_json(s3)}
    with CredentialsServer(answers) as server:
        done = run("s3", ONE, without_keys(s3, tmp_path), quiet, AWS_EC2_METADATA_DISABLED="false",
                   AWS_EC2_METADATA_SERVICE_ENDPOINT=server.url)
    assert "GET %sbed" % role in server.asked
    assert passed(done), done.stdout


HEAD_ONE = """
import os
from metaflow import S3
from metaflow.datatools.s3 import MetaflowS3AccessDenied

with S3(s3root=os.environ["ROOT"]) as s3:
    try:
        print(s3.info("one").size)
    except MetaflowS3AccessDenied as error:
        print("denied", "%s/one" % os.environ["ROOT"] in str(error))
"""


@pytest.mark.parametrize("percent, said", [(50, "3"), (100, "denied True")])
def test_a_403_without_a_body_is_asked_about_with_new_credentials(s3: Dict[str, str], new_place: NewPlace, tmp_path: Path,
                                                                  percent: float, said: str) -> None:
    """To HEAD, S3 does not say whether the credentials have expired or the object is forbidden: one more try tells."""
    with CredentialsServer({"/role": credentials_json(s3)}) as server:
        place = new_place(**without_keys(s3, tmp_path), AWS_CONTAINER_CREDENTIALS_FULL_URI=server.url + "/role")
        place.script("import os; from metaflow import S3; S3(s3root=os.environ['ROOT']).put('one', 'abc')")
        once = len(server.asked)
        # Of this seed the first HEAD is refused, the second is not.
        with FaultProxy(s3["METAFLOW_S3_ENDPOINT_URL"], seed=20, faults={"forbidden": percent}) as proxy:
            assert place.script(HEAD_ONE, proxy.url).strip() == said
            assert [method for method, _ in proxy.log] == ["HEAD", "HEAD"]
        assert len(server.asked) == 3 * once  # at its start, and once more


def test_an_authority_of_ones_own_is_trusted_when_named(s3: Dict[str, str], certificate: Tuple[str, str]) -> None:
    with FaultProxy(s3["METAFLOW_S3_ENDPOINT_URL"], certificate=certificate) as proxy:
        done = run("s3", ONE, s3, proxy, METAFLOW_S3_VERIFY_CERTIFICATE=certificate[0])
        assert passed(done), done.stdout
        done = run("s3", ONE, s3, proxy, METAFLOW_S3_VERIFY_CERTIFICATE="False")
        assert passed(done), done.stdout


@pytest.mark.skipif(SEEDS < 2, reason="the TLS library takes up to 40 s to refuse a certificate; HEADRACE_FAULT_SEEDS=2 runs it")
def test_a_certificate_that_is_not_trusted_is_named(s3: Dict[str, str], certificate: Tuple[str, str]) -> None:
    with FaultProxy(s3["METAFLOW_S3_ENDPOINT_URL"], certificate=certificate) as proxy:
        done = run("s3", ONE, s3, proxy)
        assert done.returncode != 0
        assert "its certificate is not trusted, expired, or for another name" in done.stdout
        assert "METAFLOW_S3_VERIFY_CERTIFICATE" in done.stdout
        assert proxy.requests == 0


def test_a_proxy_is_used_unless_the_host_is_excepted(s3: Dict[str, str], quiet: FaultProxy) -> None:
    class Direct(NamedUrl):
        url = s3["METAFLOW_S3_ENDPOINT_URL"]

    done = run("s3", ONE, s3, Direct(), HTTP_PROXY=quiet.url, http_proxy=quiet.url, NO_PROXY="", no_proxy="")
    assert passed(done), done.stdout
    through = quiet.requests
    assert through > 0
    host = Direct.url.split("//")[1].split(":")[0]
    done = run("s3", ONE, s3, Direct(), HTTP_PROXY=quiet.url, http_proxy=quiet.url, NO_PROXY=host, no_proxy=host)
    assert passed(done), done.stdout
    assert quiet.requests == through


class NamedUrl:
    """What `run` needs of a proxy: where it is."""

    url = ""
