"""`metaflow.datastore.datastore_storage`: Where datastores lie."""

from headrace.storage_face import CloseAfterUse, DataStoreStorage  # noqa: F401
