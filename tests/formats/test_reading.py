"""What an engine holds is what another library reads from the same file, value by value.

An independent check: `verify` has the same readers as `upsert`, so that a fault of theirs is "all equal" to it.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from conftest import KEY, Stored
from reading_formats import FORMATS, arrow_array
from reading_table import (
    CONTENTS,
    IDS,
    METADATA,
    ROWS,
    VECTORS,
    stored,
    stored_contents,
    stored_id,
    stored_metadata,
    stored_vector,
)  # fmt: skip

import cyborg_ingest
from cyborg_ingest.rows import columns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine
    from reading_formats import Case

ROLES = ("id", "vector", "text")
TABLES = {"id": IDS, "vector": VECTORS, "contents": CONTENTS, "metadata": METADATA}


@pytest.fixture(scope="module")
def index(engine: Engine) -> str:
    """One for all formats: each row says which of them it came in."""
    with engine.connect() as client, engine.make(client) as one:
        return one.name


def expected(case: Case, name: str, *, is_json: bool) -> dict[str, Stored]:
    """The rows of a case by their ids."""
    found = case.found
    contents = found.get("text", [None] * ROWS)
    rows = {}
    for row in range(ROWS):
        fields = {one: values[row] for one, values in found.items() if one not in ROLES}
        metadata = {**stored_metadata(fields, is_json=is_json), "_format": name}
        rows[stored_id(found["id"][row])] = Stored(
            stored_vector(found["vector"][row]), metadata, stored_contents(contents[row])
        )
    return rows


def plain(rows: dict[str, Stored]) -> dict[str, Any]:
    """Rows so that 1, 1.0 and true differ, a field a line."""
    return {
        identity: {
            "vector": one.vector,
            "contents": one.contents,
            **{f"metadata.{name}": json.dumps(value, sort_keys=True) for name, value in (one.metadata or {}).items()},
        }
        for identity, one in rows.items()
    }


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_stored_is_what_another_library_reads(engine: Engine, index: str, tmp_path: Path, name: str) -> None:
    one = FORMATS[name]
    cases = list(one.cases(tmp_path))
    loads = [[case] for case in cases] if one.sidecars else [cases]
    for load in loads:
        sources = [case.source if not hasattr(case.source, "suffix") else str(case.source) for case in load]
        report = cyborg_ingest.load(
            sources, index=index, target=engine.target, metadata_columns=() if one.sidecars else ("*",),
            set=(f"_format={name}",), checkpoint=False, index_key_file=key_file(tmp_path), **load[0].options,
        )  # fmt: skip
        assert report.rows["acknowledged"] == ROWS * len(load)
    wanted: dict[str, Stored] = {}
    for case in cases:
        wanted |= expected(case, name, is_json=one.is_json)
    assert len(wanted) == ROWS * len(cases)
    assert plain(engine.read(index, list(wanted), KEY)) == plain(wanted)


def key_file(folder: Path) -> Path:
    path = folder / "index.key"
    path.write_text(KEY.hex())
    path.chmod(0o600)
    return path


COLUMNS = {f"{role}, {one.name}": (role, one) for role, table in TABLES.items() for one in table if one.arrow}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_slice_of_a_column_holds_the_rows_of_the_slice(name: str) -> None:
    role, one = COLUMNS[name]
    rules: dict[str, Callable[[Any], Any]] = {
        "id": stored_id, "vector": stored_vector, "contents": stored_contents, "metadata": stored
    }  # fmt: skip
    convert: dict[str, Callable[[pa.Array], Any]] = {
        "id": lambda array: columns.ids(array).values,
        "vector": lambda array: [row.tobytes() for row in columns.vectors(array, None).values],
        "contents": lambda array: list(map(stored_contents, columns.contents(array).values)),
        "metadata": lambda array: [
            (row or {}).get("x")
            for row in columns.metadata_of_columns(pa.RecordBatch.from_arrays([array], ["x"]), ("x",)).values
        ],
    }
    assert one.arrow is not None
    array = arrow_array(one.arrow, one.rows())
    for start, stop in itertools.combinations(range(ROWS + 1), 2):
        wanted = [rules[role](value) for value in one.rows()[start:stop]]
        assert repr(convert[role](array.slice(start, stop - start))) == repr(wanted)
