"""Changes the modules that decide about rows, one small change at a time, and sees whether a test notices.

    make mutants N=300 SEED=1          a sample of 300 changes, the same for the same seed and source
    make mutants ONLY=delivery,ranges  of these modules alone

No file is changed: a forked process imports the changed module and runs the tests that enter the changed block, the
quickest first, until one fails. A hang counts as noticed if the same tests end in time without the change. Which tests
enter which blocks is found once, and kept in .mutants/.

The tests are those that run in this process and pass within seconds. Others (soak tests, those of a command in a
process of its own, of a service) are left out, so more may be noticed than is said, but not less. A part of what is
noticed is tried without its change, as a check: the tests have to pass then.

Changes that no test can notice are listed, each with its reason, in tests/mutants-equivalent.txt; they are not counted.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import resource
import signal
import sys
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from forks import pool
from mutations import mutants, mutated
from reach import KEPT, PACKAGE, PYTEST, ROOT, TESTS, Rewritten, Steady, collect, digest, module_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mutations import Mutant
    from reach import Test

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

STAGES = (20, 100)
"""So many of the tests that say most are run first, and so many then; most changes are noticed by then."""
MOST_SECONDS = 45.0
"""Of tests, by their own durations, that are run for one change."""
CHECKED = 15
"""One in so many of the changes that are noticed is tried without the change."""


def sources() -> dict[str, Path]:
    """The modules of MODULES, by their dotted names."""
    return {module_of(path): path for name in MODULES for path in sorted(PACKAGE.glob(name.replace(".", "/") + ".py"))}


def equivalent() -> set[str]:
    """The keys of changes that no test can notice."""
    lines = EQUIVALENT.read_text("utf-8").splitlines()
    return {line.partition(" | ")[0].strip() for line in lines if line.strip() and not line.startswith("#")}


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

    def run(self) -> int:
        """Run the tests; an exit code of pytest."""
        computing = 30 + int(self.limit / 10)
        resource.setrlimit(resource.RLIMIT_CPU, (computing, computing + 1))
        if not self.is_check:
            path = sources()[self.mutant.module]
            sys.meta_path.insert(0, Rewritten(path, lambda source: mutated(source, self.mutant)))
        tests = self.tests[self.begin : self.end]
        files = list(dict.fromkeys(str(ROOT / one.file) for one in tests))
        return int(pytest.main([*PYTEST, "-x", *files], plugins=[Steady(), Chosen([one.name for one in tests])]))

    @property
    def limit(self) -> float:
        """Seconds by the clock after which it hangs; a tenth, and some, if it computes all the while."""
        return 300 + 20 * sum(one.seconds for one in self.tests[self.begin : self.end])

    def next(self) -> Trial | None:
        """The next of its tests, if there are more."""
        ends = [one for one in (*STAGES, len(self.tests)) if one > self.end]
        return Trial(self.mutant, self.tests, self.end, ends[0]) if self.end < len(self.tests) else None


def concerned(mutant: Mutant, tests: list[Test]) -> list[Test]:
    """Tests that enter the changed block, those first that say most; of what an import runs, any block of the module."""
    name, prefix = f"{mutant.module} {mutant.block}", f"{mutant.module} "
    if mutant.block:
        fitting = [one for one in tests if name in one.enters]
    else:
        fitting = [one for one in tests if any(each.startswith(prefix) for each in one.enters)]
    found: list[Test] = []
    seconds = 0.0
    for test in varied(fitting):
        seconds += test.seconds
        if seconds > MOST_SECONDS and found:
            break
        found.append(test)
    return found


def varied(tests: list[Test]) -> Iterator[Test]:
    """Tests that are quick and about little first; but many cases of one test, or many of one file, say less."""
    cases, files = Counter[str](), Counter[str]()
    ranked = []
    for rank, test in sorted(((one.seconds + len(one.enters) / 1000, one) for one in tests), key=lambda one: one[0]):
        case = test.name.partition("[")[0]
        ranked.append((rank + 0.1 * cases[case] + 0.02 * files[test.file], test.name, test))
        cases[case] += 1
        files[test.file] += 1
    return (test for _, _, test in sorted(ranked, key=lambda one: one[:2]))


def try_all(chosen: list[Mutant], tests: list[Test], jobs: int) -> Iterator[tuple[Mutant, str]]:
    """Each change, and what became of it: noticed, hangs, survived, no test, or unsure."""
    waiting: deque[Trial] = deque()
    for mutant in chosen:
        some = concerned(mutant, tests)
        if some:
            waiting.append(Trial(mutant, some, 0, STAGES[0]))
        else:
            yield mutant, "no test"
    noticed = 0
    for trial, code, _ in pool(waiting, Trial.run, lambda one: one.limit, jobs):
        more = trial.next()
        if trial.is_check:
            yield trial.mutant, "unsure" if code != 0 else "hangs" if trial.is_late else "noticed"
        elif code == 0 and more:
            waiting.appendleft(more)
        elif code == 0:
            yield trial.mutant, "survived"
        else:
            noticed += 1
            is_late = code in {None, -signal.SIGXCPU}
            if is_late or noticed % CHECKED == 1:
                waiting.appendleft(replace(trial, is_check=True, is_late=is_late))
            else:
                yield trial.mutant, "noticed"


class Outcomes:
    """What earlier runs have found, as long as the package is the same; with `keep`, the changed module.

    Only what was noticed: for the rest there may be a test now.
    """

    def __init__(self, *, keep: bool) -> None:
        self._path = KEPT / "outcomes.jsonl"
        self._keys = {module: [digest([path]), digest([*PACKAGE.rglob("*.py")])] for module, path in sources().items()}
        lines = self._path.read_text("utf-8").splitlines() if self._path.exists() else []
        self.found: dict[str, str] = {
            name: outcome
            for module, key, name, outcome in map(json.loads, lines)
            if module in self._keys and (key[0] == self._keys[module][0] if keep else key == self._keys[module])
        }

    def add(self, mutant: Mutant, outcome: str) -> None:
        """Note what was found of a change."""
        if outcome in {"noticed", "hangs"}:
            KEPT.mkdir(exist_ok=True)
            with self._path.open("a", encoding="utf-8") as kept:
                kept.write(json.dumps([mutant.module, self._keys[mutant.module], mutant.key, outcome]) + "\n")


def preload() -> None:
    """Import what all tests need, so that each process has it; nothing of the package."""
    for name in (
        "numpy",
        "pandas",
        "pyarrow.parquet",
        "orjson",
        "boto3",
        "moto.server",
        "requests",
        "cyborgdb",
        "h5py",
    ):
        importlib.import_module(name)
    if any(name.startswith("cyborg_ingest") for name in sys.modules):
        raise RuntimeError("the package is imported: changes would not be seen")


def sample(number: int, seed: int, only: str) -> list[Mutant]:
    """So many of all changes, those that are equivalent left out.

    Each change is drawn by its own name, so what else is changed in the source hardly changes the sample.
    """
    judged, names = equivalent(), [name for name in only.split(",") if name]
    every = [
        one
        for module, path in sources().items()
        if not names or module in names or module.partition(".")[0] in names
        for one in mutants(module, path.read_text("utf-8"))
    ]
    counted = [one for one in every if one.key not in judged]
    print(f"{len(every):,} changes, {len(every) - len(counted)} of them judged equivalent; seed {seed}", flush=True)
    return sorted(counted, key=lambda one: hashlib.sha256(f"{seed} {one.key}".encode()).digest())[:number]


def report(results: list[tuple[Mutant, str]], wanted: int) -> float:
    """Print a table; the share that was noticed, in percent."""
    modules: dict[str, Counter[str]] = defaultdict(Counter)
    for mutant, outcome in results:
        modules[mutant.module][outcome] += 1
    outcomes = ("noticed", "hangs", "survived", "no test", "unsure")
    total = Counter(outcome for _, outcome in results)
    print(f"\n{'module':24}{'changes':>10}" + "".join(f"{one:>10}" for one in outcomes))
    for name, counts in [*sorted(modules.items()), ("all", total)]:
        print(f"{name:24}{counts.total():>10}" + "".join(f"{counts[one] or '':>10}" for one in outcomes))
    share = 100 * (total["noticed"] + total["hangs"]) / max(1, len(results))
    print(f"\n{share:.1f} % of {len(results)} changes are noticed; {wanted - len(results)} more were not tried")
    return share


def main() -> int:
    """Exit code 1 if less than `--least` percent are noticed, or not all were tried."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-n", type=int, default=300, help="how many changes are tried")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same seed, the same changes")
    parser.add_argument("--only", default="", help="modules, apart by commas")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--least", type=float, default=95.0, help="percent that have to be noticed")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="of computing, for each test file, to see its tests"
    )
    parser.add_argument("--keep", action="store_true", help="what tests enter is known, though the package has changed")
    parser.add_argument("--services", action="store_true", help="run tests that need a service too: it takes longer")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    preload()
    chosen = sample(given.n, given.seed, given.only)
    known = Outcomes(keep=given.keep)
    results = [(one, known.found[one.key]) for one in chosen if one.key in known.found]
    left = [one for one in chosen if one.key not in known.found]
    print(f"{len(results)} of {len(chosen)} are known to be noticed from an earlier run", flush=True)
    try:
        tests = collect(given.jobs, given.seconds, keep=given.keep, with_services=given.services)
        print(f"{len(tests):,} tests pass; they take {sum(one.seconds for one in tests):,.0f} s", flush=True)
        for mutant, outcome in try_all(left, tests, given.jobs):
            results.append((mutant, outcome))
            known.add(mutant, outcome)
            place = f"{mutant.module.replace('.', '/')}.py:{mutant.line}"
            print(f"{len(results):4} {outcome:9} {place} {mutant.kind} | {mutant.key}", flush=True)
    except KeyboardInterrupt:
        print("stopped")
    return int(report(results, len(chosen)) < given.least or len(results) < len(chosen))


if __name__ == "__main__":
    sys.exit(main())
