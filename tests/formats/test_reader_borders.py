"""Whatever a library raises while a file is read becomes an error of that file, at the reader's border."""

from __future__ import annotations

import gzip
import lzma
import pickle
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import fuzzing
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cyborg_ingest
from cyborg_ingest import sources
from cyborg_ingest.errors import IngestError
from cyborg_ingest.formats import numbers
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def kinds(kind: type[Exception]) -> Iterator[type[Exception]]:
    """A class of errors and all that are derived from it."""
    yield kind
    for one in kind.__subclasses__():
        yield from kinds(one)


OF_PYTHON: list[Exception] = [
    OSError(5, "Input/output error"), ValueError("odd"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
    MemoryError("too much"), OverflowError("too large"),
]  # fmt: skip
OF_ARROW: list[Exception] = [
    *OF_PYTHON,
    *(one("odd") for one in dict.fromkeys(kinds(pa.ArrowException)) if one.__module__.startswith("pyarrow")),
]
OF_HDF5 = [*OF_PYTHON, RuntimeError("odd"), KeyError("odd"), TypeError("odd"), NotImplementedError("odd"),
           IndexError("odd")]  # fmt: skip
OF_ZIP = [*OF_PYTHON, zipfile.BadZipFile("odd"), zipfile.LargeZipFile("odd"), zlib.error("odd"), lzma.LZMAError("odd"),
          struct.error("odd"), EOFError("odd"), NotImplementedError("odd"), KeyError("odd")]  # fmt: skip
OF_PACKING = [*OF_ARROW, zlib.error("odd"), lzma.LZMAError("odd"), EOFError("odd"), gzip.BadGzipFile("odd")]
OF_SIMDJSON = [ValueError("odd"), RuntimeError("odd"), MemoryError("odd"), TypeError("odd"), OverflowError("odd")]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "corpus"
    fuzzing.write_corpus(folder)
    return folder


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_arguments: Any, **_options: Any) -> Any:
        raise error

    return fail


def named(errors: list[Exception]) -> list[Any]:
    return [pytest.param(error, id=f"{type(error).__module__}.{type(error).__name__}") for error in errors]


def read(path: Path, patch: Callable[[], None] = lambda: None) -> None:
    """Plan, then break the library, then read all rows."""
    plan = make_plan((str(path),), SourceSettings())
    patch()
    for _ in plan.chunks(50):
        pass


def expect(path: Path, *, exit_codes: set[int], patch: Callable[[], None] | None = None) -> None:
    with pytest.raises(IngestError, match=path.name.replace(".", r"\.")) as caught:
        read(path, patch) if patch else read(path)
    assert caught.value.exit_code in exit_codes


@pytest.mark.parametrize("error", named(OF_ARROW))
def test_pyarrow_on_parquet(error: Exception, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = corpus / "rows.parquet"
    expect(path, exit_codes={3}, patch=lambda: monkeypatch.setattr(pq.ParquetFile, "iter_batches", raising(error)))
    monkeypatch.setattr(pq, "ParquetFile", raising(error))
    expect(path, exit_codes={2, 3})


@pytest.mark.parametrize("name", ["rows.arrow", "rows.arrows"])
@pytest.mark.parametrize("error", named([*OF_ARROW, KeyError("odd")]))
def test_pyarrow_on_its_own_files(error: Exception, name: str, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = corpus / name

    def broken() -> None:
        for opener in ("open_file", "open_stream"):
            monkeypatch.setattr(pa.ipc, opener, raising(error))

    expect(path, exit_codes={3}, patch=broken)
    expect(path, exit_codes={2, 3})


@pytest.mark.parametrize("error", named(OF_ARROW))
def test_pyarrow_on_what_load_is_given(error: Exception) -> None:
    def failing() -> Iterator[pa.RecordBatch]:
        yield from raising(error)()

    schema = pa.schema([("id", pa.string()), ("vector", pa.list_(pa.float32(), 2))])
    with sources.holding([pa.RecordBatchReader.from_batches(schema, failing())]) as (name,):
        with pytest.raises(IngestError, match=r"cannot be read|cannot read"):
            for _ in make_plan((name,), SourceSettings()).chunks(10):
                pass


FAILING = """
import pickle, sys
sys.path.remove({folder!r})
del sys.modules["h5py"]
import h5py
def fail(*_arguments, **_options):
    raise pickle.loads({error!r})
h5py.{method} = fail
"""


def failing_h5py(folder: Path, method: str, error: Exception) -> str:
    """A folder to import h5py from, of which one method fails: it is imported by a process of its own."""
    (folder / "h5py").mkdir(parents=True)
    text = FAILING.format(folder=str(folder), error=pickle.dumps(error), method=method)
    (folder / "h5py" / "__init__.py").write_text(text)
    return str(folder)


@pytest.mark.parametrize("error", named(OF_HDF5))
def test_h5py(error: Exception, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = corpus / "rows.h5"
    folder = failing_h5py(tmp_path / "read", "Dataset.__getitem__", error)
    expect(path, exit_codes={3}, patch=lambda: monkeypatch.syspath_prepend(folder))
    monkeypatch.syspath_prepend(failing_h5py(tmp_path / "planned", "Group.get", error))
    expect(path, exit_codes={2})


@pytest.mark.parametrize("error", named(OF_ZIP))
def test_zipfile(error: Exception, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = corpus / "packed.npz"
    expect(path, exit_codes={3}, patch=lambda: monkeypatch.setattr(zipfile.ZipExtFile, "readinto", raising(error)))
    monkeypatch.setattr(zipfile, "ZipFile", raising(error))
    expect(path, exit_codes={2, 3})


@pytest.mark.parametrize("name", ["rows.jsonl.gz", "rows.csv.bz2", "rows.json.xz", "rows.jsonl.zst", "rows.jsonl.lz4"])
@pytest.mark.parametrize("error", named(OF_PACKING))
def test_decompressors(error: Exception, name: str, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        read = staticmethod(raising(error))

    monkeypatch.setattr(sources.compression, "_inside", lambda _file, _kind: Broken())
    expect(corpus / name, exit_codes={2, 3})


@pytest.mark.parametrize("error", named(OF_SIMDJSON))
def test_simdjson_leaves_what_it_does_not_take_to_the_other_parser(
    error: Exception, corpus: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    simdjson = pytest.importorskip("simdjson")

    class Broken:
        parse = staticmethod(raising(error))

    monkeypatch.setattr(simdjson, "Parser", Broken)
    assert numbers.number_parser()(b"[1]") is None
    report = cyborg_ingest.load(
        corpus / "rows.jsonl", index="x", target=f"disk:{tmp_path / 'data'}", create=True, dry_run=True
    )
    assert report.rows["rejected"] == 0
