"""Errors surface as what they are, with the item they belong to; and nothing that user code raises is taken for something else."""

from __future__ import annotations

import os
import sys
import threading
import types
from typing import Any, Callable, Iterator, List

import pytest

from headrace.parallel import MulticoreException, WorkerTraceback, parallel_imap_unordered, parallel_map
from headrace.parallel import memory


def fail_with(error: BaseException) -> Callable[[Any], Any]:
    def fail(_: Any) -> None:
        raise error

    return fail


class Falsy(Exception):
    def __len__(self) -> int:
        return 0


class Code(Exception):
    """Its `__init__` takes something else than what it passes on."""

    def __init__(self, code: int) -> None:
        super().__init__("failed with %d" % code)
        self.code = code


class TwoArguments(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__("%d, %d" % (one, two))
        self.two = two


class NoText(Exception):
    def __str__(self) -> str:
        raise AttributeError("missing")


@pytest.mark.parametrize("error", [
    Falsy("falsy"), Code(3), TwoArguments(1, 2), FileNotFoundError(2, "No such file", "name"), KeyError("k"), StopIteration(4),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), ImportError("no", name="module"),
], ids=lambda error: type(error).__name__)
def test_an_exception_is_what_it_was(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        parallel_map(fail_with(error), [1])
    assert type(caught.value) is type(error)
    assert (str(caught.value), caught.value.args, vars(caught.value)) == (str(error), error.args, vars(error))
    assert isinstance(caught.value.__cause__, WorkerTraceback)


def test_an_exception_without_a_text_is_itself() -> None:
    with pytest.raises(NoText):
        parallel_map(fail_with(NoText()), [1])


def test_an_exception_whose_class_is_in_the_worker_only_is_told() -> None:
    def fail(_: int) -> None:
        module: Any = types.ModuleType("only_in_the_worker")
        sys.modules[module.__name__] = module
        module.Error = type("Error", (Exception,), {"__module__": module.__name__})
        raise module.Error("the text")

    with pytest.raises(MulticoreException, match="item 0: only_in_the_worker.Error: the text"):
        parallel_map(fail, [1])


class Rows(list):  # type: ignore[type-arg]
    """Fails when it is asked for an item."""

    def __init__(self, error: Exception) -> None:
        super().__init__(range(10))
        self.error = error

    def __iter__(self) -> Iterator[int]:
        yield from range(5)
        raise self.error


@pytest.mark.parametrize("error", [KeyError("five"), ConnectionError("the database says no")])
def test_an_item_that_cannot_be_had_raises_what_the_iterable_raises(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        parallel_map(abs, Rows(error), max_parallel=2)
    assert caught.value is error
    error.__traceback__ = None  # It holds what the call has mapped.


class WithLock(FileNotFoundError):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.lock = threading.Lock()


class Made(Code):
    def __new__(cls, one: int, two: int) -> Any:
        return super().__new__(cls, one)

    def __init__(self, one: int, two: int) -> None:
        super().__init__(one + two)


def local_error() -> Exception:
    class Local(ValueError):
        def __str__(self) -> str:
            return "said by itself"

    return Local("a text")


@pytest.mark.parametrize("error, kind", [
    (WithLock(2, "No such file", "name"), FileNotFoundError), (Made(1, 2), Code), (local_error(), ValueError),
], ids=lambda value: getattr(value, "__name__", type(value).__name__))
def test_an_exception_that_cannot_be_pickled_is_one_of_the_class_above(error: Exception, kind: Any) -> None:
    with pytest.raises(kind) as caught:
        parallel_map(fail_with(error), [1])
    assert type(caught.value) is kind and str(caught.value) == str(error)
    assert isinstance(caught.value.__cause__, WorkerTraceback)
    assert type(error).__name__ in caught.value.__cause__.text


class FailsElsewhere:
    """Cannot be unpickled in another process than the one that pickled it."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __reduce__(self) -> Any:
        return raise_elsewhere, (os.getpid(), self.error)


def raise_elsewhere(pid: int, error: Exception) -> Any:
    if os.getpid() != pid:
        raise error
    return error


@pytest.mark.parametrize("size", [0, 100_000])
def test_an_item_that_cannot_be_unpickled_is_inherited(size: int) -> None:
    def items() -> Iterator[Any]:
        for number in range(20):
            yield (FailsElsewhere(TypeError(number)), bytes(size)) if number > 5 else number

    def number_of(item: Any) -> int:
        return item if isinstance(item, int) else item[0].error.args[0]  # type: ignore[no-any-return]

    assert parallel_map(number_of, items(), max_parallel=2) == list(range(20))


@pytest.mark.parametrize("size", [0, 100_000])
@pytest.mark.parametrize("error", [ValueError("not here"), BlockingIOError("not here"), ProcessLookupError(), PermissionError()],
                         ids=lambda error: type(error).__name__)
def test_a_result_that_cannot_be_unpickled_is_named(error: Exception, size: int) -> None:
    with pytest.raises(type(error)) as caught:
        parallel_map(lambda _: (FailsElsewhere(error), bytes(size)), [1])
    assert "the result of item 0" in str(caught.value.__cause__)


class CannotBePickled:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def __reduce__(self) -> Any:
        raise self.error


@pytest.mark.parametrize("error", [OSError("not now"), ValueError("never")], ids=lambda error: type(error).__name__)
def test_a_result_whose_pickling_fails_is_named(error: Exception) -> None:
    with pytest.raises(MulticoreException, match="result of item 5, a .*CannotBePickled, cannot be sent back: .*%s" % error):
        parallel_map(lambda x: CannotBePickled(error) if x == 5 else [x], range(9), max_parallel=1)


class Sized:
    def __init__(self, nbytes: Any) -> None:
        self.nbytes = nbytes


@pytest.mark.parametrize("nbytes", ["12KB", None])
def test_results_may_have_any_attributes(nbytes: Any) -> None:
    assert [result.nbytes for result in parallel_map(lambda _: Sized(nbytes), range(4))] == [nbytes] * 4


def test_more_large_buffers_than_a_message_can_list(monkeypatch: pytest.MonkeyPatch) -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.zeros(8192)

    def items() -> Iterator[List[Any]]:
        yield [array[:] for _ in range(8200)]

    assert parallel_map(len, items()) == [8200]

    def refuse(*_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(memory, "copy_from", refuse)
    assert len(parallel_map(lambda n: [array[:] for _ in range(n)], [8200])[0]) == 8200


def test_stop_iteration_in_the_unordered_form_is_what_generators_make_of_it() -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(parallel_imap_unordered(fail_with(StopIteration()), [1]))
