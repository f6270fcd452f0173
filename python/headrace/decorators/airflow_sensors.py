"""Sensors that a flow waits for when Airflow runs it; checked, and without effect on `run`."""

from __future__ import annotations

from typing import Any, Dict

from ..errors import MetaflowException
from .base import FlowDecorator


class AirflowException(MetaflowException):
    headline = "Airflow Exception"


AirflowException.__module__ = "metaflow.plugins.airflow.exception"

AIRFLOW_STATES = {
    "QUEUED": "queued",
    "RUNNING": "running",
    "SUCCESS": "success",
    "SHUTDOWN": "shutdown",
    "FAILED": "failed",
    "UP_FOR_RETRY": "up_for_retry",
    "UP_FOR_RESCHEDULE": "up_for_reschedule",
    "UPSTREAM_FAILED": "upstream_failed",
    "SKIPPED": "skipped",
}

_COMMON: Dict[str, Any] = {
    "timeout": 3600,
    "poke_interval": 60,
    "mode": "reschedule",
    "exponential_backoff": True,
    "pool": None,
    "soft_fail": False,
    "name": None,
    "description": None,
}


class AirflowSensorDecorator(FlowDecorator):
    """What sensors share. timeout, poke_interval: seconds."""

    allow_multiple = True
    defaults = _COMMON

    def validate(self, flow: Any) -> None:
        """Raises AirflowException for arguments that do not fit."""

    def flow_init(self, flow: Any, graph: Any, environment: Any, flow_datastore: Any, metadata: Any, logger: Any,
                  echo: Any, options: Dict[str, Any]) -> None:
        self.validate(flow)


class ExternalTaskSensorDecorator(AirflowSensorDecorator):
    """Waits for tasks of another DAG. external_dag_id is needed."""

    name = "airflow_external_task_sensor"
    defaults = {
        **_COMMON,
        "external_dag_id": None,
        "external_task_ids": None,
        "allowed_states": [AIRFLOW_STATES["SUCCESS"]],
        "failed_states": None,
        "execution_delta": None,
        "check_existence": True,
    }

    def validate(self, flow: Any) -> None:
        if self.attributes["external_dag_id"] is None:
            raise AirflowException("`external_dag_id` argument of `@%s`cannot be `None`." % self.name)
        states = self.attributes["allowed_states"]
        states = [states] if isinstance(states, str) else states
        if not isinstance(states, list):
            self.attributes["allowed_states"] = states = [AIRFLOW_STATES["SUCCESS"]]
        wrong = [state for state in states if state not in AIRFLOW_STATES.values()]
        if wrong:
            raise AirflowException(
                "`%s` is an invalid input of `allowed_states` for `@%s`. Accepted values are %s"
                % (" OR ".join("'%s'" % state for state in wrong), self.name, ", ".join(AIRFLOW_STATES.values()))
            )
        delta = self.attributes["execution_delta"]
        if delta is not None:
            from datetime import timedelta

            if not isinstance(delta, timedelta):
                raise AirflowException(
                    "`%s` is an invalid input type of `execution_delta` for `@%s`. Accepted type is "
                    "`datetime.timedelta`" % (type(delta), self.name)
                )


class S3KeySensorDecorator(AirflowSensorDecorator):
    """Waits for objects in S3. bucket_key is needed."""

    name = "airflow_s3_key_sensor"
    defaults = {
        **_COMMON,
        "bucket_key": None,
        "bucket_name": None,
        "wildcard_match": False,
        "aws_conn_id": None,
        "verify": None,
    }

    def validate(self, flow: Any) -> None:
        if self.attributes["bucket_key"] is None:
            raise AirflowException("`bucket_key` for `@%s`cannot be empty." % self.name)


AirflowSensorDecorator.__module__ = "metaflow.plugins.airflow.sensors.base_sensor"
ExternalTaskSensorDecorator.__module__ = "metaflow.plugins.airflow.sensors.external_task_sensor"
S3KeySensorDecorator.__module__ = "metaflow.plugins.airflow.sensors.s3_sensor"
