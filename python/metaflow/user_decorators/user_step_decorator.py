"""`metaflow.user_decorators.user_step_decorator`: Step decorators that users write."""

from headrace.user_decorators import (  # noqa: F401
    StepMutator,
    USER_SKIP_STEP,
    UserStepDecorator,
    UserStepDecoratorBase,
    UserStepDecoratorMeta,
    user_step_decorator,
)
