"""`metaflow.packaging_sys`: What a code package holds."""

from headrace.packaging import ContentType  # noqa: F401
