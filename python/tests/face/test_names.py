"""The names of Metaflow 2.19.38 that can be imported here, as data made from the real package."""

from __future__ import annotations

import importlib
import json
import pickle
from pathlib import Path

import pytest

import metaflow

NAMES = json.loads((Path(__file__).parent / "names.json").read_text())


@pytest.mark.parametrize("name", NAMES["top"])
def test_every_public_name_of_the_package_can_be_imported(name: str) -> None:
    assert getattr(metaflow, name) is not None or name == "USER_SKIP_STEP"


def test_all_names_are_listed_and_all_listed_names_exist() -> None:
    assert set(NAMES["top"]) - {"EXT_PKG"} <= set(metaflow.__all__)
    assert [name for name in metaflow.__all__ if not hasattr(metaflow, name)] == []
    assert set(metaflow.__all__) <= set(dir(metaflow))


@pytest.mark.parametrize("module", sorted(NAMES["modules"]))
def test_module_paths_have_their_names(module: str) -> None:
    found = importlib.import_module(module)
    assert [name for name in NAMES["modules"][module] if not hasattr(found, name)] == []


def test_modules_are_attributes_without_their_own_import() -> None:
    assert metaflow.exception.MetaflowException.__module__ == "metaflow.exception"
    assert metaflow.metaflow_config.DATASTORE_LOCAL_DIR == ".metaflow"


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'FlowSpek'"):
        metaflow.FlowSpek
    with pytest.raises(ImportError):
        from metaflow import no_such_decorator  # noqa: F401


def test_version_names_metaflow_and_headrace() -> None:
    from metaflow.metaflow_version import get_version

    assert metaflow.__version__.startswith("2.19.38+headrace")
    assert get_version(public=True) == "2.19.38"


@pytest.mark.parametrize(
    "path",
    [
        "metaflow.exception.MetaflowExceptionWrapper",
        "metaflow.flowspec.ParallelUBF",
        "metaflow.includefile.IncludedFile",
        "metaflow.plugins.timeout_decorator.TimeoutException",
        "metaflow.plugins.catch_decorator.FailureHandledByCatch",
        "metaflow.metadata_provider.metadata.MetaDatum",
    ],
)
def test_classes_that_pickles_name_have_that_module(path: str) -> None:
    module, _, name = path.rpartition(".")
    cls = getattr(importlib.import_module(module), name)
    assert cls.__module__ == module
    assert pickle.loads(pickle.dumps(cls)) is cls


def test_configuration_set_under_the_old_name_counts() -> None:
    from headrace import settings
    from metaflow import metaflow_config

    assert metaflow_config is settings


def test_deployers_import_and_say_what_to_do_when_used() -> None:
    from metaflow import Deployer
    from metaflow.exception import MetaflowException
    from metaflow.integrations import ArgoEvent

    with pytest.raises(MetaflowException):
        Deployer("flow.py").argo_workflows()
    with pytest.raises(MetaflowException, match="Argo"):
        ArgoEvent("event")
