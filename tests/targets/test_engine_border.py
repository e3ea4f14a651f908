"""Whatever the engine raises, in whichever call, is one of our errors that says what was being done."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
from broken import Broken
from engine_calls import CALLS, ROW, Engine, breaking

from cyborg_ingest.errors import AccessError, ExitCode, RefusedError, StorageError, TargetError

if TYPE_CHECKING:
    from pathlib import Path

KEY = secrets.token_bytes(32)


class PanicError(BaseException):
    """Bindings of other languages raise such, past every `except Exception`."""


ERRORS: dict[str, tuple[BaseException, type[TargetError]]] = {
    "ValueError": (ValueError("the words of the engine"), RefusedError),
    "RuntimeError": (RuntimeError("the words of the engine"), RefusedError),
    "TypeError": (TypeError("the words of the engine"), RefusedError),
    "UnicodeDecodeError": (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "the words of the engine"), RefusedError),
    "OSError": (OSError(28, "the words of the engine"), StorageError),
    "MemoryError": (MemoryError(), TargetError),
    "KeyError": (KeyError("the words of the engine"), TargetError),
    "IndexError": (IndexError("the words of the engine"), TargetError),
    "OverflowError": (OverflowError("the words of the engine"), TargetError),
    "AttributeError": (AttributeError("the words of the engine"), TargetError),
    "SystemError": (SystemError("the words of the engine"), TargetError),
    "AssertionError": (AssertionError("the words of the engine"), TargetError),
    "StopIteration": (StopIteration("the words of the engine"), TargetError),
    "Exception": (Exception("the words of the engine"), TargetError),
    "a panic": (PanicError("the words of the engine"), TargetError),
}


@pytest.mark.parametrize("call", CALLS)
def test_every_error_of_every_call_is_ours_and_says_what_was_being_done(tmp_path: Path, call: str) -> None:
    doing = CALLS[call][3]
    cases = list(ERRORS.items())
    engines = breaking(tmp_path, KEY, call, [error for _, (error, _) in cases])
    for (name, (error, kind)), (engine, act) in zip(cases, engines, strict=True):
        with pytest.raises(TargetError) as caught:
            act()
        assert type(caught.value) is kind, name
        assert caught.value.exit_code is ExitCode.FAILED
        assert caught.value.__suppress_context__  # a traceback would print the engine's own words behind ours
        said = str(caught.value)
        assert engine.client.target in said
        assert doing in said
        assert call in {"list", "connect"} or call.startswith("create") or repr(engine.name) in said
        assert ("no memory" if isinstance(error, MemoryError) else "the words of the engine") in said, said


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("call", ["upsert", "create", "list"])
def test_who_is_stopped_in_a_call_is_stopped(tmp_path: Path, call: str, stop: type[BaseException]) -> None:
    for _, act in breaking(tmp_path, KEY, call, [stop()]):
        with pytest.raises(stop):
            act()


MEANINGS = [
    ("Exception in GetStore [AlreadyOpen]: data dir x is locked by another store", StorageError, "Another process"),
    ("Failed to unwrap DEK for index 'a': the supplied KEK does not authenticate the stored wrap", AccessError, "key"),
    ("Failed to load wrapped DEK for index 'a' (underlying error: Config item not found)", TargetError, "deleted"),
]


@pytest.mark.parametrize(("words", "kind", "said"), MEANINGS)
def test_what_the_engine_is_known_to_say_is_told_with_the_next_step(
    tmp_path: Path, words: str, kind: type[TargetError], said: str
) -> None:
    for _, act in breaking(tmp_path, KEY, "count", [ValueError(words)]):
        with pytest.raises(kind, match=said) as caught:
            act()
        assert not isinstance(caught.value, RefusedError)


ANSWERS = {"get": [{"nothing": 1}], "query": [[{"id": "a"}]], "get_num_vectors": None, "index_config": 5}


@pytest.mark.parametrize("method", ANSWERS)
def test_an_answer_of_another_shape_is_the_engines_fault(tmp_path: Path, method: str) -> None:
    engine = Engine(tmp_path, KEY)
    engine.index._handle = Broken(engine.index._handle, method, lambda *_, **__: ANSWERS[method])
    act = {"get": lambda: engine.index.get(["a"]), "query": lambda: engine.index.query(ROW[0], 1),
           "get_num_vectors": engine.index.count, "index_config": engine.index.describe}[method]  # fmt: skip
    with pytest.raises(TargetError) as caught:
        act()
    assert str(tmp_path) in str(caught.value)
    engine.client.close()
