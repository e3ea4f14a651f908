"""A journal that is damaged, or of another release, never claims a row that was not acknowledged."""

from __future__ import annotations

import json
import random
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cyborg_ingest
from cyborg_ingest.errors import BadRowError, UsageError
from cyborg_ingest.loading import doubts
from cyborg_ingest.state.journal import Journal
from cyborg_ingest.state.lines import line_of
from cyborg_ingest.state.replay import replay

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine

    from cyborg_ingest.state.ledger import State

KEY = ["/a.npy", 0, 0, 1000, "f"]


def line(record: dict[str, Any]) -> bytes:
    """A line as the documentation of the format has it."""
    body = json.dumps(record, separators=(",", ":")).encode()
    return f"{zlib.crc32(body):08x} ".encode() + body


def done(state: State) -> list[tuple[int, int]]:
    return [span for part in state.parts.values() for span in part.done]


LINES = [line({"begin": 2}), line({"part": [0, *KEY]}), *(line({"ack": [0, row, row + 100]}) for row in (0, 200, 400))]


def test_lines_are_checked_by_the_sum_that_zlib_makes() -> None:
    assert done(replay(LINES)) == [(0, 100), (200, 300), (400, 500)]
    assert line_of({"ack": [0, 0, 100]}) == line({"ack": [0, 0, 100]}) + b"\n"


def test_a_flipped_digit_loses_a_line_and_claims_nothing() -> None:
    damaged = LINES[3].replace(b"300", b"900")
    assert damaged != LINES[3]
    state = replay([*LINES[:3], damaged, LINES[4]])
    assert done(state) == [(0, 100), (400, 500)]
    assert state.has_lost_lines
    assert not state.is_whole


def test_no_flipped_bit_anywhere_claims_a_row() -> None:
    text = b"\n".join(LINES)
    claimed = {row for start, stop in done(replay(LINES)) for row in range(start, stop)}
    for place in range(len(text)):
        for bit in range(8):
            damaged = text[:place] + bytes([text[place] ^ (1 << bit)]) + text[place + 1 :]
            now = {row for start, stop in done(replay(damaged.split(b"\n"))) for row in range(start, stop)}
            assert now <= claimed, damaged


def test_a_torn_last_line_is_no_loss() -> None:
    state = replay([*LINES[:4], LINES[4][:-3]])
    assert done(state) == [(0, 100), (200, 300)]
    assert state.is_whole


ODD: list[dict[str, Any]] = [
    {"ack": [0, "0", 100]},
    {"ack": [0, 0.0, 100]},
    {"ack": [0, True, 100]},
    {"ack": [0, -5, 100]},
    {"ack": [0, 100, 0]},
    {"ack": [0, 0]},
    {"ack": None},
    {"ack": [7, 0, 100]},
    {"ack": [[], 0, 100]},
    {"ack": [0, 0, 100], "rej": [[1, 2]]},
    {"ack": [0, 0, 100], "rej": 3},
    {"ack": [0, 0, 100], "passed": "x"},
    {"ack": [0, 0, 100], "probe": [1, 2, 3]},
    {"ack": [0, 0, 100], "probe": ["a"]},
    {"sent": {}},
    {"rows": [0, None]},
    {"doubt": "abc"},
    {"doubt": [1]},
    {"drop": [None]},
    {"part": [1, 2, 3, 4, 5, 6]},
    {"part": [1, "/b", 0, 0, 10]},
    {"facts": 3},
    {"end": "ok"},
    {"unknown": 1},
    {},
]


@pytest.mark.parametrize("record", ODD, ids=json.dumps)
def test_a_record_of_odd_types_is_passed_over_whole(record: dict[str, Any]) -> None:
    state = replay([*LINES[:2], line(record), line({"ack": [0, 500, 600]})])
    assert done(state) == [(500, 600)]
    assert state.has_lost_lines
    assert (state.rejects(), state.doubts, state.facts, state.ended) == ({}, set(), {}, None)
    assert [part.rows for part in state.parts.values()] == [None]


@pytest.mark.parametrize("text", [b"[]", b"3", b"null", b'"ack"', b"{", b"\xff"])
def test_a_line_that_is_no_object_is_passed_over(text: bytes) -> None:
    framed = f"{zlib.crc32(text):08x} ".encode() + text
    assert done(replay([*LINES[:2], framed, LINES[2]])) == [(0, 100)]


@pytest.mark.parametrize("first", [line({"begin": 3}), b'{"begin":3}'])
def test_a_journal_of_a_later_release_is_refused_and_left_alone(tmp_path: Path, first: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(first + b"\n" + LINES[1] + b"\n")
    with pytest.raises(UsageError, match=r"later release.*--restart"):
        Journal(tmp_path, {})
    assert path.read_bytes() == first + b"\n" + LINES[1] + b"\n"
    with Journal(tmp_path, {}, restart=True) as journal:
        assert not journal.resumed


def test_a_journal_of_the_first_release_is_read_but_its_gaps_are_not_trusted(tmp_path: Path) -> None:
    old = [{"begin": 1}, {"part": [0, *KEY]}, {"sent": [0, 0, 10]}, {"sent": [0, 10, 20]}, {"ack": [0, 10, 20]}]
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(one) + "\n" for one in old))
    with Journal(tmp_path, {}) as journal:
        assert journal.resumed
        assert done(journal.state) == [(10, 20)]
        assert not journal.state.is_whole
        assert not journal.state.has_lost_lines
    assert (tmp_path / "journal.jsonl").read_bytes().startswith(line({"begin": 2}))


def test_a_job_whose_journal_lost_lines_still_loads_every_row(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubts, "PAUSES", (0.1, 0.1))  # no request of the first run is still on its way
    rows = [{"id": f"r{row % 150}", "vector": [1.0, row]} for row in range(200)]
    path, index = tmp_path / "rows.jsonl", engine.name()
    bad = [*rows[:190], {"id": "x", "vector": [None, None]}, *rows[190:]]
    path.write_text("".join(json.dumps(one) + "\n" for one in bad))
    options: dict[str, Any] = {
        "index": index, "target": engine.target, "create": True, "batch_rows": 10, "state_dir": tmp_path / "s"
    }  # fmt: skip
    with pytest.raises(BadRowError):
        cyborg_ingest.load(path, **options)
    (journal,) = (tmp_path / "s").rglob("journal.jsonl")
    lines = journal.read_bytes().split(b"\n")
    chance = random.Random(7)
    for number in chance.sample([place for place, one in enumerate(lines) if b'"ack"' in one], 4):
        lines[number] = lines[number].replace(b"[0,", b"[0,1", 1)
    journal.write_bytes(b"\n".join(lines))
    report = cyborg_ingest.load(path, max_errors="1", **options)
    assert report.rows["read"] == 201 == report.rows["acknowledged"] + report.rows["skipped"] + 1
    last = {str(row["id"]): np.array(row["vector"], "<f4").tobytes() for row in rows}
    assert {one: row.vector for one, row in engine.read(index, list(last)).items()} == last
