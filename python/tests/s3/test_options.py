"""Which settings an S3 gets: its own arguments, the configuration, the environment. As in Metaflow 2.19.38 where nothing else is said."""

from __future__ import annotations

import json
from typing import Any, Dict

import pytest

from headrace import engine, settings
from headrace.s3 import options
from headrace.s3.errors import MetaflowS3Exception

ENDPOINT, KEY, SECRET, TOKEN = "METAFLOW_S3_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without settings of this machine."""
    for name in (ENDPOINT, KEY, SECRET, TOKEN, "AWS_REGION", "AWS_PROFILE", "METAFLOW_S3_VERIFY_CERTIFICATE",
                 "METAFLOW_DATATOOLS_CLIENT_PARAMS", "METAFLOW_DATATOOLS_SESSION_VARS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(settings, "_files", ({}, {}))
    for name in ("S3_ENDPOINT_URL", "S3_VERIFY_CERTIFICATE"):
        monkeypatch.setattr(settings, name, None, raising=False)


def configure(monkeypatch: pytest.MonkeyPatch, **params: Any) -> None:
    monkeypatch.setenv("METAFLOW_DATATOOLS_CLIENT_PARAMS", json.dumps(params))


def environment_of(**arguments: Any) -> Dict[str, str]:
    """Of the store process of `S3(**arguments)`."""
    return engine.with_changes(engine.engine_environment(client_params=False), options.environment_of(None, arguments))


def test_the_configuration_counts_where_an_s3_has_no_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, endpoint_url="http://data:9000", region_name="here", verify=False, aws_access_key_id="k", aws_secret_access_key="s")
    monkeypatch.setenv(ENDPOINT, "http://others:9000")
    monkeypatch.setenv(TOKEN, "of other keys")
    for found in (environment_of(), environment_of(client_params=None), environment_of(client_params={}), engine.engine_environment()):
        assert (found[ENDPOINT], found["AWS_REGION"], found["METAFLOW_S3_VERIFY_CERTIFICATE"]) == ("http://data:9000", "here", "False")
        assert (found[KEY], found[SECRET]) == ("k", "s") and TOKEN not in found


def test_parameters_of_an_s3_take_the_place_of_those_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, endpoint_url="http://data:9000", aws_access_key_id="k", aws_secret_access_key="s", nonsense=1)
    found = environment_of(client_params={"region_name": "there"})
    assert found["AWS_REGION"] == "there" and not {ENDPOINT, KEY, SECRET} & set(found)
    monkeypatch.setenv(ENDPOINT, "http://others:9000")
    assert environment_of(client_params={"region_name": "there"})[ENDPOINT] == "http://others:9000"
    assert ENDPOINT not in environment_of(client_params={"endpoint_url": None}), "AWS is meant"


def test_no_endpoint_is_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, endpoint_url=None, region_name=None)
    monkeypatch.setenv(ENDPOINT, "http://others:9000")
    monkeypatch.setenv("AWS_REGION", "here")
    for found in (environment_of(), engine.engine_environment()):
        assert ENDPOINT not in found and found["AWS_REGION"] == "here"


def test_a_certificate_of_the_configuration_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, verify="/in/params.pem")
    assert environment_of()["METAFLOW_S3_VERIFY_CERTIFICATE"] == "/in/params.pem"
    monkeypatch.setenv("METAFLOW_S3_VERIFY_CERTIFICATE", "/ours.pem")
    assert environment_of()["METAFLOW_S3_VERIFY_CERTIFICATE"] == engine.engine_environment()["METAFLOW_S3_VERIFY_CERTIFICATE"] == "/ours.pem"


def test_files_of_the_configuration_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_files", ({}, {"METAFLOW_DATATOOLS_CLIENT_PARAMS": {"endpoint_url": "http://data:9000"}}))
    assert environment_of()[ENDPOINT] == engine.engine_environment()[ENDPOINT] == "http://data:9000"


def test_what_is_set_later_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, region_name="here")
    assert settings.from_conf("DATATOOLS_CLIENT_PARAMS", {}) == {"region_name": "here"}
    monkeypatch.setenv(ENDPOINT, "http://set-by-a-step:9000")
    assert environment_of()[ENDPOINT] == "http://set-by-a-step:9000"


def test_an_option_that_cannot_be_heeded_is_an_error_where_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, endpoint_url="http://data:9000", aws_account_id="1", config={"retries": 1}, use_ssl=True)
    with pytest.raises(MetaflowS3Exception) as error:
        environment_of()
    assert str(error.value).startswith("METAFLOW_DATATOOLS_CLIENT_PARAMS={'aws_account_id': ...} cannot be used with Headrace. It knows")
    assert engine.engine_environment()[ENDPOINT] == "http://data:9000", "a process that may use no S3 goes on"
    with pytest.raises(MetaflowS3Exception) as error:
        environment_of(client_params={"nonsense": 1})
    assert str(error.value).startswith("S3(client_params={'nonsense': ...}) cannot be used")


def test_session_variables_of_the_configuration_have_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    """In Metaflow they are looked at with a role only, and a role is refused here."""
    monkeypatch.setenv("METAFLOW_DATATOOLS_SESSION_VARS", '{"profile": ["profile", ["AWS_PROFILE"], null, null]}')
    assert environment_of() == engine.engine_environment()


def test_a_profile_comes_before_keys_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "k")
    changes = options.environment_of(None, {"session_vars": {"profile_name": "prod"}})
    assert changes["AWS_PROFILE"] == "prod"
    assert changes[KEY] == changes[SECRET] == changes[TOKEN] == ""
    configure(monkeypatch, profile_name="prod")
    assert environment_of()["AWS_PROFILE"] == "prod" and KEY not in environment_of()
