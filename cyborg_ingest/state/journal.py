"""What a job has done, on disk: acknowledged rows, rejected rows, and what is in doubt.

Lines are appended after the acknowledgement and flushed, not fsynced: a lost tail only sends rows again. The file is
compacted when it is opened; `replay` says what its lines mean. The folder of a job holds::

    lock  job.json  journal.jsonl  ended.jsonl  ids  runs/<UTC time>-<number>/
        rejected.jsonl  report.json  log.jsonl  samples.jsonl

Before runs had folders, their two files were in that of the job.
A Part is known by its uri, number and fingerprint, so that a file that changed is loaded from its start.
When a load has ended, the next one begins a journal of its own, and the last one that ended is kept as `ended.jsonl`:
what of which file is in the index, for whoever asks what is new.
"""

from __future__ import annotations

import contextlib
import datetime
import json
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import StateError, UsageError
from cyborg_ingest.model import Reason
from cyborg_ingest.rows.idhashes import hashes_of
from cyborg_ingest.rows.ranges import RangeSet
from cyborg_ingest.settings.scrubbing import KNOWN
from cyborg_ingest.state.compacting import part_record, records_of
from cyborg_ingest.state.ids import Ids
from cyborg_ingest.state.jobs import DESCRIPTION, open_job, writing
from cyborg_ingest.state.ledger import (
    ENDED,
    FileKey,
    PartKey,
    PartState,
    State,
    file_of,
    key_of,
)
from cyborg_ingest.state.lines import LineFile, write_lines
from cyborg_ingest.state.memory import Memory
from cyborg_ingest.state.replay import apply, replayed
from cyborg_ingest.state.runfolder import RunFolder
from cyborg_ingest.state.turns import lock_job

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from cyborg_ingest.errors import ExitCode
    from cyborg_ingest.model import Batch, Json, Part, Rejection

JOURNAL = "journal.jsonl"
LAST = "ended.jsonl"
BEGUN = "begun"
"""The fact that says when the first run of a load began, in UTC."""
RUN, COMMAND = "run", "command"
"""Facts: the run that wrote last, and the command line that resumes it, where there is one."""

FINISHED = "finished"
"""The fact that says when a load ended, in UTC."""

SINCE = "since"
"""The fact that a load sends only what is new, and since when: the end of the load that it compares with."""

OUTDATED = "outdated"
"""The fact that rows were sent since the last load that ended which no journal has any more."""

UNHEARD = "unheard"
"""The fact that a run may have replaced rows of which its journal, as it was kept elsewhere, does not say so."""

_LASTING = ("precision", "sole")
"""Facts that are true of the index whichever run it is."""

_NOT_TAKEN = (Reason.REFUSED, Reason.TOO_LARGE)
"""Why the target has not taken rows that were sent."""


class Journal(Memory):
    """One job's folder, locked against other processes; `is_locked`: whoever opens it has seen to that.

    `command` is noted, where there is one: what resumes a load of which nobody hears how it ended.

    One thread writes: the one that does the work as a whole. That which reads ahead only asks what an earlier run has
    done of a Part, before any row of it is on its way.

    Raises StateError where the folder cannot be written or another process works on this job, UsageError where a later
    release wrote it, and UntrustedError where somebody else may have.
    """

    def __init__(
        self,
        folder: Path,
        description: Json,
        *,
        restart: bool = False,
        is_locked: bool = False,
        command: str | None = None,
    ) -> None:
        super().__init__()
        self.folder = folder.absolute()
        self._numbers: dict[PartKey, int] = {}
        self._cut: set[FileKey] = set()
        """Files of which it is noted where their Parts are."""
        self._doubted: dict[PartKey, RangeSet] = {}
        with contextlib.ExitStack() as opened, writing(self.folder):
            self._own = opened.enter_context(open_job(self.folder))
            if not is_locked:
                opened.enter_context(lock_job(self._own))
            self.file = LineFile(self._own, JOURNAL)
            opened.callback(self.file.close)
            self._open(description, opened, command, restart=restart)
            self._opened = opened.pop_all()

    def _open(self, description: Json, opened: contextlib.ExitStack, command: str | None, *, restart: bool) -> None:
        state, is_read = State(), False
        # to be forgotten, whatever it says, but for what is true of the index itself
        with contextlib.suppress(*([UsageError] if restart else [])):
            state, is_read = replayed(self._own, JOURNAL) or state, True
        if state.has_ended:
            # and if this run is killed before its own begins, the next one does the same
            write_lines(self._own, LAST, records_of(state, {}))
        self.resumed = bool(state.parts) and not state.is_over and not restart
        self.ids = Ids(self._own)
        opened.callback(self.ids.close)
        late = set[int]()
        if restart:
            if not state.has_ended:  # else the last run has waited for them
                late = state.late | self.in_flight(state.parts) | set(hashes_of(sorted(state.doubts)).tolist())
            self.ids.forget()
        elif state.is_over:
            self.ids.tidy((key, part.choice) for key, part in state.parts.items())
        lasting = {name: value for name, value in state.facts.items() if name in _LASTING}
        if not (is_read and (state.has_ended or self.resumed)):
            lost = not is_read or bool(state.parts) or state.has_lost_lines
            lasting |= {OUTDATED: True} if lost or OUTDATED in state.facts else {}
        self.state = state if self.resumed else State(facts=lasting, late=late)
        self._own.replace(DESCRIPTION, json.dumps(KNOWN.scrubbed(description), indent=2).encode())
        now = datetime.datetime.now(datetime.timezone.utc)
        self.run = RunFolder(self._own, state.facts.get(RUN), now)
        opened.callback(self.run.close)
        self.run.take_over(self.state, self.state.facts.get(RUN))
        self.state.facts |= {RUN: self.run.path.name, COMMAND: KNOWN.scrub(command) if command else None}
        if not self.resumed or state.has_ended:
            self.state.facts[BEGUN] = now.isoformat(timespec="seconds")
        self._compact()

    def last_ended(self) -> State | None:
        """As the folder has it: a large one is not kept for it."""
        with writing(self.folder):
            return replayed(self._own, LAST)

    def carry(self, state: State) -> None:
        """The same. Nothing of it is noted before `keep` writes it."""
        own = {name: state.facts[name] for name in (*_LASTING, "guess", FINISHED) if name in state.facts}
        facts = {**own, **self.state.facts, SINCE: state.facts.get(FINISHED, "")}
        super().carry(state)
        with writing(self.folder):
            self.run.take_over(self.state, self.state.facts.get(RUN))
        self.state.facts, self.state.ended = facts, None

    def _compact(self) -> None:
        """Write the fewest lines that say the same."""
        self.state.ended, self.state.is_open = None, False
        numbers: dict[PartKey, int] = {}
        self.file.rewrite(records_of(self.state, numbers))
        self._numbers, self._cut = numbers, set(map(file_of, numbers))

    def keep(self, upto: dict[PartKey, int | None]) -> None:
        """The same, on disk: what is carried by `write`, once it is proved."""
        super().keep(upto)
        with writing(self.folder):
            self.run.rejected.keep(self.state.rejected_rows())
        if not self.is_carried:
            self.write()

    def hold(self, batch: Batch) -> int:
        """Let the rows of a batch that are done be sent again, as after a doubt; how many they are."""
        rows, state = dict(zip(batch.rows.tolist(), batch.ids, strict=True)), self.part(batch.part)
        spans = list(state.done.within(batch.start, batch.stop))
        inside = [[row for row in rows if start <= row < stop] for start, stop in spans]
        for some in filter(None, inside):
            state.hold(some[0], some[-1] + 1, frozenset(rows[row] for row in some))
        return sum(map(len, inside))

    def write(self) -> None:
        """Write the journal anew, with all that is known by now."""
        with writing(self.folder):
            self._compact()

    def in_doubt(self, part: Part) -> RangeSet:
        """Rows of a Part that an earlier run sent and never heard of."""
        key = key_of(part)
        if key not in self._doubted:
            self._doubted[key] = self.part(part).in_doubt if self.resumed else RangeSet()
        return self._doubted[key]

    def sending(self, batch: Batch) -> None:
        """Note that rows leave now; called before they do."""
        with writing(self.folder):
            self.ids.sending(batch)
        self.leaving(batch.ids)
        records = self._number(batch.part)
        if not batch.again:
            records.append({"sent": [self._numbers[key_of(batch.part)], batch.start, batch.stop]})
        self._append(records)

    def leaving(self, ids: Collection[str]) -> None:
        """Note that rows are replaced or deleted now: nobody is to ask for them any more."""
        replaced = self.state.probes.replaced(ids)
        if replaced:
            self.state.probes.drop(replaced)
            self._append([{"drop": replaced}])

    def forget_missing(self) -> None:
        """Forget the ids of all rows that are no longer in the sources: they have left the index, too."""
        with writing(self.folder):
            self.ids.keep((key, part.choice) for key, part in self.state.parts.items())

    def acknowledged(
        self,
        batch: Batch,
        rejections: Iterable[Rejection] = (),
        *,
        held: Collection[str] = (),
        doubted: Collection[str] = (),
    ) -> None:
        """Note that the engine has the rows of a batch, or that they are rejected: none is sent again.

        `held`: but for those of these ids, until `release`. `doubted`: ids that are in doubt from now on.
        """
        rejections = list(rejections)
        with writing(self.folder):
            self._check_there()
            self.ids.refused(batch, [one.id for one in rejections if one.id is not None and one.reason in _NOT_TAKEN])
        self.leaving(batch.ids)  # once more: a batch that was refused comes back in pieces, which may share an id
        if doubted:  # first, or a torn line could leave the rows without the doubt
            self.doubt(doubted)
        records = self._number(batch.part)
        record: Json = {"ack": [self._numbers[key_of(batch.part)], batch.start, batch.stop]}
        rejected = [[one.row - batch.first_row + batch.start, one.row, one.reason.value] for one in rejections]
        if rejected:
            record["rej"] = rejected
        if batch.passed:
            record["passed"] = batch.passed
        if batch.mark:
            record["mark"] = [batch.mark.size, batch.mark.digest]
        if held:
            record["held"] = sorted(held)
        elif batch.ids:
            probe, keep = self.state.probes.pick(batch)
            record.update({"probe": [probe.id, probe.vector, probe.rest], **({"keep": 1} if keep else {})})
        self._append([*records, record])
        part = self.state.parts.setdefault(key_of(batch.part), PartState(choice=batch.part.choice))
        apply(self.state, {record["ack"][0]: part}, record)

    def watched(self, part: Part) -> list[tuple[int, int, frozenset[str]]]:
        """(start, stop, ids): rows that an earlier run sent and that an older request may have replaced since."""
        return self.part(part).watched

    def release(self) -> None:
        """Note that nothing is in doubt any more: what was held is done."""
        if self.state.late or any(len(part.held) for part in self.state.parts.values()):
            record: Json = {"released": 1}
            self._append([record])
            apply(self.state, {}, record)

    def complete(self, part: Part, rows: int) -> None:
        """Note how many rows a Part has, once it has been read to its end."""
        self._append([*self._number(part), {"rows": [self._numbers[key_of(part)], rows]}])
        self.state.parts.setdefault(key_of(part), PartState(choice=part.choice)).rows = rows

    def doubt(self, ids: Collection[str]) -> None:
        """Note ids of a request that may be applied later."""
        record: Json = {"doubt": list(ids)}
        self._append([record])
        apply(self.state, {}, record)

    def know(self, **facts: Any) -> None:
        """Remember facts about the job for a later run."""
        self.state.facts.update(facts)
        self._append([{"facts": facts}])

    def reject(self, rejections: Iterable[Rejection], *, full: bool) -> None:
        """Append rows to `rejected.jsonl`; before they are acknowledged."""
        rejected = list(rejections)
        if not rejected:
            return
        with writing(self.folder):
            self._check_there()
            self.run.rejected.append(rejected, full=full)

    def check_kept(self) -> None:
        """Raise StateError where rows are rejected, and the file that has them is gone."""
        if self.state.rejects() and not self.run.has_rejected():
            raise StateError(
                f"{self.run.rejected.path} is gone, and with it the rows that were rejected. Those that were sent are "
                "safe; run the same command again to have the others rejected again."
            )

    def end(self, code: ExitCode, report: Json, *, bad: Collection[str] = ()) -> None:
        """Note how the run ended, and keep its report; files that are `bad` are still to be loaded."""
        with writing(self.folder):
            self._check_there()
            self.run.end(report)
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        heard = {UNHEARD: None} if UNHEARD in self.state.facts else {}  # what the index holds was looked at since
        finished = [{"facts": {FINISHED: now, **heard}}] if code in ENDED else []
        self._append([*finished, {"end": int(code), **({"open": 1} if bad else {})}])

    def _check_there(self) -> None:
        """Raise StateError where the folder was removed or moved: what is noted in it then helps nobody."""
        if not (self.file.is_there() and self.run.is_there()):
            raise StateError(
                f"The state directory {self.run.path} was removed while the load ran, so what the target "
                "acknowledges can no longer be noted. Rows that were sent are safe; run the same command again."
            )

    def _number(self, part: Part) -> list[Json]:
        """The record that introduces a Part, the first time it is named."""
        key = key_of(part)
        if key in self._numbers:
            return []
        number = self._numbers[key] = len(self._numbers)
        known = self.state.parts.setdefault(key, PartState(choice=part.choice))
        known.place = self._places.get(key, number)
        return [part_record(number, key, known, self._new_cut(file_of(key)))]

    def _new_cut(self, file: FileKey) -> Sequence[Part] | None:
        """Where the Parts of a file are, the first time that one of them is named."""
        cut = None if file in self._cut else self._planned.get(file)
        self._cut.add(file)
        if cut is not None:
            self.state.cuts[file] = cut
        return cut

    def _append(self, records: Iterable[Json]) -> None:
        with writing(self.folder):
            self.file.append(records)

    def close(self) -> None:
        """Free the lock, if it took one."""
        self._opened.close()
