"""`metaflow.plugins.airflow.exception`: What Airflow raises."""

from headrace.decorators.airflow_sensors import AirflowException  # noqa: F401
