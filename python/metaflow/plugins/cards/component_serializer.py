"""`metaflow.plugins.cards.component_serializer`: `current.card`."""

from headrace.cards.collector import (  # noqa: F401
    CardComponentCollector,
    CardComponentManager,
    ComponentStore,
    WarningComponent,
)
from headrace.cards.resolver import get_card_class  # noqa: F401
