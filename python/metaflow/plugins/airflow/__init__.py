"""`metaflow.plugins.airflow`: Airflow."""
