"""`metaflow.plugins.datatools.s3.s3`: Objects in S3."""

from headrace.datatools import *  # noqa: F401,F403
