"""`self.next`: checks its arguments at run time and records what was chosen."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

from .errors import InvalidNextException
from .foreach import item_text, keeps_values, value_chars_max
from .unbounded import ParallelUBF, UnboundedForeachInput

_PARALLEL_VAR = "_parallel_ubf_iter"


def choose(flow: Any, dsts: Sequence[Any], kwargs: Dict[str, Any]) -> None:
    """Sets the flow's `_transition`, and for a foreach `_foreach_var`, `_foreach_num_splits` and `_foreach_values`.

    Raises InvalidNextException; RuntimeError when a switch has no case for the value.
    """
    step = flow._current_step
    foreach = kwargs.pop("foreach", None)
    num_parallel = kwargs.pop("num_parallel", None)
    condition = kwargs.pop("condition", None)
    for name in kwargs:
        raise InvalidNextException(
            "Step *%s* passes an unknown keyword argument '%s' to self.next()." % (step, name)
        )
    if flow._transition is not None:
        raise InvalidNextException(
            "Multiple self.next() calls detected in step *%s*. Call self.next() only once." % step
        )
    if condition is not None:
        chosen = _switch(flow, step, dsts, condition, foreach is not None or num_parallel is not None)
        flow._transition = ([chosen], None)
        return
    if len(dsts) == 1 and isinstance(dsts[0], dict):
        raise _invalid(step, "Dictionary argument requires 'condition' parameter.")

    targets = [_target(flow, step, i, dst) for i, dst in enumerate(dsts)]
    if num_parallel is not None:
        if isinstance(num_parallel, bool) or not hasattr(num_parallel, "__index__") or num_parallel < 1:
            raise InvalidNextException(
                "Step *%s* passes num_parallel=%r to self.next(). It takes a whole number, 1 or more." % (step, num_parallel)
            )
        if len(dsts) > 1:
            raise InvalidNextException("Only one destination allowed when num_parallel used in self.next()")
        foreach = _PARALLEL_VAR
        flow._parallel_ubf_iter = ParallelUBF(int(num_parallel))
    if foreach:
        _foreach(flow, step, targets, foreach)
        flow._foreach_var = foreach
    if foreach is None and not dsts:
        raise _invalid(step, "Specify at least one step function as an argument in self.next().")
    flow._transition = (targets, foreach)


def _invalid(step: str, rule: str) -> InvalidNextException:
    return InvalidNextException("Step *%s* has an invalid self.next() transition. %s" % (step, rule))


def _switch(flow: Any, step: str, dsts: Sequence[Any], condition: Any, has_other_form: bool) -> str:
    if len(dsts) != 1 or not isinstance(dsts[0], dict) or not dsts[0]:
        raise _invalid(
            step,
            "When using 'condition', the transition must be to a single, non-empty dictionary mapping condition "
            "values to step methods.",
        )
    if not isinstance(condition, str):
        raise _invalid(step, "The argument to 'condition' must be a string.")
    if has_other_form:
        raise _invalid(step, "Switch statements cannot be combined with foreach or num_parallel.")
    cases = dsts[0]
    try:
        value = getattr(flow, condition)
    except AttributeError:
        raise InvalidNextException(
            "Condition variable *self.{var}* in step *{step}* does not exist. Make sure you set self.{var} in this "
            "step.".format(step=step, var=condition)
        )
    if value not in cases:
        raise RuntimeError(
            "Switch condition variable '%s' has value '%s' which is not in the available cases: %s"
            % (condition, value, list(cases))
        )
    name = _method_name(cases[value])
    if name is None:
        raise InvalidNextException(
            "Step *%s* specifies a switch transition that is not a function. Make sure the value in the dictionary "
            "is a method of the Flow class." % step
        )
    if not hasattr(flow, name):
        raise InvalidNextException(
            "Step *%s* specifies a switch transition to an unknown step, *%s*." % (step, name)
        )
    return name


def _method_name(target: Any) -> Optional[str]:
    function = getattr(target, "__func__", None)
    return getattr(function, "__name__", None)


def _target(flow: Any, step: str, position: int, dst: Any) -> str:
    name = _method_name(dst)
    if name is None:
        raise InvalidNextException(
            "In step *%s* the %d. argument in self.next() is not a function. Make sure all arguments in self.next() "
            "are methods of the Flow class." % (step, position + 1)
        )
    if not hasattr(flow, name):
        raise InvalidNextException(
            "Step *%s* specifies a self.next() transition to an unknown step, *%s*." % (step, name)
        )
    return name


def _foreach(flow: Any, step: str, targets: List[str], var: Any) -> None:
    if not isinstance(var, str):
        raise _invalid(step, "The argument to 'foreach' must be a string.")
    if len(targets) != 1:
        raise _invalid(step, "Specify exactly one target for 'foreach'.")
    try:
        value = getattr(flow, var)
    except AttributeError:
        raise InvalidNextException(
            "Foreach variable *self.%s* in step *%s* does not exist. Check your variable." % (var, step)
        )
    flow._foreach_values = None
    if isinstance(value, UnboundedForeachInput):
        flow._unbounded_foreach = True
        flow._foreach_num_splits = None
        _check_unbounded(flow, targets[0])
        return
    try:
        if keeps_values():
            chars_max = value_chars_max()
            flow._foreach_values = [item_text(item, chars_max) for item in value]
            flow._foreach_num_splits = len(flow._foreach_values)
        else:
            flow._foreach_num_splits = sum(1 for _ in value)
    except Exception as error:
        raise InvalidNextException(
            "Foreach variable *self.%s* in step *%s* is not iterable. Please check details: %s" % (var, step, error)
        )
    if flow._foreach_num_splits == 0:
        raise InvalidNextException(
            "Foreach iterator over *%s* in step *%s* produced zero splits. Check your variable." % (var, step)
        )


def _check_unbounded(flow: Any, target: str) -> None:
    joins = flow._graph[target].out_funcs
    if len(joins) != 1:
        raise InvalidNextException(
            "UnboundedForeach is supported only over a single node, not an arbitrary DAG. Specify a single `join` "
            "node instead of multiple:%s." % joins
        )
    if flow._graph[joins[0]].type != "join":
        raise InvalidNextException(
            "UnboundedForeach found for:%s -> %s. The join type isn't valid." % (target, joins[0])
        )
