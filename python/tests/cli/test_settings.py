"""Configuration and identity: where a value comes from, and who runs."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from cli_harness import HELLO

from headrace.errors import MetaflowException, MetaflowUnknownUser


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: Any) -> Any:
    """The module as a new process sees it: nothing looked up, no variable set, an empty folder."""
    import os

    for name in list(os.environ):
        if name.startswith("METAFLOW_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("METAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    import headrace.settings as module

    kept = dict(module.__dict__)
    fresh = importlib.reload(module)
    for name in list(fresh.__dict__):
        if name.isupper() and (name in fresh.DEFAULTS or name.startswith(("DEBUG_", "ARTIFACT"))) and name != "DEBUG_OPTIONS":
            monkeypatch.delitem(fresh.__dict__, name)
    yield fresh
    module.__dict__.clear()
    module.__dict__.update(kept)


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def test_the_environment_beats_the_folder_beats_the_home(settings: Any, tmp_path: Path, monkeypatch: Any) -> None:
    _write(tmp_path / "home" / "config.json", {"METAFLOW_UI_URL": "home", "METAFLOW_TEMPDIR": "home", "METAFLOW_S3_RETRY_COUNT": "9"})
    _write(tmp_path / ".metaflow" / "config.json", {"METAFLOW_TEMPDIR": "folder", "METAFLOW_UI_URL": "folder"})
    monkeypatch.setenv("METAFLOW_UI_URL", "environment")
    (tmp_path / "below" / "more").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "below" / "more")
    assert (settings.UI_URL, settings.TEMPDIR, settings.S3_RETRY_COUNT) == ("environment", "folder", 9)
    assert settings.DEFAULT_DATASTORE == "local"


def test_a_profile_must_exist(settings: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("METAFLOW_PROFILE", "p")
    with pytest.raises(MetaflowException, match="Unable to locate METAFLOW_PROFILE 'p'"):
        settings.UI_URL
    _write(tmp_path / "home" / "config_p.json", {"METAFLOW_UI_URL": "profile"})
    assert settings.UI_URL == "profile"


@pytest.mark.parametrize("text, value", [("0", False), ("false", False), ("FALSE", False), ("", False), ("no", True), ("1", True)])
def test_booleans(settings: Any, monkeypatch: Any, text: str, value: bool) -> None:
    monkeypatch.setenv("METAFLOW_INCLUDE_FOREACH_STACK", text)
    assert settings.INCLUDE_FOREACH_STACK is value


@pytest.mark.parametrize(
    "key, text, message",
    [
        ("S3_RETRY_COUNT", "x", "Expected a <class 'int'> for METAFLOW_S3_RETRY_COUNT, got: x"),
        ("DATATOOLS_CLIENT_PARAMS", "{", "Expected a valid JSON for METAFLOW_DATATOOLS_CLIENT_PARAMS"),
        ("DATATOOLS_CLIENT_PARAMS", "[]", "Expected value of type '<class 'dict'>'"),
    ],
)
def test_ill_typed_values(settings: Any, monkeypatch: Any, key: str, text: str, message: str) -> None:
    monkeypatch.setenv("METAFLOW_" + key, text)
    with pytest.raises(ValueError, match=message.replace("[", r"\[")):
        getattr(settings, key)
    with pytest.raises(ValueError):
        settings.check_given()


def test_a_choice_is_checked(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("METAFLOW_GS_STORAGE_WORKLOAD_TYPE", "x")
    with pytest.raises(MetaflowException, match="must be set to one of"):
        settings.GS_STORAGE_WORKLOAD_TYPE


def test_defaults_that_follow_another_key(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("METAFLOW_DATASTORE_SYSROOT_S3", "s3://b/p")
    monkeypatch.setenv("METAFLOW_S3_ENDPOINT_URL", "http://e")
    monkeypatch.setenv("METAFLOW_DEFAULT_CONTAINER_IMAGE", "img")
    assert settings.DATATOOLS_S3ROOT == "s3://b/p/data" and settings.CARD_S3ROOT == "s3://b/p/mf.cards"
    assert settings.DATATOOLS_CLIENT_PARAMS == {"endpoint_url": "http://e"}
    assert settings.KUBERNETES_CONTAINER_IMAGE == "img" and settings.DATATOOLS_AZUREROOT is None
    assert settings.CLIENT_CACHE_MAX_TASKDATASTORE_COUNT == 5000
    assert settings.DEBUG_S3CLIENT is False and settings.SERVICE_HEADERS == {}


def test_an_attribute_may_be_set_and_an_unknown_one_is_an_error(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(settings, "UI_URL", "mine", raising=False)
    assert settings.UI_URL == "mine"
    with pytest.raises(AttributeError):
        settings.NO_SUCH_KEY


def test_values_that_were_set_are_listed(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("METAFLOW_UI_URL", "u")
    monkeypatch.setenv("METAFLOW_SPIN_ALLOWED_DECORATORS", '["a"]')
    assert dict(settings.config_values()) == {"METAFLOW_UI_URL": "u", "METAFLOW_SPIN_ALLOWED_DECORATORS": '["a"]'}
    assert dict(settings.config_values(settings.NON_CHANGED_VALUES))["METAFLOW_DEFAULT_METADATA"] == "local"


def test_an_ill_typed_value_ends_a_command(command: Any) -> None:
    ran = command(HELLO, "show", METAFLOW_S3_RETRY_COUNT="x")
    assert ran.code == 1 and "Expected a <class 'int'> for METAFLOW_S3_RETRY_COUNT" in ran.err


@pytest.mark.parametrize(
    "variables, name",
    [
        ({"METAFLOW_USER": "a", "SUDO_USER": "b", "USERNAME": "c", "USER": "d"}, "a"),
        ({"METAFLOW_USER": "root", "SUDO_USER": "b"}, "b"),
        ({"USERNAME": "c", "USER": "d"}, "c"),
        ({"SUDO_USER": "", "USER": "d"}, "d"),
    ],
)
def test_the_first_name_that_is_not_root(settings: Any, monkeypatch: Any, variables: Any, name: str) -> None:
    from headrace import identity

    for known in ("SUDO_USER", "USERNAME", "USER"):
        monkeypatch.delenv(known, raising=False)
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    assert identity.get_username() == name and identity.resolve_identity() == "user:" + name


def test_root_without_a_name_is_root_and_others_are_unknown(settings: Any, monkeypatch: Any) -> None:
    from headrace import identity

    for known in ("SUDO_USER", "USERNAME", "USER"):
        monkeypatch.delenv(known, raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert identity.resolve_identity() == "user:root"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(MetaflowUnknownUser):
        identity.resolve_identity()
    monkeypatch.setenv("METAFLOW_PRODUCTION_TOKEN", "t")
    assert identity.resolve_identity_as_tuple() == ("production", "t")
