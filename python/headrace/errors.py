"""Every exception a user of Headrace can catch or see.

The tree, with the module each class belongs to (pickles and `except` clauses name it):

    MetaflowException                       metaflow.exception
    ├── MetaflowInternalError, CommandException, MetaflowNotFound, MetaflowNamespaceMismatch,
    │   MetaflowInvalidPathspec, MetaflowDataMissing, MetaflowTaggingError, MetaflowUnknownUser,
    │   InvalidDecoratorAttribute, ExternalCommandFailed, ParameterFieldFailed,
    │   ParameterFieldTypeMismatch, UnhandledInMergeArtifactsException,
    │   MissingInMergeArtifactsException
    ├── InvalidNextException                metaflow.flowspec
    ├── LintWarn                            metaflow.lint
    ├── PyLintWarn                          metaflow.pylint_wrapper
    ├── Bad/Unknown/Duplicate + Step/Flow + DecoratorException      metaflow.decorators
    ├── InvalidEnvironmentException         metaflow.metaflow_environment
    ├── DataException, UnpicklableArtifactException                 metaflow.datastore.exceptions
    ├── TimeoutException                    metaflow.plugins.timeout_decorator
    ├── FailureHandledByCatch               metaflow.plugins.catch_decorator
    ├── TaskFailed                          metaflow.runtime
    └── EngineError                         headrace.errors
        ├── EngineMissing
        └── StoreError (also a DataException)
    MetaflowExceptionWrapper                metaflow.exception (how a task's exception is stored)
    MulticoreException                      metaflow.multicore_utils

A MetaflowException is shown as its headline and its message; anything else as "Internal error" and its traceback.
"""

from __future__ import annotations

import sys
from typing import Any, Dict, Iterable, List, Optional, Tuple, Type

#: A task that ends with this exit code is not tried again.
METAFLOW_EXIT_DISALLOW_RETRY = 202
#: A task that ends with this exit code may be tried again.
METAFLOW_EXIT_ALLOW_RETRY = 203


class MetaflowException(Exception):
    """A failure that is explained by one message.

    msg: the message. lineno, source_file: where in the user's code, if known.
    """

    headline = "Flow failed"

    def __init__(self, msg: str = "", lineno: Optional[int] = None, source_file: Optional[str] = None) -> None:
        self.message = msg
        self.line_no = lineno
        self.source_file = source_file
        super().__init__()

    def __str__(self) -> str:
        # The doubled colon is what Metaflow stores in `_exception`, and flows compare it.
        if self.line_no:
            return "line %d:: %s" % (self.line_no, self.message)
        if self.source_file:
            return "%s:: %s" % (self.source_file, self.message)
        return self.message


class MetaflowExceptionWrapper(Exception):
    """A task's exception as it is stored: text, type and stack trace, without the object itself.

    exception: `str()` of the original. type: `module.Class`. stacktrace: the formatted traceback, None if there was none.
    """

    exception: str
    type: str
    stacktrace: Optional[str]

    def __init__(self, exc: Optional[BaseException] = None) -> None:
        if exc is None:
            return
        cls = exc.__class__
        self.exception = str(exc)
        self.type = "%s.%s" % (cls.__module__, cls.__name__)
        self.stacktrace = None
        if sys.exc_info()[0] is not None:
            import traceback

            self.stacktrace = traceback.format_exc()

    def __reduce__(self) -> Tuple[Type["MetaflowExceptionWrapper"], Tuple[None], Dict[str, Any]]:
        return MetaflowExceptionWrapper, (None,), self.__dict__

    def __getstate__(self) -> Dict[str, Any]:
        return self.__dict__

    def __setstate__(self, state: Optional[Dict[str, Any]]) -> None:
        self.__dict__ = dict(state or {})

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        if self.stacktrace:
            return self.stacktrace
        return "[no stacktrace]\n%s: %s" % (self.type, self.exception)


class MetaflowInternalError(MetaflowException):
    headline = "Internal error"


class CommandException(MetaflowException):
    headline = "Invalid command"


class MetaflowNotFound(MetaflowException):
    headline = "Object not found"


class MetaflowNamespaceMismatch(MetaflowException):
    headline = "Object not in the current namespace"

    def __init__(self, namespace: Optional[str]) -> None:
        super().__init__("Object not in namespace '%s'" % namespace)


class MetaflowInvalidPathspec(MetaflowException):
    headline = "Invalid pathspec"


class MetaflowDataMissing(MetaflowException):
    headline = "Data missing"


class MetaflowTaggingError(MetaflowException):
    headline = "Tagging error"


class MetaflowUnknownUser(MetaflowException):
    headline = "Unknown user"

    def __init__(self) -> None:
        super().__init__(
            "Metaflow could not determine your user name based on environment variables ($USERNAME etc.)"
        )


class ExternalCommandFailed(MetaflowException):
    headline = "External command failed"


class ParameterFieldFailed(MetaflowException):
    """A callable given as a Parameter's field raised; must be made while that exception is handled."""

    headline = "Parameter field failed"

    def __init__(self, name: str, field: str) -> None:
        import traceback

        super().__init__(
            "When evaluating the field *%s* for the Parameter *%s*, the following exception occurred:\n\n%s"
            % (field, name, traceback.format_exc())
        )


class ParameterFieldTypeMismatch(MetaflowException):
    headline = "Parameter field with a mismatching type"


class InvalidDecoratorAttribute(MetaflowException):
    headline = "Unknown decorator attribute"

    def __init__(self, deconame: str, attr: str, defaults: Iterable[str]) -> None:
        super().__init__(
            "Decorator '%s' does not support the attribute '%s'. These attributes are supported: %s."
            % (deconame, attr, ", ".join(defaults))
        )


class _MergeException(MetaflowException):
    """artifact_names: the artifacts it is about."""

    def __init__(self, msg: str, unhandled: List[str]) -> None:
        super().__init__(msg)
        self.artifact_names = unhandled


class UnhandledInMergeArtifactsException(_MergeException):
    headline = "Unhandled artifacts in merge"


class MissingInMergeArtifactsException(_MergeException):
    headline = "Missing artifacts in merge"


class InvalidNextException(MetaflowException):
    """`self.next` was called wrongly; the line number is that of the call, outside this package."""

    headline = "Invalid self.next() transition detected"

    def __init__(self, msg: str) -> None:
        frame = sys._getframe(1)
        here = frame.f_globals.get("__package__")
        while frame.f_back is not None and frame.f_globals.get("__package__") == here:
            frame = frame.f_back
        super().__init__(msg, frame.f_lineno)


class LintWarn(MetaflowException):
    headline = "Validity checker found an issue"


class PyLintWarn(MetaflowException):
    headline = "Pylint is not happy"


class InvalidEnvironmentException(MetaflowException):
    headline = "Incompatible environment"


class BadStepDecoratorException(MetaflowException):
    headline = "Syntax error"

    def __init__(self, deco: str, func: Any) -> None:
        super().__init__(
            "You tried to apply decorator '{deco}' on '{func}' which is not declared as a @step. Make sure you apply "
            "this decorator on a function which has @step on the line just before the function name and @{deco} is "
            "above @step.".format(deco=deco, func=getattr(func, "__name__", str(func)))
        )


class BadFlowDecoratorException(MetaflowException):
    headline = "Syntax error"

    def __init__(self, deconame: str) -> None:
        super().__init__(
            "Decorator '%s' can be applied only to FlowSpecs. Make sure the decorator is above a class definition."
            % deconame
        )


class UnknownStepDecoratorException(MetaflowException):
    """known: the names that exist."""

    headline = "Unknown step decorator"

    def __init__(self, deconame: str, known: Iterable[str] = ()) -> None:
        super().__init__(
            "Unknown step decorator *%s*. The following decorators are supported: *%s*"
            % (deconame, ", ".join(name for name in known if not name.endswith("_internal")))
        )


class UnknownFlowDecoratorException(MetaflowException):
    """known: the names that exist."""

    headline = "Unknown flow decorator"

    def __init__(self, deconame: str, known: Iterable[str] = ()) -> None:
        super().__init__(
            "Unknown flow decorator *%s*. The following decorators are supported: *%s*" % (deconame, ", ".join(known))
        )


class DuplicateStepDecoratorException(MetaflowException):
    headline = "Duplicate decorators"

    def __init__(self, deco: str, func: Any) -> None:
        super().__init__(
            "Step '%s' already has a decorator '%s'. You can specify this decorator only once."
            % (getattr(func, "__name__", func), deco)
        )


class DuplicateFlowDecoratorException(MetaflowException):
    headline = "Duplicate decorators"

    def __init__(self, deco: str) -> None:
        super().__init__(
            "Flow already has a decorator '%s'. You can specify each decorator only once." % deco
        )


class DataException(MetaflowException):
    headline = "Data store error"


class UnpicklableArtifactException(MetaflowException):
    """artifact_name, type_name, step_name: what could not be pickled, where; why: what pickle said."""

    headline = "Cannot pickle artifact"

    def __init__(
        self,
        artifact_name: Optional[str] = None,
        type_name: Optional[str] = None,
        step_name: Optional[str] = None,
        why: Optional[str] = None,
    ) -> None:
        msg = "Cannot pickle dump artifact"
        if artifact_name:
            msg += ' named "%s"' % artifact_name
        if type_name:
            msg += " of type %s" % type_name
        if step_name:
            msg += " in step *%s*" % step_name
        if why:
            msg += ": %s" % why
        super().__init__(msg)


class TimeoutException(MetaflowException):
    headline = "@timeout"


class FailureHandledByCatch(MetaflowException):
    headline = "Task execution failed but @catch handled it"

    def __init__(self, retry_count: int) -> None:
        super().__init__(
            "Task execution kept failing over %d attempts. Your code did not raise an exception. Something in the "
            "execution environment caused the failure." % retry_count
        )


class TaskFailed(MetaflowException):
    """task: anything with `step` and `task_id`."""

    headline = "Step failure"

    def __init__(self, task: Any, msg: str = "") -> None:
        body = "Step *%s* (task-id %s) failed" % (task.step, task.task_id)
        super().__init__("%s: %s" % (body, msg) if msg else body + ".")


class MulticoreException(Exception):
    """A child process of `parallel_map` or `parallel_imap_unordered` failed."""


class EngineError(MetaflowException):
    """What the engine answered instead of doing what it was asked.

    kind: `retry`, `missing`, `denied`, `misuse` or `failed` (what the caller can do about it).
    what, where, why, next: the four parts of the text; all but `what` may be empty.
    """

    headline = "Engine error"

    def __init__(self, kind: str = "failed", what: str = "", where: str = "", why: str = "", next: str = "") -> None:
        self.kind = kind
        self.what = what
        self.where = where
        self.why = why
        self.next = next
        parts = [what]
        parts += ["%s: %s" % (name, text) for name, text in (("where", where), ("why", why), ("next", next)) if text]
        super().__init__("\n".join(parts))

    @classmethod
    def from_json(cls, error: Dict[str, Any]) -> "EngineError":
        """The exception for the `error` object of an answer."""
        return cls(**{key: str(error.get(key) or "") for key in ("kind", "what", "where", "why", "next")})


class StoreError(EngineError, DataException):
    """The engine could not read or write what is stored."""

    headline = "Data store error"


class EngineMissing(EngineError):
    """The engine's executable cannot be used."""

    headline = "Headrace engine not usable"


_MODULES = {
    "metaflow.exception": (
        MetaflowException, MetaflowExceptionWrapper, MetaflowInternalError, CommandException, MetaflowNotFound,
        MetaflowNamespaceMismatch, MetaflowInvalidPathspec, MetaflowDataMissing, MetaflowTaggingError,
        MetaflowUnknownUser, ExternalCommandFailed, ParameterFieldFailed, ParameterFieldTypeMismatch,
        InvalidDecoratorAttribute, UnhandledInMergeArtifactsException, MissingInMergeArtifactsException,
    ),
    "metaflow.flowspec": (InvalidNextException,),
    "metaflow.lint": (LintWarn,),
    "metaflow.pylint_wrapper": (PyLintWarn,),
    "metaflow.metaflow_environment": (InvalidEnvironmentException,),
    "metaflow.decorators": (
        BadStepDecoratorException, BadFlowDecoratorException, UnknownStepDecoratorException,
        UnknownFlowDecoratorException, DuplicateStepDecoratorException, DuplicateFlowDecoratorException,
    ),
    "metaflow.datastore.exceptions": (DataException, UnpicklableArtifactException),
    "metaflow.plugins.timeout_decorator": (TimeoutException,),
    "metaflow.plugins.catch_decorator": (FailureHandledByCatch,),
    "metaflow.runtime": (TaskFailed,),
    "metaflow.multicore_utils": (MulticoreException,),
}

for _module, _classes in _MODULES.items():
    for _cls in _classes:
        _cls.__module__ = _module
del _module, _classes, _cls
