"""Metaflow's names, on Headrace.

A flow that says `from metaflow import FlowSpec, step` runs as it is. Every name is found when it is first used (PEP 562).
"""

from __future__ import annotations

import os
import sys
from typing import Any, List

from headrace._version import METAFLOW_FULL_VERSION as __version__


def _refuse_two_metaflows() -> None:
    """Raises ImportError if the real Metaflow is installed where this package is: files of both would mix."""
    here = os.path.dirname(os.path.abspath(__file__))
    try:
        neighbours = os.listdir(os.path.dirname(here))
    except OSError:
        return
    for name in neighbours:
        if name.startswith("metaflow-") and name.endswith((".dist-info", ".egg-info")):
            raise ImportError(
                "Headrace and Metaflow cannot be installed in one environment, and %s holds %s: run "
                "`%s -m pip uninstall metaflow`, then reinstall headrace"
                % (os.path.dirname(here), name, sys.executable)
            )


_refuse_two_metaflows()
# Pickles name `__main__.ForeachFrame`, so it must be there as soon as something may be loaded.
import headrace.foreach  # noqa: E402,F401


class _Absent:
    """Finds modules of Metaflow that are not there, so that importing them works: see headrace/absent.py."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        if not name.startswith("metaflow."):
            return None
        from headrace import absent

        return absent.find_spec(name)


sys.meta_path.append(_Absent)

_HOMES = {
    "headrace.parallel": ("parallel_map", "parallel_imap_unordered"),
    "headrace.profiling": ("profile",),
    "headrace.current": ("current",),
    "headrace.flowspec": ("FlowSpec", "step"),
    "headrace.parameters": ("Parameter", "JSONTypeClass", "JSONType"),
    "headrace.user_configs": ("Config", "ConfigValue", "config_expr"),
    "headrace.user_decorators": ("UserStepDecorator", "StepMutator", "user_step_decorator", "USER_SKIP_STEP"),
    "headrace.mutators": ("FlowMutator",),
    "headrace.datatools": ("S3",),
    "headrace.includefile": ("IncludeFile",),
    "headrace.parsers": (
        "yaml_parser", "requirements_txt_parser", "pyproject_toml_parser", "conda_environment_yml_parser",
    ),
    "headrace.namespaced_events": ("namespaced_event_name",),
    "headrace.client": (
        "namespace", "get_namespace", "default_namespace", "metadata", "get_metadata", "default_metadata",
        "inspect_spin", "Metaflow", "Flow", "Run", "Step", "Task", "DataArtifact",
    ),
    "headrace.runner": ("Runner", "NBRunner", "Deployer", "DeployedFlow", "NBDeployer"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

_DECORATORS = frozenset(
    "airflow_external_task_sensor airflow_internal airflow_s3_key_sensor argo_workflows_internal batch card catch conda "
    "conda_base environment exit_hook kubernetes parallel project pypi pypi_base pytorch_parallel resources retry "
    "schedule secrets step_functions_internal timeout trigger trigger_on_finish "
    "unbounded_test_foreach_internal".split()
)

#: Modules that are attributes of the package without being imported by the user.
_MODULES = frozenset(
    "cards cli client cmd_with_io datastore datatools debug decorators event_logger events exception extension_support "
    "flowspec graph includefile integrations lint metadata_provider metaflow_config metaflow_config_funcs "
    "metaflow_current metaflow_environment metaflow_git metaflow_profile metaflow_version mflog monitor multicore_utils "
    "packaging_sys parameters plugins runner runtime system system_context tagging_util tracing tuple_util "
    "unbounded_foreach user_configs user_decorators util version".split()
)

EXT_PKG = "metaflow_extensions"

__all__ = sorted(set(_HOME_OF) | _DECORATORS | {"cards", "datatools"})


def __getattr__(name: str) -> Any:
    from importlib import import_module

    value: Any
    if name in _HOME_OF:
        value = getattr(import_module(_HOME_OF[name]), name)
    elif name in _DECORATORS:
        from headrace.decorators.registry import decorator_function

        value = decorator_function(name)
    elif name in _MODULES:
        return import_module("metaflow." + name)
    else:
        raise AttributeError("module 'metaflow' has no attribute '%s'" % name)
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return sorted(set(globals()) | set(__all__) | _MODULES)
