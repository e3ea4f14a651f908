"""Which rows are loaded, what their ids are made of, and what goes to their metadata."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cyborg_ingest
from cyborg_ingest.errors import BadRowError, IngestError, MappingError, UsageError
from cyborg_ingest.formats.parquet import ParquetReader
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine

    from cyborg_ingest.model import Batch

ROWS = 60
LANGUAGES = ["en", "de", None, "fr"]


def objects() -> list[dict[str, Any]]:
    return [
        {
            "doc": f"d{row // 3}",
            "chunk": row % 3,
            "lang": LANGUAGES[row % 4],
            "year": 2000 + row,
            "data": {"embedding": [float(row), 1.0], "tags": {"kind": "a" if row % 2 else "b"}},
            "id": f"r{row}",
        }
        for row in range(ROWS)
    ]


def write(folder: Path, kind: str, rows: list[dict[str, Any]] | None = None, name: str = "rows") -> Path:
    rows = objects() if rows is None else rows
    path = folder / f"{name}.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=10)
    elif kind == "arrow":
        whole = pa.Table.from_pylist(rows)
        with pa.ipc.new_file(path, whole.schema) as out:
            out.write_table(whole, max_chunksize=9)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture(params=["parquet", "jsonl", "arrow"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write(tmp_path, request.param)


NESTED: dict[str, Any] = {"vector_column": "data.embedding", "metadata_columns": ("none",)}


def batches(*sources: Path | str, rows: int = 7, **options: Any) -> list[Batch]:
    plan = make_plan(tuple(str(one) for one in sources), SourceSettings(**{**NESTED, **options}))
    found = list(cut(plan.chunks(rows), None, Cutting(7, 100_000, encoded=True)))
    assert plan.rows is None or plan.rows == sum(len(one) + len(one.rejections) for one in found)
    return found


def ids(*sources: Path | str, **options: Any) -> list[str]:
    return [identity for one in batches(*sources, **options) for identity in one.ids]


def metadata(*sources: Path | str, **options: Any) -> list[Any]:
    return [value for one in batches(*sources, **options) for value in one.metadata or [None] * len(one)]


def test_a_path_names_a_field_of_a_struct(path: Path) -> None:
    found = batches(path, metadata_columns=("data.tags.kind", "year"))
    assert [one.tolist() for batch in found for one in batch.vectors] == [[float(row), 1.0] for row in range(ROWS)]
    assert [one for batch in found for one in batch.metadata or ()] == [
        {"data.tags.kind": "a" if row % 2 else "b", "year": 2000 + row} for row in range(ROWS)
    ]


def test_a_field_is_null_where_its_struct_is(tmp_path: Path) -> None:
    rows = objects()
    rows[3]["data"] = None
    for kind in ("parquet", "jsonl"):
        found = batches(write(tmp_path, kind, rows), rows=100)
        assert [(one.row, one.reason.value) for batch in found for one in batch.rejections] == [(3, "vector_missing")]


def test_a_column_whose_name_has_a_dot_comes_before_a_path(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"id": "a", "data": {"embedding": [1.0]}, "data.embedding": [2.0]}]
    for kind in ("parquet", "jsonl"):
        assert batches(write(tmp_path, kind, rows))[0].vectors.tolist() == [[2.0]]


@pytest.mark.parametrize("name", ["data.nothing", "nothing.embedding", "doc.x", "data.embedding.x"])
def test_a_path_that_leads_nowhere_is_named(path: Path, name: str) -> None:
    with pytest.raises(MappingError, match="--vector-column"):
        batches(path, vector_column=name)


def test_ids_are_made_of_columns(path: Path) -> None:
    expected = [f"d{row // 3}-{row % 3}/{{x}}" for row in range(ROWS)]
    assert ids(path, id_template="{doc}-{chunk}/{{x}}") == expected
    assert ids(path, id_template="{file}:{row}")[7] == "rows:7"
    assert ids(path, id_template="{data.tags.kind}{year}")[:2] == ["b2000", "a2001"]


def test_a_row_without_a_part_of_its_id_is_rejected(path: Path) -> None:
    found = batches(path, id_template="{lang}-{year}")
    assert [one.row for batch in found for one in batch.rejections] == list(range(2, ROWS, 4))
    assert {one.reason.value for batch in found for one in batch.rejections} == {"id_missing"}


@pytest.mark.parametrize("template", ["{", "{}", "fixed", "{doc!r}", "{doc:>3}", "{nothing}"])
def test_a_template_that_cannot_be_is_an_error(path: Path, template: str) -> None:
    with pytest.raises(UsageError, match="--id-template"):
        batches(path, id_template=template)


def test_constants_and_new_names_go_to_the_metadata(path: Path) -> None:
    found = metadata(
        path,
        metadata_columns=("year", "lang"),
        rename=("year=published",),
        set=("v=3", "who=me=you", 'x={"a": [1]}', "n=null"),
    )
    extra = {"v": 3, "who": "me=you", "x": {"a": [1]}, "n": None}
    assert found[0] == {"published": 2000, "lang": "en", **extra}
    assert metadata(path, set=("v=true",)) == [{"v": True}] * ROWS


def test_a_new_name_reaches_into_a_metadata_object(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "vector": [1.0], "metadata": {"old": 1, "other": 2}},
        {"id": "b", "vector": [1.0], "metadata": None},
    ]
    for kind in ("parquet", "jsonl"):
        path = write(tmp_path, kind, rows)
        assert metadata(path, vector_column=None, rename=("old=new",)) == [{"new": 1, "other": 2}, None]
        found = batches(path, vector_column=None, rename=("old=other",))
        assert [one.reason.value for batch in found for one in batch.rejections] == ["metadata_invalid"]


@pytest.mark.parametrize(
    "options",
    [
        {"set": ("a",)},
        {"set": ("=1",)},
        {"set": ("a=NaN",)},
        {"rename": ("a",)},
        {"rename": ("a=x", "b=x")},
        {"metadata_columns": ("year", "lang"), "rename": ("year=lang",)},
    ],
)
def test_what_cannot_be_set_or_renamed_is_an_error(path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--set|--rename"):
        batches(path, **options)


CONDITIONS: dict[str, Any] = {
    "lang = 'en'": lambda row: row["lang"] == "en",
    "lang <> 'en'": lambda row: row["lang"] not in {"en", None},
    "not lang in ('en', 'de')": lambda row: row["lang"] == "fr",
    "lang is null or year >= 2055": lambda row: row["lang"] is None or row["year"] >= 2055,
    "lang is not null and year between 2010 and 2020": lambda row: row["lang"] and 2010 <= row["year"] <= 2020,
    "data.tags.kind = 'a' and lang like 'd%'": lambda row: row["data"]["tags"]["kind"] == "a" and row["lang"] == "de",
    "year < 1999": lambda _row: False,
    "year > -1": lambda _row: True,
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_only_rows_of_which_the_condition_is_true_are_loaded(path: Path, condition: str) -> None:
    expected = [row["id"] for row in objects() if CONDITIONS[condition](row)]
    assert ids(path, where=condition) == expected
    assert ids(path, where=condition, skip=13) == [one for one in expected if int(one[1:]) >= 13]
    assert ids(path, where=condition, limit=4) == expected[:4]
    picked = ids(path, where=condition, sample=5)
    assert len(picked) == min(5, len(expected))
    assert set(picked) <= set(expected)


def test_row_groups_that_cannot_hold_such_a_row_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read, before = write(tmp_path, "parquet"), [], ParquetReader.read_on

    def watched(self: ParquetReader, part: Any, *given: Any, **named: Any) -> Any:
        read.append(part.number)
        return before(self, part, *given, **named)

    monkeypatch.setattr(ParquetReader, "read_on", watched)
    assert ids(path, where="year between 2031 and 2033") == ["r31", "r32", "r33"]
    assert read == [3]
    read.clear()
    assert ids(path, skip=45) == [f"r{row}" for row in range(45, ROWS)]
    assert read == [4, 5]


@pytest.mark.parametrize(
    "condition",
    ["lang =", "count(*) > 1", "lang = upper('x')", "1 = 1", "nothing = 1", "lang > 5", "lang", "a = 1; b = 2"],
)
def test_a_condition_that_cannot_be_is_an_error_that_names_it(path: Path, condition: str) -> None:
    with pytest.raises(UsageError, match="--where"):
        batches(path, where=condition)


def test_an_unreadable_row_is_rejected_whatever_the_condition(tmp_path: Path) -> None:
    path = write(tmp_path, "jsonl")
    path.write_text(path.read_text("utf-8") + "{broken\n", "utf-8")
    found = batches(path, where="lang = 'en'")
    assert [one.line for batch in found for one in batch.rejections] == [ROWS + 1]


def test_a_bad_row_that_nobody_asked_for_is_no_fault(tmp_path: Path) -> None:
    rows = objects()
    rows[5]["data"]["embedding"] = [0.0, 0.0]
    for kind in ("parquet", "jsonl"):
        assert not [
            one for batch in batches(write(tmp_path, kind, rows), where="year > 2005") for one in batch.rejections
        ]


def test_skip_limit_and_sample_count_over_all_files(tmp_path: Path) -> None:
    for kinds in (("parquet", "parquet"), ("jsonl", "parquet"), ("jsonl", "jsonl")):
        paths = [write(tmp_path, kind, name=f"f{place}") for place, kind in enumerate(kinds)]
        everything = [f"r{row}" for row in range(ROWS)] * 2
        assert ids(*paths, skip=50, limit=20) == everything[50:70]
        assert ids(*paths, skip=200) == []
        picked = ids(*paths, sample=30)
        assert len(picked) == 30
        assert picked == ids(*paths, sample=30)
        assert picked != everything[:30]
        assert sorted(ids(*paths, sample=500)) == sorted(everything)


def test_folders_are_columns(tmp_path: Path) -> None:
    for year, lang in ((2023, "en"), (2024, "__HIVE_DEFAULT_PARTITION__"), (2024, "d%20e")):
        folder = tmp_path / "data" / f"year={year}" / f"lang={lang}"
        folder.mkdir(parents=True)
        rows = [{"id": f"{year}{lang}{row}", "vector": [1.0]} for row in range(2)]
        write(folder, "parquet" if year == 2023 else "jsonl", rows)
    (tmp_path / "data" / "_SUCCESS").touch()
    (tmp_path / "data" / ".hidden.jsonl").write_text("broken")
    options: dict[str, Any] = {"vector_column": None}
    root = tmp_path / "data"
    expected = [{"year": 2023, "lang": "en"}] * 2 + [{"year": 2024}] * 2 + [{"year": 2024, "lang": "d e"}] * 2
    assert sorted(metadata(root, metadata_columns=("year", "lang"), **options), key=repr) == sorted(expected, key=repr)
    assert sorted(metadata(root, metadata_columns=("*",), **options), key=repr) == sorted(expected, key=repr)
    assert len(ids(root, where="year = 2024 and lang is null", **options)) == 2
    assert len(ids(f"{root}/year=*/lang=d*/*.jsonl", where="lang = 'd e'", **options)) == 2
    assert ids(root, id_template="{year}-{id}", **options)[0] == "2023-2023en0"


def test_chosen_rows_arrive_and_a_stopped_load_goes_on_with_them(engine: Engine, tmp_path: Path) -> None:
    path, index = write(tmp_path, "parquet"), engine.name()
    rows = objects()
    bad = [
        {**row, "data": {"embedding": [0.0, 0.0], "tags": {"kind": "c"}}} if row["year"] == 2040 else row
        for row in rows
    ]
    write(tmp_path, "parquet", bad)
    options: dict[str, Any] = {
        "index": index, "target": engine.target, "create": True, "batch_rows": 4, "workers": 1, "where": "lang = 'en'",
        **NESTED, "metadata_columns": ("year",), "set": ("v=1",),
    }  # fmt: skip
    with pytest.raises(BadRowError) as stopped:
        cyborg_ingest.load(path, **options)
    report = stopped.value.report
    assert report is not None
    assert report.rows["acknowledged"] == 10
    report = cyborg_ingest.load(path, **options, max_errors="1")
    expected = [row["id"] for row in rows if row["lang"] == "en" and row["year"] != 2040]
    assert report.rows == {"read": 15, "acknowledged": 4, "rejected": 1, "skipped": 10, "unsent": 0}
    found = engine.read(index, [row["id"] for row in rows])
    assert sorted(found) == sorted(expected)
    assert found["r8"].metadata == {"year": 2008, "v": 1}
    assert found["r8"].vector == np.array([8, 1], "<f4").tobytes()


def test_other_rows_are_another_job(engine: Engine, path: Path) -> None:
    index = engine.name()
    options: dict[str, Any] = {"index": index, "target": engine.target, "create": True, **NESTED}
    for where, total in (("lang = 'en'", 15), ("lang = 'de'", 30)):
        cyborg_ingest.load(path, where=where, **options)
        assert engine.count(index) == total


def test_a_sample_of_standard_input_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with write(tmp_path, "jsonl").open() as pipe:
        monkeypatch.setattr("sys.stdin", pipe)
        with pytest.raises(IngestError, match="--sample"):
            batches("-", sample=3, format="jsonl")
