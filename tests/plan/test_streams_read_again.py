"""A stream of which rows are skipped is proved to be the same before a row behind them is read, and at its end."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from cyborg_ingest.errors import SourceChangedError
from cyborg_ingest.model import Chunk, Mark
from cyborg_ingest.plan.done import Done
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.ranges import RangeSet
from cyborg_ingest.settings.options import SourceSettings
from cyborg_ingest.sources import stores
from cyborg_ingest.sources.stdin import StandardInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROWS = 40


def lines(changed: int | None = None) -> bytes:
    """Rows of one length; one of them holds another number."""
    rows = ({"id": f"r{row:02}", "vector": [1.5, 2.5 if row == changed else 3.5]} for row in range(ROWS))
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], None]]:
    """Makes bytes standard input."""
    opened = []

    def pipe(data: bytes) -> None:
        out, into = os.pipe()

        def feed() -> None:
            with os.fdopen(into, "wb") as file:
                file.write(data)

        thread = threading.Thread(target=feed, daemon=True)
        thread.start()
        opened.append((os.fdopen(out, "rb"), thread))
        monkeypatch.setattr(sys, "stdin", opened[-1][0])
        monkeypatch.setitem(stores.by_scheme, "-", StandardInput())

    yield pipe
    for file, thread in opened:
        file.close()
        thread.join(10)


def read(done: Done) -> Iterator[list[str]]:
    plan = make_plan(("-",), SourceSettings(format="jsonl"))
    for one in plan.read(10, lambda _: done):
        if isinstance(one, Chunk):
            yield one.batch.column("id").to_pylist()


def marks_of(piped: Callable[[bytes], None]) -> dict[int, Mark]:
    """What an earlier run knows of the stream: after each of its chunks, how much of it had come."""
    piped(lines())
    found = {}
    for one in make_plan(("-",), SourceSettings(format="jsonl")).read(10, lambda _: Done(RangeSet(), None)):
        if isinstance(one, Chunk):
            assert one.mark is not None
            found[one.start + len(one.batch)] = one.mark
    return found


@pytest.mark.parametrize("settled", [20, ROWS])
def test_of_a_stream_that_is_the_same_the_settled_rows_are_passed_over(
    settled: int, piped: Callable[[bytes], None]
) -> None:
    marks = marks_of(piped)
    piped(lines())
    rows = [one for some in read(Done(RangeSet([(0, settled)]), None, marks=marks)) for one in some]
    assert rows == [f"r{row:02}" for row in range(settled, ROWS)]


@pytest.mark.parametrize("settled", [20, ROWS])
def test_of_a_stream_that_differs_before_a_settled_row_no_row_is_read(
    settled: int, piped: Callable[[bytes], None]
) -> None:
    marks = marks_of(piped)
    piped(lines(changed=3))
    found: list[list[str]] = []
    with pytest.raises(SourceChangedError, match=r"differs within its first"):
        found += read(Done(RangeSet([(0, settled)]), None, marks=marks))
    assert found == []


def test_a_stream_that_ends_before_its_settled_rows_do_is_another(piped: Callable[[bytes], None]) -> None:
    marks = marks_of(piped)
    piped(lines()[: len(lines()) // 4])
    with pytest.raises(SourceChangedError, match=r"ended after"):
        list(read(Done(RangeSet([(0, ROWS)]), None, marks=marks)))
