"""`metaflow.plugins.airflow.airflow_decorator`: Internal to Airflow."""

from headrace.decorators.schedulers import AirflowInternalDecorator  # noqa: F401
