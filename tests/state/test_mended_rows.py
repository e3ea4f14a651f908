"""`rejected.jsonl` loads once it is fixed: one shape for every reason, whatever a row's own columns were called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cyborgdb_core
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import KEY
from proxy import Fault, Proxy, status
from test_faults import make

import cyborg_ingest
from cyborg_ingest.errors import BadRowError
from cyborg_ingest.model import Reason, Rejection
from cyborg_ingest.state.rejected import _line

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    from cyborg_ingest.loading.report import RunReport

SHAPE = {"id", "vector", "metadata", "contents", "_rejected"}
FIRST = 100
"""So many rows say what a file's columns are."""
SECRET = "s3cret-of-the-row"

BAD: dict[Reason, Callable[[dict[str, Any]], Any]] = {
    Reason.UNPARSABLE: lambda row: json.dumps(row)[:-1] + SECRET,
    Reason.ID_MISSING: lambda row: {**row, "doc": None},
    Reason.ID_INVALID: lambda row: {**row, "doc": [SECRET]},
    Reason.VECTOR_MISSING: lambda row: {**row, "v": None},
    Reason.VECTOR_INVALID: lambda row: {**row, "v": [1.0, SECRET]},
    Reason.VECTOR_DIMENSION: lambda row: {**row, "v": [1.0, 2.0, 3.0]},
    Reason.VECTOR_NOT_FINITE: lambda row: {**row, "v": [1.0, float("nan")]},
    Reason.VECTOR_OVERFLOW: lambda row: {**row, "v": [1.0, 1e39]},
    Reason.VECTOR_ZERO: lambda row: {**row, "v": [0, 0]},
    Reason.METADATA_INVALID: lambda row: {**row, "meta": [SECRET]},
    Reason.METADATA_NOT_FINITE: lambda row: {**row, "meta": {"w": float("inf"), SECRET: 1}},
    Reason.CONTENTS_INVALID: lambda row: {**row, "body": {"x": SECRET}},
}
"""What makes a good row a bad one. The other two reasons are the target's: below."""

OPTIONS: dict[str, Any] = {
    "id_column": "doc",
    "vector_column": "v",
    "metadata_column": "meta",
    "contents_column": "body",
}

VARIANTS: dict[str, tuple[dict[str, Any], Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "columns": ({**OPTIONS, "metadata_columns": ("none",)}, lambda row: row["meta"]),
    "by default": (OPTIONS, lambda row: {**row["meta"], "year": row["year"], "lang": row["lang"]}),
    "metadata columns": ({**OPTIONS, "metadata_columns": ("year",)}, lambda row: {**row["meta"], "year": row["year"]}),
    "all columns": (
        {**OPTIONS, "metadata_columns": ("*",)}, lambda row: {**row["meta"], "year": row["year"], "lang": row["lang"]},
    ),
    "constants": (
        {**OPTIONS, "metadata_columns": ("none",), "set": ("tenant=acme",)},
        lambda row: {**row["meta"], "tenant": "acme"},
    ),
    "renames": (
        {**OPTIONS, "metadata_columns": ("year",), "rename": ("year=published",)},
        lambda row: {**row["meta"], "published": row["year"]},
    ),
}  # fmt: skip


def rows(number: int) -> list[dict[str, Any]]:
    return [
        {"doc": f"d{one}", "v": [1.0, one], "meta": {"n": one}, "body": f"text {one}", "year": 1900 + one, "lang": "en"}
        for one in range(number)
    ]


def bad_file(folder: Path) -> tuple[list[dict[str, Any]], Path]:
    """All rows as they should be; and a file of which the last are bad, one of every kind."""
    good = rows(FIRST + len(BAD))
    bad = [make_bad(one) for make_bad, one in zip(BAD.values(), good[FIRST:], strict=True)]
    path = folder / "rows.jsonl"
    texts = [one if isinstance(one, str) else json.dumps(one) for one in [*good[:FIRST], *bad]]
    path.write_text("".join(text + "\n" for text in texts))
    return good, path


def stored(folder: Path, ids: list[str]) -> dict[str, tuple[Any, ...]]:
    """Rows as the engine itself gives them."""
    client = cyborgdb_core.Client(storage_config=cyborgdb_core.StorageConfig.disk(str(folder / "d")))
    found = client.load_index("i", KEY).get(ids, index_key=KEY)
    return {
        one["id"]: (list(one["vector"]), one.get("metadata"), (one.get("contents") or b"").decode()) for one in found
    }


@pytest.fixture(autouse=True)
def known_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())


def load(source: Path, folder: Path, **options: Any) -> RunReport:
    return cyborg_ingest.load(source, index="i", target=f"disk:{folder / 'd'}", create=True, **options)


def lines(path: str | None) -> list[dict[str, Any]]:
    assert path is not None
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


def mended(line: dict[str, Any], good: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
    """The line as somebody mends it who looks at the reason alone."""
    reason = Reason(line["_rejected"]["reason"])
    wrong = {
        "id": "id" in reason.value.split("_") or reason is Reason.UNPARSABLE,
        "vector": "vector" in reason.value or reason is Reason.UNPARSABLE,
        "metadata": "metadata" in reason.value or reason is Reason.UNPARSABLE,
        "contents": "contents" in reason.value or reason is Reason.UNPARSABLE,
    }
    right = {"id": good["doc"], "vector": good["v"], "metadata": metadata, "contents": good["body"]}
    return {**line, **{name: right[name] for name, is_wrong in wrong.items() if is_wrong}}


@pytest.mark.parametrize("variant", VARIANTS)
def test_rows_of_every_reason_load_without_an_option_once_they_are_mended(variant: str, tmp_path: Path) -> None:
    options, metadata = VARIANTS[variant]
    good, source = bad_file(tmp_path)
    report = load(source, tmp_path, max_errors="99", **options)
    assert report.rejects == dict.fromkeys((reason.value for reason in BAD), 1)
    kept = {line["_rejected"]["row"]: line for line in lines(report.rejected_file)}
    assert set().union(*kept.values()) <= SHAPE
    again = tmp_path / "mended.jsonl"
    again.write_text(
        "".join(json.dumps(mended(line, good[row], metadata(good[row]))) + "\n" for row, line in sorted(kept.items()))
    )
    assert load(again, tmp_path).rows["acknowledged"] == len(BAD)
    assert stored(tmp_path, [one["doc"] for one in good]) == {
        one["doc"]: (one["v"], metadata(one), one["body"]) for one in good
    }


@pytest.mark.parametrize("variant", VARIANTS)
def test_rows_that_nobody_mended_are_rejected_again(variant: str, tmp_path: Path) -> None:
    options, _ = VARIANTS[variant]
    _, source = bad_file(tmp_path)
    first = load(source, tmp_path, max_errors="99", **options)
    assert first.rejected_file is not None
    again = tmp_path / "again.jsonl"
    first_rows = json.dumps({"id": "x", "vector": [1, 1], "metadata": {}, "contents": "t"}) + "\n"
    again.write_text(first_rows * FIRST + Path(first.rejected_file).read_text("utf-8"))
    second = load(again, tmp_path, max_errors="99")
    assert second.rows["rejected"] == len(BAD)
    assert {**second.rejects, "unparsable": 1} == {**first.rejects, "id_missing": 2}


def csv_file(folder: Path) -> tuple[Path, dict[str, Any]]:
    source = folder / "rows.csv"
    lines = ["doc,x,y,year,body"] + [f"d{one},1,{'oops' if one == 4 else one},{1900 + one},t{one}" for one in range(6)]
    source.write_text("\n".join([*lines, "d9,1", ""]))
    return source, {"vector_column": "x,y", "column_types": ("y=float",)}


def parquet_file(folder: Path) -> tuple[Path, dict[str, Any]]:
    table = pa.table(
        {
            "doc": [f"d{one}" for one in range(6)],
            "x": [1.0] * 6,
            "y": [float("nan") if one == 4 else float(one) for one in range(6)],
            "year": [1900 + one for one in range(6)],
            "body": [f"t{one}" for one in range(6)],
        }
    )
    pq.write_table(table, folder / "rows.parquet")
    return folder / "rows.parquet", {"vector_column": "x,y"}


@pytest.mark.parametrize("write", [csv_file, parquet_file])
def test_so_do_those_of_formats_with_columns(
    write: Callable[[Path], tuple[Path, dict[str, Any]]], tmp_path: Path
) -> None:
    source, options = write(tmp_path)
    report = load(
        source, tmp_path, max_errors="5", id_column="doc", contents_column="body", metadata_columns=("year",),
        set=("tenant=acme",), rename=("year=published",), **options,
    )  # fmt: skip
    kept = {line["_rejected"]["row"]: line for line in lines(report.rejected_file)}
    assert set().union(*kept.values()) <= SHAPE
    again = tmp_path / "mended.jsonl"
    again.write_text(json.dumps({**kept[4], "vector": [1.0, 4.0]}) + "\n")
    assert load(again, tmp_path).rows["acknowledged"] == 1
    assert stored(tmp_path, ["d4"]) == {"d4": ([1.0, 4.0], {"published": 1904, "tenant": "acme"}, "t4")}


def test_a_line_that_is_no_row_is_kept_beside_the_fields_that_are_loaded(tmp_path: Path) -> None:
    source, options = csv_file(tmp_path)
    report = load(source, tmp_path, max_errors="5", id_column="doc", metadata_columns=("*",), **options)
    (line,) = [one for one in lines(report.rejected_file) if one["_rejected"]["reason"] == "unparsable"]
    assert line["_rejected"]["text"] == "d9,1"
    assert set(line) == {"_rejected"}


def test_metadata_that_cannot_be_used_is_kept_beside_the_fields_that_would_go_into_it(tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    source.write_text('{"id": "a", "vector": [1, 2]}\n{"id": "b", "vector": [1, 2], "metadata": [7], "year": 1900}\n')
    report = load(source, tmp_path, max_errors="1", metadata_columns=("year",), set=("t=1",))
    assert [one["metadata"] for one in lines(report.rejected_file)] == [[[[7], {"year": 1900}], {"t": 1}]]
    source.write_text(json.dumps({"id": "b", "vector": [1, 2], "metadata": {"a": 1, "b": 2}}) + "\n")
    report = load(source, tmp_path, max_errors="1", rename=("a=b",))
    assert "one name by --rename" in lines(report.rejected_file)[0]["_rejected"]["detail"]
    assert [one["metadata"] for one in lines(report.rejected_file)] == [{"a": 1, "b": 2}]


@pytest.mark.parametrize("reason", Reason)
def test_with_ids_alone_no_reason_shows_anything_of_the_row(reason: Reason) -> None:
    line = _line(
        Rejection("/a.jsonl", 3, reason, f"it holds {SECRET!r}", "r3", 4, {"vector": [1], "_line": SECRET}), full=False
    )
    found = json.loads(line)
    assert SECRET not in line.decode()
    assert set(found) == {"id", "_rejected"}
    assert found["_rejected"].keys() == {"file", "row", "line", "reason", "detail"}
    assert found["_rejected"]["detail"]


def test_nor_does_anything_that_the_run_leaves_or_says(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _, source = bad_file(tmp_path)
    from cyborg_ingest.loading.loader import run  # noqa: PLC0415
    from cyborg_ingest.output.display import make_display  # noqa: PLC0415
    from cyborg_ingest.settings.options import LoadSettings  # noqa: PLC0415

    for progress in ("json", "plain"):
        for allowed, dry in (("99", False), ("2", False), ("99", True)):
            settings = LoadSettings(
                sources=(str(source),), index="i", target=f"disk:{tmp_path / 'd'}", create=True, max_errors=allowed,
                reject_content="ids", state_dir=tmp_path / "s", dry_run=dry, **OPTIONS,
            )  # fmt: skip
            with make_display(progress) as display:
                try:
                    run(settings, display)
                except BadRowError as error:
                    assert SECRET not in str(error)  # noqa: PT017 - it is one of three runs
    said = "".join(capfd.readouterr())
    assert "unparsable" in said
    assert SECRET not in said
    kept = [path for path in (tmp_path / "s").rglob("*") if path.is_file()]
    assert {"rejected.jsonl", "report.json"} <= {path.name for path in kept}
    assert [path for path in kept if SECRET.encode() in path.read_bytes()] == []


def test_rows_that_the_target_refuses_or_that_are_too_large_load_elsewhere(service: Service, tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    good = rows(4)
    good[2]["body"] = "x" * 11_000_000
    source.write_text("".join(json.dumps(one) + "\n" for one in good))
    make(service, "mended-rows", 2)
    fault = Fault("refused", status(400))
    with Proxy(service.port, lambda _number, body: fault if b'"d1"' in body else None).running() as proxy:
        report = cyborg_ingest.load(
            source, index="mended-rows", target=proxy.url, max_errors="2", set=("tenant=acme",), **OPTIONS
        )
    assert report.rejects == {"refused": 1, "too_large": 1}
    kept = lines(report.rejected_file)
    assert set().union(*kept) <= SHAPE
    assert report.rejected_file is not None
    assert load(Path(report.rejected_file), tmp_path).rows["acknowledged"] == 2
    assert stored(tmp_path, ["d1", "d2"]) == {
        one["doc"]: (
            np.float32(one["v"]).tolist(),
            {**one["meta"], "year": one["year"], "lang": "en", "tenant": "acme"},
            one["body"],
        )
        for one in (good[1], good[2])
    }
