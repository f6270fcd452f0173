"""`metaflow.plugins.test_unbounded_foreach_decorator`: Internal to tests of Metaflow."""

from headrace.decorators.unbounded_test import (  # noqa: F401
    InternalTestUnboundedForeachDecorator,
    InternalTestUnboundedForeachInput,
)
