"""Vectors alone in a folder with files that have rows of their own: the same rows are not loaded twice."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from advised import run, says
from conftest import KEY
from rows_read import rows_read

from cyborg_ingest.errors import FormatError
from cyborg_ingest.plan.discovery import discover

if TYPE_CHECKING:
    from pathlib import Path

VECTORS = np.arange(1, 9, dtype=np.float32).reshape(4, 2)
IDS = ["a", "b", "c", "d"]
ROWS: list[dict[str, Any]] = [
    {"id": one, "vector": vector, "n": place}
    for place, (one, vector) in enumerate(zip(IDS, VECTORS.tolist(), strict=True))
]


def in_a_folder(folder: Path, form: str, rows: list[dict[str, Any]] = ROWS) -> Path:
    """The vectors as NumPy writes them, and the rows in a file of this form."""
    folder.mkdir()
    np.save(folder / "embeddings.npy", VECTORS)
    path = folder / f"data.{form}"
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return folder


@pytest.mark.parametrize("form", ["parquet", "jsonl", "csv"])
def test_vectors_alone_beside_rows_of_their_own_are_an_error(form: str, tmp_path: Path) -> None:
    folder = in_a_folder(tmp_path / "docs", form)
    with pytest.raises(FormatError, match=rf"embeddings.npy holds vectors alone, and data.{form} rows of its own"):
        rows_read(folder)
    assert rows_read(folder, format=form).ids == IDS
    both = rows_read(folder / f"data.{form}", folder / "embeddings.npy")
    assert sorted(both.ids) == ["0", "1", "2", "3", *IDS]


def test_what_the_error_advises_loads_each_row_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_TARGET", "disk:data")
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    without = [{name: value for name, value in row.items() if name != "vector"} for row in ROWS]
    in_a_folder(tmp_path / "docs", "parquet", without)
    code, told = run("upsert", "docs", "--index", "x", "--create")
    assert code == 2, told
    says(told, "If the vectors lack what is in it, load them with --ids and --metadata, which name it")
    files = ("docs/embeddings.npy", "--ids", "docs/data.parquet", "--metadata", "docs/data.parquet")
    code, told = run("upsert", *files, "--index", "x", "--create", "--json")
    assert (code, json.loads(told[told.index("{") : told.rindex("}") + 1])["rows"]["acknowledged"]) == (0, 4), told


def test_several_files_together_may_have_as_many_rows(tmp_path: Path) -> None:
    folder = in_a_folder(tmp_path / "docs", "parquet", ROWS[:2])
    pq.write_table(pa.Table.from_pylist(ROWS[2:]), folder / "more.parquet")
    with pytest.raises(FormatError, match="may be the same rows"):
        rows_read(folder)


def test_files_of_other_numbers_of_rows_are_all_loaded_and_it_is_said(tmp_path: Path) -> None:
    folder = in_a_folder(tmp_path / "docs", "parquet", ROWS[:3])
    assert sorted(rows_read(folder).ids) == ["0", "1", "2", "3", *IDS[:3]]
    notes = discover((str(folder),), None, lambda _uri, _row: True).notes
    assert any("several formats" in note for note in notes)


def test_vectors_in_a_folder_of_their_own_are_all_loaded(tmp_path: Path) -> None:
    folder = in_a_folder(tmp_path / "docs", "parquet")
    (folder / "arrays").mkdir()
    (folder / "embeddings.npy").rename(folder / "arrays" / "embeddings.npy")
    assert sorted(rows_read(folder).ids) == ["0", "1", "2", "3", *IDS]
