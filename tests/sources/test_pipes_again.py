"""A pipe that is fed again goes on only where the same bytes come again; an earlier end is not taken for the end."""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import KEY, Engine
from where import TESTS

import cyborg_ingest
from cyborg_ingest.errors import ExitCode, SourceChangedError
from cyborg_ingest.model import Mark
from cyborg_ingest.sources import stores
from cyborg_ingest.sources.stdin import StandardInput
from cyborg_ingest.state.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROWS, DIMENSION = 3000, 256
HEAD = 65_536


def row(number: int, generation: int) -> list[float]:
    return [1000.0 + number, float(generation), *([0.25] * (DIMENSION - 2))]


def lines(generations: list[int], rows: int = ROWS) -> bytes:
    """JSONL in which `generations[n]` is the generation of the rows of the n-th of equal shares."""
    share = -(-rows // len(generations))
    return b"".join(
        json.dumps({"id": f"r{number}", "vector": row(number, generations[number // share])}).encode() + b"\n"
        for number in range(rows)
    )


def packed(generations: list[int], rows: int = ROWS) -> bytes:
    """The same, each 50 of them compressed by themselves and without effect: equal heads stay equal."""
    text = lines(generations, rows).splitlines(keepends=True)
    return b"".join(gzip.compress(b"".join(text[start : start + 50]), 0, mtime=0) for start in range(0, rows, 50))


def arrow(generations: list[int], rows: int = ROWS) -> bytes:
    share = -(-rows // len(generations))
    vectors = np.array([row(number, generations[number // share]) for number in range(rows)], np.float32)
    table = pa.table({
        "id": [f"r{number}" for number in range(rows)],
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), DIMENSION),
    })  # fmt: skip
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table, max_chunksize=100)
    return out.getvalue()


def npy(generations: list[int], rows: int = ROWS) -> bytes:
    share = -(-rows // len(generations))
    out = io.BytesIO()
    np.save(out, np.array([row(number, generations[number // share]) for number in range(rows)], np.float32))
    return out.getvalue()


MAKERS: dict[str, Callable[..., bytes]] = {"jsonl": lines, "jsonl.gz": packed, "arrow": arrow, "npy": npy}


class Pipe:
    """The real command, fed by a pipe."""

    def __init__(self, folder: Path) -> None:
        self.engine = Engine("embedded", f"disk:{folder / 'data'}", itertools.count())
        self.index = self.engine.name()

    def _run(self, command: list[str], data: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
        arguments = ["upsert", "-", "--index", self.index, "--target", self.engine.target, "--create", "--json"]
        environment = {**os.environ, "CYBORG_INGEST_INDEX_KEY": KEY.hex()}
        return subprocess.run(
            [sys.executable, *command, *arguments, *options], input=data, capture_output=True, env=environment,
            check=False,
        )  # fmt: skip

    def kill(self, data: bytes, kind: str, *, at: int, batch: int = 97, moment: str = "before") -> None:
        """Feed it, and let the process be killed once so many rows were sent."""
        options = ("--batch-rows", str(batch), "--format", kind.partition(".")[0])
        done = self._run([str(TESTS / "victim.py"), str(at), moment], data, *options)
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()

    def feed(self, data: bytes, kind: str, *options: str) -> tuple[int, dict[str, Any], str]:
        """Feed it: the exit code, the report and what was said."""
        done = self._run(["-m", "cyborg_ingest"], data, "--format", kind.partition(".")[0], *options)
        return done.returncode, json.loads(done.stdout), " ".join(done.stderr.decode().split())

    def generations(self, kind: str, rows: int = ROWS) -> list[float | None]:
        """What the engine says of each row, in their order; None where it has none."""
        names = [str(number) if kind == "npy" else f"r{number}" for number in range(rows)]
        found = self.engine.read(self.index, names, KEY)
        values = [np.frombuffer(found[name].vector, "<f4") if name in found else None for name in names]
        assert all(value is None or value[0] == 1000 + number for number, value in enumerate(values))
        return [None if value is None else float(value[1]) for value in values]


@pytest.fixture
def pipe(tmp_path: Path) -> Pipe:
    return Pipe(tmp_path)


@pytest.mark.parametrize("kind", MAKERS)
def test_the_same_bytes_go_on_whatever_the_size_of_the_batches(pipe: Pipe, kind: str) -> None:
    data = MAKERS[kind]([1])
    pipe.kill(data, kind, at=1500)
    pipe.kill(data, kind, at=700, batch=31)
    code, report, words = pipe.feed(data, kind, "--batch-rows", "250")
    assert code == 0, words
    assert report["rows"]["read"] == ROWS == report["rows"]["acknowledged"] + report["rows"]["skipped"]
    assert report["rows"]["skipped"] > 1800
    assert pipe.generations(kind) == [1.0] * ROWS


@pytest.mark.parametrize("kind", MAKERS)
def test_other_rows_behind_an_equal_head_are_not_taken_for_loaded_ones(pipe: Pipe, kind: str) -> None:
    first, second = MAKERS[kind]([1] * 6), MAKERS[kind]([1, 2, 1, 1, 1, 1])
    assert first[:HEAD] == second[:HEAD]
    assert first != second
    assert len(first) == len(second)
    pipe.kill(first, kind, at=2000)
    code, report, words = pipe.feed(second, kind)
    assert code == 0, words
    assert "other rows than in the last run" in words
    assert report["rows"] == {"read": ROWS, "acknowledged": ROWS, "rejected": 0, "skipped": 0, "unsent": 0}
    share = ROWS // 6
    assert pipe.generations(kind) == [1.0] * share + [2.0] * share + [1.0] * (4 * share)


def test_what_was_forgotten_of_a_pipe_stays_forgotten_when_that_load_is_killed_too(pipe: Pipe) -> None:
    first, second = lines([1] * 6), lines([1, 2, 2, 2, 2, 2])
    pipe.kill(first, "jsonl", at=2000)
    pipe.kill(second, "jsonl", at=700)
    code, report, words = pipe.feed(second, "jsonl")
    assert code == 0, words
    assert 0 < report["rows"]["skipped"] < 700
    assert pipe.generations("jsonl") == [1.0] * 500 + [2.0] * 2500


def test_a_pipe_that_differs_where_it_cannot_be_read_again_ends_before_later_rows_are_sent(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch, stdin: Callable[[bytes, random.Random], StandardInput]
) -> None:
    first, second = lines([1] * 6), lines([1, 1, 2, 1, 1, 1])
    pipe.kill(first, "jsonl", at=2000)
    before = pipe.generations("jsonl")
    monkeypatch.setattr("cyborg_ingest.sources.streams._HEAD_BYTES", 1_200_000)
    monkeypatch.setattr("cyborg_ingest.sources.stores.by_scheme", {})
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    options: dict[str, Any] = {"index": pipe.index, "target": pipe.engine.target, "create": True, "format": "jsonl"}
    for data, words in ((second, "differs within"), (first[: len(first) // 3], "ended after")):
        monkeypatch.setitem(stores.by_scheme, "-", stdin(data, random.Random(1)))
        with pytest.raises(SourceChangedError, match=f"{words}.*restart=True") as error:
            cyborg_ingest.load("-", **options)
        assert error.value.exit_code == ExitCode.FAILED
        after = pipe.generations("jsonl")
        # a row that was in flight when the process was killed, and stands before all that differs, may be sent
        assert after == [one or (1.0 if place < 1000 and after[place] else None) for place, one in enumerate(before)]
    monkeypatch.setitem(stores.by_scheme, "-", stdin(first, random.Random(2)))
    report = cyborg_ingest.load("-", **options)
    assert report.rows["read"] == ROWS == report.rows["acknowledged"] + report.rows["skipped"]
    assert report.rows["skipped"] > 1000
    assert pipe.generations("jsonl") == [1.0] * ROWS


def test_other_rows_behind_those_that_were_loaded_are_loaded(pipe: Pipe) -> None:
    first, second = lines([1] * 6), lines([1, 1, 1, 1, 1, 2])
    pipe.kill(first, "jsonl", at=400)
    code, report, words = pipe.feed(second, "jsonl")
    assert code == 0, words
    assert report["rows"]["skipped"] > 0
    assert pipe.generations("jsonl") == [1.0] * 2500 + [2.0] * 500


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz"])
def test_more_rows_than_an_earlier_run_saw_are_loaded_too(pipe: Pipe, kind: str) -> None:
    """The earlier run read to the end, and was killed when all but the last rows were in."""
    first, second = MAKERS[kind]([1]), MAKERS[kind]([1], ROWS + 400)
    assert second.startswith(first)
    pipe.kill(first, kind, at=ROWS, moment="after")
    code, report, words = pipe.feed(second, kind)
    assert code == 0, words
    assert report["rows"]["read"] == ROWS + 400
    assert report["rows"]["skipped"] > ROWS // 2
    assert pipe.generations(kind, ROWS + 400) == [1.0] * (ROWS + 400)


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "arrow"])
def test_fewer_rows_than_were_loaded_are_not_counted_as_more(pipe: Pipe, kind: str) -> None:
    pipe.kill(MAKERS[kind]([1]), kind, at=2500)
    code, report, words = pipe.feed(MAKERS[kind]([1], 1000), kind)
    assert code == 0, words
    assert report["rows"] == {"read": 1000, "acknowledged": 1000, "rejected": 0, "skipped": 0, "unsent": 0}


def test_rows_past_a_limit_may_lie_over_those_within_it_so_these_are_loaded_again(pipe: Pipe) -> None:
    """Of a pipe nobody knows the ids of the rows that were sent past the limit."""
    pipe.kill(lines([1] * 6), "jsonl", at=2000)
    code, report, words = pipe.feed(lines([1] * 6), "jsonl", "--limit", "800")
    assert code == 0, words
    assert report["rows"] == {"read": 800, "acknowledged": 800, "rejected": 0, "skipped": 0, "unsent": 0}
    assert pipe.generations("jsonl")[:800] == [1.0] * 800


def test_rows_within_the_limit_are_loaded_where_they_are_others_than_before(pipe: Pipe) -> None:
    pipe.kill(lines([1] * 6), "jsonl", at=2000)
    code, report, words = pipe.feed(lines([1, 2, 1, 1, 1, 1]), "jsonl", "--limit", "800")
    assert code == 0, words
    assert report["rows"] == {"read": 800, "acknowledged": 800, "rejected": 0, "skipped": 0, "unsent": 0}
    assert pipe.generations("jsonl")[:800] == [1.0] * 500 + [2.0] * 300


def test_a_pipe_with_another_head_is_another_pipe_and_loaded_from_its_start(pipe: Pipe) -> None:
    pipe.kill(lines([1]), "jsonl", at=2000)
    code, report, words = pipe.feed(lines([2]), "jsonl")
    assert code == 0, words
    assert report["rows"]["acknowledged"] == ROWS
    assert pipe.generations("jsonl") == [2.0] * ROWS


def test_a_pipe_whose_bad_row_was_mended_loads_by_the_same_command(pipe: Pipe) -> None:
    whole = lines([1])
    bad = whole.splitlines(keepends=True)
    bad[700] = b'{"id": "r700", "vector": null}\n'
    code, _, words = pipe.feed(b"".join(bad), "jsonl", "--batch-rows", "97")
    assert code == ExitCode.BAD_ROWS, words
    code, report, words = pipe.feed(whole, "jsonl", "--batch-rows", "97")
    assert code == 0, words
    assert report["rows"]["read"] == ROWS
    assert pipe.generations("jsonl") == [1.0] * ROWS


def test_rejected_rows_are_compared_like_the_others(pipe: Pipe) -> None:
    bad = lines([1]).splitlines(keepends=True)
    bad[700] = b'{"id": "r700", "vector": null}\n'
    pipe.feed(b"".join(bad), "jsonl", "--batch-rows", "97")
    code, report, words = pipe.feed(b"".join(bad), "jsonl", "--batch-rows", "97", "--max-errors", "1")
    assert code == ExitCode.REJECTED, words
    assert report["rows"]["skipped"] > 500
    found = pipe.generations("jsonl")
    assert found[:700] + found[701:] == [1.0] * (ROWS - 1)
    assert found[700] is None


def test_a_journal_keeps_a_mark_for_each_range_and_no_more(tmp_path: Path) -> None:
    data = lines([1])
    one = Pipe(tmp_path)
    one.kill(data, "jsonl", at=1500)
    (folder,) = (Path(os.environ["CYBORG_INGEST_STATE_DIR"]) / "jobs").iterdir()
    with Journal(folder, json.loads((folder / "job.json").read_text("utf-8"))) as journal:
        (known,) = [part for key, part in journal.state.parts.items() if key[0] == "-"]
        assert set(known.marks) == {stop for _, stop in known.done}
        for mark in known.marks.values():
            assert mark.digest == hashlib.sha256(data[: mark.size]).hexdigest()[:32]
    text = (folder / "journal.jsonl").read_bytes()
    assert text.count(b'"mark"') == len(known.marks)


# The comparison itself, with a real pipe


def feeding(data: bytes, pieces: random.Random) -> tuple[int, threading.Thread]:
    """A pipe that gives the data in pieces of any size."""
    out, into = os.pipe()

    def write() -> None:
        start = 0
        with os.fdopen(into, "wb", buffering=0) as end:
            while start < len(data):
                try:
                    start += end.write(data[start : start + pieces.randrange(1, 70_000)]) or 0
                except BrokenPipeError:
                    return

    thread = threading.Thread(target=write)
    thread.start()
    return out, thread


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes, random.Random], StandardInput]]:
    opened: list[tuple[Any, threading.Thread]] = []

    def make(data: bytes, pieces: random.Random) -> StandardInput:
        out, thread = feeding(data, pieces)
        opened.append((os.fdopen(out, "rb"), thread))
        monkeypatch.setattr(sys, "stdin", opened[-1][0])
        return StandardInput()

    yield make
    for file, thread in opened:
        file.close()
        thread.join()


@pytest.mark.parametrize("seed", range(30))
def test_a_stream_is_proved_exactly_as_far_as_it_is_equal(
    stdin: Callable[[bytes, random.Random], StandardInput], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr("cyborg_ingest.sources.streams._HEAD_BYTES", 150_000)
    first = chance.randbytes(400_000)
    differs = chance.choice([None, chance.randrange(len(first))])
    second = bytearray(first)
    if differs is not None:
        second[differs] ^= 1
    second = second[: chance.choice([len(second), len(second), chance.randrange(len(second))])] + chance.choice(
        [b"", b"more"]
    )
    marks = sorted({chance.randrange(1, len(first) + 1) for _ in range(chance.randrange(1, 8))})
    source = stdin(bytes(second), chance)
    with source.open("-") as head:
        head.read(chance.randrange(100_000))
    source.expect("-", [Mark(size, hashlib.sha256(first[:size]).hexdigest()[:32]) for size in marks])
    came = b""
    with source.open("-") as file:
        for size in marks:
            came += file.read(chance.randrange(1, 90_000))
            is_equal = second[:size] == first[:size]
            if not is_equal:
                with pytest.raises(SourceChangedError):
                    source.prove("-", size)
                break
            source.prove("-", size)
        came += file.read()
    assert came == second
    assert source.mark("-") == Mark(len(second), hashlib.sha256(second).hexdigest()[:32])
