"""Which tests enter which parts of the package: found by running each once, with a probe in each block of it."""

from __future__ import annotations

import builtins
import hashlib
import importlib.machinery
import importlib.util
import json
import signal
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from forks import pool
from mutations import PROBE, probed

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
KEPT = ROOT / ".mutants"
PACKAGE = Path(importlib.util.find_spec("cyborg_ingest").submodule_search_locations[0])  # type: ignore[union-attr, index]
PYTEST = ["-q", "-p", "no:cacheprovider", "-m", "not soak", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]

TEST_SECONDS = 3.0
"""Of computing: a test that takes longer is ended and left out."""
TEST_WAITS = 60.0
"""Seconds by the clock, likewise."""
FILE_WAITS = 900.0
"""Seconds by the clock after which a test file that hangs is ended."""
_HOW = {0: "done", 1: "some tests take too long or fail", 2: "the time of this file is over", 5: "no test is left"}
_WHOLE = 1e9
"""The seconds of a test file whose tests have all been looked at."""
_SERVICES = {"service", "secured_service", "rest"}
"""Fixtures and parameters of tests that start one."""


class TooLongError(BaseException):
    """A test takes too long. Neither the package nor hypothesis handles it as a failure of their own."""


@dataclass
class Test:
    """A test: its time in seconds, and the blocks of the package that it enters, each as "module block"."""

    name: str
    seconds: float
    enters: set[str]

    @property
    def file(self) -> str:
        """Where it stands."""
        return self.name.partition("::")[0]


class Rewritten(importlib.machinery.SourceFileLoader):
    """Loads a module of the package as `change` makes it of its source. It is also the finder of it."""

    def __init__(self, path: Path, change: Callable[[str], ast.Module]) -> None:
        name = ".".join(["cyborg_ingest", *path.relative_to(PACKAGE).with_suffix("").parts])
        super().__init__(name.removesuffix(".__init__"), str(path))
        self._change = change

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        """The module, if it is this one."""
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> Any:
        """The code of what was made of it."""
        _ = fullname
        return compile(self._change(Path(self.path).read_text("utf-8")), self.path, "exec", dont_inherit=True)


class Steady:
    """A plugin of pytest: what hypothesis tries is the same each time, however slow the machine is, and less."""

    def pytest_sessionstart(self) -> None:
        """After tests/conftest.py has set its own."""
        import hypothesis  # noqa: PLC0415 - it may only be imported once pytest is ready to rewrite it

        hypothesis.settings.register_profile("steady", max_examples=30, deadline=None, derandomize=True, database=None)
        hypothesis.settings.load_profile("steady")


@dataclass(eq=False)
class Watcher:
    """A plugin of pytest that writes, for each test that passes, its seconds and the blocks that it enters.

    It ends after `seconds` of computing; the first case of each test comes first, then the second of each.
    """

    path: Path
    seconds: float
    with_services: bool
    entered: set[str] = field(default_factory=set)
    _of_fixtures: dict[str, set[str]] = field(default_factory=dict)
    _passed: set[str] = field(default_factory=set)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out what needs a service, if that is not asked for; and order."""
        cases = Counter[str]()
        fitting = []
        for item in items:
            if self.with_services or not _needs_service(item):
                test = item.nodeid.partition("[")[0]
                fitting.append((cases[test], item))
                cases[test] += 1
        items[:] = [item for _, item in sorted(fitting, key=lambda one: one[0])]

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Iterator[None]:
        """What a fixture enters that several tests share counts for each of them."""
        before = set(self.entered)
        self.entered.clear()
        yield
        if fixturedef.scope != "function":
            self._of_fixtures[fixturedef.argname] = set(self.entered)
        self.entered |= before

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        """End a test that takes too long."""
        limits = ((signal.ITIMER_PROF, signal.SIGPROF, TEST_SECONDS), (signal.ITIMER_REAL, signal.SIGALRM, TEST_WAITS))
        for timer, number, seconds in limits:
            signal.signal(number, _too_long)
            signal.setitimer(timer, seconds)
        yield
        for timer, _, _ in limits:
            signal.setitimer(timer, 0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note which tests pass; one that is skipped or fails says nothing about a change."""
        if report.when == "call" and report.passed:
            self._passed.add(report.nodeid)
        if report.when == "teardown" and not report.passed:
            self._passed.discard(report.nodeid)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Watch a test, its fixtures included."""
        self.entered.clear()
        started, computed = time.perf_counter(), time.process_time()
        yield
        seconds = time.process_time() - computed
        waited = time.perf_counter() - started - seconds  # for the machine too, which may be busy
        if time.process_time() > self.seconds:
            item.session.shouldstop = "the time of this file is over"
        enters = set(self.entered).union(*(self._of_fixtures.get(name, ()) for name in _fixtures(item)))
        if item.nodeid in self._passed:
            with self.path.open("a", encoding="utf-8") as kept:
                kept.write(json.dumps([item.nodeid, round(seconds + waited / 10, 3), sorted(enters)]) + "\n")


def _too_long(*_: object) -> None:
    raise TooLongError


def _fixtures(item: pytest.Item) -> tuple[str, ...]:
    return tuple(getattr(item, "fixturenames", ()))


def _needs_service(item: pytest.Item) -> bool:
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return bool(_SERVICES & {*_fixtures(item), *(one for one in parameters.values() if isinstance(one, str))})


def collect(jobs: int, seconds: float, *, keep: bool, with_services: bool) -> list[Test]:
    """The tests that pass within TEST_SECONDS, each with what it enters; of each file so many as end in `seconds`.

    Kept in KEPT by the content of the test file and of the package; with `keep`, by that of the test file alone.
    """
    KEPT.mkdir(exist_ok=True)
    shared = [*PACKAGE.rglob("*.py"), *set(TESTS.rglob("*.py")) - set(_test_files())]
    key = [digest(shared), with_services]
    missing = deque(path for path in _test_files() if not _is_kept(path, key, seconds, keep=keep))

    def run(path: Path) -> int:
        watcher = Watcher(_kept(path), seconds, with_services)
        head = [*key, digest([path])]
        watcher.path.write_text(json.dumps([*head, seconds]) + "\n", "utf-8")
        watch(watcher.entered)
        code = pytest.main([*PYTEST, str(path)], plugins=[Steady(), watcher])
        if code != pytest.ExitCode.INTERRUPTED:
            _, *lines = watcher.path.read_text("utf-8").splitlines(keepends=True)
            watcher.path.write_text("".join([json.dumps([*head, _WHOLE]) + "\n", *lines]), "utf-8")
        return int(code)

    for path, code, took in pool(missing, run, lambda _: FILE_WAITS, jobs):
        print(f"looked at {path.name} in {took:.0f} s: {_HOW.get(code, 'cut short')}", flush=True)  # type: ignore[arg-type]
    return [Test(name, seconds, set(enters)) for path in _test_files() for name, seconds, enters in _lines(path)[1:]]


def watch(entered: set[str]) -> None:
    """From now on each module of the package is imported with its probes, which add to `entered`."""
    setattr(builtins, PROBE, entered.add)
    for path in PACKAGE.rglob("*.py"):
        module = module_of(path)
        sys.meta_path.insert(0, Rewritten(path, lambda source, module=module: probed(source, module)))  # type: ignore[misc]


def module_of(path: Path) -> str:
    """The dotted name of a module inside the package."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def digest(paths: list[Path]) -> str:
    """Of the content of files."""
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _test_files() -> list[Path]:
    return sorted(TESTS.rglob("test_*.py"))


def _kept(path: Path) -> Path:
    return KEPT / f"{path.stem}.jsonl"


def _lines(path: Path) -> list[Any]:
    """What is kept of a test file; the last line may have been cut by the end of its process."""
    try:
        lines = _kept(path).read_text("utf-8").split("\n")[:-1]
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines]


def _is_kept(path: Path, key: list[Any], seconds: float, *, keep: bool) -> bool:
    package, *rest = key
    known, *head, looked = (_lines(path) or [[None, None, None, 0.0]])[0]
    return head == [*rest, digest([path])] and looked >= seconds and (keep or known == package)
