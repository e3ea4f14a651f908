"""What has no role becomes metadata, unless the user says otherwise; what is left out has a reason, which is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import KEY
from typer.testing import CliRunner

import cyborg_ingest
from cyborg_ingest import cli
from cyborg_ingest.check.inspecting import inspect
from cyborg_ingest.errors import MappingError
from cyborg_ingest.loading.remarks import wiping
from cyborg_ingest.output import wording
from cyborg_ingest.output.pictures import Canvas
from cyborg_ingest.output.portrait import portrait
from cyborg_ingest.plan.job import describe_job
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.plan.telling import planned
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.settings.options import InspectSettings, SourceSettings
from cyborg_ingest.state.jobs import job_folder

if TYPE_CHECKING:
    from cyborg_ingest.facts import Noted
    from cyborg_ingest.model import Batch

CUTTING = Cutting(rows=1000, size=10_000_000, encoded=True)
RANDOM = np.random.default_rng(4)
ROWS = 3
IDS = ["a", "b", "c"]
VECTORS = RANDOM.standard_normal((ROWS, 4)).astype(np.float32)
LONG = RANDOM.standard_normal((ROWS, 8)).astype(np.float32)


def fixed(numbers: Any) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(numbers.reshape(-1)), numbers.shape[1])


def parquet(folder: Path, **columns: Any) -> Path:
    pq.write_table(pa.table({"id": IDS, "vector": fixed(VECTORS), **columns}), folder / "rows.parquet")
    return folder / "rows.parquet"


def jsonl(folder: Path, *rows: dict[str, Any]) -> Path:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "rows.jsonl"


def read(path: Path, **options: Any) -> Batch:
    plan = make_plan((str(path),), SourceSettings(**options))
    (found,) = cut(plan.chunks(1000), plan.dimension, CUTTING)
    return found


def said(path: Path, **options: Any) -> str:
    """The plan as people see it."""
    return "\n".join(wording.plan(planned(make_plan((str(path),), SourceSettings(**options)), "disk:x", "i")))


TITLES = ["Ada", None, "Grace"]
MORE: dict[str, Any] = {
    "title": TITLES, "year": [1815, 1906, None], "tags": [["x"], [], None], "score": [[0.5], [1.5, 2.0], []],
    "source": [{"work": "w", "page": 1}] * 3,
}  # fmt: skip
STORED = [
    {"title": "Ada", "year": 1815, "tags": ["x"], "score": [0.5], "source": {"work": "w", "page": 1}},
    {"year": 1906, "tags": [], "score": [1.5, 2.0], "source": {"work": "w", "page": 1}},
    {"title": "Grace", "score": [], "source": {"work": "w", "page": 1}},
]


def test_columns_without_a_role_are_metadata(tmp_path: Path) -> None:
    path = parquet(tmp_path, text=["x", "y", "z"], **MORE)
    batch = read(path)
    assert (batch.metadata, batch.contents) == (STORED, ["x", "y", "z"])
    assert "metadata <- title + year + tags + score + source, contents <- text" in said(path)
    assert "left out" not in said(path)


def test_so_are_fields_of_json_whichever_rows_have_them(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"id": f"r{row}", "vector": [1.0, row]} for row in range(150)]
    rows[0] |= {"title": "first", "metadata": {"a": 1, "title": "own"}}
    rows[130] |= {"late": {"x": [1]}, "metadata": {"late": 1}}
    rows[140] |= {"other": None}
    batch = read(jsonl(tmp_path, *rows))
    assert batch.metadata is not None
    found = {place: one for place, one in enumerate(batch.metadata) if one}
    assert found == {0: {"title": "own", "a": 1}, 130: {"late": 1}, 140: {"other": None}}


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_fields_of_the_metadata_itself_win(tmp_path: Path, form: str) -> None:
    own = ['{"title": "own", "k": 1}', None, '{"k": 2}']
    path = parquet(tmp_path, payload=own, title=TITLES)
    if form == "csv":
        frame = pd.DataFrame({"id": IDS, "vector": [json.dumps(one) for one in VECTORS.tolist()]})
        frame.assign(payload=own, title=TITLES).to_csv(tmp_path / "rows.csv", index=False)
        path = tmp_path / "rows.csv"
    assert read(path).metadata == [{"title": "own", "k": 1}, {}, {"title": "Grace", "k": 2}]
    assert "metadata <- payload + title" in said(path)


def test_an_option_says_which_are_or_that_none_is(tmp_path: Path) -> None:
    path = parquet(tmp_path, meta=[{"k": 1}] * 3, title=TITLES, year=[1, 2, 3], title_vector=fixed(LONG))
    assert read(path, metadata_columns=("none",)).metadata == [{"k": 1}] * 3
    assert read(path, metadata_columns=("year",)).metadata == [{"k": 1, "year": one} for one in (1, 2, 3)]
    assert read(path, metadata_columns=("none",), metadata_column="").metadata is None
    everything = read(path, metadata_columns=("*",)).metadata
    assert everything is not None
    assert everything[0] == {"k": 1, "title": "Ada", "year": 1, "title_vector": [float(one) for one in LONG[0]]}
    assert "left out  title, year, title_vector (not asked for)" in said(path, metadata_columns=("none",))


def test_a_column_may_be_called_none(tmp_path: Path) -> None:
    path = parquet(tmp_path, none=[1, 2, 3], title=TITLES)
    assert read(path, metadata_columns=("none",)).metadata == [{"none": one} for one in (1, 2, 3)]
    rows = ({"id": one, "vector": [1.0], "title": "t"} for one in IDS)
    batch = read(jsonl(tmp_path, *rows), metadata_columns=("none",))
    assert batch.metadata == [None] * 3


def test_what_is_left_out_is_named_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    frame = pd.DataFrame({"id": IDS, "vector": VECTORS.tolist(), "by_title": LONG.tolist()}, index=["x", "y", "z"])
    table = pa.Table.from_pandas(frame)
    table = table.append_column("short_title", fixed(RANDOM.standard_normal((ROWS, 4)).astype(np.float32)))
    table = table.append_column("emb_ubinary", fixed(RANDOM.integers(0, 255, (ROWS, 4)).astype(np.uint8)))
    table = table.append_column("span", fixed(np.arange(6).reshape(3, 2)))
    table = table.append_column("length", pa.array([1, 2, 3], pa.duration("s")))
    pq.write_table(table, path)
    assert [one and one.keys() for one in read(path).metadata or ()] == [{"span", "short_title"}] * 3
    told = said(path)
    assert "left out  by_title (other vectors)" in told
    assert "          __index_level_0__ (an index of pandas without a name)" in told
    assert "          emb_ubinary (packed bits)" in told
    assert "          length (duration[s], which metadata cannot hold)" in told
    found = inspect(InspectSettings(sources=(str(path),)))
    assert found.to_dict()["schemas"][0]["reasons"]["by_title"] == "other vectors"
    assert "          emb_ubinary (packed bits)" in portrait(found, Canvas())
    as_long = table.drop_columns("vector").append_column("vector", fixed(VECTORS))
    pq.write_table(as_long, path)
    assert [one and one.keys() for one in read(path).metadata or ()] == [{"span"}] * 3


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_sparse_vectors_and_vectors_by_names_are_other_vectors(tmp_path: Path, form: str) -> None:
    more: dict[str, Any] = {
        "sparse_values": {"indices": [1, 7], "values": [0.5, 0.25]},
        "vectors": {"title": LONG[0].tolist(), "body": VECTORS[0].tolist()},
        "values_of": {"indices": [1], "values": ["x"]},
    }
    if form == "parquet":
        path = parquet(tmp_path, **{name: [value] * 3 for name, value in more.items()})
    else:
        path = jsonl(tmp_path, *({"id": one, "vector": VECTORS[0].tolist(), **more} for one in IDS))
    assert read(path).metadata == [{"values_of": more["values_of"]}] * 3
    assert "left out  sparse_values (sparse vectors)\n          vectors (other vectors)" in said(path)


def test_vectors_that_are_left_out_of_json_are_left_out_of_every_row(tmp_path: Path) -> None:
    rows = [{"id": f"r{row}", "vector": [1.0, 2.0], "by_title": LONG[0].tolist(), "n": row} for row in range(200)]
    assert read(jsonl(tmp_path, *rows)).metadata == [{"n": row} for row in range(200)]
    assert "left out  by_title (other vectors)" in said(tmp_path / "rows.jsonl")


@pytest.mark.parametrize("form", ["parquet", "jsonl", "csv", "npz"])
@pytest.mark.parametrize("name", ["meta", "metadata"])
def test_text_by_a_name_of_metadata_that_is_no_json_is_a_field(tmp_path: Path, form: str, name: str) -> None:
    texts = ["wiki", "", "news"]
    path = tmp_path / f"rows.{form}"
    rows = [
        dict(zip(("id", "vector", name), row, strict=True)) for row in zip(IDS, VECTORS.tolist(), texts, strict=True)
    ]
    if form == "parquet":
        parquet(tmp_path, **{name: texts})
    elif form == "jsonl":
        jsonl(tmp_path, *rows)
    elif form == "csv":
        pd.DataFrame(rows).to_csv(path, index=False)
    else:
        arrays: dict[str, Any] = {"id": np.array(IDS), "vector": VECTORS, name: np.array(texts)}
        np.savez(path, **arrays)
    expected = [{name: text} for text in texts]
    if form == "csv":
        expected[1] = {}
    assert read(path).metadata == expected
    assert f"{name} (text, not JSON)" in said(path)


def test_an_empty_text_is_no_sign_and_one_object_is(tmp_path: Path) -> None:
    path = parquet(tmp_path, meta=["", None, "null"], n=[1, 2, 3])
    assert read(path).metadata == [{"n": 1}, {"n": 2}, {"n": 3}]
    path = parquet(tmp_path, meta=["wiki", '{"a": 1}', None])
    (rejection,) = read(path).rejections
    assert rejection.detail.endswith("--metadata-columns meta stores it as a field of its own")


def test_nothing_of_a_role_that_is_declined_becomes_metadata(tmp_path: Path) -> None:
    path = parquet(tmp_path, text=["x"] * 3, body=["y"] * 3, meta=[{"k": 1}] * 3, n=[1, 2, 3])
    assert read(path, contents_column="").metadata == [{"k": 1, "body": "y", "n": one} for one in (1, 2, 3)]
    assert read(path, metadata_column="").metadata == [{"body": "y", "n": one} for one in (1, 2, 3)]
    told = said(path, metadata_column="", contents_column="")
    assert "text (contents not asked for)" in told
    assert "meta (metadata not asked for)" in told


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_what_a_path_takes_out_of_a_struct_is_not_stored_twice(tmp_path: Path, form: str) -> None:
    deep = [{"embedding": LONG[row].tolist(), "model": "m", "more": {"text": "t", "n": row}} for row in range(ROWS)]
    only = [{"x": {"key": one}} for one in IDS]
    payload = [{"k": 1, "emb": VECTORS[0].tolist()}] * 3
    if form == "parquet":
        path = tmp_path / "rows.parquet"
        pq.write_table(pa.table({"data": deep, "only": only, "payload": payload}), path)
    else:
        rows = [
            dict(zip(("data", "only", "payload"), one, strict=True)) for one in zip(deep, only, payload, strict=True)
        ]
        path = jsonl(tmp_path, *rows)
    batch = read(
        path, vector_column="data.embedding", id_column="only.x.key", contents_column="data.more.text",
        metadata_column="",
    )  # fmt: skip
    assert (batch.ids, batch.contents) == (IDS, ["t"] * 3)
    assert batch.metadata == [{"data": {"model": "m", "more": {"n": row}}} for row in range(ROWS)]
    inside = read(path, vector_column="payload.emb", id_column="only.x.key")
    assert [one and one["k"] for one in inside.metadata or ()] == [1] * 3
    assert not any("emb" in one for one in inside.metadata or () if one)


def test_a_name_that_another_column_has_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path, a=[1, 2, 3], b=[1, 2, 3])
    with pytest.raises(MappingError, match="two columns of the metadata have the name 'b'"):
        make_plan((str(path),), SourceSettings(rename=("a=b",)))
    assert read(path, rename=("a=c",)).metadata == [{"c": one, "b": one} for one in (1, 2, 3)]


def test_folders_and_parts_of_ids_are_metadata(tmp_path: Path) -> None:
    (tmp_path / "lang=en").mkdir()
    path = parquet(tmp_path / "lang=en", doc=IDS, chunk=[0, 1, 2])
    batch = read(path, id_template="{doc}-{chunk}")
    assert batch.metadata == [{"id": one, "doc": one, "chunk": n, "lang": "en"} for n, one in enumerate(IDS)]
    np.savez(tmp_path / "rows.npz", vectors=VECTORS, n=np.arange(3), other=np.arange(2))
    batch = read(tmp_path / "rows.npz", id_template="{file}-{row}")
    assert batch.metadata == [{"n": one} for one in range(3)]
    assert "other (2 rows, where the vectors have 3)" in said(tmp_path / "rows.npz")


def test_metadata_that_columns_become_wipe_none(tmp_path: Path) -> None:
    def notes(path: Path) -> list[Noted]:
        return list(wiping(make_plan((str(path),), SourceSettings())))

    assert [one.text for one in notes(parquet(tmp_path, n=[1, 2, 3], text=IDS))] == []
    (one,) = notes(parquet(tmp_path))
    assert "metadata and contents" in one.text


def test_a_job_of_older_rules_is_another_job(tmp_path: Path) -> None:
    """Its first rows would have other metadata than those that follow."""
    now = describe_job("disk:x", "i", ("a.parquet",), SourceSettings())
    older = {**now, "columns": {name: one for name, one in now["columns"].items() if name != "rules"}}
    assert job_folder(tmp_path, older) != job_folder(tmp_path, now)


def test_a_load_by_default_is_what_verify_expects_and_rejected_rows_load_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    path = parquet(tmp_path, meta=['{"k": 1}', "{", '{"k": 3}'], **MORE)
    where: dict[str, Any] = {"index": "i", "target": f"disk:{tmp_path / 'd'}"}
    report = cyborg_ingest.load(path, create=True, max_errors="1", **where)
    assert (report.rows["acknowledged"], report.rows["rejected"]) == (2, 1)
    assert report.rejected_file is not None
    (row,) = [json.loads(one) for one in Path(report.rejected_file).read_text("utf-8").splitlines()]
    assert row["metadata"] == ["{", STORED[1]]
    jsonl(tmp_path, {**row, "metadata": {"k": 2, **row["metadata"][1]}})
    cyborg_ingest.load(tmp_path / "rows.jsonl", **where)
    whole = parquet(tmp_path, meta=[json.dumps({"k": k}) for k in (1, 2, 3)], **MORE)
    done = CliRunner().invoke(cli.app, ["verify", str(whole), "--index", "i", "--target", where["target"], "--json"])
    assert (done.exit_code, json.loads(done.stdout)["rows"]) == (0, 3), done.output


def test_of_a_list_that_the_vector_is_in_nothing_is_stored(tmp_path: Path) -> None:
    rows = [{"id": one, "data": [{"embedding": LONG[0].tolist(), "index": 0}], "model": "m"} for one in IDS]
    batch = read(jsonl(tmp_path, *rows), vector_column="data[0].embedding")
    assert batch.metadata == [{"model": "m"}] * 3
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    assert read(tmp_path / "rows.parquet", vector_column="data[0].embedding").metadata == [{"model": "m"}] * 3
    numbers = ({"id": one, "x": [1.0, 2.0], "n": 1} for one in IDS)
    assert read(jsonl(tmp_path, *numbers), vector_column="x[0],x[1]").metadata == [{"n": 1}] * 3
