"""`metaflow.client.filecache`: the cache of Metaflow's client. Headrace's store process reads blobs; there is no cache to set up."""

from headrace.absent import getattr_of
from headrace.face import FileCacheException  # noqa: F401

__getattr__ = getattr_of(__name__)
