"""Every format: written by its own library, read by another one. A new format is a line in `FORMATS`."""

from __future__ import annotations

import csv
import functools
import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb
import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from reading_table import CONTENTS, DIMENSION, IDS, METADATA, ROWS, VECTORS, Type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Columns = dict[str, list[Any]]


@dataclass(frozen=True)
class File:
    """What one file holds: for each column its type and the values that are written."""

    types: dict[str, Type]
    written: Columns

    def only(self, *names: str) -> File:
        """Some columns of it."""
        return File({name: self.types[name] for name in names}, {name: self.written[name] for name in names})

    @property
    def fields(self) -> list[str]:
        """The columns that become metadata."""
        return [name for name in self.types if name not in {"id", "vector", "text"}]


@dataclass(frozen=True)
class Case:
    """Something to load: paths or objects, and what another library says that it holds."""

    source: Any
    found: Columns
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """How a format is written by the `library`, whose types it has but for those that it `lacks`, and who reads it.

    `reader` "" is nobody: then what was written is expected. `sidecars` writes what stands in other files, and gives
    the options that name them; `roles` has the library of each column that is not of the format's own.
    """

    library: str
    write: Callable[[Path, File], Any]
    reader: str = ""
    read: Callable[[Any], Columns] = lambda _: {}
    suffix: str = ""
    is_json: bool = False
    lacks: frozenset[str] = frozenset()
    dtype: Any = None
    sidecars: Callable[[Path, File], tuple[dict[str, Any], Columns]] | None = None
    roles: dict[str, str] = field(default_factory=dict)

    def cases(self, folder: Path) -> Iterator[Case]:
        """Files in which every type of every role occurs; the first one has all of the metadata."""
        for number, one in enumerate(self._files()):
            stem = folder / f"{number:02}"
            source = self.write(stem.with_suffix(self.suffix), one)
            found = self.read(source)
            options: dict[str, Any] = {}
            if self.sidecars is not None:
                options, more = self.sidecars(stem, one)
                found |= more
            assert not self.reader or found.keys() == one.types.keys()
            yield Case(source, {**one.written, **found}, options)

    def _files(self) -> Iterator[File]:
        tables = {"id": IDS, "vector": VECTORS, "text": CONTENTS, "": METADATA}
        held = {role: [kind for kind in table if self._holds(role, kind)] for role, table in tables.items()}
        metadata = {kind.name: kind for kind in held.pop("")}
        for number in range(max(map(len, held.values()))):
            types = {role: kinds[number % len(kinds)] for role, kinds in held.items() if kinds}
            types |= metadata if not number else {}
            yield File(types, {name: self._values(name, kind, number * ROWS) for name, kind in types.items()})

    def _library(self, role: str) -> str:
        return self.roles.get(role, self.library)

    def _holds(self, role: str, kind: Type) -> bool:
        library = self._library(role)
        is_there = library and getattr(kind, library) not in (None, False) and kind.name not in self.lacks
        is_read = not self.reader or self.reader not in kind.unread
        is_read = is_read and (kind.json or not self.is_json) and (kind.csv or self.reader != "csv")
        return bool(is_there and is_read and (role != "vector" or self.dtype in (None, kind.numpy)))

    def _values(self, role: str, kind: Type, first: int) -> list[Any]:
        found = kind.rows(first)
        if self._library(role if role in {"id", "vector", "text"} else "") == "numpy":  # which has no nulls
            return [next(one for one in found if one is not None) if value is None else value for value in found]
        return found


# Columns of each library


def arrow_array(kind: pa.DataType, values: list[Any]) -> pa.Array:
    """As pyarrow makes them; some types only by way of another."""
    if kind == pa.uuid():
        return pa.array([None if one is None else one.bytes for one in values], pa.binary(16)).cast(kind)
    if kind == pa.list_(pa.uuid()):
        items = [value and [one and one.bytes for one in value] for value in values]
        return pa.array(items, pa.list_(pa.binary(16))).cast(kind)
    if isinstance(kind, pa.FixedShapeTensorType):
        return pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))
    if pa.types.is_run_end_encoded(kind):
        return pc.run_end_encode(pa.array(values, kind.value_type))
    if pa.types.is_map(kind):
        return pa.array([None if one is None else list(one.items()) for one in values], kind)
    if kind in {pa.float16(), pa.list_(pa.float16())}:
        values = [np.array(one, np.float16) if isinstance(one, list) else one and np.float16(one) for one in values]
    return pa.array(values, kind)


def arrow_table(file: File) -> pa.Table:
    """The file as a Table, in two chunks that are slices of others."""
    arrays = {name: arrow_array(kind.arrow, file.written[name]) for name, kind in file.types.items()}
    return pa.table({name: pa.chunked_array([array[:2], array[2:]]) for name, array in arrays.items()})


def polars_frame(file: File) -> pl.DataFrame:
    return pl.DataFrame([pl.Series(name, file.written[name], kind.polars) for name, kind in file.types.items()])


def pandas_frame(file: File) -> pd.DataFrame:
    found = {}
    for name, kind in file.types.items():
        values = file.written[name]
        if name == "vector" and kind.pandas is not object:
            values = [np.array(one, kind.pandas) for one in values]
        found[name] = pd.Series(values, dtype=object if name == "vector" else kind.pandas)
    return pd.DataFrame(found)


def listed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with lists for arrays: those have no form as text that is theirs alone."""
    return frame.assign(vector=[list(map(float, one)) for one in frame["vector"]])


def duckdb_relation(file: File) -> duckdb.DuckDBPyRelation:
    plain = {name: kind.arrow or pa.string() for name, kind in file.types.items()}
    table = pa.table({name: arrow_array(kind, file.written[name]) for name, kind in plain.items()})
    casts = (
        f'"{name}"::{kind.duckdb} AS "{name}"' if kind.duckdb else f'"{name}"' for name, kind in file.types.items()
    )
    return _database().from_arrow(table).project(", ".join(casts))


def numpy_array(kind: Type, values: list[Any]) -> np.ndarray[Any, Any]:
    return np.array(values, kind.numpy)


def json_rows(file: File) -> list[dict[str, Any]]:
    return [{name: values[row] for name, values in file.written.items()} for row in range(ROWS)]


# Writers: each returns what is loaded


def _parquet(**options: Any) -> Callable[[Path, File], Path]:
    def write(path: Path, file: File) -> Path:
        pq.write_table(arrow_table(file), path, row_group_size=4, **options)
        return path

    return write


def _parquet_struct(path: Path, file: File) -> Path:
    table = arrow_table(file).combine_chunks()
    if file.fields:
        arrays = [table.column(name).combine_chunks() for name in file.fields]
        metadata = pa.StructArray.from_arrays(arrays, file.fields)
        table = table.select([name for name in file.types if name not in file.fields]).append_column("meta", metadata)
    pq.write_table(table, path)
    return path


def _ipc(new: Callable[..., Any]) -> Callable[[Path, File], Path]:
    def write(path: Path, file: File) -> Path:
        table = arrow_table(file)
        with new(path, table.schema) as writer:
            writer.write_table(table)
        return path

    return write


def _by(write_to: Callable[[File, Path], Any]) -> Callable[[Path, File], Path]:
    def write(path: Path, file: File) -> Path:
        write_to(file, path)
        return path

    return write


def _lines(path: Path, file: File) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in json_rows(file)))
    return path


def _array(path: Path, file: File) -> Path:
    path.write_text(json.dumps(json_rows(file), indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def _csv(delimiter: str) -> Callable[[Path, File], Path]:
    def write(path: Path, file: File) -> Path:
        with path.open("w", newline="", encoding="utf-8") as opened:
            writer = csv.writer(opened, delimiter=delimiter)
            writer.writerow(file.types)
            for row in json_rows(file):
                writer.writerow(
                    ["" if one is None else json.dumps(one) if isinstance(one, list) else one for one in row.values()]
                )
        return path

    return write


def _npz(path: Path, file: File) -> Path:
    arrays: dict[str, Any] = {name: numpy_array(kind, file.written[name]) for name, kind in file.types.items()}
    np.savez_compressed(path, **arrays)
    return path


def _npy_columns(path: Path, file: File) -> Path:
    """A folder of one `.npy` a column."""
    path.mkdir()
    for name, kind in file.types.items():
        np.save(path / f"{name}.npy", numpy_array(kind, file.written[name]))
    return path


def _hdf5(path: Path, file: File) -> Path:
    with h5py.File(path, "w") as opened:
        for name, kind in file.types.items():
            array = numpy_array(kind, file.written[name])
            text = h5py.string_dtype() if array.dtype.kind == "U" else None
            opened.create_dataset(name, data=array.astype(object) if text else array, dtype=text)
    return path


def _npy(path: Path, file: File) -> Path:
    np.save(path, numpy_array(file.types["vector"], file.written["vector"]))
    return path


def _vecs(path: Path, file: File) -> Path:
    array = numpy_array(file.types["vector"], file.written["vector"])
    path.write_bytes(b"".join(struct.pack("<i", DIMENSION) + row.tobytes() for row in array))
    return path


def _bin(path: Path, file: File) -> Path:
    array = numpy_array(file.types["vector"], file.written["vector"])
    path.write_bytes(struct.pack("<II", *array.shape) + array.tobytes())
    return path


# Readers: what another library finds


def by_duckdb(source: Path | pa.Table) -> Columns:
    database = _database()
    found = database.from_arrow(source) if isinstance(source, pa.Table) else database.read_parquet(str(source))
    rows = found.fetchall()
    return _flat({name: [row[place] for row in rows] for place, name in enumerate(found.columns)})


@functools.cache
def _database() -> duckdb.DuckDBPyConnection:
    """One for all: a new one takes longer than what is read by it."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _flat(found: Columns) -> Columns:
    """Fields of a struct `meta` as columns."""
    structs = found.pop("meta", [])
    return {**found, **({name: [row[name] for row in structs] for name in structs[0]} if structs else {})}


def by_polars(read: Callable[[Any], pl.DataFrame]) -> Callable[[Any], Columns]:
    def found(source: Any) -> Columns:
        frame = read(source)
        return {name: frame[name].to_list() for name in frame.columns}

    return found


def by_json(path: Path) -> Columns:
    text = path.read_text("utf-8")
    rows = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    return {name: [row.get(name) for row in rows] for name in rows[0]}


def by_csv(delimiter: str) -> Callable[[Path], Columns]:
    def read(path: Path) -> Columns:
        with path.open(newline="", encoding="utf-8") as opened:
            header, *rows = csv.reader(opened, delimiter=delimiter)
        return {name: _cells([row[place] for row in rows], name) for place, name in enumerate(header)}

    return read


def _cells(texts: list[str], name: str) -> list[Any]:
    """A column of numbers, of truth or of lists is one if all of its cells are; ids are text."""
    if name in {"id", "text"}:
        return [text or None for text in texts]
    try:
        values = [json.loads(text.lower()) if text else None for text in texts]
    except ValueError:
        return [text or None for text in texts]
    is_whole = all(type(one) is not float for one in values)
    return values if is_whole else [one if one is None else float(one) for one in values]


def by_numpy(path: Path) -> Columns:
    with np.load(path) as found:
        return {name: _listed(found[name]) for name in found}


def by_numpy_columns(path: Path) -> Columns:
    return {one.stem: _listed(np.load(one)) for one in path.iterdir()}


def _listed(array: np.ndarray[Any, Any]) -> list[Any]:
    return [one.decode() for one in array.tolist()] if array.dtype.kind == "S" else array.tolist()


def by_h5py(path: Path) -> Columns:
    with h5py.File(path) as opened:
        return {
            name: _listed(one.asstr()[:] if h5py.check_string_dtype(one.dtype) else one[:])
            for name, one in opened.items()
        }


def _vecs_of(kind: Any) -> Callable[[Path], Columns]:
    def read(path: Path) -> Columns:
        return {"vector": np.fromfile(path, [("n", "<i4"), ("row", kind, DIMENSION)])["row"].tolist()}

    return read


def _bin_of(kind: Any) -> Callable[[Path], Columns]:
    def read(path: Path) -> Columns:
        return {"vector": np.fromfile(path, kind, offset=8).reshape(-1, DIMENSION).tolist()}

    return read


# Files beside


def _npy_ids(stem: Path, file: File) -> tuple[dict[str, Any], Columns]:
    """Ids as an array, metadata and contents as lines of JSON."""
    ids, metadata, contents = (stem.with_suffix(one) for one in (".ids.npy", ".meta.jsonl", ".text.jsonl"))
    np.save(ids, numpy_array(file.types["id"], file.written["id"]))
    rows = json_rows(file.only(*file.fields))
    metadata.write_text("".join(json.dumps(row) + "\n" for row in rows))
    contents.write_text("".join(json.dumps(one) + "\n" for one in file.written["text"]))
    texts = [json.loads(line) for line in contents.read_text().splitlines()]
    found = {"id": _listed(np.load(ids)), "text": texts, **(by_json(metadata) if file.fields else {})}
    return {"ids": ids, "metadata": metadata, "contents": contents}, found


def _parquet_beside(stem: Path, file: File) -> tuple[dict[str, Any], Columns]:
    groups = {"ids": ["id"], "metadata": file.fields, "contents": ["text"]}
    options: dict[str, Any] = {}
    found: Columns = {}
    for option, names in groups.items():
        if names:
            options[option] = stem.with_suffix(f".{option}.parquet")
            pq.write_table(arrow_table(file.only(*names)), options[option], row_group_size=4)
            found |= by_duckdb(options[option])
    return options, found


def _text_beside(stem: Path, file: File) -> tuple[dict[str, Any], Columns]:
    options: dict[str, Any] = {"ids": stem.with_suffix(".txt")}
    options["ids"].write_text("".join(f"{one}\n" for one in file.written["id"]), encoding="utf-8")
    return options, {"id": options["ids"].read_text("utf-8").splitlines()}


def _has_parquet(kind: pa.DataType) -> bool:
    """Whether this version of pyarrow writes the type and reads it again: newer ones do with more of them."""
    try:
        file = pa.BufferOutputStream()
        pq.write_table(pa.table({"x": arrow_array(kind, [None])}), file)
        pq.read_table(file.getvalue())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return False
    return True


_NO_PARQUET = frozenset(
    one.name for one in (*IDS, *VECTORS, *CONTENTS, *METADATA) if one.arrow and not _has_parquet(one.arrow)
)
_DUCKDB_ARRAYS = frozenset({"arrays"})
"""Parquet that duckdb writes of an ARRAY with nulls is read by polars, and by no version of pyarrow."""
_POLARS_CATEGORIES = frozenset({"categories"})
"""Arrow that pandas writes of them, with -1 below a null, is refused by polars."""

FORMATS: dict[str, Format] = {
    "Parquet by pyarrow": Format("arrow", _parquet(), "duckdb", by_duckdb, ".parquet", lacks=_NO_PARQUET),
    "Parquet by pyarrow, all types": Format("arrow", _parquet(), suffix=".parquet", lacks=_NO_PARQUET),
    "Parquet by pyarrow, read by polars": Format(
        "arrow", _parquet(version="1.0", data_page_version="2.0", compression="gzip"), "polars",
        by_polars(pl.read_parquet), ".parquet", lacks=_NO_PARQUET),
    "Parquet with INT96": Format(
        "arrow", _parquet(use_deprecated_int96_timestamps=True), "duckdb", by_duckdb, ".parquet", lacks=_NO_PARQUET),
    "Parquet with a struct": Format("arrow", _parquet_struct, "duckdb", by_duckdb, ".parquet", lacks=_NO_PARQUET),
    "Parquet by pandas": Format(
        "pandas", _by(lambda file, path: pandas_frame(file).to_parquet(path)), "polars", by_polars(pl.read_parquet),
        ".parquet", lacks=_NO_PARQUET),
    "Parquet by polars": Format(
        "polars", _by(lambda file, path: polars_frame(file).write_parquet(path)), "duckdb", by_duckdb, ".parquet",
        lacks=_NO_PARQUET),
    "Parquet by duckdb": Format(
        "duckdb", _by(lambda file, path: duckdb_relation(file).write_parquet(str(path))), "polars",
        by_polars(pl.read_parquet), ".parquet", lacks=_DUCKDB_ARRAYS),
    "Parquet by duckdb, all types": Format(
        "duckdb", _by(lambda file, path: duckdb_relation(file).write_parquet(str(path))), suffix=".parquet",
        lacks=_DUCKDB_ARRAYS),
    "Arrow file by pyarrow": Format("arrow", _ipc(pa.ipc.new_file), "polars", by_polars(pl.read_ipc), ".arrow"),
    "Arrow file by pyarrow, all types": Format("arrow", _ipc(pa.ipc.new_file), suffix=".arrow"),
    "Arrow stream by pyarrow": Format(
        "arrow", _ipc(pa.ipc.new_stream), "polars", by_polars(pl.read_ipc_stream), ".arrows"),
    "Feather by pandas": Format(
        "pandas", _by(lambda file, path: pandas_frame(file).to_feather(path)), "polars", by_polars(pl.read_ipc),
        ".feather", lacks=_POLARS_CATEGORIES),
    "Feather by pandas, all types": Format(
        "pandas", _by(lambda file, path: pandas_frame(file).to_feather(path)), suffix=".feather"),
    "Arrow file by polars": Format("polars", _by(lambda file, path: polars_frame(file).write_ipc(path)), suffix=".ipc"),
    "Arrow stream by polars": Format(
        "polars", _by(lambda file, path: polars_frame(file).write_ipc_stream(path)), suffix=".arrows"),
    "a Table": Format("arrow", lambda _, file: arrow_table(file), "duckdb", by_duckdb, lacks=frozenset({"float16"})),
    "a Table, all types": Format("arrow", lambda _, file: arrow_table(file)),
    "a frame of pandas": Format("pandas", lambda _, file: pandas_frame(file)),
    "a frame of polars": Format("polars", lambda _, file: polars_frame(file), "polars", by_polars(lambda frame: frame)),
    "a relation of duckdb": Format("duckdb", lambda _, file: duckdb_relation(file)),
    "JSONL": Format("json", _lines, "json", by_json, ".jsonl", is_json=True),
    "JSON": Format("json", _array, "json", by_json, ".json", is_json=True),
    "JSONL by polars": Format(
        "polars", _by(lambda file, path: polars_frame(file).write_ndjson(path)), "json", by_json, ".jsonl",
        is_json=True),
    "JSONL by pandas": Format(
        "pandas", _by(lambda file, path: pandas_frame(file).to_json(path, orient="records", lines=True)), "json",
        by_json, ".jsonl", is_json=True),
    "JSON by pandas": Format(
        "pandas", _by(lambda file, path: pandas_frame(file).to_json(path, orient="records")), "json", by_json, ".json",
        is_json=True),
    "CSV by pandas": Format(
        "pandas", _by(lambda file, path: listed(pandas_frame(file)).to_csv(path, index=False)), "csv", by_csv(","),
        ".csv"),
    "CSV by duckdb": Format(
        "duckdb", _by(lambda file, path: duckdb_relation(file).write_csv(str(path))), "csv", by_csv(","), ".csv"),
    "CSV": Format("csv", _csv(","), "csv", by_csv(","), ".csv"),
    "TSV": Format("csv", _csv("\t"), "csv", by_csv("\t"), ".tsv"),
    "npz": Format("numpy", _npz, "numpy", by_numpy, ".npz"),
    "npy, a file a column": Format("numpy", _npy_columns, "numpy", by_numpy_columns, ".columns"),
    "HDF5": Format("numpy", _hdf5, "h5py", by_h5py, ".h5"),
    "npy, lines beside it": Format(
        "json", _npy, "numpy", lambda path: {"vector": np.load(path).tolist()}, ".npy", is_json=True,
        sidecars=_npy_ids, roles={"vector": "numpy", "id": "numpy"}),
    "npy, Parquet beside it": Format(
        "arrow", _npy, "duckdb", lambda path: {"vector": np.load(path).tolist()}, ".npy", lacks=_NO_PARQUET,
        sidecars=_parquet_beside, roles={"vector": "numpy"}),
    **{
        suffix: Format(
            "", write, "numpy", read(kind), f".{suffix}", dtype=kind, sidecars=_text_beside,
            roles={"vector": "numpy", "id": "csv"})
        for suffix, write, read, kind in (
            ("fvecs", _vecs, _vecs_of, np.float32), ("bvecs", _vecs, _vecs_of, np.uint8),
            ("ivecs", _vecs, _vecs_of, np.int32), ("fbin", _bin, _bin_of, np.float32),
            ("u8bin", _bin, _bin_of, np.uint8), ("i8bin", _bin, _bin_of, np.int8))
    },
}  # fmt: skip
