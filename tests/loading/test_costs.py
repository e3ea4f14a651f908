"""What grows with a load must not grow faster than the load: the work is counted, not timed."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cyborg_ingest import load
from cyborg_ingest.errors import BadRowError
from cyborg_ingest.formats import parquet
from cyborg_ingest.model import Rejection
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows import typed
from cyborg_ingest.settings.options import SourceSettings
from cyborg_ingest.tally import SourceTally, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

GROUPS, ROWS = 40, 10


def write(folder: Path, **columns: Any) -> Path:
    """A Parquet file of many small row groups."""
    rows = GROUPS * ROWS
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(1, 2 * rows + 1, dtype=np.float32)), 2)
    table = pa.table({"id": [f"r{row}" for row in range(rows)], "vector": vectors, **columns})
    pq.write_table(table, folder / "rows.parquet", row_group_size=ROWS)
    return folder / "rows.parquet"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is opened as Parquet."""
    found: list[Any] = []

    class Counting(pq.ParquetFile):  # type: ignore[misc]  # pyarrow has no types
        def __init__(self, source: Any, **options: Any) -> None:
            found.append(source)
            super().__init__(source, **options)

    monkeypatch.setattr(parquet.pq, "ParquetFile", Counting)
    return found


def test_a_file_is_opened_once_for_all_its_row_groups(tmp_path: Path, opened: list[Any]) -> None:
    """Of 1,000 row groups with 60 columns it was most of the load: 44 s of CPU, and 3.6 s without."""
    plan = make_plan((str(write(tmp_path)),), SourceSettings())
    before = len(opened)
    ids = [name for chunk in plan.chunks(1000) for name in chunk.batch.column("id").to_pylist()]
    assert ids == [f"r{row}" for row in range(GROUPS * ROWS)]
    assert len(opened) - before == 1


def test_a_file_is_let_go_of_when_its_rows_are_read_or_nobody_wants_them(tmp_path: Path) -> None:
    path = write(tmp_path)
    for wanted in (3, GROUPS):
        chunks = make_plan((str(path),), SourceSettings()).chunks(1000)
        for _ in range(wanted):
            next(chunks)
        assert held(path) == 1
        chunks.close()  # type: ignore[attr-defined]  # a generator
        assert held(path) == 0


def held(path: Path) -> int:
    """How often this process has a file open, as the system knows it."""
    from pathlib import Path as AnyPath  # noqa: PLC0415

    return sum(link.resolve() == path.resolve() for link in AnyPath("/proc/self/fd").iterdir())


def test_a_sample_reads_only_the_row_groups_that_its_rows_are_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    of_group = parquet._of_group

    def counting(uri: str, file: Any, group: int, *rest: Any) -> Iterator[pa.RecordBatch]:
        read.append(group)
        return of_group(uri, file, group, *rest)

    monkeypatch.setattr(parquet, "_of_group", counting)
    report = load(write(tmp_path), index="i", target=f"disk:{tmp_path / 'data'}", create=True, sample=3,
                  state_dir=tmp_path / "state")  # fmt: skip
    assert report.rows == {"read": 3, "acknowledged": 3, "rejected": 0, "skipped": 0, "unsent": 0}
    assert len(read) <= 3


def test_a_batch_of_a_chunk_converts_its_own_lists_and_maps_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of 100 batches once converted the lists of all of them."""
    converted: Counter[str] = Counter()
    objects = typed.objects

    def counting(array: pa.Array, notes: Any) -> list[Any]:
        converted[str(array.type)] += len(array)
        return objects(array, notes)

    monkeypatch.setattr(typed, "objects", counting)
    rows = 1000
    lists = pa.array([[row, row + 1] for row in range(rows)], pa.list_(pa.int64()))
    sizes = pa.array([[row] for row in range(rows)], pa.list_(pa.int32(), 1))
    maps = pa.array([[(f"k{row}", row)] for row in range(rows)], pa.map_(pa.string(), pa.int16()))
    for start in range(0, rows, 10):
        assert counting(lists.slice(start, 10), typed.Notes()) == [[row, row + 1] for row in range(start, start + 10)]
        assert counting(sizes.slice(start, 10), typed.Notes()) == [[row] for row in range(start, start + 10)]
        assert counting(maps.slice(start, 10), typed.Notes()) == [{f"k{row}": row} for row in range(start, start + 10)]
    assert (converted["int64"], converted["int32"], converted["int16"]) == (2 * rows, rows, rows)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.list_(pa.int64()), [None, [1], [], [2, None, 3], None, [4]]),
        (pa.large_list(pa.string()), [["a"], None, ["b", "c"], []]),
        (pa.list_(pa.int64(), 2), [[1, 2], None, [3, 4], [5, 6]]),
        (pa.list_(pa.list_(pa.int64())), [[[1], [2, 3]], None, [[]], [[4], None]]),
        (pa.list_view(pa.int64()), [[1, 2], None, [], [3]]),
    ],
)
def test_each_slice_of_lists_has_the_values_that_it_was_made_of(kind: pa.DataType, values: list[Any]) -> None:
    array = pa.array(values, kind)
    for start in range(len(values)):
        for stop in range(start, len(values) + 1):
            assert typed.objects(array.slice(start, stop - start), typed.Notes()) == values[start:stop]


def test_rejected_rows_are_not_compared_with_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0
    equal: Callable[[Rejection, object], bool] = Rejection.__eq__

    def counting(one: Rejection, other: object) -> bool:
        nonlocal compared
        compared += 1
        return equal(one, other)

    monkeypatch.setattr(Rejection, "__eq__", counting)
    source = tmp_path / "rows.jsonl"
    source.write_text(
        "".join(json.dumps({"id": f"r{row}", "vector": [1.0, row % 2 or None]}) + "\n" for row in range(600))
    )
    report = load(source, index="i", target=f"disk:{tmp_path / 'data'}", create=True, max_errors="300",
                  state_dir=tmp_path / "state")  # fmt: skip
    assert (report.rows["acknowledged"], report.rows["rejected"]) == (300, 300)
    assert compared == 0


def test_what_a_fact_costs_does_not_depend_on_the_number_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rejected row asked each of all files how many rows it has."""
    asked: Counter[str] = Counter()
    most: Any = SourceTally.most.fget  # type: ignore[attr-defined]  # a property

    def counting(one: SourceTally) -> int:
        asked["most"] += 1
        return int(most(one))

    monkeypatch.setattr(SourceTally, "most", property(counting))
    counts = []
    for files in (2, 40):
        folder = tmp_path / str(files)
        folder.mkdir()
        for number in range(files):
            rows = [{"id": f"{number}-{row}", "vector": [1.0, None if number == 0 else row]} for row in range(20)]
            (folder / f"{number:03}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
        asked.clear()
        with pytest.raises(BadRowError):
            load(folder, index="i", target=f"disk:{tmp_path / 'data'}{files}", create=True, max_errors="10",
                 state_dir=tmp_path / "state")  # fmt: skip
        counts.append(asked["most"] - files)  # once each when the plan is made
    assert counts[0] == counts[1]


def test_sums_of_a_tally_are_those_of_its_sources() -> None:
    one, other = SourceTally(10, 10, read=4, acknowledged=3, rejected=1), SourceTally(None, 7, read=9, skipped=2)
    tally = Tally({"a": one, "b": other})
    assert (tally.read, tally.acknowledged, tally.rejected, tally.skipped) == (13, 3, 1, 2)
    assert (tally.asked, tally.done, tally.expected) == (10 + 11, 6, 10 + 11)
    assert tally.most == float("inf")
