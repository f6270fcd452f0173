"""`metaflow.plugins.airflow.sensors.base_sensor`: Sensors of Airflow."""

from headrace.decorators.airflow_sensors import AirflowSensorDecorator  # noqa: F401
