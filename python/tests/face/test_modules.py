"""Every module of Metaflow 2.19.38 that others import can be imported; what is not there is refused by one clear error."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from metaflow.exception import MetaflowException

NAMES = json.loads((Path(__file__).parent / "names.json").read_text())


@pytest.mark.parametrize("module", NAMES["imports"])
def test_modules_can_be_imported(module: str) -> None:
    assert importlib.import_module(module).__name__ in (module, module.replace("metaflow", "headrace"), "headrace.settings", "click")


def absent_names() -> Any:
    from headrace import absent

    return [(module, name) for module, known in absent._WHERE.items() for name in known[2]]


@pytest.mark.parametrize("module, name", absent_names())
def test_what_is_not_there_says_so_when_it_is_used(module: str, name: str) -> None:
    found = getattr(importlib.import_module(module), name)
    if isinstance(found, type) and issubclass(found, MetaflowException):
        assert found.__module__ == module
        return
    with pytest.raises(MetaflowException, match=r"(%s.%s|%s) is not available: this version of Headrace" % (module, name, name)):
        found()


def test_unknown_modules_and_names_stay_unknown() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("metaflow.plugins.no_such_module")
    with pytest.raises(ImportError):
        from metaflow.plugins.argo.argo_workflows import NoSuchName  # noqa: F401
    with pytest.raises(AttributeError):
        importlib.import_module("metaflow.runtime").NoSuchName


def test_real_modules_come_before_stand_ins() -> None:
    from metaflow.plugins.argo.argo_workflows_cli import sanitize_for_argo

    assert sanitize_for_argo("_My.-Flow_@X+-.Y") == "my.flowx.y"


def test_plugin_lists() -> None:
    from metaflow import plugins

    assert [deco.name for deco in plugins.STEP_DECORATORS if deco.name == "retry"] == ["retry"]
    assert [provider.TYPE for provider in plugins.METADATA_PROVIDERS] == ["service", "local", "spin"]
    assert [storage.TYPE for storage in plugins.DATASTORES] == ["local", "spin", "s3", "azure", "gs"]
    assert [environment.TYPE for environment in plugins.ENVIRONMENTS] == ["conda", "pypi", "uv"]
    assert set(plugins.MONITOR_SIDECARS) == {"nullSidecarMonitor"}
    described = dict(plugins.STEP_DECORATORS_DESC + plugins.FLOW_DECORATORS_DESC)
    for name, path in described.items():
        module, _, cls = ("metaflow.plugins" + path).rpartition(".")
        assert getattr(importlib.import_module(module), cls).name == name
    with pytest.raises(AttributeError):
        plugins.NO_SUCH_LIST


def test_a_secrets_backend_that_was_added(monkeypatch: Any) -> None:
    from metaflow import plugins
    from metaflow.plugins.secrets import SecretsProvider
    from metaflow.plugins.secrets.secrets_func import get_secret

    class Mine(SecretsProvider):
        TYPE = "mine"

        def get_secret_as_dict(self, secret_id: str, options: Any = None, role: Any = None) -> Any:
            return {"KEY": secret_id}

    monkeypatch.setattr(plugins, "SECRETS_PROVIDERS", list(plugins.SECRETS_PROVIDERS) + [Mine])
    assert get_secret("mine.one") == {"KEY": "one"}


def test_the_local_datastore_is_found(tmp_path: Path, monkeypatch: Any) -> None:
    from metaflow.plugins.datastores.local_storage import LocalStorage
    from metaflow.plugins.metadata_providers.local import LocalMetadataProvider

    monkeypatch.chdir(tmp_path)
    said: list = []  # type: ignore[type-arg]
    assert LocalStorage.get_datastore_root_from_config(said.append, create_on_absent=False) is None and not said
    with pytest.raises(ValueError, match="Could not find directory .metaflow"):
        LocalMetadataProvider.compute_info(str(tmp_path))
    root = LocalStorage.get_datastore_root_from_config(said.append)
    assert root == str(tmp_path / ".metaflow") and said == ["Creating local datastore in current directory (%s)" % root]
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert LocalStorage.get_datastore_root_from_config(said.append) == root and len(said) == 1
    assert LocalMetadataProvider.compute_info(str(tmp_path)) == str(tmp_path)
    assert LocalMetadataProvider.metadata_str() == "local@%s" % tmp_path
    with pytest.raises(MetaflowException, match="engine alone"):
        LocalStorage(root).load_bytes(["x"])
    with pytest.raises(MetaflowException, match="engine alone"):
        LocalMetadataProvider().new_run_id()


@pytest.mark.parametrize(
    "path, kind, run", [("F/1/_meta", "run", "1"), ("F/1/s/_meta", "step", "1"), ("/x/F/1/s/2/_meta", "task", "1"), ("F/_meta", "flow", None)]
)
def test_the_run_of_a_metadata_directory(path: str, kind: str, run: Any) -> None:
    from metaflow.plugins.metadata_providers.local import LocalMetadataProvider

    assert LocalMetadataProvider._deduce_run_id_from_meta_dir(path, kind) == run
