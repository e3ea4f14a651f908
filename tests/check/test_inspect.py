"""`inspect`: what files are like, what is wrong with them, and whether they fit an index."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import KEY
from typer.testing import CliRunner

import cyborg_ingest
from cyborg_ingest import cli
from cyborg_ingest.check import duplicates, inspecting, profiles
from cyborg_ingest.check.inspecting import inspect
from cyborg_ingest.errors import SourceNotFoundError
from cyborg_ingest.loading.loader import run
from cyborg_ingest.settings.options import InspectSettings, LoadSettings
from cyborg_ingest.targets import opening

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from conftest import Engine

    from cyborg_ingest.check.findings import Finding
    from cyborg_ingest.check.inspection import Inspection
    from cyborg_ingest.loading.report import RunReport

Row = dict[str, Any]


def jsonl(path: Path, rows: Iterable[Row | str]) -> Path:
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in rows))
    return path


def good(count: int, start: int = 0, dimension: int = 4) -> list[Row]:
    vectors = np.random.default_rng(start).standard_normal((count, dimension)).round(3)
    return [{"id": f"r{start + row}", "vector": vector.tolist()} for row, vector in enumerate(vectors)]


def look(*sources: Path, **options: Any) -> Inspection:
    return inspect(InspectSettings(sources=tuple(map(str, sources)), **options))


def shown(*arguments: object) -> tuple[int, str]:
    """The exit code of `inspect` and what it printed."""
    done = CliRunner().invoke(cli.app, ["inspect", *map(str, arguments)])
    return done.exit_code, done.stdout


def piped(
    *arguments: object, data: bytes, before: str = "pass", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    program = f"import sys; {before}; sys.argv[0] = 'cyborg-ingest'; from cyborg_ingest.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, "inspect", *map(str, arguments)],
        input=data, capture_output=True, timeout=120, check=False, env={**os.environ, **environment},
    )  # fmt: skip


# What they are like


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    """2,500 rows: lengths from 1 to 2, metadata, contents, a column without a role, and one that is left out."""
    rows = np.zeros((2500, 3), np.float32)
    rows[:, 0] = np.linspace(1, 2, 2500, dtype=np.float32)
    columns = {
        "id": [f"r{row}" for row in range(2500)],
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), 3),
        "metadata": [{"n": row, "lang": "de" if row % 2 else None, "ok": True} for row in range(2500)],
        "contents": [None, *["é" * (row % 5 + 1) for row in range(1, 2500)]],
        "title": ["t"] * 2500,
        "by_title": pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), 3),
    }
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


def test_a_clean_file_is_described_whole(parquet: Path) -> None:
    code, text = shown(parquet, "--json")
    assert code == 0
    found = json.loads(text)
    assert found["sources"] == [
        {"uri": str(parquet), "format": "parquet", "rows": 2500, "rows_estimate": 2500, "size": parquet.stat().st_size,
         "is_seekable": True, "looked_at": 2500, "shape": "",
         "dimension": 3, "rejected": 0}
    ]  # fmt: skip
    (schema,) = found["schemas"]
    assert [one["name"] for one in schema["columns"]] == ["id", "vector", "metadata", "contents", "title", "by_title"]
    assert schema["mapping"] == {
        "id": ["id"], "vector": ["vector"], "metadata": ["metadata", "title"], "contents": ["contents"],
    }  # fmt: skip
    assert (schema["left_out"], schema["sources"]) == (["by_title"], [str(parquet)])
    assert schema["reasons"] == {"by_title": "other vectors"}
    assert (found["rows_looked_at"], found["rows_total"], found["is_exact"]) == (2500, 2500, True)
    assert (found["dimension"], found["dtypes"], found["rejects"], found["findings"]) == (3, ["float32"], {}, [])
    fields = {one.pop("name"): one for one in found["metadata"]["fields"]}
    assert fields == {
        "n": {"types": {"integer": 2500}, "present": 2500, "nulls": 0, "distinct": ">1000", "example": 0},
        "ok": {"types": {"boolean": 2500}, "present": 2500, "nulls": 0, "distinct": 1, "example": True},
        "lang": {"types": {"string": 1250}, "present": 1250, "nulls": 0, "distinct": 1, "example": "de"},
        "title": {"types": {"string": 2500}, "present": 2500, "nulls": 0, "distinct": 1, "example": "t"},
    }
    assert found["contents"] == {"rows": 2499, "min_bytes": 2, "mean_bytes": 6.0, "max_bytes": 10}
    assert found["duplicates"] == {"count": 0, "compared": 2500, "not_compared": 0, "is_exact": True, "examples": []}
    assert found["samples"][1] == {
        "file": str(parquet), "row": 1, "id": "r1", "vector": [1.0004002, 0.0, 0.0],
        "metadata": {"n": 1, "lang": "de", "ok": True, "title": "t"}, "contents": "éé",
    }  # fmt: skip


def test_norms_come_with_a_histogram_that_counts_every_one(parquet: Path) -> None:
    norms = look(parquet).norms
    assert norms is not None
    assert (norms["count"], norms["min"], norms["max"], norms["looks_normalised"]) == (2500, 1.0, 2.0, False)
    assert norms["mean"] == pytest.approx(1.5)
    assert np.allclose(norms["histogram"]["edges"], np.linspace(1, 2, 11))
    assert norms["histogram"]["counts"] == [250] * 10
    lines = shown(parquet)[1].splitlines()
    (first,) = (number for number, line in enumerate(lines) if line.startswith("norms"))
    assert lines[first] == "norms     min 1, mean 1.5, max 2: not normalised"
    assert lines[first + 1] == "          1.000 to 1.100  250  " + "\N{FULL BLOCK}" * 30


def test_a_histogram_of_very_many_is_made_of_every_second(parquet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "KEPT_NORMS", 1500)
    norms = look(parquet).norms
    assert norms is not None
    assert (norms["count"], norms["mean"]) == (2500, pytest.approx(1.5))
    assert (norms["histogram"]["every"], sum(norms["histogram"]["counts"])) == (2, 1250)
    assert norms["histogram"]["counts"] == pytest.approx([125] * 10, abs=1)


def test_vectors_of_length_one_look_normalised(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.eye(5))
    norms = look(tmp_path / "a.npy").norms
    assert norms is not None
    assert norms["looks_normalised"]
    assert norms["histogram"] == {"edges": [1.0, 1.0], "counts": [5], "every": 1}
    code, text = shown(tmp_path / "a.npy")
    assert (code, "norms     all norms are 1.00: they look normalised\n" in text, "float64" in text) == (0, True, True)


def test_integers_are_named_and_are_no_finding(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((3, 2), np.uint8))
    found = look(tmp_path / "a.npy")
    assert (found.dtypes, found.findings) == (("uint8",), ())
    assert found.remarks == ("The vectors are uint8; they are loaded as float32.",)


def test_text_holds_every_part(parquet: Path) -> None:
    code, text = shown(parquet)
    assert code == 0
    labels = [line[:10].strip() for line in text.splitlines() if line[:10].strip()]
    assert labels == [
        "sources", "rows", "schema", "columns", "left out", "norms", "metadata", "contents", "ids", "load",
        "sample", "sample", "sample",
    ]  # fmt: skip
    assert f"{parquet}  parquet, 2,500 rows, " in text
    assert "resuming" not in text  # from where it was, as anybody expects
    assert "2,500 of 2,500 rows looked at, 3 dimensions, float32" in text
    assert "n      integer 2,500; >1000 distinct, as 0" in text


def test_histograms_are_drawn_with_what_the_terminal_has(parquet: Path) -> None:
    done = piped(parquet, data=b"", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"  250  ##############################\n" in done.stdout
    assert b'contents "\\xe9\\xe9"' in done.stdout


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    row = {"id": "\x1b[2J", "vector": [1.0], "metadata": {"a": "\x1b[2J\n"}, "contents": "\x1b[2J"}
    code, text = shown(jsonl(tmp_path / "a.jsonl", [row]))
    assert (code, "\x1b" in text, "\\u001b[2J\\n" in text) == (0, False, True)


def test_an_example_is_json_whatever_is_in_it(tmp_path: Path) -> None:
    """Each is read by another program, and is the row: only what is long ends early, within its own quotes."""
    nested = {"a": {"b": ['say "hi"', "back\\slash", "line\nbreak \x7f\x9b\u202e", None, True, 1.5]}, "é": [[], {}]}
    long = {"text": 'x"' * 100, "list": list(range(30)), "deep": {"er": {"text": "y" * 100}}}
    rows = [
        {"id": f'i"{len(one)}', "vector": [1.0, 2.0], "metadata": one, "contents": "a\tb"} for one in (nested, long)
    ]
    code, text = shown(jsonl(tmp_path / "a.jsonl", rows))
    lines = text.splitlines()
    shown_ones = [json.loads(one.strip().removeprefix("metadata ")) for one in lines if "          metadata {" in one]
    assert (code, shown_ones[0]) == (0, nested)
    assert shown_ones[1] == {
        "text": 'x"' * 30 + "...", "list": [*range(10), "..."], "deep": {"er": {"text": "y" * 60 + "..."}},
    }  # fmt: skip
    ids = [line.partition(": id ")[2].partition(", vector")[0] for line in lines if line.startswith("sample")]
    assert [json.loads(one) for one in ids] == ['i"2', 'i"3']
    assert [json.loads(one.strip()[9:]) for one in lines if '          contents "' in one] == ["a\tb", "a\tb"]


def test_requests_and_bytes_are_those_of_a_load_into_a_service(parquet: Path, service: Any) -> None:
    found = look(parquet, full=True)
    report = cyborg_ingest.load(parquet, index="inspected", target=service.url, create=True)
    assert found.requests == report.requests
    assert found.wire_bytes == pytest.approx(report.bytes["wire"], rel=0.05)


def test_a_compressed_file_is_read_again_after_a_stop(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", good(3))
    subprocess.run(["gzip", str(tmp_path / "a.jsonl")], check=True)
    assert "; resuming a load reads it from its beginning again\n" in shown(tmp_path / "a.jsonl.gz")[1]


# How much is looked at


def test_a_sample_takes_the_first_rows_of_sources_spread_over_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspecting, "PROFILED_ROWS", 5)
    monkeypatch.setattr(inspecting, "PROFILED_SOURCES", 3)
    for number in range(5):
        np.save(tmp_path / f"{number}.npy", np.ones((8, 2), np.float32))
    options = {"id_prefix": "{file}-"}
    found = look(tmp_path, **options)
    assert [one.looked_at for one in found.sources] == [5, 0, 5, 0, 5]
    assert (found.rows_looked_at, found.rows_total, found.is_exact) == (15, 40, True)
    assert (found.requests, found.findings) == (1, ())
    full = look(tmp_path, full=True, **options)
    assert [one.looked_at for one in full.sources] == [8] * 5
    assert full.wire_bytes == pytest.approx(found.wire_bytes, rel=0.7)
    code, text = shown(tmp_path, "--id-prefix", "{file}-")
    assert (code, "15 of 40 rows looked at (--full looks at all), 2 dimensions" in text) == (0, True)
    limited = look(tmp_path, limit=11, **options)
    assert [one.looked_at for one in limited.sources] == [5, 3, 0, 0, 0]
    assert (limited.rows_total, limited.is_exact) == (11, True)


def test_a_bad_row_behind_the_sample_is_found_by_full_alone(tmp_path: Path) -> None:
    rows = good(10_001)
    rows[10_000]["vector"][2] = float("nan")
    source = jsonl(tmp_path / "a.jsonl", rows)
    sample, full = look(source), look(source, full=True)
    assert (sample.rows_looked_at, sample.is_exact, sample.findings) == (10_000, False, ())
    assert (full.rows_looked_at, full.rows_total, full.is_exact) == (10_001, 10_001, True)
    assert [(one.kind, one.row, one.line) for one in full.findings] == [("vector_not_finite", 10_000, 10_001)]
    assert (shown(source)[0], shown(source, "--full")[0]) == (0, 1)


# What is wrong


V = [1.0, 2.0, 3.0, 4.0]
BAD: dict[str, Row | str] = {
    "unparsable": '{"id": "x", "vector": [1',
    "id_missing": {"id": "", "vector": V},
    "id_invalid": {"id": {"a": 1}, "vector": V},
    "vector_missing": {"id": "x", "vector": None},
    "vector_invalid": {"id": "x", "vector": [1.0, "b", 3.0, 4.0]},
    "vector_dimension": {"id": "x", "vector": V[:3]},
    "vector_not_finite": {"id": "x", "vector": [1.0, float("inf"), 3.0, 4.0]},
    "vector_overflow": {"id": "x", "vector": [1e39, 2.0, 3.0, 4.0]},
    "vector_zero": {"id": "x", "vector": [0.0] * 4},
    "metadata_invalid": {"id": "x", "vector": V, "metadata": [1]},
    "metadata_not_finite": {"id": "x", "vector": V, "metadata": {"a": float("nan")}},
    "contents_invalid": {"id": "x", "vector": V, "contents": {"a": 1}},
}


@pytest.mark.parametrize("kind", BAD)
def test_every_kind_of_bad_row_is_a_finding_with_file_row_and_option(kind: str, tmp_path: Path) -> None:
    rows = [*good(3), "", BAD[kind], BAD[kind], *good(2, 3)]
    source = jsonl(tmp_path / "a.jsonl", rows)
    code, text = shown(source, "--json")
    assert code == 1
    (finding,) = json.loads(text)["findings"]
    assert (finding["kind"], finding["count"], finding["file"], finding["row"], finding["line"]) == (
        kind, 2, str(source), 3, 5,
    )  # fmt: skip
    assert "--max-errors N" in finding["option"]
    assert f"2 of 7 rows, the first is {source}, line 5" in finding["text"]
    assert json.loads(text)["rejects"] == {kind: 2}
    code, text = shown(source)
    assert code == 1
    assert text.splitlines()[-2:] == [f"finding   {finding['text']}", f"          {finding['option']}"]


def test_nulls_in_columns_are_found(tmp_path: Path) -> None:
    vectors = pa.array([[1.0, 2.0], None, [3.0, None], [0.0, 0.0]], pa.list_(pa.float32()))
    table = {"id": pa.array(["a", "b", "c", None]), "vector": vectors}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    found = [(one.kind, one.row, one.line) for one in look(tmp_path / "a.parquet").findings]
    assert found == [("id_missing", 3, None), ("vector_missing", 1, None), ("vector_invalid", 2, None)]


def test_without_a_row_that_can_be_loaded_there_is_still_a_result(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a.jsonl", [BAD["vector_zero"]])
    assert "norms     no vector that can be loaded" in shown(source)[1]
    assert look(source).samples == ()


def test_an_undecided_mapping_is_a_finding_behind_what_the_headers_say(tmp_path: Path) -> None:
    table = pa.table({"id": ["a"], "embedding": [[1.0]], "vector": [[1.0]]})
    pq.write_table(table, tmp_path / "two.parquet")
    pq.write_table(pa.table({"id": ["a"], "vector": [[1.0]]}), tmp_path / "one.parquet")
    code, text = shown(tmp_path / "one.parquet", tmp_path / "two.parquet", "--json")
    found = json.loads(text)
    (finding,) = found["findings"]
    assert (code, finding["kind"], finding["file"]) == (1, "mapping", str(tmp_path / "two.parquet"))
    assert "Decide with --vector-column embedding or --vector-column vector." in finding["text"]
    assert "--vector-column" in finding["option"]
    assert [one["rows"] for one in found["sources"]] == [1, 1]
    assert [one["mapping"] for one in found["schemas"]] == [None, None]
    code, text = shown(tmp_path / "two.parquet")
    assert (code, "embedding list<element: double>" in text, "finding" in text) == (1, True, True)


@pytest.mark.parametrize("arguments", [["missing.parquet"], ["x.jsonl"], []])
def test_what_cannot_be_looked_at_is_an_error(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.jsonl").write_text("no json")
    assert shown(*arguments) == (2, "")
    with pytest.raises(SourceNotFoundError):
        look(tmp_path / "missing.parquet")


# Ids that occur again


def pair(finding: Finding) -> tuple[str, int, str | None, int | None]:
    return finding.kind, finding.count, finding.file, finding.row


def test_duplicate_ids_are_found_within_a_file_and_across_files(tmp_path: Path) -> None:
    first = jsonl(tmp_path / "a.jsonl", [*good(5), *good(2)])
    ids = ["x", "r3", "y", "r3"]
    table = {"id": ids, "vector": [row["vector"] for row in good(4)]}
    pq.write_table(pa.table(table), tmp_path / "b.parquet")
    found = look(first, tmp_path / "b.parquet")
    (finding,) = found.findings
    assert pair(finding) == ("duplicate_id", 4, str(first), 5)
    assert f"4 of 11 rows, and the last row of an id wins. The first is 'r0' in {first}, line 6" in finding.text
    assert "--id-column" in finding.option
    assert found.duplicates is not None
    assert [(one["id"], one["first"]["row"], one["again"]["file"], one["again"]["row"], one["again"]["line"])
            for one in found.duplicates["examples"]] == [
        ("r0", 0, str(first), 5, 6), ("r1", 1, str(first), 6, 7),
        ("r3", 3, str(tmp_path / "b.parquet"), 1, None), ("r3", 3, str(tmp_path / "b.parquet"), 3, None),
    ]  # fmt: skip
    code, text = shown(first, tmp_path / "b.parquet")
    assert code == 1
    assert f"'r3': {tmp_path / 'b.parquet'}, row 1, first {first}, line 4" in text


def test_a_rejected_row_is_no_duplicate(tmp_path: Path) -> None:
    rows = [*good(3), {"id": "r0", "vector": [0.0] * 4}]
    assert [one.kind for one in look(jsonl(tmp_path / "a.jsonl", rows)).findings] == ["vector_zero"]


@pytest.mark.parametrize("held", [1_000_000, 3])
def test_the_count_is_exact_though_all_hashes_collide(
    held: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "hash_of", lambda _id: 7)
    monkeypatch.setattr(duplicates, "KEPT_IDS", held)
    assert look(jsonl(tmp_path / "a.jsonl", good(50))).findings == ()
    rows = [*good(50), *good(30, 10), *good(30, 10)]
    found = look(jsonl(tmp_path / "b.jsonl", rows))
    assert [pair(one) for one in found.findings] == [("duplicate_id", 60, str(tmp_path / "b.jsonl"), 50)]
    assert found.duplicates is not None
    assert [one["again"]["row"] for one in found.duplicates["examples"]] == list(range(50, 70))


def test_ids_behind_the_bound_are_said_not_to_be_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "KEPT_HASHES", 8)
    source = jsonl(tmp_path / "a.jsonl", [*good(6), *good(6)])
    found = look(source)
    assert [pair(one) for one in found.findings] == [("duplicate_id", 2, str(source), 6)]
    assert "The 4 rows after them were not compared." in found.findings[0].text
    assert found.duplicates is not None
    assert (found.duplicates["compared"], found.duplicates["not_compared"]) == (8, 4)
    text = shown(jsonl(tmp_path / "b.jsonl", good(12)))[1]
    assert "ids       0 of 8 occur again; the 4 after them were not compared" in text


# Standard input


def test_standard_input_is_inspected() -> None:
    data = "".join(json.dumps(one) + "\n" for one in [*good(4), *good(1)]).encode()
    done = piped("-", "--json", data=data)
    found = json.loads(done.stdout)
    assert (done.returncode, found["rows_looked_at"], found["rows_total"]) == (1, 5, 5), done.stderr
    (finding,) = found["findings"]
    assert (finding["kind"], finding["file"], finding["row"]) == ("duplicate_id", "-", 4)


def test_where_standard_input_is_gone_ids_are_counted_by_their_hashes() -> None:
    rows = [*good(3000), *good(7)]
    data = "".join(json.dumps(one | {"contents": "x" * 1000}) + "\n" for one in rows).encode()
    before = "from cyborg_ingest.sources import streams; streams._HEAD_BYTES = 2_000_000"
    done = piped("-", "--json", "--full", data=data, before=before)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    (finding,) = found["findings"]
    assert (finding["count"], finding["file"], found["duplicates"]["is_exact"]) == (7, None, False)
    assert "Counted by hashes of 64 bits" in finding["text"]


# With an index


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of every index of this test."""
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())


def made(engine: Engine, dimension: int | None = 4, metric: str | None = None, rows: int = 0) -> str:
    with engine.connect() as client, engine.make(client, dimension, metric) as index:
        if rows:
            index.upsert_binary([f"o{row}" for row in range(rows)], np.ones((rows, dimension or 4), np.float32))
        return index.name


@pytest.mark.usefixtures("key")
def test_an_index_that_fits_is_shown(engine: Engine, tmp_path: Path) -> None:
    source, name = jsonl(tmp_path / "a.jsonl", good(5)), made(engine, 4, "euclidean", rows=3)
    found = look(source, index=name, target=engine.target)
    assert found.findings == ()
    assert found.index == {"name": name, "target": engine.target, "dimension": 4, "metric": "euclidean", "rows": 3}
    assert [one for one in found.remarks if "metric euclidean, and the vectors are not normalised" in one]
    code, text = shown(source, "--index", name, "--target", engine.target)
    assert (code, f"index     {name} in {engine.target}: 4 dimensions, metric euclidean, 3 rows" in text) == (0, True)


@pytest.mark.usefixtures("key")
def test_another_dimension_than_the_indexs_is_found(engine: Engine, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((4, 3), np.float32))
    name = made(engine, 4)
    code, text = shown(tmp_path / "a.npy", "--index", name, "--target", engine.target, "--json")
    (finding,) = json.loads(text)["findings"]
    assert (code, finding["kind"]) == (1, "index_dimension")
    assert finding["text"] == f"The vectors have 3 dimensions, index {name!r} has 4: another model or column?"
    assert "--vector-column" in finding["option"]
    lines = jsonl(tmp_path / "a.jsonl", good(4, dimension=3))  # no header says a dimension: each row is compared
    (rows,) = look(lines, index=name, target=engine.target).findings
    assert (rows.kind, rows.count, rows.row) == ("vector_dimension", 4, 0)


@pytest.mark.usefixtures("key")
def test_a_missing_index_is_a_finding_and_the_files_are_looked_at(engine: Engine, tmp_path: Path) -> None:
    found = look(jsonl(tmp_path / "a.jsonl", good(5)), index="no-such", target=engine.target)
    assert (found.rows_looked_at, found.index) == (5, None)
    assert [(one.kind, one.option) for one in found.findings] == [
        ("index_missing", "--create makes it, --index names another")
    ]


def test_a_key_that_does_not_open_is_a_finding(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, name = jsonl(tmp_path / "a.jsonl", good(5)), made(engine)
    for wrong in ("11" * 32, "no key"):
        monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", wrong)
        (finding,) = look(source, index=name, target=engine.target).findings
        assert (finding.kind, wrong in finding.text) == ("index_key", False)
        assert "--index-key-file" in finding.option


def test_a_target_that_is_gone_is_a_finding_and_none_is_an_error(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a.jsonl", good(5))
    (finding,) = look(source, index="i", target="http://127.0.0.1:9", retries=0).findings
    assert finding.kind == "index_unreachable"
    assert shown(source, "--index", "i") == (2, "")


@pytest.mark.usefixtures("key")
def test_too_little_room_is_a_finding(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "FREE_TIER_ROWS", 7)
    for held in (0, 3):
        name = made(engine, rows=held)
        assert look(jsonl(tmp_path / "a.jsonl", good(4)), index=name, target=engine.target).findings == ()
        code, text = shown(jsonl(tmp_path / "b.jsonl", good(8)), "--index", name, "--target", engine.target, "--json")
        (finding,) = json.loads(text)["findings"]
        assert (code, finding["kind"]) == (1, "cap")
        assert f"{held} rows are in the index and 8 are to be loaded" in finding["text"]
        assert "--limit" in finding["option"]


# A dry run


def dry_run(*sources: Path, **options: Any) -> RunReport:
    return run(LoadSettings(sources=tuple(map(str, sources)), index="i", dry_run=True, create=True, **options))


def test_a_dry_run_finds_what_inspect_finds_in_the_same_rows(engine: Engine, tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a.jsonl", [*good(5), *BAD.values(), *good(3)])
    for limit in (None, 7, 5):
        report = dry_run(source, target=engine.target, limit=limit)
        found = look(source, full=True, limit=limit).to_dict()
        assert report.findings == found["findings"]
        assert report.to_dict()["findings"] == found["findings"]
        assert (report.status, report.exit_code) == ("dry_run", 1 if found["findings"] else 0)
        assert report.rejects == found["rejects"]
    assert report.findings == []


@pytest.mark.usefixtures("key")
def test_a_dry_run_compares_with_the_index_too(engine: Engine, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((4, 3), np.float32))
    name = made(engine, 4)
    settings = LoadSettings(sources=(str(tmp_path / "a.npy"),), index=name, target=engine.target, dry_run=True)
    report = run(settings)
    assert report.exit_code == 1
    found = look(tmp_path / "a.npy", index=name, target=engine.target)
    assert report.findings == [one.to_dict() for one in found.findings]


def test_a_dry_run_ends_with_its_findings_and_says_where_a_load_would_stop(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a.jsonl", [*good(2), BAD["vector_zero"], BAD["id_missing"]])
    arguments = [
        "upsert",
        str(source),
        "--index",
        "i",
        "--target",
        f"disk:{tmp_path / 'data'}",
        "--create",
        "--dry-run",
    ]
    for allowed, stops in (("0", True), ("1", True), ("2", False)):
        done = CliRunner().invoke(cli.app, [*arguments, "--max-errors", allowed])
        assert done.exit_code == 1
        lines = done.stderr.splitlines()
        assert lines[-5] == "checked   2 of 4 rows can be loaded; nothing was sent (--dry-run)"
        assert [line[:10] for line in lines[-4:]] == ["finding   ", " " * 10] * 2
        stop = f"note      A load would stop: 2 rows are bad, and --max-errors is {allowed}."
        assert (stop in lines) is stops


def test_a_load_reports_no_findings(tmp_path: Path) -> None:
    report = cyborg_ingest.load(
        [jsonl(tmp_path / "a.jsonl", [*good(2), *good(1)])], index="i", target=f"disk:{tmp_path / 'data'}", create=True
    )
    assert (report.exit_code, report.to_dict()["findings"]) == (0, [])
