"""Documents of JSON with very many names or values: rows are found behind them, or asked for, in bounded memory."""

from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from advised import says
from rows_read import rows_read

from cyborg_ingest.errors import FormatError
from cyborg_ingest.formats import jsonnodes, jsonsurvey
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

ROWS: list[dict[str, Any]] = [{"id": f"r{place}", "vector": [place + 0.5, -0.25]} for place in range(60)]
IDS = [row["id"] for row in ROWS]
MANY: dict[str, Any] = {f"k{place}": place for place in range(50)}
SMALL: dict[str, Any] = {f"s{place}": {"a": [], "b": {"c": ["x"]}, "t": 'a "[1" {'} for place in range(50)}


@pytest.fixture
def few_members(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of a thousand."""
    monkeypatch.setattr(jsonnodes, "MOST_MEMBERS", 20)


@pytest.mark.usefixtures("few_members")
@pytest.mark.parametrize("many", [MANY, SMALL, {**SMALL, **MANY}, {name: str(one) for name, one in MANY.items()}])
@pytest.mark.parametrize("indent", [None, 1])
def test_rows_behind_many_other_members_are_found(many: dict[str, Any], indent: int | None, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    by_id = {row["id"]: {"vector": row["vector"]} for row in ROWS}
    for document in (
        {**many, "rows": ROWS},
        {"inner": {**many, "rows": ROWS, "last": 1}},
        {**many, "rows": by_id, **{f"_{name}": one for name, one in many.items()}},
        {**many, "columns": {"ids": IDS, "vectors": [row["vector"] for row in ROWS]}},
    ):
        path.write_text(json.dumps(document, indent=indent))
        found = rows_read(path)
        assert (found.ids, found.vectors) == (IDS, [row["vector"] for row in ROWS])


@pytest.mark.usefixtures("few_members")
def test_what_is_beside_the_rows_is_counted_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({**MANY, "inner": {**SMALL, "rows": ROWS}}))
    assert make_plan((str(path),), SourceSettings()).sources[0].layout.notes[-1] == (
        f"{path}: beside its rows, and not loaded: k1, k2, k3, k4, k5 and 94 more."
    )


@pytest.mark.usefixtures("few_members")
def test_of_many_members_some_without_a_vector_all_are_rows(tmp_path: Path) -> None:
    document = {row["id"]: {"vector": row["vector"], "n": 1} for row in ROWS} | {"r1": {"n": 2}}
    (tmp_path / "x.json").write_text(json.dumps(document))
    found = rows_read(tmp_path / "x.json")
    assert found.ids == [one for one in IDS if one != "r1"]
    assert [(one.row, one.id, one.reason.value) for one in found.rejected] == [(1, "r1", "vector_missing")]


@pytest.mark.usefixtures("few_members")
def test_columns_of_pandas_have_any_number_of_rows(tmp_path: Path) -> None:
    metadata = [{"a": {"b": place}, "spans": [place] if place % 7 == 0 else []} for place in range(60)]
    pd.DataFrame({"metadata": metadata, **{name: [row[name] for row in ROWS] for name in ROWS[0]}}).to_json(
        tmp_path / "x.json", orient="columns"
    )
    found = rows_read(tmp_path / "x.json")
    assert (found.ids, found.metadata) == (IDS, metadata)


@pytest.mark.usefixtures("few_members")
def test_columns_of_which_some_are_not_known_are_an_error(tmp_path: Path) -> None:
    document = {**MANY, "ids": IDS, "vectors": [row["vector"] for row in ROWS]}
    (tmp_path / "x.json").write_text(json.dumps({**document, "texts": IDS}))
    with pytest.raises(FormatError, match=r"\. has 53 members, which as columns are too many\. Write it as rows\."):
        rows_read(tmp_path / "x.json")


@pytest.mark.usefixtures("few_members")
def test_what_is_large_behind_many_members_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({**MANY, "rows": ROWS}))
    with pytest.raises(FormatError) as caught:
        rows_read(path, max_row_bytes=1000)
    says(
        str(caught.value),
        "{} stands behind {} others and is large, and whether rows are in it is not told. Say with --records where "
        "they are.",
    )
    assert rows_read(path, max_row_bytes=1000, records="rows").ids == IDS


@pytest.mark.parametrize("many", [{"a": {"b": MANY, "c": SMALL}}, {f"m{place}": MANY for place in range(9)}])
@pytest.mark.parametrize("rows", [ROWS, {row["id"]: row for row in ROWS}, pd.DataFrame(ROWS).to_dict("list")])
def test_a_document_of_too_many_values_is_loaded_once_its_rows_are_named(
    rows: Any, many: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonsurvey, "_MOST_VALUES", 30)
    path = tmp_path / "x.json"
    path.write_text(json.dumps({**many, "x": {"rows": rows}, "z": many}))
    with pytest.raises(FormatError) as caught:
        rows_read(path)
    says(
        str(caught.value),
        "more than {} values are in it, and where its rows are is not told yet. Say it with --records.",
    )
    found = rows_read(path, records="x.rows")
    assert (found.ids, found.vectors) == (IDS, [row["vector"] for row in ROWS])


def test_the_memory_of_a_look_is_bounded_whatever_is_in_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonsurvey, "_MOST_VALUES", 500)
    path = tmp_path / "x.json"
    path.write_text(json.dumps({**{f"m{place}": SMALL for place in range(400)}, "rows": ROWS}))
    rows_read(path, records="rows")  # what is imported
    tracemalloc.start()
    with pytest.raises(FormatError, match="more than 500 values"):
        rows_read(path)
    assert rows_read(path, records="rows").ids == IDS
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 40_000_000  # windows on the text, and not its 100,000 values


def test_numbers_are_counted_wherever_windows_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"id": [*range(500)], "vector": [row["vector"] for row in ROWS[:50]] * 10, "n": [1.5, None] * 250}
    path = tmp_path / "x.json"
    path.write_text(json.dumps(columns))
    for block in (1, 7, 64, 1 << 20):
        monkeypatch.setattr("cyborg_ingest.formats.jsontext._BLOCK_BYTES", block)
        assert len(rows_read(path).ids) == 500
    path.write_text(json.dumps({**columns, "n": [1] * 499}))
    with pytest.raises(FormatError, match="'id' has 500 values and 'n' has 499"):
        rows_read(path)
