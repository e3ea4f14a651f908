"""Vectors that other programs write as text or bytes are read bit by bit; what is none of them is its row's fault."""

from __future__ import annotations

import base64
import csv
import json
import struct
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pgvector import HalfVector, Vector

from cyborg_ingest.check.inspecting import inspect
from cyborg_ingest.errors import MappingError
from cyborg_ingest.plan.job import describe_job
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.plan.telling import planned
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.settings.options import InspectSettings, SourceSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from cyborg_ingest.model import Rejection

ROWS = 130
"""More than what the sample looks at."""
VECTORS = np.random.default_rng(12).standard_normal((ROWS, 24)).astype(np.float32)
UNIT = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
IDS = [f"k{row}" for row in range(ROWS)]
CUTTING = Cutting(50, 1_000_000, encoded=False)


class Read:
    """What is loaded of a file, and what is said of its vectors."""

    def __init__(self, path: Path, **settings: Any) -> None:
        plan = make_plan((str(path),), SourceSettings(**settings))
        batches = list(cut(plan.chunks(40), plan.dimension, CUTTING))
        self.ids = [identity for batch in batches for identity in batch.ids]
        self.vectors = np.concatenate([batch.vectors for batch in batches if len(batch)])
        self.rejections: list[Rejection] = [one for batch in batches for one in batch.rejections]
        self.words = planned(plan, "target", "index").sources[0].roles["vector"]


def parquet(path: Path, column: Any, ids: Sequence[str] = IDS) -> Path:
    pq.write_table(pa.table({"id": ids, "embedding": column}), path)
    return path


def cells(path: Path, column: Iterable[str]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "embedding"), *zip(IDS, column, strict=True)])
    return path


def lines(path: Path, column: Iterable[Any]) -> Path:
    path.write_text(
        "".join(f"{json.dumps({'id': one, 'embedding': value})}\n" for one, value in zip(IDS, column, strict=True))
    )
    return path


def as_text(sign: str, begin: str, end: str) -> list[str]:
    return [begin + sign.join(repr(float(one)) for one in row) + end for row in VECTORS]


def numpy_text() -> list[str]:
    with np.printoptions(floatmode="unique", threshold=10_000):
        return [str(row) for row in VECTORS]


TEXTS: dict[str, tuple[Callable[[], list[str]], str]] = {
    "pgvector": (lambda: [Vector(row).to_text() for row in VECTORS], "text, [..]"),
    "PostgreSQL": (lambda: as_text(",", "{", "}"), "text, {..}"),
    "JSON": (lambda: [json.dumps(row.astype(float).tolist()) for row in VECTORS], "text, [..]"),
    "JSON of one list": (lambda: [json.dumps([row.astype(float).tolist()]) for row in VECTORS], "text, [..]"),
    "NumPy's print": (numpy_text, "text, [.. ..]"),
    "a list of NumPy's numbers": (lambda: [str(list(row)) for row in VECTORS], "text, [..]"),
    "spaces": (lambda: as_text(" ", "", ""), "text, .. .."),
    "commas": (lambda: as_text(",", "", ""), "text, ..,.."),
    "decimal commas": (lambda: [one.replace(".", ",") for one in as_text("; ", "[", "]")], "text, [..;..]"),
}


@pytest.mark.parametrize("written", TEXTS)
@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_text_is_read_as_the_numbers_that_were_written(tmp_path: Path, written: str, suffix: str) -> None:
    make, words = TEXTS[written]
    write = {"parquet": parquet, "csv": cells, "jsonl": lines}[suffix]
    found = Read(write(tmp_path / f"rows.{suffix}", make()))
    assert found.vectors.tobytes() == VECTORS.tobytes()
    assert (found.ids, found.rejections) == (IDS, [])
    is_own = suffix == "csv" and written in {"pgvector", "JSON"}  # a CSV's own way
    assert found.words == (("embedding",) if is_own else (f"embedding: {words}",))


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()), pa.binary()]
)
def test_text_is_read_from_every_type_that_arrow_has_for_it(tmp_path: Path, kind: pa.DataType) -> None:
    column = pa.array(as_text(",", "[", "]"))
    column = column.dictionary_encode() if pa.types.is_dictionary(kind) else column.cast(kind)
    assert Read(parquet(tmp_path / "rows.parquet", column)).vectors.tobytes() == VECTORS.tobytes()
    with pa.ipc.new_file(tmp_path / "rows.arrow", pa.schema({"id": pa.string(), "embedding": kind})) as file:
        file.write_table(pa.table({"id": IDS, "embedding": column}))
    assert Read(tmp_path / "rows.arrow").vectors.tobytes() == VECTORS.tobytes()


BYTES = {"binary": pa.binary(), "fixed": pa.binary(96), "large": pa.large_binary(), "views": pa.binary_view()}


@pytest.mark.parametrize("kind", BYTES.values(), ids=BYTES)
def test_blobs_are_float32_and_that_is_said(tmp_path: Path, kind: pa.DataType) -> None:
    blobs = [struct.pack(f"<{len(row)}f", *row) for row in VECTORS]  # as the `llm` tool and sqlite-vec write them
    found = Read(parquet(tmp_path / "rows.parquet", pa.array(blobs, kind)))
    assert found.vectors.tobytes() == VECTORS.tobytes()
    assert found.words == ("embedding: float32 in bytes (f32le)",)
    dimension = make_plan((str(tmp_path / "rows.parquet"),), SourceSettings()).dimension
    assert dimension == (24 if pa.types.is_fixed_size_binary(kind) else None)


@pytest.mark.parametrize(("name", "dtype"), [("f32be", ">f4"), ("f16le", "<f2"), ("f64le", "<f8")])
def test_other_numbers_in_bytes_are_asked_for_and_never_guessed(tmp_path: Path, name: str, dtype: str) -> None:
    path = parquet(tmp_path / "rows.parquet", [row.astype(dtype).tobytes() for row in UNIT])
    with pytest.raises(MappingError, match=f"decide with --vector-encoding {name}"):
        Read(path)
    found = Read(path, vector_encoding=name)
    assert found.vectors.tobytes() == UNIT.astype(dtype).astype("<f4").tobytes()


@pytest.mark.parametrize("kind", [pa.list_(pa.uint8()), pa.large_list(pa.uint8()), pa.list_(pa.uint8(), 48)])
def test_lists_of_bytes_are_numbers_unless_an_encoding_is_said(tmp_path: Path, kind: pa.DataType) -> None:
    half = [np.frombuffer(row.astype("<f2").tobytes(), np.uint8) for row in UNIT]  # as Milvus' BulkWriter has it
    column = [None if row == 3 else one.tolist() for row, one in enumerate(half)]
    path = parquet(tmp_path / "rows.parquet", pa.array(column, kind))
    found = Read(path, vector_encoding="f16le")
    assert found.vectors.tobytes() == np.delete(UNIT, 3, axis=0).astype("f2").astype("f4").tobytes()
    assert [(one.row, one.reason.value) for one in found.rejections] == [(3, "vector_missing")]
    assert found.words == ("embedding: float16 in bytes (f16le)",)
    assert Read(path).vectors.tobytes() == np.delete(half, 3, axis=0).astype("f4").tobytes()


def test_base64_is_of_float32_as_openai_writes_it(tmp_path: Path) -> None:
    texts = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in VECTORS]
    for path in (lines(tmp_path / "a.jsonl", texts), cells(tmp_path / "b.csv", texts), parquet(tmp_path / "c", texts)):
        found = Read(path, format="parquet" if path.name == "c" else None)
        assert found.vectors.tobytes() == VECTORS.tobytes()
        assert found.words == ("embedding: base64 of float32",)
    double = [base64.b64encode(row.astype("<f8").tobytes()).decode() for row in VECTORS]
    assert Read(lines(tmp_path / "d.jsonl", double), vector_encoding="f64le").vectors.tobytes() == VECTORS.tobytes()


def test_text_at_the_end_of_a_path_is_read(tmp_path: Path) -> None:
    texts = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in VECTORS]
    path = lines(tmp_path / "rows.jsonl", [{"data": [{"embedding": one, "index": 0}]} for one in texts])
    found = Read(path, vector_column="embedding.data[0].embedding")
    assert found.vectors.tobytes() == VECTORS.tobytes()
    path = parquet(tmp_path / "rows.parquet", [{"v": one, "n": 1} for one in as_text(",", "[", "]")])
    assert Read(path, vector_column="embedding.v").vectors.tobytes() == VECTORS.tobytes()


def test_bytes_as_postgresql_prints_them_are_read(tmp_path: Path) -> None:
    found = Read(cells(tmp_path / "rows.csv", ["\\x" + row.tobytes().hex() for row in VECTORS]))
    assert found.vectors.tobytes() == VECTORS.tobytes()
    assert found.words == ("embedding: hexadecimal digits of float32",)


@pytest.mark.parametrize("inner", [pa.list_(pa.float32()), pa.list_(pa.float64()), pa.list_(pa.float32(), 24)])
def test_a_list_of_one_list_is_a_vector(tmp_path: Path, inner: pa.DataType) -> None:
    column = pa.array([None if row == 7 else [vector.tolist()] for row, vector in enumerate(VECTORS)], pa.list_(inner))
    found = Read(parquet(tmp_path / "rows.parquet", column))
    assert found.vectors.tobytes() == np.delete(VECTORS, 7, axis=0).tobytes()
    assert [one.row for one in found.rejections] == [7]
    assert found.words == ("embedding: a list of one list",)
    found = Read(lines(tmp_path / "rows.jsonl", [[vector.tolist()] for vector in VECTORS]))
    assert found.vectors.tobytes() == VECTORS.tobytes()


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_several_vectors_a_row_are_refused_and_a_late_row_of_several_is_rejected(tmp_path: Path, suffix: str) -> None:
    write = {"parquet": parquet, "jsonl": lines}[suffix]
    with pytest.raises(MappingError, match="several vectors"):
        Read(write(tmp_path / f"all.{suffix}", [[vector.tolist()] * 3 for vector in VECTORS]))
    column = [[vector.tolist()] * (2 if row == 120 else 1) for row, vector in enumerate(VECTORS)]
    found = Read(write(tmp_path / f"late.{suffix}", column), vector_encoding="auto")
    (late,) = found.rejections
    assert (late.row, late.detail) == (120, "the vector is a list of 2 lists, not of one")
    assert found.vectors.tobytes() == np.delete(VECTORS, 120, axis=0).tobytes()


LATE = {
    "[1,2": "vector_invalid: the vector begins with [ and does not end with ]: '[1,2'",
    "[1, 2, 3]": "vector_dimension: the vector has 3 dimensions, not 24",
    "[1,,2]": "vector_invalid: the vector holds nothing at position 1: '[1,,2]'",
    "[1_0, 2]": "vector_invalid: the vector holds '1_0' at position 0, which is not a number: '[1_0, 2]'",
    "[0.1 0.2 ... 0.3]": "vector_invalid: the vector leaves numbers out ('...' at position 2), as NumPy prints long "
    "arrays: '[0.1 0.2 ... 0.3]'",
    "{NULL,1}": "vector_invalid: the vector holds a null at position 0: '{NULL,1}'",
    "[" + "nan," * 23 + "1]": "vector_not_finite: the vector holds nan at position 0",
    "[" + "1e400," * 23 + "1]": "vector_overflow: the vector holds 1.7976931348623157e+308 at position 0, beyond "
    "float32",
    "[" + "0," * 23 + "0]": "vector_zero: the vector is all zeros, which the engine loads and never gives back",
}


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_a_later_row_that_is_no_such_text_is_rejected_by_itself_and_loads_once_mended(
    tmp_path: Path, suffix: str
) -> None:
    column = as_text(",", "{", "}")
    for row, text in enumerate(LATE, 110):
        column[row] = text
    found = Read({"parquet": parquet, "csv": cells, "jsonl": lines}[suffix](tmp_path / f"rows.{suffix}", column))
    assert [f"{one.reason.value}: {one.detail}" for one in found.rejections] == list(LATE.values())
    kept = [row for row in range(ROWS) if not 110 <= row < 110 + len(LATE)]
    assert found.vectors.tobytes() == VECTORS[kept].tobytes()
    assert [one.row for one in found.rejections] == [*range(110, 110 + len(LATE))]
    assert (found.rejections[0].record or {})["vector"] == "[1,2"
    mended = [
        {**(one.record or {}), "vector": text}
        for one, text in zip(found.rejections, as_text(",", "[", "]"), strict=False)
    ]
    mended[1]["vector"] = VECTORS[1].tolist()  # text and lists beside each other
    path = tmp_path / "rejected.jsonl"
    path.write_text("".join(f"{json.dumps(one)}\n" for one in mended))
    again = Read(path)
    assert again.ids == IDS[110 : 110 + len(LATE)]
    assert again.vectors.tobytes() == VECTORS[: len(LATE)].tobytes()


def test_bytes_of_another_length_are_rejected_and_null_is_missing(tmp_path: Path) -> None:
    blobs: list[bytes | None] = [row.tobytes() for row in VECTORS]
    blobs[110:114] = [b"abc", b"", None, VECTORS[0, :5].tobytes()]
    found = Read(parquet(tmp_path / "rows.parquet", blobs))
    assert [(one.row, one.reason.value, one.detail) for one in found.rejections] == [
        (110, "vector_invalid", "the vector is 3 bytes, no multiple of the 4 that a number has"),
        (111, "vector_invalid", "the vector is empty"),
        (112, "vector_missing", "the vector is null"),
        (113, "vector_dimension", "the vector has 5 dimensions, not 24"),
    ]
    assert found.vectors.tobytes() == np.delete(VECTORS, range(110, 114), axis=0).tobytes()
    assert (found.rejections[0].record or {})["vector"] == base64.b64encode(b"abc").decode()


def test_base64_of_another_length_is_rejected_in_the_same_words(tmp_path: Path) -> None:
    texts = [base64.b64encode(row.tobytes()).decode() for row in VECTORS]
    texts[110:112] = [base64.b64encode(b"abc").decode(), ""]
    found = Read(lines(tmp_path / "rows.jsonl", texts), vector_encoding="base64")
    assert [(one.row, one.reason.value, one.detail.partition(":")[0]) for one in found.rejections] == [
        (110, "vector_invalid", "the vector is 3 bytes, no multiple of the 4 that a number has"),
        (111, "vector_invalid", "the vector is empty text"),
    ]
    assert found.vectors.tobytes() == np.delete(VECTORS, range(110, 112), axis=0).tobytes()


NO_NUMBERS: dict[str, tuple[Any, str]] = {
    "packed bits": ([np.random.default_rng(row).bytes(128) for row in range(ROWS)], "Packed bits"),
    "hashes": ([np.random.default_rng(row).bytes(32).hex() for row in range(ROWS)], "which is not a number"),
    ".npy files": ([b"\x93NUMPY" + bytes(122) + row.tobytes() for row in VECTORS], r"a \.npy file"),
    "pgvector's binary form": ([Vector(row).to_binary() for row in VECTORS], "embedding::real"),
    "nothing": (pa.nulls(ROWS, pa.string()), "No row that was looked at holds one"),
    "a bad row": (["[1,2"] + ["[1,2]"] * (ROWS - 1), "Most are text of vectors: --vector-encoding text"),
    "odd bytes": ([b"abc"] + [row.tobytes() for row in VECTORS[1:]], "not a multiple of 4.*--vector-encoding f32le"),
}


@pytest.mark.parametrize("kind", NO_NUMBERS)
def test_what_is_no_vector_is_refused_before_a_row_is_loaded(tmp_path: Path, kind: str) -> None:
    column, words = NO_NUMBERS[kind]
    with pytest.raises(MappingError, match=words):
        Read(parquet(tmp_path / "rows.parquet", column))


@pytest.mark.parametrize("name", ["emb_ubinary", "embedding_binary"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_packed_bits_in_lists_are_never_read_as_numbers(tmp_path: Path, name: str, dtype: type[np.generic]) -> None:
    bits = np.packbits(VECTORS > 0, axis=1).astype(dtype)
    column = pa.array(bits.tolist(), pa.list_(pa.from_numpy_dtype(dtype)))
    pq.write_table(pa.table({"id": IDS, name: column, "vector": VECTORS.tolist()}), tmp_path / "rows.parquet")
    with pytest.raises(MappingError, match=f"'{name}' is named like packed bits"):
        Read(tmp_path / "rows.parquet", vector_column=name)
    assert Read(tmp_path / "rows.parquet").vectors.tobytes() == VECTORS.tobytes()


def test_what_the_user_says_is_believed_unless_no_row_is_so(tmp_path: Path) -> None:
    bad = ["[1,2", *as_text(",", "[", "]")[1:]]
    found = Read(parquet(tmp_path / "rows.parquet", bad), vector_encoding="text")
    assert [one.row for one in found.rejections] == [0]
    with pytest.raises(MappingError, match="One is not base64"):
        Read(tmp_path / "rows.parquet", vector_encoding="base64")


def test_the_encoding_is_part_of_the_job_and_a_job_without_one_keeps_its_name() -> None:
    plain = describe_job("disk:x", "i", ("a",), SourceSettings())
    assert "vector_encoding" not in plain
    assert describe_job("disk:x", "i", ("a",), SourceSettings(vector_encoding="f16le")) == {
        **plain, "vector_encoding": "f16le",
    }  # fmt: skip


def test_text_of_pgvector_that_duckdb_pandas_and_polars_pass_on_is_read(tmp_path: Path) -> None:
    texts = [Vector(row).to_text() for row in VECTORS]
    half = [HalfVector(row).to_text() for row in VECTORS]
    frame = pd.DataFrame({"id": IDS, "embedding": texts})
    frame.to_parquet(tmp_path / "pandas.parquet")
    table = duckdb.from_df(frame)
    pl.DataFrame({"id": IDS, "embedding": half}).write_parquet(tmp_path / "polars.parquet")
    table.write_parquet(str(tmp_path / "duckdb.parquet"))
    table.write_csv(str(tmp_path / "duckdb.csv"))
    for name in ("pandas.parquet", "duckdb.parquet", "duckdb.csv"):
        assert Read(tmp_path / name).vectors.tobytes() == VECTORS.tobytes(), name
    assert Read(tmp_path / "polars.parquet").vectors.tobytes() == VECTORS.astype("f2").astype("f4").tobytes()


def test_pandas_csv_of_numpy_vectors_is_read(tmp_path: Path) -> None:
    with np.printoptions(floatmode="unique"):
        pd.DataFrame({"id": IDS, "embedding": list(VECTORS)}).to_csv(tmp_path / "rows.csv", index=False)
    found: npt.NDArray[np.float32] = Read(tmp_path / "rows.csv").vectors
    assert found.tobytes() == VECTORS.tobytes()


def test_inspect_names_the_encoding_beside_the_type_in_the_file(tmp_path: Path) -> None:
    path = parquet(tmp_path / "rows.parquet", [row.tobytes() for row in VECTORS])
    (schema,) = inspect(InspectSettings(sources=(str(path),))).schemas
    assert schema.columns == (("id", "string"), ("embedding", "binary"))
    assert (schema.mapping or {})["vector"] == ["embedding: float32 in bytes (f32le)"]


def test_a_name_of_a_later_tier_does_not_hide_text_that_has_one_of_the_first(tmp_path: Path) -> None:
    columns = {"id": IDS, "embedding": as_text(",", "[", "]"), "dense": (VECTORS * 2).tolist()}
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    assert Read(tmp_path / "rows.parquet").vectors.tobytes() == VECTORS.tobytes()
    pq.write_table(pa.table({**columns, "embedding": IDS}), tmp_path / "words.parquet")
    assert Read(tmp_path / "words.parquet").vectors.tobytes() == (VECTORS * 2).tobytes()


def test_files_that_are_alike_are_looked_into_until_some_agree(tmp_path: Path) -> None:
    forms = [as_text(",", "[", "]"), as_text(",", "{", "}"), as_text(",", "[", "]")]
    for number, column in enumerate([*forms, *forms[:1] * 6]):
        parquet(tmp_path / f"{number}.parquet", column, [f"{number}-{one}" for one in IDS])
    plan = make_plan((str(tmp_path),), SourceSettings())
    words = [one.roles["vector"] for one in planned(plan, "target", "index").sources]
    assert words == [(f"embedding: text, {form}",) for form in ("[..]", "{..}", *["[..]"] * 7)]
    found = np.concatenate([batch.vectors for batch in cut(plan.chunks(40), plan.dimension, CUTTING)])
    assert found.tobytes() == VECTORS.tobytes() * 9


def test_a_sample_and_a_condition_choose_encoded_rows_too(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"id": IDS, "n": range(ROWS), "v": as_text(",", "[", "]")}), tmp_path / "rows.parquet"
    )  # fmt: skip
    found = Read(tmp_path / "rows.parquet", vector_column="v", where="n >= 100", sample=9, metadata_columns=("n",))
    places = [int(one[1:]) for one in found.ids]
    assert len(places) == 9
    assert min(places) >= 100
    assert found.vectors.tobytes() == VECTORS[places].tobytes()
