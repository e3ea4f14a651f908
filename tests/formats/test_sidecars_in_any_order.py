"""A sidecar gives the values of the rows that are asked for, whichever were asked for before."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cyborg_ingest.errors import SourceError
from cyborg_ingest.formats import sidecars
from cyborg_ingest.formats.base import Sidecars
from cyborg_ingest.formats.bounds import AtOnce
from cyborg_ingest.formats.sidecars import ParquetSidecar, open_sidecars

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 50
TEXTS = [f"text {row}" for row in range(ROWS)]


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    """Row groups of 7, and one row left over."""
    path = tmp_path / "contents.parquet"
    pq.write_table(pa.table({"text": TEXTS}), path, row_group_size=7, use_dictionary=False, compression="none")
    return path


def test_rows_of_parquet_are_those_that_are_asked_for_forward_and_back(
    parquet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sidecars, "_SIDECAR_ROWS", 3)
    choices = random.Random(5)
    with contextlib.ExitStack() as stack:
        one = ParquetSidecar("contents", parquet, stack, AtOnce(unit=1 << 20))
        assert one.rows == ROWS
        asked = [(0, 5), (5, 9), (20, 31), (20, 31), (14, 15), (13, 14), (7, 7), (49, 50), (0, 50), (0, 1)]
        asked += [tuple(sorted(choices.choices(range(ROWS + 1), k=2))) for _ in range(60)]  # type: ignore[misc]
        for start, stop in asked:
            values, faults = one.read(start, stop)
            assert (values.to_pylist(), faults) == (TEXTS[start:stop], []), (start, stop)
        with pytest.raises(SourceError, match="breaks off at row 50"):
            one.read(48, 51)


def test_a_parquet_sidecar_whose_values_are_damaged_is_an_error_that_names_it(parquet: Path) -> None:
    data = bytearray(parquet.read_bytes())
    place = data.index(b"text 30") - 60
    data[place : place + 120] = b"\xff" * 120
    parquet.write_bytes(data)
    with contextlib.ExitStack() as stack:
        one = ParquetSidecar("contents", parquet, stack, AtOnce(unit=1 << 20))
        with pytest.raises(SourceError) as caught:
            one.read(0, ROWS)
    assert str(caught.value).startswith(f"{parquet} cannot be read: ")
    assert "\n" not in str(caught.value)


def test_several_columns_of_metadata_are_one_object_each(tmp_path: Path) -> None:
    path = tmp_path / "metadata.parquet"
    pq.write_table(pa.table({"a": range(9), "b": TEXTS[:9]}), path, row_group_size=4)
    with open_sidecars(Sidecars(metadata=path)) as (one,):
        values, _ = one.read(3, 6)
        assert values.to_pylist() == [{"a": row, "b": TEXTS[row]} for row in (3, 4, 5)]


@pytest.mark.parametrize(
    ("role", "name"),
    [("ids", "x.txt"), ("ids", "x.npy"), ("ids", "texts.npy"), ("ids", "bytes.npy"), ("contents", "x.jsonl")],
)
def test_rows_of_other_sidecars_are_those_that_are_asked_for_too(role: str, name: str, tmp_path: Path) -> None:
    path, expected = tmp_path / name, TEXTS
    if name == "x.npy":
        np.save(path, np.arange(100, 100 + ROWS))
        expected = [str(number) for number in range(100, 100 + ROWS)]
    elif name.endswith(".npy"):
        np.save(path, np.array(TEXTS, "U" if name == "texts.npy" else "S"))
    else:
        path.write_text("".join(f'"{text}"\n' if name == "x.jsonl" else f"{text}\n" for text in TEXTS))
    given: Any = {role: path}
    with open_sidecars(Sidecars(**given)) as (one,):
        assert one.rows == ROWS
        for start, stop in ((0, 50), (10, 20), (9, 10), (49, 50), (0, 1)):
            values, faults = one.read(start, stop)
            assert (values.to_pylist(), faults) == (expected[start:stop], []), (start, stop)
