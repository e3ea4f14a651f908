"""Metadata that are JSON text in a column count by what they become, not by their few bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from cyborg_ingest.formats.bounds import AtOnce, bounded
from cyborg_ingest.model import Chunk, ColumnMap, Part, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

MANY = json.dumps({"a": [{}] * 40, "b": [[]] * 30})
"""41 objects and 32 arrays."""
FEW = json.dumps({"a": "x" * len(MANY)})
TEXTS = [FEW, MANY, None, FEW, FEW, MANY, "{}"]
NAMES = ColumnMap(id="id", vector="vector", metadata="metadata")
PART = Part("rows.parquet", "parquet", 0, 0, 0, None, 0, 0)

LAYOUTS: dict[str, Callable[[], pa.Array]] = {
    "string": lambda: pa.array(TEXTS),
    "large_string": lambda: pa.array(TEXTS, pa.large_string()),
    "string_view": lambda: pa.array(TEXTS, pa.string_view()),
    "dictionary": lambda: pa.array(TEXTS).dictionary_encode(),
    "a slice": lambda: pa.array(["[{{{", *TEXTS, MANY]).slice(1, len(TEXTS)),
    "a slice of views": lambda: pa.array(["[{{{", *TEXTS, MANY], pa.string_view()).slice(1, len(TEXTS)),
    "runs": lambda: pa.RunEndEncodedArray.from_arrays(
        pa.array([1, 2, 3, 5, 6, 7], pa.int32()), pa.array([FEW, MANY, None, FEW, MANY, "{}"])
    ),
    "no UTF-8": lambda: pa.array(
        [b"\xff" + one.encode() if one == "{}" else one.encode() if one else None for one in TEXTS], pa.binary()
    ).view(pa.string()),
}


def chunk(metadata: pa.Array) -> Chunk:
    rows = len(metadata)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(2 * rows, np.float32)), 2)
    ids = pa.array([f"i{row}" for row in range(rows)])
    batch = pa.RecordBatch.from_arrays([ids, vectors, metadata], ["id", "vector", "metadata"])
    return Chunk(PART, 0, 0, batch, NAMES)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_text_with_more_objects_and_arrays_than_a_row_may_have_is_its_rows_fault(layout: str) -> None:
    own = len(MANY) + 41 * 240 + 32 * 64 + len("i0") + 2 * 48 + 2 * 4  # text, objects, arrays, id, Python's, vector
    for limit, expected in ((own, []), (own - 1, [1, 5])):
        found = list(bounded([chunk(LAYOUTS[layout]())], limit))
        faults = [(one.start + fault.offset, fault.reason) for one in found for fault in one.faults]
        assert faults == [(row, Reason.TOO_LARGE) for row in expected]
        assert sum(len(one.batch) for one in found) == len(TEXTS)
    cut = bounded([chunk(LAYOUTS[layout]())], 2 * own, AtOnce(own + 1))
    assert max(len(one.batch) for one in cut) < len(TEXTS)
