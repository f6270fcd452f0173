"""`metaflow.plugins.datastores.local_storage`: A datastore in a directory."""

from headrace.storage_face import LocalStorage  # noqa: F401
