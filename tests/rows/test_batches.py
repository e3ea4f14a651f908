"""Chunks are cut into batches that cover every row once, within the limits."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from cyborg_ingest.model import Batch, Chunk, ColumnMap, Fault, Part, Reason
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.targets.body import Body

COLUMNS = ColumnMap("vector", "id", "metadata", (), "contents")
PART = Part("f.parquet", "parquet", 0, 0, 1, None, 0, 100)


def chunk(ids: list[str | None], start: int = 0, faults: tuple[Fault, ...] = ()) -> Chunk:
    vectors = [[float(place + 1), 1.0] for place in range(len(ids))]
    batch = pa.RecordBatch.from_pydict(
        {
            "id": pa.array(ids, pa.string()),
            "vector": pa.array(vectors, pa.list_(pa.float32(), 2)),
            "metadata": pa.array([f'{{"n":{place}}}' for place in range(len(ids))], pa.string()),
            "contents": pa.array([f"text {place}" for place in range(len(ids))], pa.string()),
        }
    )
    return Chunk(PART, start, start + 1000, batch, COLUMNS, faults)


@given(
    st.lists(st.lists(st.integers(1, 3000), min_size=1, max_size=30), min_size=1, max_size=4),
    st.integers(1, 10),
    st.integers(500, 6000),
    st.booleans(),
)
def test_batches_cover_every_row_once_within_both_limits(
    lengths: list[list[int]], rows: int, size: int, encoded: bool
) -> None:
    chunks, start = [], 0
    for several in lengths:
        chunks.append(chunk(["x" * length for length in several], start))
        start += len(several)
    found = list(cut(chunks, None, Cutting(rows, size, encoded=encoded)))
    assert [row for one in found for row in range(one.start, one.stop)] == list(range(start))
    for one in found:
        assert len(one) <= rows
        assert one.size <= size or len(one) == 1
        if encoded:  # the size is that of the body, never less
            body = Body(
                {"index_name": "i" * 100, "index_key": "k" * 64}, one.ids, one.vectors, one.metadata, one.contents
            )
            assert len(body) <= one.size


def test_batches_grow_again_after_a_large_row() -> None:
    ids: list[str | None] = ["x" * 5000, *(str(row) for row in range(200))]
    found = list(cut([chunk(ids)], None, Cutting(100, 8000, encoded=True)))
    assert max(len(one) for one in found) > 50
    assert len(found) < 20


def test_after_large_rows_batches_become_as_large_again_as_was_asked_for() -> None:
    """Each holds twice the rows of the one before, while those are less than half of what may be."""
    ids: list[str | None] = [*("x" * 1000 + str(row) for row in range(20)), *(str(row) for row in range(2000))]
    found = list(cut([chunk(ids)], None, Cutting(200, 40_000, encoded=True)))
    assert [len(one) for one in found if one.start >= 200][-3:-1] == [200, 200]
    large: list[str | None] = [*["x" * 5000] * 2, *["a"] * 400]
    rows = [len(one) for one in cut([chunk(large)], None, Cutting(128, 6000, encoded=False))]
    assert rows[:3] == [1, 1, 1]
    assert rows[3:8] == [2, 4, 8, 16, 32]


@given(
    st.lists(st.lists(st.none() | st.text(max_size=3), min_size=1, max_size=6), min_size=1, max_size=4),
    st.integers(1, 4),
)
def test_every_row_is_in_one_batch_or_rejected_once(tables: list[list[str | None]], rows: int) -> None:
    chunks, start = [], 0
    for ids in tables:
        chunks.append(chunk(ids, start))
        start += len(ids)
    batches = list(cut(chunks, None, Cutting(rows, 10_000, encoded=False)))
    assert [(one.start, one.stop) for one in batches] == _consecutive(batches)
    assert batches[-1].stop == start
    flat = [identity for ids in tables for identity in ids]
    kept = {int(row): identity for one in batches for row, identity in zip(one.rows, one.ids, strict=True)}
    rejected = [rejection.row - 1000 for one in batches for rejection in one.rejections]
    assert kept == {place: identity for place, identity in enumerate(flat) if identity}
    assert rejected == [place for place, identity in enumerate(flat) if not identity]


def _consecutive(batches: list[Batch]) -> list[tuple[int, int]]:
    starts = [0, *(one.stop for one in batches)]
    return list(zip(starts, (one.stop for one in batches), strict=False))


def test_what_a_row_holds_stays_together_when_its_neighbours_fall_out() -> None:
    (batch,) = cut([chunk(["a", None, "c"])], None, Cutting(10, 10_000, encoded=True))
    assert batch.ids == ["a", "c"]
    assert batch.vectors.tolist() == [[1.0, 1.0], [3.0, 1.0]]
    assert batch.metadata == [{"n": 0}, {"n": 2}]
    assert batch.contents == ["text 0", "text 2"]
    assert batch.rows.tolist() == [0, 2]


def test_a_fault_of_the_reader_is_a_rejection_with_its_row() -> None:
    fault = Fault(1, Reason.UNPARSABLE, "column 3: what is this", {"_line": "{x"})
    (batch,) = cut([chunk(["a", None, "c"], faults=(fault,))], None, Cutting(10, 10_000, encoded=True))
    (rejection,) = batch.rejections
    assert (rejection.row, rejection.reason, rejection.record) == (1001, Reason.UNPARSABLE, {"_line": "{x"})


def test_a_rejection_holds_the_row_as_jsonl_has_it() -> None:
    (batch,) = cut([chunk(["", "b"])], None, Cutting(10, 10_000, encoded=True))
    (rejection,) = batch.rejections
    assert rejection.record == {"vector": [1.0, 1.0], "metadata": {"n": 0}, "contents": "text 0"}
    assert rejection.reason is Reason.ID_MISSING


def test_a_row_of_another_dimension_is_rejected() -> None:
    (batch,) = cut([chunk(["a", "b"])], 3, Cutting(10, 10_000, encoded=True))
    assert [one.reason for one in batch.rejections] == [Reason.VECTOR_DIMENSION] * 2
    assert len(batch) == 0
