"""`metaflow.client.filecache`: What a cache that cannot be used raises."""

from headrace.face import FileCacheException  # noqa: F401
