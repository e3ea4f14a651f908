"""Metadata that is nested too deeply is its row's fault, at any depth and in every format."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cyborg_ingest
from cyborg_ingest.errors import ArgumentError, FormatError
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.values import MAX_DEPTH, canonical, dump_object, dump_objects, load_json, plain_json
from cyborg_ingest.settings.options import SourceSettings
from cyborg_ingest.targets.arguments import checked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

DEPTHS = [201, 500, 900, 1020, 1030, 5000, 100_000]
"""Around what orjson writes (254) and reads (1,024), and what Python's stack takes (1,000)."""


def text(depth: int, kind: str) -> str:
    """An object that is nested so deep."""
    pair = {"objects": "{{", "arrays": "[[", "both": "[{"}[kind]
    signs = (pair * depth)[: depth - 1]
    ends = {"{": "}", "[": "]"}
    begin = "".join('{"a":' if sign == "{" else sign for sign in signs)
    return '{"a":' + begin + "1" + "".join(ends[sign] for sign in reversed(signs)) + "}"


def value(depth: int) -> dict[str, Any]:
    found: Any = 1
    for _ in range(depth):
        found = {"a": found}
    return dict(found)


def row(identity: str, metadata: str) -> str:
    return f'{{"id": "{identity}", "vector": [1, 2], "metadata": {metadata}}}'


def as_jsonl(folder: Path, texts: list[str]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(row(f"i{place}", one) + "\n" for place, one in enumerate(texts)))
    return path


def as_json(folder: Path, texts: list[str]) -> Path:
    path = folder / "rows.json"
    path.write_text("[" + ",".join(row(f"i{place}", one) for place, one in enumerate(texts)) + "]")
    return path


def as_csv(folder: Path, texts: list[str]) -> Path:
    path = folder / "rows.csv"
    quoted = [one.replace('"', '""') for one in texts]
    path.write_text("id,vector,metadata\n" + "".join(f'i{at},"[1, 2]","{one}"\n' for at, one in enumerate(quoted)))
    return path


def as_parquet(folder: Path, texts: list[str]) -> Path:
    path = folder / "rows.parquet"
    vectors = [[1.0, 2.0]] * len(texts)
    pq.write_table(pa.table({"id": [f"i{at}" for at in range(len(texts))], "vector": vectors, "metadata": texts}), path)
    return path


def as_sidecar(folder: Path, texts: list[str]) -> Path:
    np.save(folder / "rows.npy", np.ones((len(texts), 2), np.float32))
    (folder / "metadata.jsonl").write_text("".join(one + "\n" for one in texts))
    return folder / "rows.npy"


@pytest.mark.parametrize("kind", ["objects", "arrays", "both"])
@pytest.mark.parametrize("write", [as_jsonl, as_json, as_csv, as_parquet, as_sidecar])
def test_a_row_that_is_nested_too_deeply_is_rejected_and_the_others_are_loaded(
    write: Callable[[Path, list[str]], Path], kind: str, engine: Engine, tmp_path: Path
) -> None:
    deepest = 198  # inside of the row's own object
    path = write(tmp_path, [text(deepest, kind), *(text(depth, kind) for depth in DEPTHS), '{"b": 1}'])
    options: dict[str, Any] = {"metadata": tmp_path / "metadata.jsonl"} if path.suffix == ".npy" else {}
    index = engine.name()
    report = cyborg_ingest.load(
        path, index=index, target=engine.target, create=True, max_errors=str(len(DEPTHS)),
        max_row_bytes=100_000_000, **options,
    )  # fmt: skip
    assert report.exit_code == 1
    assert sum(report.rejects.values()) == len(DEPTHS)
    assert set(report.rejects) <= {"unparsable", "metadata_invalid"}
    first, last = ("0", str(len(DEPTHS) + 1)) if path.suffix == ".npy" else ("i0", f"i{len(DEPTHS) + 1}")
    found = engine.read(index, [first, last])
    assert {one: found[one].metadata for one in (first, last)} == {
        first: json.loads(text(deepest, kind)), last: {"b": 1}
    }  # fmt: skip


@pytest.mark.parametrize("depth", DEPTHS)
def test_values_of_python_that_are_nested_too_deeply_are_an_argument_error(depth: int) -> None:
    with pytest.raises(ValueError, match=f"deeper than {MAX_DEPTH} levels"):
        plain_json(value(depth))
    for write in (dump_object, lambda one: dump_objects([one, None]), lambda one: canonical(one, None)):
        if depth > 254:
            with pytest.raises(ValueError, match=f"deeper than {MAX_DEPTH} levels"):
                write(value(depth))
    with pytest.raises(ArgumentError, match="metadata 0: it is nested deeper"):
        checked(["a"], np.ones((1, 2), np.float32), [value(depth)], None)
    with pytest.raises(ValueError, match="deeper than"):
        load_json(b"[" * depth + b"]" * depth)


@pytest.mark.parametrize("depth", [1, 100, MAX_DEPTH - 1, MAX_DEPTH])
def test_what_is_nested_less_deeply_is_taken_as_it_is(depth: int) -> None:
    assert plain_json(value(depth)) == value(depth)
    assert json.loads(dump_object(value(depth))) == value(depth)
    assert load_json(b"[" * depth + b"]" * depth) == json.loads("[" * depth + "]" * depth)


def is_read_by_arrow(path: Path) -> bool:
    try:
        return pq.ParquetFile(path).metadata.num_rows == 1
    except (OSError, pa.ArrowException):
        return False


@pytest.mark.parametrize("depth", [120, 250, 900])
@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows"])
def test_a_type_that_is_nested_too_deeply_is_refused_before_a_row_is_read(
    suffix: str, depth: int, tmp_path: Path
) -> None:
    kind = pa.int64()
    for _ in range(depth):
        kind = pa.struct([("a", kind)])
    table = pa.table({"id": ["a"], "vector": [[1.0, 2.0]], "metadata": pa.nulls(1, kind)})
    path = tmp_path / f"rows.{suffix}"
    if suffix == "parquet":
        pq.write_table(table, path)
    else:
        new = pa.ipc.new_stream if suffix == "arrows" else pa.ipc.new_file
        try:
            with new(path, table.schema) as out:
                out.write_table(table)
        except pa.ArrowInvalid:  # it writes no such thing; the schema is there, without a batch
            pass
    if suffix == "parquet" and depth < MAX_DEPTH and is_read_by_arrow(path):  # a release without a limit of its own
        assert make_plan((str(path),), SourceSettings()).rows == 1
        return
    with pytest.raises(FormatError, match=r"nested|depth|Verification|cut short"):
        make_plan((str(path),), SourceSettings())
