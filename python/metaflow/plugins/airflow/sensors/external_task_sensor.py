"""`metaflow.plugins.airflow.sensors.external_task_sensor`: Sensors of Airflow."""

from headrace.decorators.airflow_sensors import AIRFLOW_STATES, ExternalTaskSensorDecorator  # noqa: F401
