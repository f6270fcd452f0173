"""`metaflow.plugins.cards.card_modules.basic`: Card types."""

from headrace.cards.types import (  # noqa: F401
    BlankCard,
    DefaultCard,
    ErrorCard,
    PageComponent,
    SectionComponent,
    TaskInfoComponent,
)
