"""Runs tests with a change: in a process that imports the changed module, or in one that has it put into place.

The second is much quicker, since all tests are there already; but what an import does can be changed by the first only.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import os
import resource
import sys
from collections import defaultdict
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import TYPE_CHECKING

import pytest
from mutations import mutated
from reach import PACKAGE, PYTEST, ROOT, Rewritten, Steady

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mutations import Mutant
    from reach import Test

STAGES = (20, 100)
"""So many of the tests that say most are run first, and so many then; most changes are noticed by then."""
_NEEDED = "numpy", "pandas", "pyarrow.parquet", "orjson", "boto3", "moto.server", "requests", "cyborgdb", "h5py"
_FUNCTION = 0x01
"""The flag of code that is no body of a class or module."""


def preload() -> None:
    """Import what all tests need, so that each process has it; nothing of the package."""
    for name in _NEEDED:
        importlib.import_module(name)
    if any(name.startswith("cyborg_ingest") for name in sys.modules):
        raise RuntimeError("the package is imported: changes would not be seen")


def path_of(module: str) -> Path:
    """The file of a module of the package."""
    return PACKAGE.joinpath(*module.split(".")).with_suffix(".py")


@dataclass
class Chosen:
    """A plugin of pytest that runs these tests alone, in this order."""

    names: list[str]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Pick and order."""
        order = {name: place for place, name in enumerate(self.names)}
        items[:] = sorted((one for one in items if one.nodeid in order), key=lambda one: order[one.nodeid])


@dataclass
class Trial:
    """The tests from `begin` to `end` of those that are to notice a change; `is_check`: run without it."""

    mutant: Mutant
    tests: list[Test]
    begin: int
    end: int
    is_check: bool = False
    is_late: bool = False

    @property
    def limit(self) -> float:
        """Seconds by the clock after which it hangs; a tenth, and some, if it computes all the while."""
        return 300 + 20 * sum(one.seconds for one in self.some)

    @property
    def some(self) -> list[Test]:
        """The tests of this trial."""
        return self.tests[self.begin : self.end]

    def next(self) -> Trial | None:
        """The next of its tests, if there are more."""
        ends = [one for one in (*STAGES, len(self.tests)) if one > self.end]
        return Trial(self.mutant, self.tests, self.end, ends[0]) if self.end < len(self.tests) else None

    def by_import(self) -> int:
        """Run the tests where the package has not been imported yet; 0 if all pass."""
        self._bound()
        if not self.is_check:
            change = Rewritten(path_of(self.mutant.module), lambda source: mutated(source, self.mutant))
            sys.meta_path.insert(0, change)
        files = list(dict.fromkeys(str(ROOT / one.file) for one in self.some))
        return int(pytest.main([*PYTEST, "-x", *files], plugins=[Steady(), Chosen([one.name for one in self.some])]))

    def in_place(self, session: pytest.Session, live: dict[str, list[FunctionType]]) -> int:
        """Run the tests where all have been collected; 0 if all pass."""
        self._bound()
        if not self.is_check:
            new = swapped(self.mutant)
            for one in live[str(path_of(self.mutant.module))]:
                one.__code__ = new.get(_key(one.__code__), one.__code__)
        by_name = {item.nodeid: item for item in session.items}
        items = [by_name[one.name] for one in self.some]
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed or session.shouldstop:
                return 1
        return 0

    def _bound(self) -> None:
        computing = 30 + int(self.limit / 10)
        resource.setrlimit(resource.RLIMIT_CPU, (computing, computing + 1))


def is_swappable(mutant: Mutant) -> bool:
    """Whether the change is one of functions alone, whose new code fits into the old functions."""
    old, new = _original(mutant.module), swapped(mutant)
    fits = all(key in old and old[key].co_freevars == code.co_freevars for key, code in new.items())
    return bool(mutant.block and new and fits)


@functools.cache
def swapped(mutant: Mutant) -> dict[tuple[int, str], CodeType]:
    """The new code of the functions that a change changes."""
    source = path_of(mutant.module).read_text("utf-8")
    new = compile(mutated(source, mutant), str(path_of(mutant.module)), "exec", dont_inherit=True)
    old = _original(mutant.module)
    return {key: code for key, code in _codes(new).items() if code != old.get(key)}


@functools.cache
def _original(module: str) -> dict[tuple[int, str], CodeType]:
    path = path_of(module)
    return _codes(compile(path.read_text("utf-8"), str(path), "exec", dont_inherit=True))


def _codes(code: CodeType) -> dict[tuple[int, str], CodeType]:
    """The functions of a module and of its classes; those in functions are a part of these."""
    found: dict[tuple[int, str], CodeType] = {}
    for one in code.co_consts:
        if isinstance(one, CodeType):
            found.update({_key(one): one} if one.co_flags & _FUNCTION else _codes(one))
    return found


def _key(code: CodeType) -> tuple[int, str]:
    return code.co_firstlineno, code.co_name


class Collected:
    """A plugin of pytest that lets `work` run in place of the tests, once they have been collected."""

    def __init__(self, work: Callable[[pytest.Session, dict[str, list[FunctionType]]], None]) -> None:
        self._work = work

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Give away the tests and the functions of the package, by file."""
        live: dict[str, list[FunctionType]] = defaultdict(list)
        for one in gc.get_objects():
            if isinstance(one, FunctionType) and one.__code__.co_filename.startswith(str(PACKAGE)):
                live[one.__code__.co_filename].append(one)
        gc.freeze()
        self._work(session, live)
        return True


def collected(tests: list[Test], work: Callable[[pytest.Session, dict[str, list[FunctionType]]], None]) -> None:
    """Import the package and all of these tests, in this process, and call `work`; what pytest says is not shown."""
    files = list(dict.fromkeys(str(ROOT / one.file) for one in tests))
    with silent():
        pytest.main([*PYTEST, "-x", *files], plugins=[Steady(), Chosen([one.name for one in tests]), Collected(work)])


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """What is written to the standard streams is dropped."""
    nothing, kept = os.open(os.devnull, os.O_RDWR), [os.dup(1), os.dup(2)]
    try:
        for stream in (1, 2):
            os.dup2(nothing, stream)
        yield
    finally:
        for stream, before in zip((1, 2), kept, strict=True):
            os.dup2(before, stream)
            os.close(before)
        os.close(nothing)
