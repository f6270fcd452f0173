"""`metaflow.plugins.airflow.sensors`: Sensors of Airflow."""

from headrace.decorators.airflow_sensors import ExternalTaskSensorDecorator, S3KeySensorDecorator  # noqa: F401
