"""`metaflow.plugins.cards.card_modules.basic`: card types and their parts."""

from headrace.cards.basic import (  # noqa: F401
    ArtifactsComponent,
    DagComponent,
    DefaultComponent,
    ErrorComponent,
    HTMLComponent,
    ImageComponent,
    LogComponent,
    MarkdownComponent,
    PageComponent,
    PythonCodeComponent,
    SectionComponent,
    SerializationErrorComponent,
    SubTitleComponent,
    TableComponent,
    TextComponent,
    TitleComponent,
)
from headrace.cards.types import (  # noqa: F401
    BlankCard,
    DefaultCard,
    DefaultCardJSON,
    ErrorCard,
    TaskInfoComponent,
    TaskSpecCard,
)
from headrace.cards.flow_graph import transform_flow_graph  # noqa: F401
