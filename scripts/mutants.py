"""Changes the modules that decide about rows, one small change at a time, and sees whether a test notices.

    make mutants N=300 SEED=1          a sample of 300 changes, the same for the same seed and source
    make mutants ONLY=delivery,ranges  of these modules alone
    make mutants MUTANTS_ARGS='...'    see `scripts/mutants.py --help`: for less time, fewer --seconds and --most

No file is changed: a forked process imports the changed module and runs the tests that enter the changed block, the
quickest first, until one fails. A hang counts as noticed if the same tests end in time without the change. Which tests
enter which blocks is found once, and kept in .mutants/ as long as the package and the test file are the same; so is
what was noticed. A run that is stopped prints what it has, and the same command goes on.

The tests are those that run in this process and pass within seconds. Others (soak tests, those of a command in a
process of its own, of a service) are left out, so more may be noticed than is said, but not less. A part of what is
noticed is tried without its change, as a check: the tests have to pass then.

Changes that no test can notice are listed, each with its reason, in tests/mutants-equivalent.txt; they are not counted.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from forks import LOST, pool
from mutations import mutants
from outcomes import Outcomes
from reach import PACKAGE, TESTS, collect, module_of
from trials import STAGES, Trial, collected, is_swappable, preload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mutations import Mutant
    from reach import Test

_OUT = os.fdopen(os.dup(1), "w")
EQUIVALENT = TESTS / "mutants-equivalent.txt"

MODULES = [
    "loading.engines.threads",
    "loading.delivery",
    "loading.doubts",
    "loading.transfer",
    "loading.resume",
    "loading.standing",
    "loading.badfiles",
    "loading.incremental",
    "loading.fresh",
    "loading.compared",
    "loading.missing",
    "loading.memory",
    "sources.columnar",
    "sources.lossless",
    "sources.pulled",
    "rows.pyvalues",
    "state.compacting",
    "state.ids",
    "state.memory",
    "state.cuts",
    "state.ledger",
    "state.lines",
    "state.replay",
    "state.journal",
    "state.rejected",
    "state.runfolder",
    "state.probes",
    "state.files",
    "state.remote.lease",
    "state.remote.pulling",
    "state.remote.pushing",
    "state.remote.session",
    "rows.ranges",
    "rows.idhashes",
    "rows.batches",
    "rows.columns",
    "rows.values",
    "rows.typed",
    "rows.kinds",
    "rows.compare",
    "check.verifier",
    "plan.reading",
    "plan.badfiles",
    "plan.parts",
    "plan.tasks",
    "plan.selection",
    "plan.sampling",
    "plan.done",
    "plan.turns",
    "plan.ids",
    "rows.shaping",
    "rows.templates",
    "plan.made_ids",
    "rows.conditions",
    "rows.operands",
    "rows.filters",
    "rows.pruning",
    "plan.late",
    "rows.mapping",
    "rows.tiers",
    "rows.leftover",
    "rows.encodings",
    "rows.vectortext",
    "rows.recognition",
    "rows.paths",
    "plan.encoded",
    "loading.run",
    "check.duplicates",
    "targets.retry",
    "settings.keys",
    "settings.keyforms",
    "check.distinct",
    "loading.ending",
    "check.precision",
    "formats.*",
    "targets.body",
    "targets.answers",
    "targets.arguments",
]

CHECKED = 15
"""One in so many of the changes that are noticed is tried without the change."""
_UNSURE = {LOST, int(pytest.ExitCode.NO_TESTS_COLLECTED)}
Run = Callable[[Trial], int]


def sources() -> dict[str, Path]:
    """The modules of MODULES, by their dotted names."""
    return {module_of(path): path for name in MODULES for path in sorted(PACKAGE.glob(name.replace(".", "/") + ".py"))}


def equivalent() -> set[str]:
    """The keys of changes that no test can notice."""
    lines = EQUIVALENT.read_text("utf-8").splitlines()
    return {line.partition(" | ")[0].strip() for line in lines if line.strip() and not line.startswith("#")}


def concerned(mutant: Mutant, tests: list[Test], most: float) -> list[Test]:
    """Tests that enter the changed block, those first that say most, as many as take `most` seconds.

    Of what an import runs: those that enter any block of the module.
    """
    name, prefix = f"{mutant.module} {mutant.block}", f"{mutant.module} "
    if mutant.block:
        fitting = [one for one in tests if name in one.enters]
    else:
        fitting = [one for one in tests if any(each.startswith(prefix) for each in one.enters)]
    found: list[Test] = []
    seconds = 0.0
    for test in varied(fitting):
        seconds += test.seconds
        if seconds > most and found:
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


def try_all(trials: list[Trial], run: Run, jobs: int) -> Iterator[tuple[Mutant, str]]:
    """Each change, and what became of it: noticed, hangs, survived, or unsure."""
    waiting, noticed = deque(trials), 0
    for trial, code, _ in pool(waiting, run, lambda one: one.limit, jobs):
        more = trial.next()
        if code in _UNSURE:
            yield trial.mutant, "unsure"
        elif trial.is_check:
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


class Work:
    """The trials of one run, and what came of them."""

    def __init__(self, known: Outcomes, jobs: int) -> None:
        self.results: list[tuple[Mutant, str]] = []
        self._known, self._jobs = known, jobs

    def without_known(self, chosen: list[Mutant]) -> list[Mutant]:
        """Take over what is known from an earlier run; the others."""
        found = self._known.found
        self.results += [(one, found[one.key]) for one in chosen if one.key in found]
        say(f"{len(self.results)} of {len(chosen)} are known to be noticed from an earlier run")
        return [one for one in chosen if one.key not in found]

    def try_all(self, concerned: list[tuple[Mutant, list[Test]]]) -> None:
        """Try each change with the tests that it concerns."""
        for mutant, some in concerned:
            if not some:
                self._note(mutant, "no test")
        trials = [Trial(mutant, some, 0, STAGES[0]) for mutant, some in concerned if some]
        swaps = {one.mutant: is_swappable(one.mutant) for one in trials}
        inside = [one for one in trials if swaps[one.mutant]]
        mutants_by_key = {one.mutant.key: one.mutant for one in inside}
        for key, outcome in self._in_place(inside) if inside else ():
            self._note(mutants_by_key[key], outcome)
        for mutant, outcome in try_all([one for one in trials if not swaps[one.mutant]], Trial.by_import, self._jobs):
            self._note(mutant, outcome)

    def _in_place(self, trials: list[Trial]) -> Iterator[tuple[str, str]]:
        """What came of each, by its key: from a process that imports the package, as this one must not."""
        reader, writer = os.pipe()
        process = os.fork()
        if not process:
            try:
                self._tell(trials, writer)
            finally:
                os._exit(0)
        os.close(writer)
        try:
            with os.fdopen(reader) as told:
                yield from map(json.loads, told)
        finally:
            os.kill(process, signal.SIGTERM)
            os.waitpid(process, 0)

    def _tell(self, trials: list[Trial], writer: int) -> None:
        tests = {test.name: test for one in trials for test in one.tests}

        def work(*at: Any) -> None:
            for mutant, outcome in try_all(trials, lambda one: one.in_place(*at), self._jobs):
                os.write(writer, json.dumps([mutant.key, outcome]).encode() + b"\n")

        collected([*tests.values()], work)

    def _note(self, mutant: Mutant, outcome: str) -> None:
        self.results.append((mutant, outcome))
        self._known.add(mutant, outcome)
        place = f"{mutant.module.replace('.', '/')}.py:{mutant.line}"
        say(f"{len(self.results):4} {outcome:9} {place} {mutant.kind} | {mutant.key}")


def say(text: str) -> None:
    """Print a line, also where pytest has the standard streams."""
    print(text, file=_OUT, flush=True)


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
    say(f"{len(every):,} changes, {len(every) - len(counted)} of them judged equivalent; seed {seed}")
    return sorted(counted, key=lambda one: hashlib.sha256(f"{seed} {one.key}".encode()).digest())[:number]


def report(results: list[tuple[Mutant, str]], wanted: int) -> float:
    """Print a table; the share that was noticed, in percent."""
    modules: dict[str, Counter[str]] = defaultdict(Counter)
    for mutant, outcome in results:
        modules[mutant.module][outcome] += 1
    outcomes = ("noticed", "hangs", "survived", "no test", "unsure")
    total = Counter(outcome for _, outcome in results)
    say(f"\n{'module':24}{'changes':>10}" + "".join(f"{one:>10}" for one in outcomes))
    for name, counts in [*sorted(modules.items()), ("all", total)]:
        say(f"{name:24}{counts.total():>10}" + "".join(f"{counts[one] or '':>10}" for one in outcomes))
    share = 100 * (total["noticed"] + total["hangs"]) / max(1, len(results))
    say(f"\n{share:.1f} % of {len(results)} changes are noticed; {wanted - len(results)} more were not tried")
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
    parser.add_argument("--most", type=float, default=45.0, help="seconds of tests that are run for one change")
    parser.add_argument("--keep", action="store_true", help="what tests enter is known, though the package has changed")
    parser.add_argument("--services", action="store_true", help="run tests that need a service too: it takes longer")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    preload()
    chosen = sample(given.n, given.seed, given.only)
    work = Work(Outcomes(sources(), keep=given.keep), given.jobs)
    left = work.without_known(chosen)
    try:
        tests = collect(given.jobs, given.seconds, keep=given.keep, with_services=given.services)
        say(f"{len(tests):,} tests pass; they take {sum(one.seconds for one in tests):,.0f} s")
        work.try_all([(one, concerned(one, tests, given.most)) for one in left])
    except KeyboardInterrupt:
        say("stopped")
    return int(report(work.results, len(chosen)) < given.least or len(work.results) < len(chosen))


if __name__ == "__main__":
    sys.exit(main())
