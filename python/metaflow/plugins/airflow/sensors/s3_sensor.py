"""`metaflow.plugins.airflow.sensors.s3_sensor`: Sensors of Airflow."""

from headrace.decorators.airflow_sensors import S3KeySensorDecorator  # noqa: F401
