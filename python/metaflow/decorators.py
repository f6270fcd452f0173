"""`metaflow.decorators`: What decorators are made of, and how they are attached."""

from typing import NewType, TypeVar

from headrace.errors import (  # noqa: F401
    BadFlowDecoratorException,
    BadStepDecoratorException,
    DuplicateFlowDecoratorException,
    DuplicateStepDecoratorException,
    InvalidDecoratorAttribute,
    MetaflowException,
    MetaflowInternalError,
    UnknownFlowDecoratorException,
    UnknownStepDecoratorException,
)
from headrace.decorators.attach import _skipped_in_spin as _should_skip_decorator_for_spin  # noqa: F401
from headrace.decorators.base import Decorator, FlowDecorator, StepDecorator  # noqa: F401
from headrace.decorators.attach import (  # noqa: F401
    _base_flow_decorator,
    _base_step_decorator,
    attach_decorators as _attach_decorators,
    attach_decorators_to_step as _attach_decorators_to_step,
    extract_flow_decorator_from_decospec,
    extract_step_decorator_from_decospec,
    flow_decorators,
    get_all_flow_decos,
    get_all_step_decos,
    init_flow_decorators as _init_flow_decorators,
    init_step_decorators as _init_step_decorators,
)
from headrace.flowspec import FlowSpec, step  # noqa: F401
from headrace.flow_state import FlowStateItems  # noqa: F401
from headrace.user_configs import UNPACK_KEY, resolve_delayed_evaluator, unpack_delayed_evaluator  # noqa: F401

# For annotations of extensions.
FlowSpecDerived = TypeVar("FlowSpecDerived", bound=FlowSpec)
StepFlag = NewType("StepFlag", bool)
