"""Changes the modules that decide about rows, one small change at a time, and sees whether a test notices.

    make mutants N=300 SEED=1          a sample of 300 changes, the same for the same seed and source
    make mutants ONLY=delivery,ranges  of these modules alone

No file is changed: a forked process imports the changed module and runs the tests that enter the changed function, the
quickest first, until one fails. Which tests enter which functions is found once (kept in .mutants/, by the content of
the test file and the package). A hang counts as noticed if the same tests end in time without the change. Changes that no
test can notice are listed, each with its reason, in tests/mutants-equivalent.txt; they are not counted.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.machinery
import importlib.util
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mutations import functions, mutants, mutated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from mutations import Mutant

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
KEPT = ROOT / ".mutants"
EQUIVALENT = TESTS / "mutants-equivalent.txt"

MODULES = [
    "sender",
    "delivery",
    "doubts",
    "transfer",
    "resume",
    "ledger",
    "journal",
    "rejected",
    "probes",
    "ranges",
    "batches",
    "columns",
    "values",
    "typed",
    "kinds",
    "compare",
    "verifier",
    "plan",
    "shaping",
    "templates",
    "made_ids",
    "conditions",
    "operands",
    "filters",
    "pruning",
    "late",
    "mapping",
    "duplicates",
    "retry",
    "keys",
    "distinct",
    "ending",
    "precision",
    "readers.*",
    "targets.body",
    "targets.answers",
    "targets.arguments",
]

STAGES = (30, 150)
"""So many of the tests that say most are run first, and so many then; most changes are noticed by then."""
MOST_SECONDS = 60.0
"""Of tests, by their own durations, that are run for one change."""
SERVICE_SECONDS = 6.0
"""What a test costs that needs a service of its own process, once."""
MEMORY = 12 << 30

PACKAGE = Path(importlib.util.find_spec("cyborg_ingest").submodule_search_locations[0])  # type: ignore[union-attr, index]
PYTEST = ["-q", "-p", "no:cacheprovider", "-m", "not soak", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]


@dataclass
class Test:
    """A test: its time in seconds, whether it needs a service, and the functions of the package that it enters."""

    name: str
    seconds: float
    needs_service: bool
    enters: set[str]

    @property
    def file(self) -> str:
        """Where it stands."""
        return self.name.partition("::")[0]

    @property
    def rank(self) -> float:
        """Small for a test that is quick and about little."""
        return self.seconds + len(self.enters) / 500 + (SERVICE_SECONDS if self.needs_service else 0)


def sources() -> dict[str, Path]:
    """The modules of MODULES, by their dotted names."""
    found = {}
    for name in MODULES:
        for path in sorted(PACKAGE.glob(name.replace(".", "/") + ".py")):
            found[".".join(path.relative_to(PACKAGE).with_suffix("").parts)] = path
    return found


def equivalent() -> set[str]:
    """The keys of changes that no test can notice."""
    lines = EQUIVALENT.read_text("utf-8").splitlines() if EQUIVALENT.exists() else []
    return {line.partition(" | ")[0].strip() for line in lines if line.strip() and not line.startswith("#")}


# which tests enter which functions


@dataclass
class Watcher:
    """A plugin of pytest that notes which functions of the package each test enters, and how long it takes."""

    names: dict[str, dict[int, str]]
    found: dict[str, list[Any]] = field(default_factory=dict)
    _seen: set[Any] = field(default_factory=set)

    def _enter(self, frame: FrameType, _event: str, _argument: object) -> None:
        self._seen.add(frame.f_code)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Watch a test, its fixtures included."""
        self._seen.clear()
        started = time.perf_counter()
        threading.settrace(self._enter)
        sys.settrace(self._enter)
        yield
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]
        enters = {name for code in list(self._seen) if (name := self._name(code))}
        fixtures = getattr(item, "fixturenames", ())
        is_rest = "[rest" in item.nodeid or "service" in str(fixtures)
        self.found[item.nodeid] = [round(time.perf_counter() - started, 3), is_rest, sorted(enters)]

    def _name(self, code: Any) -> str | None:
        lines = self.names.get(code.co_filename)
        return lines.get(code.co_firstlineno) if lines else None


def all_functions() -> dict[str, dict[int, str]]:
    """For each file of the package: the first line of each function -> "module function"."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        names = functions(path.read_text("utf-8"))
        found[str(path)] = {line: f"{module} {name}" for line, name in names.items()}
    return found


def collect(jobs: int, *, keep: bool) -> list[Test]:
    """All tests, each with what it enters; those of test files that have changed are run."""
    KEPT.mkdir(exist_ok=True)
    names, common = all_functions(), digest([*PACKAGE.rglob("*.py"), *set(TESTS.glob("*.py")) - set(test_files())])
    missing = [path for path in test_files() if not _is_kept(path, common, keep=keep)]

    def run(path: Path) -> int:
        watcher = Watcher(names)
        code = pytest.main([*PYTEST, str(path)], plugins=[Steady(), watcher])
        kept = {"key": [common, digest([path])], "tests": watcher.found}
        (KEPT / f"{path.stem}.json").write_text(json.dumps(kept), "utf-8")
        return int(code)

    for path, code, seconds in pool(missing, run, lambda _: 600.0, jobs):
        print(f"looked at {path.name} in {seconds:.0f} s" + (f", which ends with {code}" if code else ""), flush=True)
    return [
        Test(name, seconds, needs_service, set(enters))
        for path in test_files()
        if (KEPT / f"{path.stem}.json").exists()
        for name, (seconds, needs_service, enters) in json.loads((KEPT / f"{path.stem}.json").read_text())[
            "tests"
        ].items()
    ]


def test_files() -> list[Path]:
    """The files with tests."""
    return sorted(TESTS.glob("test_*.py"))


def digest(paths: list[Path]) -> str:
    """Of the content of files."""
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _is_kept(path: Path, common: str, *, keep: bool) -> bool:
    with contextlib.suppress(OSError, ValueError, KeyError):
        package, own = json.loads((KEPT / f"{path.stem}.json").read_text("utf-8"))["key"]
        return (keep or package == common) and own == digest([path])
    return False


# processes


def pool(
    tasks: list[Any], run: Callable[[Any], int], limit: Callable[[Any], float], jobs: int
) -> Iterator[tuple[Any, int | None, float]]:
    """Run each task in a forked process, `jobs` at once; yield it with its exit code (None: too late) and seconds."""
    waiting, running = list(tasks), {}
    while waiting or running:
        while waiting and len(running) < jobs:
            task = waiting.pop(0)
            running[fork(run, task)] = (task, time.monotonic())
        time.sleep(0.02)
        for process, (task, started) in list(running.items()):
            ended, status = os.waitpid(process, os.WNOHANG)
            seconds = time.monotonic() - started
            is_late = not ended and seconds > limit(task)
            if is_late:
                os.killpg(process, signal.SIGKILL)
                os.waitpid(process, 0)
            if ended or is_late:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process, signal.SIGKILL)  # what it has started and left behind
                del running[process]
                yield task, None if is_late else os.waitstatus_to_exitcode(status), seconds


def fork(run: Callable[[Any], int], task: Any) -> int:
    """Run a task in a process group and a folder of its own, without a word."""
    process = os.fork()
    if process:
        with contextlib.suppress(OSError):
            os.setpgid(process, process)
        return process
    code = 70
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        folder = tempfile.mkdtemp(prefix="mutant-")
        os.chdir(folder)
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        code = run(task)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os._exit(code)


# one change


class Changed(importlib.machinery.SourceFileLoader):
    """Loads a module with a change. It is also the finder of it."""

    def __init__(self, mutant: Mutant, path: Path) -> None:
        super().__init__(f"cyborg_ingest.{mutant.module}", str(path))
        self._mutant = mutant

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        """The module, if it is the one that is changed."""
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> Any:
        """The changed code."""
        _ = fullname
        return compile(mutated(Path(self.path).read_text("utf-8"), self._mutant), self.path, "exec", dont_inherit=True)


class Steady:
    """A plugin of pytest: what hypothesis tries is the same each time, however slow the machine is."""

    def pytest_configure(self) -> None:
        """Hypothesis may only be imported once pytest is ready to rewrite it."""
        import hypothesis  # noqa: PLC0415 - see above

        hypothesis.settings.register_profile("steady", deadline=None, derandomize=True, database=None)
        hypothesis.settings.load_profile("steady")


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
    """Some tests that are to notice a change, or none."""

    mutant: Mutant | None
    tests: list[Test]

    def run(self) -> int:
        """Run the tests with the change; an exit code of pytest."""
        if self.mutant is not None:
            sys.meta_path.insert(0, Changed(self.mutant, sources()[self.mutant.module]))  # type: ignore[arg-type]
        files = list(dict.fromkeys(str(ROOT / one.file) for one in self.tests))
        chosen = Chosen([one.name for one in self.tests])
        code = pytest.main([*PYTEST, "-x", *files], plugins=[Steady(), chosen])
        return int(code)

    @property
    def limit(self) -> float:
        """Seconds after which it hangs."""
        return 90 + 10 * sum(one.seconds for one in self.tests)


def concerned(mutant: Mutant, tests: list[Test]) -> list[Test]:
    """Tests that enter the changed function, those first that say most; of a module's own lines, any function of it."""
    name = f"{mutant.module} {mutant.function}"
    fitting = [one for one in tests if name in one.enters]
    if not fitting:
        fitting = [one for one in tests if any(each.startswith(f"{mutant.module} ") for each in one.enters)]
    found, seconds = [], 0.0
    for test in varied(fitting):
        seconds += test.seconds
        if seconds > MOST_SECONDS and found:
            break
        found.append(test)
    return found


def varied(tests: list[Test]) -> Iterator[Test]:
    """Tests by their rank; but many cases of one test, or many tests of one file, say less than as many others."""
    cases, files = Counter[str](), Counter[str]()
    ranked = []
    for test in sorted(tests, key=lambda one: one.rank):
        case = test.name.partition("[")[0]
        ranked.append((test.rank + 0.1 * cases[case] + 0.02 * files[test.file], test.name, test))
        cases[case] += 1
        files[test.file] += 1
    return (test for _, _, test in sorted(ranked, key=lambda one: one[:2]))


def try_all(chosen: list[Mutant], tests: list[Test], jobs: int) -> Iterator[tuple[Mutant, str]]:
    """Each change, and what became of it: noticed, hangs, survived, undecided, or no test."""
    left = [(one, concerned(one, tests)) for one in chosen]
    yield from ((mutant, "no test") for mutant, some in left if not some)
    for begin, end in zip((0, *STAGES), (*STAGES, None), strict=True):
        trials = [Trial(mutant, some[begin:end]) for mutant, some in left if some[begin:end]]
        over = {mutant for mutant, some in left if some and (end is None or not some[end:])}
        left = []
        late = []
        for trial, code, _ in pool(trials, Trial.run, lambda one: one.limit, jobs):
            if code is None:
                late.append(trial)
            elif code != 0 or trial.mutant in over:
                yield trial.mutant, "noticed" if code else "survived"  # type: ignore[misc]
            else:
                left.append((trial.mutant, concerned(trial.mutant, tests)))  # type: ignore[arg-type]
        yield from hanging(late, jobs)


def hanging(late: list[Trial], jobs: int) -> Iterator[tuple[Mutant, str]]:
    """Of changes whose tests were too late, those whose tests end in time without it; a machine may be busy."""
    again = {id(trial.tests): trial.mutant for trial in late}
    for trial, code, _ in pool([Trial(None, one.tests) for one in late], Trial.run, lambda one: one.limit, jobs):
        yield again[id(trial.tests)], "hangs" if code == 0 else "undecided"  # type: ignore[misc]


# the whole


def preload() -> None:
    """Import what all tests need, so that each process has it; nothing of the package."""
    for name in ("numpy", "pyarrow.parquet", "pyarrow.compute", "orjson", "boto3", "moto.server", "requests"):
        importlib.import_module(name)
    if any(name.startswith("cyborg_ingest") for name in sys.modules):
        raise RuntimeError("the package is imported: changes would not be seen")


def sample(number: int, seed: int, only: str) -> list[Mutant]:
    """So many of all changes, those that are equivalent left out."""
    judged = equivalent()
    names = [name for name in only.split(",") if name]
    every = [
        one
        for module, path in sources().items()
        if not names or module in names or module.partition(".")[0] in names
        for one in mutants(module, path.read_text("utf-8"))
        if one.key not in judged
    ]
    print(
        f"{len(every):,} changes of {len(sources())} modules, {len(judged)} judged equivalent; seed {seed}", flush=True
    )
    return random.Random(seed).sample(every, min(number, len(every)))  # noqa: S311 - a sample that can be repeated


def report(results: list[tuple[Mutant, str]]) -> float:
    """Print a table; the share that was noticed, in percent."""
    modules: dict[str, Counter[str]] = defaultdict(Counter)
    for mutant, outcome in results:
        modules[mutant.module][outcome] += 1
    outcomes = ("noticed", "hangs", "survived", "no test", "undecided")
    print(f"\n{'module':24}" + "".join(f"{one:>10}" for one in outcomes))
    for name, counts in sorted(modules.items()):
        print(f"{name:24}" + "".join(f"{counts[one] or '':>10}" for one in outcomes))
    total = Counter(outcome for _, outcome in results)
    print(f"{'all':24}" + "".join(f"{total[one]:>10}" for one in outcomes))
    decided = total.total() - total["undecided"]
    share = 100 * (total["noticed"] + total["hangs"]) / max(1, decided)
    print(f"\n{share:.1f} % of {decided} changes are noticed")
    return share


def main() -> int:
    """Exit code 1 if less than `--least` percent are noticed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-n", type=int, default=300, help="how many changes are tried")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same seed, the same changes")
    parser.add_argument("--only", default="", help="modules, apart by commas")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--least", type=float, default=95.0, help="percent that have to be noticed")
    parser.add_argument(
        "--keep", action="store_true", help="trust what is kept of tests, though the package has changed"
    )
    given = parser.parse_args()
    preload()
    chosen = sample(given.n, given.seed, given.only)
    tests = collect(given.jobs, keep=given.keep)
    quick = sorted(tests, key=lambda one: one.rank)[:400]
    for _, code, _ in pool([Trial(None, quick)], Trial.run, lambda one: one.limit, 1):
        if code != 0:
            raise SystemExit(f"without a change the tests end with {code}: mend that first")
    results = []
    for mutant, outcome in try_all(chosen, tests, given.jobs):
        results.append((mutant, outcome))
        if outcome in {"survived", "no test", "undecided"}:
            print(
                f"{outcome:9} {mutant.module.replace('.', '/')}.py:{mutant.line} {mutant.kind} | {mutant.key}",
                flush=True,
            )
    return int(report(results) < given.least)


if __name__ == "__main__":
    sys.exit(main())
