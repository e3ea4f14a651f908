"""What a job has done, on disk: acknowledged rows, rejected rows, and what is in doubt.

A journal is lines of JSON, appended after the acknowledgement and flushed, not fsynced: a lost tail only
sends rows again. It is compacted when it is opened; a torn last line is ignored. The folder of a job holds::

    lock  job.json  journal.jsonl  rejected.jsonl  report.json

A Part is known by its uri, number and fingerprint, so that a file that changed is loaded from its start.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import platformdirs

from cyborg_ingest.errors import ExitCode, StateError
from cyborg_ingest.probes import Probe, Probes
from cyborg_ingest.ranges import RangeSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Self

    from cyborg_ingest.model import Batch, Json, Part, Rejection

STATE_DIR_VARIABLE = "CYBORG_INGEST_STATE_DIR"
VERSION = 1
ENDED = (ExitCode.OK, ExitCode.REJECTED, ExitCode.DIFFERENT)
"""After these a job is over, and the same command starts anew."""

PartKey = tuple[str, int, int, int, str]


def key_of(part: Part) -> PartKey:
    """What tells a Part from others, and from itself once its file has changed."""
    return part.uri, part.number, part.start, part.stop, part.fingerprint


def state_directory(given: Path | None) -> Path:
    """Where jobs are kept."""
    configured = os.environ.get(STATE_DIR_VARIABLE)
    return given or (Path(configured) if configured else platformdirs.user_state_path("cyborg-ingest"))


def job_folder(directory: Path, description: Json) -> Path:
    """The folder of the job that is described: target, index, sources as typed, mapping."""
    text = json.dumps(description, sort_keys=True)
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", str(description.get("index", "")))[:40].strip("-")
    return directory / "jobs" / f"{name or 'job'}-{digest}"


@dataclass(slots=True)
class PartState:
    """What a journal knows of one Part, in rows of the Part."""

    done: RangeSet = field(default_factory=RangeSet)
    sent: RangeSet = field(default_factory=RangeSet)
    rows: int | None = None
    passed: int = 0
    """How many of the rows that are done nobody asked for."""
    rejected: dict[int, tuple[int, str]] = field(default_factory=dict)
    """Row in the Part -> row in the file, reason."""

    @property
    def in_doubt(self) -> RangeSet:
        """Rows that were sent and never acknowledged: their request may still be applied."""
        open_rows = RangeSet()
        for start, stop in self.sent:
            for gap in self.done.missing(start, stop):
                open_rows.add(*gap)
        return open_rows


@dataclass(slots=True)
class State:
    """A journal, replayed."""

    parts: dict[PartKey, PartState] = field(default_factory=dict)
    doubts: set[str] = field(default_factory=set)
    probes: Probes = field(default_factory=Probes)
    facts: Json = field(default_factory=dict)
    ended: int | None = None

    def rejects(self) -> Counter[str]:
        """Rejected rows by reason."""
        return Counter(reason for part in self.parts.values() for _, reason in part.rejected.values())


def replay(lines: Iterable[bytes]) -> State:
    """The state that these lines lead to; a line that is no record is passed over."""
    state = State()
    numbers: dict[int, PartState] = {}
    for line in lines:
        try:
            record = orjson.loads(line)
            _apply(state, numbers, record)
        except (ValueError, KeyError, TypeError, IndexError):
            continue  # torn by a crash: its rows are sent again
    return state


def _apply(state: State, numbers: dict[int, PartState], record: Json) -> None:
    if "part" in record:
        number, *key = record["part"]
        uri, place, start, stop, fingerprint = key
        numbers[number] = state.parts.setdefault((uri, place, start, stop, fingerprint), PartState())
    elif "ack" in record:
        number, start, stop = record["ack"]
        part = numbers[number]
        rejected = {row: (file_row, reason) for row, file_row, reason in record.get("rej", ())}
        part.done.add(start, stop)
        part.rejected.update(rejected)
        part.passed += record.get("passed", 0)
        _apply_probe(state, record)
    elif "sent" in record:
        number, start, stop = record["sent"]
        numbers[number].sent.add(start, stop)
    elif "rows" in record:
        number, rows = record["rows"]
        numbers[number].rows = rows
    elif "drop" in record:
        state.probes.drop(record["drop"])
    elif "doubt" in record:
        state.doubts.update(record["doubt"])
    elif "facts" in record:
        state.facts.update(record["facts"])
    elif "end" in record:
        state.ended = record["end"]
    elif "begin" in record:
        state.ended = None


def _apply_probe(state: State, record: Json) -> None:
    if "probe" in record:
        state.probes.add(Probe(*record["probe"]), keep=bool(record.get("keep")))


class Journal:
    """One job's folder, locked. All writing is done by the thread that runs the load, but for `sending`.

    Raises StateError where the folder cannot be written, or another process works on this job.
    """

    def __init__(self, folder: Path, description: Json, *, restart: bool = False) -> None:
        self.folder = folder
        self._numbers: dict[PartKey, int] = {}
        self._doubted: dict[PartKey, RangeSet] = {}
        self._file = -1
        with _translated(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._take_lock()
            self._open(description, restart=restart)
        except BaseException:
            self.close()
            raise

    def _take_lock(self) -> None:
        import fcntl  # noqa: PLC0415 - not on Windows, where only `--help` and the client are of use

        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StateError(
                f"Another process is running this job (it holds {self.folder / 'lock'}). Wait for it to end."
            ) from None

    def _open(self, description: Json, *, restart: bool) -> None:
        with _translated(self.folder):
            path = self.folder / "journal.jsonl"
            state = replay(path.read_bytes().split(b"\n")[:-1]) if path.exists() else State()
            self.resumed = bool(state.parts) and state.ended not in ENDED and not restart
            self.state = state if self.resumed else State()
            _write(self.folder / "job.json", json.dumps(description, indent=2).encode())
            _write(path, b"".join(self._compacted()))
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            self._trim_rejected()

    def _compacted(self) -> Iterator[bytes]:
        state = self.state
        yield _line({"begin": VERSION})
        if state.facts:
            yield _line({"facts": state.facts})
        for number, (key, part) in enumerate(state.parts.items()):
            self._numbers[key] = number
            yield _line({"part": [number, *key]})
            if part.rows is not None:
                yield _line({"rows": [number, part.rows]})
            if part.passed:
                yield _line({"ack": [number, 0, 0], "passed": part.passed})
            for start, stop in part.in_doubt:
                yield _line({"sent": [number, start, stop]})
            for start, stop in part.done:
                inside = [[row, *rest] for row, rest in part.rejected.items() if start <= row < stop]
                yield _line({"ack": [number, start, stop], **({"rej": inside} if inside else {})})
        yield from self._compacted_probes()

    def _compacted_probes(self) -> Iterator[bytes]:
        state = self.state
        number = len(self._numbers)
        probes = state.probes.sample()
        if probes:  # a Part of their own carries them: an empty range acknowledges nothing
            yield _line({"part": [number, "", 0, 0, 0, ""]})
            self._numbers["", 0, 0, 0, ""] = number
        ordered = sorted(probes, key=lambda one: (one != state.probes.oldest, one == state.probes.newest))
        for probe in ordered:
            yield _line({"ack": [number, 0, 0], "probe": [probe.id, probe.vector, probe.rest], "keep": 1})
        if state.doubts:
            yield _line({"doubt": sorted(state.doubts)})

    def _trim_rejected(self) -> None:
        """Keep of `rejected.jsonl` the rows whose rejection the journal knows: a crash may lie between."""
        path = self.rejected_file
        known = {(key[0], file_row) for key, part in self.state.parts.items() for file_row, _ in part.rejected.values()}
        if not path.exists():
            return
        temporary = path.with_suffix(".new")
        with path.open("rb") as old, open(temporary, "wb", opener=_private) as new:
            for line in old:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    mark = json.loads(line)["_rejected"]
                    if (mark["file"], mark["row"]) in known:
                        new.write(line)
        temporary.replace(path)

    def part(self, part: Part) -> PartState:
        """What is known of a Part."""
        return self.state.parts.get(key_of(part)) or PartState()

    @property
    def rejected_file(self) -> Path:
        """Where the rejected rows are."""
        return self.folder / "rejected.jsonl"

    def was_in_doubt(self, batch: Batch) -> bool:
        """Whether an earlier run sent a row of the batch and never heard of it."""
        key = key_of(batch.part)
        if key not in self._doubted:
            self._doubted[key] = self.part(batch.part).in_doubt if self.resumed else RangeSet()
        return list(self._doubted[key].missing(batch.start, batch.stop)) != [(batch.start, batch.stop)]

    def sending(self, batch: Batch) -> None:
        """Note that rows leave now; called before they do."""
        records = self._number(batch.part)
        number = self._numbers[key_of(batch.part)]
        replaced = self.state.probes.replaced(batch.ids)
        if replaced:
            self.state.probes.drop(replaced)
            records += _line({"drop": replaced})
        self._append(records + _line({"sent": [number, batch.start, batch.stop]}))

    def acknowledged(self, batch: Batch, rejections: Iterable[Rejection] = ()) -> None:
        """Note that the engine has the rows of a batch, or that they are rejected: none is sent again."""
        records = self._number(batch.part)
        record: Json = {"ack": [self._numbers[key_of(batch.part)], batch.start, batch.stop]}
        rejected = [[one.row - batch.first_row + batch.start, one.row, one.reason.value] for one in rejections]
        if rejected:
            record["rej"] = rejected
        if batch.passed:
            record["passed"] = batch.passed
        if batch.ids:
            probe, keep = self.state.probes.pick(batch)
            record.update({"probe": [probe.id, probe.vector, probe.rest], **({"keep": 1} if keep else {})})
        self._append(records + _line(record))
        _apply(
            self.state,
            {record["ack"][0]: self.state.parts.setdefault(key_of(batch.part), PartState())},
            record,
        )

    def complete(self, part: Part, rows: int) -> None:
        """Note how many rows a Part has, once it has been read to its end."""
        self._append(self._number(part) + _line({"rows": [self._numbers[key_of(part)], rows]}))
        self.state.parts.setdefault(key_of(part), PartState()).rows = rows

    def doubt(self, ids: Iterable[str]) -> None:
        """Note ids of a request that may be applied later."""
        self._append(_line({"doubt": list(ids)}))

    def know(self, **facts: Any) -> None:
        """Remember facts about the job for a later run."""
        self.state.facts.update(facts)
        self._append(_line({"facts": facts}))

    def reject(self, rejections: Iterable[Rejection], *, full: bool) -> None:
        """Append rows to `rejected.jsonl`, in the form that `upsert` reads; before they are acknowledged."""
        lines = b"".join(_rejected_line(one, full=full) for one in rejections)
        if lines:
            with (
                _translated(self.folder),
                open(self.rejected_file, "ab", opener=_private) as out,
            ):
                out.write(lines)

    def end(self, code: ExitCode, report: Json) -> None:
        """Note how the run ended, and keep its report."""
        with _translated(self.folder):
            _write(self.folder / "report.json", json.dumps(report, indent=2).encode())
        self._append(_line({"end": int(code)}))

    def _number(self, part: Part) -> bytes:
        """The record that introduces a Part, the first time it is named."""
        key = key_of(part)
        if key in self._numbers:
            return b""
        self._numbers[key] = len(self._numbers)
        return _line({"part": [self._numbers[key], *key]})

    def _append(self, records: bytes) -> None:
        with _translated(self.folder):
            written = os.write(self._file, records)
            if written != len(records):
                raise OSError(28, "the disk is full")

    def close(self) -> None:
        """Free the lock."""
        for handle in (self._file, self._lock):
            if handle >= 0:
                os.close(handle)
        self._file = self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _rejected_line(rejection: Rejection, *, full: bool) -> bytes:
    mark = {
        "file": rejection.uri,
        "row": rejection.row,
        "line": rejection.line,
        "reason": rejection.reason.value,
        "detail": rejection.detail,
    }
    row = dict(rejection.record or {}) if full else {}
    if "id" not in row and rejection.id is not None:
        row["id"] = rejection.id
    # the stdlib writes NaN as NaN, so that the row is seen as it was
    return json.dumps({**row, "_rejected": mark}, ensure_ascii=False, default=str).encode(errors="replace") + b"\n"


def _line(record: Json) -> bytes:
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _write(path: Path, data: bytes) -> None:
    """Replace a file whole, or not at all."""
    temporary = path.with_name(path.name + ".new")
    with open(temporary, "wb", opener=_private) as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(path)


@contextlib.contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateError(
            f"The state directory {folder} cannot be written: {error.strerror or error}. Rows that were sent are "
            "safe; make room, or name another with --state-dir, and run the same command again."
        ) from None
