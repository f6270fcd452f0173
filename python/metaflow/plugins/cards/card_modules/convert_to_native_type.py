"""`metaflow.plugins.cards.card_modules.convert_to_native_type`: Artifacts as plain data, for card types."""

from headrace.cards.task_dict import MAX_ARTIFACT_SIZE, TIME_FORMAT, TaskToDict, TypeResolvedObject  # noqa: F401
