"""Two fields of one name in a struct, as Arrow allows them, are an error when a load is planned: one would be lost."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.feather
import pytest
from rows_read import rows_read

from cyborg_ingest.errors import MappingError

if TYPE_CHECKING:
    from pathlib import Path

TWICE = pa.StructArray.from_arrays([pa.array([1, 2]), pa.array(["x", "y"]), pa.array([0, 0])], ["a", "a", "b"])
WHERE: dict[str, tuple[str, pa.Array, str]] = {
    "metadata": ("metadata", TWICE, "metadata.a"),
    "another column": ("about", TWICE, "about.a"),
    "a struct in it": ("about", pa.StructArray.from_arrays([TWICE], ["inner"]), "about.inner.a"),
    "a list in it": ("about", pa.ListArray.from_arrays([0, 1, 2], TWICE), "about.a"),
}


def written(path: Path, name: str, values: pa.Array) -> Path:
    vectors = pa.array([[0.5, 1.5], [2.5, 3.5]], pa.list_(pa.float32(), 2))
    table = pa.table([pa.array(["p", "q"]), vectors, values], ["id", "vector", name])
    pyarrow.feather.write_feather(table, path, "uncompressed")
    return path


@pytest.mark.parametrize("where", WHERE)
def test_two_fields_of_one_name_are_an_error_that_names_both(where: str, tmp_path: Path) -> None:
    name, values, path = WHERE[where]
    file = written(tmp_path / "x.arrow", name, values)
    with pytest.raises(MappingError, match=re.escape(f"2 fields are named {path!r}, of the types int64, string, and")):
        rows_read(file)


@pytest.mark.parametrize("options", [{"metadata_columns": ("none",)}, {"metadata_columns": ("about.b",)}])
def test_they_are_none_where_they_are_not_loaded(options: dict[str, Any], tmp_path: Path) -> None:
    found = rows_read(written(tmp_path / "x.arrow", "about", TWICE), **options)
    assert (found.ids, found.vectors) == (["p", "q"], [[0.5, 1.5], [2.5, 3.5]])
