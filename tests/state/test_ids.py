"""What is kept of ids is true or not there: a block that is damaged, and what stands behind it, claims nothing."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from test_journal import DESCRIPTION, batch, part

from cyborg_ingest.errors import StateError
from cyborg_ingest.model import Mark, Reason, Rejection
from cyborg_ingest.rows.idhashes import among, hashes_of, merged, without
from cyborg_ingest.rows.ranges import RangeSet
from cyborg_ingest.state.ids import Ids, is_lasting
from cyborg_ingest.state.jobs import open_job
from cyborg_ingest.state.journal import Journal
from cyborg_ingest.state.ledger import key_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cyborg_ingest.model import Batch


def named(number: int = 0) -> tuple[tuple[str, int, int, int, str], str]:
    return key_of(part(number)), ""


@contextlib.contextmanager
def kept(folder: Path, *, is_read: bool = False) -> Iterator[Ids]:
    with open_job(folder) as job, contextlib.closing(Ids(job, is_read=is_read)) as ids:
        yield ids


def ids_of(start: int, stop: int, number: int = 0) -> list[int]:
    return sorted(hashes_of(batch(start, stop, number).ids).tolist())


def test_the_ids_of_rows_are_known_to_the_next_process_before_they_leave(tmp_path: Path) -> None:
    with Journal(tmp_path, DESCRIPTION) as journal:
        journal.sending(batch(0, 10))
        journal.sending(batch(20, 30))
    with kept(tmp_path) as ids:
        assert ids.knows(*named(), [(0, 10), (20, 30)])
        assert not ids.knows(*named(), [(5, 21)])
        assert not ids.knows(*named(1), [(0, 1)])
        assert not ids.knows(named()[0], "skip 3", [(0, 1)])
        assert ids.of([named()]).tolist() == sorted(ids_of(0, 10) + ids_of(20, 30))
        assert ids.brought().tolist() == sorted(ids_of(0, 10) + ids_of(20, 30))
        assert ids.within(*named(), RangeSet([(0, 25)])).tolist() == ids_of(0, 10)


def test_an_id_has_the_same_bits_in_every_process() -> None:
    names = ["", "a", "doc-1", "ä" * 40, "x" * 5000, "\0"]
    code = f"from cyborg_ingest.rows.idhashes import hashes_of; print(hashes_of({names!r}).tolist())"
    others = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert others.strip() == str(hashes_of(names).tolist())
    assert len(set(hashes_of([hashlib.sha256(bytes([one])).hexdigest() for one in range(256)]).tolist())) == 256


@pytest.mark.parametrize(
    "ids",
    [
        [f"user{user}:item{item:03d}" for user in range(100) for item in range(100)],
        [f"{document:06d}/{chunk:04d}" for document in range(1000) for chunk in range(50)],
        [f"{number:010d}" for number in (*range(20_000), *range(800_000_000, 800_020_000))],
        [f"2026-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:00.{more:03d}Z" for month in range(1, 13)
         for day in range(1, 29) for hour in range(0, 24, 6) for minute in range(0, 60, 20) for more in range(3)],
        ["a" * length for length in range(1, 600)],
        ["a" + "\0" * length for length in range(20)] + ["\0" * length + "a" for length in range(1, 20)],
        [str(number) for number in range(50_000)],
        [f"{'ü' * (number % 7)}{number}" for number in range(20_000)],
    ],
    ids=["composite", "chunks", "padded", "times", "long", "zeros", "numbers", "letters"],
)  # fmt: skip
def test_ids_made_by_a_scheme_have_different_bits(ids: list[str]) -> None:
    assert len(set(ids)) == len(ids)
    assert len(np.unique(hashes_of(ids))) == len(ids)


def test_rows_whose_ids_are_known_are_not_noted_again(tmp_path: Path) -> None:
    for _ in range(3):
        with Journal(tmp_path, DESCRIPTION) as journal:
            journal.sending(batch(0, 10))
            journal.sending(batch(2, 8))
        size = (tmp_path / "ids").stat().st_size
        with kept(tmp_path) as ids:
            ids.sending(batch(5, 10))
        assert (tmp_path / "ids").stat().st_size == size


@pytest.mark.parametrize("where", [0.0, 0.3, 0.5, 0.7, 0.99])
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_what_is_damaged_and_what_is_behind_it_is_not_known(tmp_path: Path, where: float, damage: str) -> None:
    with Journal(tmp_path, DESCRIPTION) as journal:
        for start in range(0, 100, 10):
            journal.sending(batch(start, start + 10))
    data = bytearray((tmp_path / "ids").read_bytes())
    place = int(where * (len(data) - 1))
    if damage == "cut":
        del data[place:]
    else:
        data[place] ^= 1
    (tmp_path / "ids").write_bytes(data)
    with kept(tmp_path, is_read=True) as ids:
        found = ids.of([named()]).tolist()
    assert (tmp_path / "ids").read_bytes() == bytes(data)
    with kept(tmp_path) as ids:
        assert ids.of([named()]).tolist() == found
        known = [start for start in range(0, 100, 10) if ids.knows(*named(), [(start, start + 10)])]
        assert known == list(range(0, 10 * len(known), 10))
        assert found == sorted(ids_of(0, 10 * len(known)))
        ids.sending(batch(0, 100))
    with kept(tmp_path) as ids:
        assert ids.of([named()]).tolist() == ids_of(0, 100)


def test_what_was_not_taken_was_not_brought(tmp_path: Path) -> None:
    with Journal(tmp_path, DESCRIPTION) as journal:
        journal.sending(batch(0, 10))
        bad = batch(0, 10).ids[3]
        journal.acknowledged(batch(3, 4).without_rows(), [Rejection("/a.npy", 3, Reason.REFUSED, "no", bad)])
        assert journal.ids.brought().tolist() == sorted(set(ids_of(0, 10)) - {int(hashes_of([bad])[0])})
        assert journal.ids.of([named()]).tolist() == ids_of(0, 10)


def refuse(journal: Journal, rows: Batch, place: int) -> None:
    """The target takes the rows of a batch but for one."""
    row = rows.piece(place, place + 1, rows.start + place, rows.start + place + 1)
    journal.acknowledged(row.without_rows(), [Rejection("/a.npy", row.start, Reason.REFUSED, "no", rows.ids[place])])


def test_what_was_taken_from_another_part_was_brought_though_it_is_refused_of_this_one(tmp_path: Path) -> None:
    older, newer = batch(0, 3, ids=["a", "b", "c"]), batch(0, 3, 1, ids=["c", "d", "e"])
    for _ in range(2):
        with Journal(tmp_path, DESCRIPTION) as journal:
            journal.sending(older)
            journal.sending(newer)
            refuse(journal, newer, 0)
            refuse(journal, newer, 1)
    with kept(tmp_path) as ids:
        assert ids.brought().tolist() == sorted(hashes_of(["a", "b", "c", "e"]).tolist())
        ids.keep([named(1)])  # the older file is gone: of its rows that one is there still
        assert ids.brought().tolist() == sorted(hashes_of(["c", "e"]).tolist())
        assert ids.of([named(1)]).tolist() == sorted(hashes_of(["c", "d", "e"]).tolist())
    with kept(tmp_path) as ids:
        ids.keep([named(0)])
        assert not len(ids.brought())


def test_of_two_rows_of_an_id_one_was_taken_though_the_other_is_refused(tmp_path: Path) -> None:
    rows = batch(0, 3, ids=["a", "b", "a"])
    with Journal(tmp_path, DESCRIPTION) as journal:
        journal.sending(rows)
        refuse(journal, rows, 2)
        assert journal.ids.brought().tolist() == sorted(hashes_of(["a", "b"]).tolist())
        refuse(journal, rows, 0)
        assert journal.ids.brought().tolist() == hashes_of(["b"]).tolist()


def test_what_is_refused_of_a_stream_is_taken_from_the_last_rows_of_its_id(tmp_path: Path) -> None:
    first, second = (replace(batch(at, at + 2, ids=["a", "b"]), mark=Mark(at + 9, "head")) for at in (0, 2))
    with Journal(tmp_path, DESCRIPTION) as journal:
        journal.sending(first)
        journal.sending(second)
        refuse(journal, second, 0)
        assert journal.ids.brought().tolist() == sorted(hashes_of(["a", "b"]).tolist())
        refuse(journal, first, 0)
        assert journal.ids.brought().tolist() == hashes_of(["b"]).tolist()


def test_what_an_earlier_release_has_noted_as_refused_was_not_brought(tmp_path: Path) -> None:
    with kept(tmp_path) as ids:
        ids.sending(batch(0, 3, ids=["a", "b", "c"]))
        ids._append(b"refused".ljust(16), (0, 0), hashes_of(["b"]))
        ids.sending(batch(3, 5, ids=["d", "b"]))
    for _ in range(2):
        with kept(tmp_path) as ids:
            assert ids.brought().tolist() == sorted(hashes_of(["a", "b", "c", "d"]).tolist())
            ids.tidy([named()], few=0)
    with kept(tmp_path) as ids:
        ids.sending(batch(0, 2, 1, ids=["x", "y"]))
        ids.tidy([], few=0)
        assert ids.brought().tolist() == sorted(hashes_of(["a", "b", "c", "d", "x", "y"]).tolist())


def test_ids_of_parts_that_are_no_more_are_put_together_where_they_are_many(tmp_path: Path) -> None:
    with kept(tmp_path) as ids:
        for number in range(5):
            ids.sending(batch(0, 100, number))
        ids.refused(batch(0, 100, 0), [batch(0, 100, 0).ids[0]])
        brought, size = ids.brought().tolist(), (tmp_path / "ids").stat().st_size
        ids.tidy([named(1)], few=1000)
        assert (tmp_path / "ids").stat().st_size == size
        ids.tidy([named(1)], few=10)
        assert (tmp_path / "ids").stat().st_size <= size
        assert ids.brought().tolist() == brought
        assert ids.knows(*named(1), [(0, 100)])
        assert not ids.knows(*named(2), [(0, 1)])
    with kept(tmp_path) as ids:
        assert ids.brought().tolist() == brought
        ids.keep([named(1)])
        assert ids.brought().tolist() == [
            one for one in ids_of(0, 100, 1) if one != int(hashes_of([batch(0, 100, 0).ids[0]])[0])
        ]
        ids.forget()
        assert not len(ids.brought())


def test_a_restart_forgets_them(tmp_path: Path) -> None:
    with Journal(tmp_path, DESCRIPTION) as journal:
        journal.sending(batch(0, 10))
    with Journal(tmp_path, DESCRIPTION, restart=True) as journal:
        assert not len(journal.ids.brought())


def test_of_a_stream_nobody_knows_that_its_rows_are_the_same(tmp_path: Path) -> None:
    rows = replace(batch(0, 10), mark=Mark(9, "head"))
    assert not is_lasting(rows)
    with kept(tmp_path) as ids:
        ids.sending(rows)
        ids.sending(rows)
        assert not ids.knows(*named(), [(0, 10)])
        assert len(ids.brought()) == 10


def test_sets_of_ids() -> None:
    some, others = merged([hashes_of(["a", "b"]), hashes_of(["b", "c"])]), merged([hashes_of(["c", "d"])])
    assert len(some) == 3
    assert sorted(without(some, others).tolist()) == sorted(hashes_of(["a", "b"]).tolist())
    assert among(hashes_of(["x", "c"]), others).tolist() == [False, True]
    assert not among(hashes_of(["x"]), merged([])).any()
    assert merged([]).dtype == np.uint64


def test_a_full_disk_ends_the_load_and_what_was_noted_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal(tmp_path, DESCRIPTION) as journal:
        journal.sending(batch(0, 10))
        real = os.pwrite
        monkeypatch.setattr(os, "pwrite", lambda handle, data, place: real(handle, data[:9], place))
        with pytest.raises(StateError, match="No space left"):
            journal.sending(batch(10, 20))
        monkeypatch.undo()
        journal.sending(batch(20, 30))
    with kept(tmp_path) as ids:
        assert ids.of([named()]).tolist() == sorted(ids_of(0, 10) + ids_of(20, 30))
