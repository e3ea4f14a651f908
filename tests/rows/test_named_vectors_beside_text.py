"""Vectors by their names are found in whatever letters, and beside a column of text that is named as vectors are."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rows_read import rows_read

from cyborg_ingest.errors import MappingError

if TYPE_CHECKING:
    from pathlib import Path

ONE, OTHER = [0.5, 1.5, 2.5], [8.0, 9.0]
FORMS = pytest.mark.parametrize("form", ["parquet", "jsonl"])


def written(folder: Path, form: str, row: dict[str, Any]) -> Path:
    path, rows = folder / f"rows.{form}", [{"id": f"r{place}", **row} for place in range(3)]
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(one) + "\n" for one in rows), "utf-8")
    return path


@FORMS
@pytest.mark.parametrize("name", ["Vectors", "VECTOR", "Embedding", "embeddings"])
def test_vectors_by_name_are_found_in_whatever_letters(name: str, form: str, tmp_path: Path) -> None:
    found = rows_read(written(tmp_path, form, {name: {"text": ONE}, "n": 1}))
    assert (found.vectors, found.metadata) == ([ONE] * 3, [{"n": 1}] * 3)


@FORMS
def test_text_in_a_column_named_as_vectors_are_hides_none(form: str, tmp_path: Path) -> None:
    found = rows_read(written(tmp_path, form, {"embedding": "the name of a model", "vectors": {"text": ONE}}))
    assert (found.vectors, found.metadata) == ([ONE] * 3, [{"embedding": "the name of a model"}] * 3)


@FORMS
def test_text_that_holds_vectors_goes_before_those_by_name(form: str, tmp_path: Path) -> None:
    text = base64.b64encode(np.array(ONE, "<f4").tobytes()).decode()
    found = rows_read(written(tmp_path, form, {"embedding": text, "vectors": {"text": OTHER}, "n": 1}))
    assert (found.vectors, found.metadata) == ([ONE] * 3, [{"n": 1}] * 3)


def test_of_named_vectors_those_are_advised_that_a_path_leads_to(tmp_path: Path) -> None:
    path = written(tmp_path, "parquet", {"vectors": {"a[0]": ONE, "b": OTHER}})
    with pytest.raises(MappingError, match=r"Name the one to load: --vector-column vectors\.b\.$"):
        rows_read(path)
    assert rows_read(path, vector_column="vectors.b").vectors == [OTHER] * 3
    path = written(tmp_path, "parquet", {"vectors": {"a[0]": ONE, "b.c": OTHER}})
    with pytest.raises(MappingError, match=r"no path leads to one\. Rename them\.$"):
        rows_read(path)
