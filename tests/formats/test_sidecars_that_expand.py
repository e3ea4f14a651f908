"""Files beside vectors are cut by bytes too: small on disk, they may be large once they are decoded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_bounds import MOST, checked, repeated

from cyborg_ingest.formats import READERS
from cyborg_ingest.formats.base import Sidecars
from cyborg_ingest.formats.bounds import AtOnce
from cyborg_ingest.model import ColumnMap, Reason

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cyborg_ingest.model import Chunk

ROWS, SIZE, AT_ONCE = 60, 100_000, 1_000_000  # a megabyte at once, not 64: the inputs can be as much smaller
LONG = "x" * SIZE
OBJECTS: dict[str, list[Any]] = {"a": [{}] * 500}
"""1,500 bytes of text, and 120,000 by what docs/formats.md counts for objects."""


def saved(path: Path, column: Any, name: str, **options: Any) -> Path:
    pq.write_table(pa.table({name: column}), path, compression="zstd", **options)
    return path


def lines_of(path: Path, line: str) -> Path:
    path.write_text(f"{line}\n" * ROWS)
    return path


def npy_of(path: Path) -> Path:
    np.save(path, np.full(ROWS, LONG))
    return path


KINDS: dict[str, tuple[str, Any, Callable[[Path], Path]]] = {
    "dictionary": ("contents", LONG, lambda to: saved(to / "c.parquet", repeated(SIZE), "contents")),
    "dictionary in a struct": (
        "metadata", {"t": LONG},
        lambda to: saved(to / "m.parquet", pa.StructArray.from_arrays([repeated(SIZE)], ["t"]), "metadata"),
    ),
    "columns of dictionaries": (
        "metadata", {"t": LONG, "u": LONG},
        lambda to: [pq.write_table(pa.table({"t": repeated(SIZE), "u": repeated(SIZE)}), to / "m.parquet"),
                    to / "m.parquet"][1],
    ),
    "ids": ("ids", LONG, lambda to: saved(to / "i.parquet", repeated(SIZE), "id")),
    "pages": (
        "contents", LONG,
        lambda to: saved(to / "c.parquet", [LONG] * ROWS, "contents", use_dictionary=False, data_page_size=SIZE,
                         write_batch_size=1),
    ),
    "deltas in small row groups": (
        "contents", LONG,
        lambda to: saved(to / "c.parquet", [LONG] * ROWS, "contents", use_dictionary=False, row_group_size=7,
                         column_encoding={"contents": "DELTA_BYTE_ARRAY"}),
    ),
    "JSON text in Parquet": (
        "metadata", OBJECTS, lambda to: saved(to / "m.parquet", [json.dumps(OBJECTS)] * ROWS, "metadata"),
    ),
    "lines of JSON objects": ("metadata", OBJECTS, lambda to: lines_of(to / "m.jsonl", json.dumps(OBJECTS))),
    "lines of JSON": ("contents", LONG, lambda to: lines_of(to / "c.jsonl", json.dumps({"contents": LONG}))),
    "lines": ("contents", LONG, lambda to: lines_of(to / "c.txt", LONG)),
    "ids of npy": ("ids", LONG, lambda to: npy_of(to / "i.npy")),
}  # fmt: skip
"""The role of a sidecar, what each of its rows holds, and how it is written."""


def read(folder: Path, role: str, path: Path, **limits: Any) -> list[Chunk]:
    np.save(folder / "v.npy", np.arange(1, 1 + 4 * ROWS, dtype=np.float32).reshape(ROWS, 4))
    given: Any = {role: path, **limits}
    reader, beside = READERS["npy"], Sidecars(**given)
    columns = ColumnMap(id="id", vector="vector", metadata="metadata" if role == "metadata" else None,
                        contents="contents" if role == "contents" else None)  # fmt: skip
    (part,) = reader.layout(str(folder / "v.npy"), beside).parts
    return list(reader.read(part, columns, beside, rows=1000))


def weight(value: Any) -> int:
    """What a value takes in Python: its text, and for objects and arrays what docs/formats.md says."""
    if isinstance(value, dict):
        return 240 + sum(map(weight, value.values()))
    return 64 + sum(map(weight, value)) if isinstance(value, list) else len(value)


@pytest.mark.parametrize("kind", KINDS)
def test_no_chunk_holds_more_than_may_be_decoded_at_once_and_all_rows_come(kind: str, tmp_path: Path) -> None:
    role, value, write = KINDS[kind]
    chunks = read(tmp_path, role, write(tmp_path), at_once=AtOnce(AT_ONCE))
    found = [one for chunk in chunks for one in chunk.batch.column(role.removesuffix("s") if role == "ids" else role)
             .to_pylist()]  # fmt: skip
    assert [json.loads(one) if value is OBJECTS else one for one in found] == [value] * ROWS
    assert [row for chunk in chunks for row in range(chunk.first_row, chunk.first_row + len(chunk.batch))] == list(
        range(ROWS)
    )
    numbers = np.concatenate([chunk.batch.column("vector").flatten().to_numpy() for chunk in chunks])
    assert numbers.tolist() == list(range(1, 1 + 4 * ROWS))
    assert max(len(chunk.batch) for chunk in chunks) * weight(value) <= AT_ONCE + SIZE
    assert not any(chunk.faults for chunk in chunks)


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"ids of npy"}))
def test_rows_beyond_the_limit_are_each_at_fault(kind: str, tmp_path: Path) -> None:
    role, _, write = KINDS[kind]
    chunks = read(tmp_path, role, write(tmp_path), max_row_bytes=SIZE - 1)
    found = [(chunk.first_row + fault.offset, fault.reason) for chunk in chunks for fault in chunk.faults]
    assert sorted(found) == [(row, Reason.TOO_LARGE) for row in range(ROWS)]


@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_a_line_that_is_too_large_costs_its_own_row_alone(ending: str, tmp_path: Path) -> None:
    texts = [f"text {row}" for row in range(ROWS)]
    texts[0], texts[7], texts[8], texts[-1] = LONG, "y" * 1001, "z" * 1000, LONG
    path = tmp_path / "c.txt"
    path.write_bytes((ending or "\n").join(texts).encode() + ending.encode())
    chunks = read(tmp_path, "contents", path, max_row_bytes=1000 + 48 + len("8") + 48 + 16)
    found = [(chunk.first_row + fault.offset, fault.reason) for chunk in chunks for fault in chunk.faults]
    assert sorted(found) == [(row, Reason.TOO_LARGE) for row in (0, 7, ROWS - 1)]
    values = [one for chunk in chunks for one in chunk.batch.column("contents").to_pylist()]
    assert [one for row, one in enumerate(values) if row not in {0, 7, ROWS - 1}] == [
        one for row, one in enumerate(texts) if row not in {0, 7, ROWS - 1}
    ]


def test_ids_of_a_npy_that_are_wider_than_a_row_may_be_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.ones((ROWS, 4), np.float32))
    code, _, said, _ = checked(
        tmp_path / "v.npy", "--ids", str(npy_of(tmp_path / "i.npy")), "--max-row-bytes", "399999"
    )
    assert code == 2
    assert "its rows have 400,000 bytes, more than the 399,999 that --max-row-bytes allows" in said


def test_a_load_with_sidecars_that_expand_stays_within_the_bound(tmp_path: Path) -> None:
    """480 MB of contents and as much of metadata, in files of some kB."""
    np.save(tmp_path / "v.npy", np.ones((ROWS, 4), np.float32))
    large = 8_000_000
    pq.write_table(pa.table({"contents": repeated(large)}), tmp_path / "c.parquet", compression="zstd")
    metadata = pa.StructArray.from_arrays([repeated(large)], ["t"])
    pq.write_table(pa.table({"metadata": metadata}), tmp_path / "m.parquet", compression="zstd")
    code, report, said, peak = checked(
        tmp_path / "v.npy", "--contents", str(tmp_path / "c.parquet"), "--metadata", str(tmp_path / "m.parquet"),
        "--max-row-bytes", "17000000",
    )  # fmt: skip
    assert (code, report["rows"]["read"], report["rows"]["rejected"]) == (0, ROWS, 0), said
    assert peak < MOST
