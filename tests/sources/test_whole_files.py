"""Bytes that belong to no row are an error, in every format; what is rightly put together loads whole."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import shutil
import subprocess
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cyborg_ingest import sources
from cyborg_ingest.errors import FormatError, IngestError, SourceError
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cyborg_ingest.model import Batch

CUTTING = Cutting(rows=100, size=1_000_000, encoded=True)
VECTORS = np.random.default_rng(3).standard_normal((50, 4)).astype(np.float32)
OTHERS = VECTORS[::-1] + np.float32(1)


def read(path: Path, **options: Any) -> list[Batch]:
    plan = make_plan((str(path),), SourceSettings(**options))
    return list(cut(plan.chunks(20), plan.dimension, CUTTING))


def vectors(path: Path, **options: Any) -> bytes:
    found = read(path, **options)
    return np.concatenate([one.vectors for one in found]).tobytes() if found else b""


def table(numbers: Any) -> pa.Table:
    ids = pa.array([f"id {row}" for row in range(len(numbers))])
    return pa.table({"id": ids, "vector": pa.array(numbers.tolist(), pa.list_(pa.float32()))})


def npy(path: Path, numbers: Any) -> None:
    np.save(path, numbers)


def npz(path: Path, numbers: Any) -> None:
    np.savez(path, ids=np.arange(len(numbers)), vectors=numbers)


def parquet(**options: Any) -> Callable[[Path, Any], None]:
    return lambda path, numbers: pq.write_table(table(numbers), path, **options)


def by_polars(path: Path, numbers: Any) -> None:
    import polars as pl  # noqa: PLC0415 - slow to import

    frame: Any = pl.from_arrow(table(numbers))
    frame.write_parquet(path) if path.suffix == ".parquet" else frame.write_ipc(path)


def by_duckdb(path: Path, numbers: Any) -> None:
    import duckdb  # noqa: PLC0415 - slow to import

    with duckdb.connect() as connection:
        connection.from_arrow(table(numbers)).write_parquet(str(path))


def arrow(path: Path, numbers: Any) -> None:
    with pa.ipc.new_file(path, table(numbers).schema) as writer:
        writer.write_table(table(numbers), max_chunksize=20)


def arrow_stream(path: Path, numbers: Any) -> None:
    with pa.ipc.new_stream(path, table(numbers).schema) as writer:
        writer.write_table(table(numbers), max_chunksize=20)


def hdf5(**options: Any) -> Callable[[Path, Any], None]:
    def write(path: Path, numbers: Any) -> None:
        import h5py  # noqa: PLC0415 - an extra

        with h5py.File(path, "w", **options) as file:
            file["train"] = numbers

    return write


def fbin(path: Path, numbers: Any) -> None:
    path.write_bytes(np.array(numbers.shape, "<u4").tobytes() + numbers.tobytes())


def json_array(path: Path, numbers: Any) -> None:
    path.write_text(json.dumps([{"id": row, "vector": one} for row, one in enumerate(numbers.tolist())]))


WRITERS: dict[str, tuple[str, Callable[[Path, Any], None]]] = {
    "npy": (".npy", npy),
    "npy by columns": (".npy", lambda path, numbers: np.save(path, np.asfortranarray(numbers))),
    "npz": (".npz", npz),
    "parquet": (".parquet", parquet()),
    "parquet of many row groups": (".parquet", parquet(row_group_size=7)),
    "parquet with indexes": (".parquet", parquet(write_page_index=True, row_group_size=20)),
    "parquet by polars": (".parquet", by_polars),
    "parquet by duckdb": (".parquet", by_duckdb),
    "arrow": (".arrow", arrow),
    "arrow by polars": (".arrow", by_polars),
    "arrow stream": (".arrows", arrow_stream),
    "hdf5": (".h5", hdf5()),
    "hdf5, latest": (".h5", hdf5(libver="latest")),
    "fbin": (".fbin", fbin),
    "json": (".json", json_array),
}
EXTRA = ["another of its kind", "rubbish", "zeros", "one byte", "before it"]


@pytest.mark.parametrize("extra", EXTRA)
@pytest.mark.parametrize("name", WRITERS)
def test_bytes_that_belong_to_no_row_are_an_error(tmp_path: Path, name: str, extra: str) -> None:
    suffix, write = WRITERS[name]
    write(tmp_path / f"one{suffix}", VECTORS)
    write(tmp_path / f"two{suffix}", OTHERS)
    assert vectors(tmp_path / f"one{suffix}") == VECTORS.tobytes()
    one, two = ((tmp_path / f"{which}{suffix}").read_bytes() for which in ("one", "two"))
    more = {"another of its kind": two, "rubbish": b"garbage", "zeros": bytes(512), "one byte": b"x", "before it": b""}
    path = tmp_path / f"both{suffix}"
    path.write_bytes(b"garbage" + one if extra == "before it" else one + more[extra])
    found: list[Batch] = []
    with pytest.raises(IngestError):
        found += read(path)
    assert not found


@pytest.mark.parametrize("kinds", [(20, 50), (50, 20), (0, 50), (50, 0)])
@pytest.mark.parametrize("name", ["parquet", "parquet with indexes", "arrow"])
def test_files_of_other_sizes_put_together_are_an_error_before_a_row_is_read(
    tmp_path: Path, name: str, kinds: tuple[int, int]
) -> None:
    suffix, write = WRITERS[name]
    for place, rows in enumerate(kinds):
        write(tmp_path / f"{place}{suffix}", VECTORS[:rows])
    path = tmp_path / f"both{suffix}"
    path.write_bytes(b"".join((tmp_path / f"{place}{suffix}").read_bytes() for place in range(2)))
    with pytest.raises(FormatError, match="load each by itself"):
        make_plan((str(path),), SourceSettings())


def test_nothing_of_a_stream_is_given_out_before_its_end_is_seen(tmp_path: Path) -> None:
    data = io.BytesIO()
    np.save(data, VECTORS)
    np.save(data, OTHERS)
    (tmp_path / "two.npy.gz").write_bytes(gzip.compress(data.getvalue()))
    plan = make_plan((str(tmp_path / "two.npy.gz"),), SourceSettings())
    given: list[int] = []
    with pytest.raises(SourceError, match="more follows behind its 50 rows"):
        given.extend(len(chunk.batch) for chunk in plan.chunks(20))
    assert given == [20, 20]  # so that a load that goes on comes to the end again


# Archives


def test_archives_of_every_writer_are_whole(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "packed.npz", ids=np.arange(50), vectors=VECTORS)

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.data += data
            return len(data)

    pipe = Pipe()  # what cannot seek writes sizes behind the data
    for name, file in (("pipe.npz", pipe), ("comment.npz", io.BytesIO())):
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.comment = b"made by hand" if name == "comment.npz" else b""
            for member, array in (("ids", np.arange(50)), ("vectors", VECTORS)):
                with archive.open(f"{member}.npy", "w", force_zip64=member == "ids") as out:
                    np.lib.format.write_array(out, array)
        (tmp_path / name).write_bytes(bytes(file.data) if isinstance(file, Pipe) else file.getvalue())
    for name in ("packed.npz", "pipe.npz", "comment.npz"):
        assert vectors(tmp_path / name) == VECTORS.tobytes()


def test_bytes_between_the_files_of_an_archive_are_an_error(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "rows.npz", "w") as archive:
        for member, array in (("ids", np.arange(50)), ("gone", OTHERS), ("vectors", VECTORS)):
            with archive.open(f"{member}.npy", "w") as out:
                np.lib.format.write_array(out, array)
        del archive.filelist[1], archive.NameToInfo["gone.npy"]  # its bytes stay, the directory forgets them
    assert sorted(np.load(tmp_path / "rows.npz")) == ["ids", "vectors"]
    with pytest.raises(FormatError, match="belong to none of its arrays"):
        make_plan((str(tmp_path / "rows.npz"),), SourceSettings())


# Compression

ROWS = "".join(json.dumps({"id": f"{row}", "vector": one}) + "\n" for row, one in enumerate(VECTORS.tolist())).encode()
HALVES = ROWS[: len(ROWS) // 2], ROWS[len(ROWS) // 2 :]


def by_program(name: str) -> Callable[[bytes], bytes]:
    def pack(data: bytes) -> bytes:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
        return subprocess.run([name, "-qc"], input=data, capture_output=True, check=True).stdout

    return pack


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: pa.compress(data, codec="zstd", asbytes=True),
    "zstd program": by_program("zstd"),
    "lz4 program": by_program("lz4"),
}
SKIPPED = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"
"""A frame of zstd and LZ4 that holds no data."""


def unpacked(path: Path, data: bytes) -> bytes:
    path.write_bytes(data)
    with sources.streamed(str(path)) as file:
        return file.read()


@pytest.mark.parametrize("name", PACKERS)
def test_several_compressed_files_put_together_are_read_whole(tmp_path: Path, name: str) -> None:
    one, two = map(PACKERS[name], HALVES)
    assert unpacked(tmp_path / "both", one + two) == ROWS
    assert unpacked(tmp_path / "empty", PACKERS[name](b"") + one + PACKERS[name](b"") + two) == ROWS
    if name in {"gzip", "bz2", "xz"}:  # padding, as tapes and block devices leave it
        assert unpacked(tmp_path / "padded", one + bytes(512) + two + bytes(1024)) == ROWS
    elif name != "zstd":
        assert unpacked(tmp_path / "skipped", SKIPPED + SKIPPED + one + SKIPPED + two) == ROWS


@pytest.mark.parametrize("behind", [b"garbage", b"g", b"\0\0\0\0x", ROWS])
@pytest.mark.parametrize("name", PACKERS)
def test_what_follows_behind_a_compressed_file_is_an_error(tmp_path: Path, name: str, behind: bytes) -> None:
    with pytest.raises(SourceError, match="damaged or were cut short"):
        unpacked(tmp_path / "rows", PACKERS[name](ROWS) + behind)


@pytest.mark.parametrize("name", PACKERS)
def test_a_file_of_another_compression_behind_it_is_no_row_lost(tmp_path: Path, name: str) -> None:
    other = PACKERS["bz2" if name != "bz2" else "gzip"](HALVES[1])
    with pytest.raises(SourceError, match="damaged or were cut short"):
        unpacked(tmp_path / "rows", PACKERS[name](HALVES[0]) + other)


@pytest.mark.parametrize("name", ["gzip", "bz2", "xz"])
def test_a_compressed_file_cut_anywhere_is_an_error(tmp_path: Path, name: str) -> None:
    one, two = map(PACKERS[name], HALVES)
    for size in (*range(len(one) + 1, len(one + two), 97), len(one + two) - 1):
        with pytest.raises(SourceError):
            unpacked(tmp_path / "rows", (one + two)[:size])


@pytest.mark.parametrize(
    "magic", [b"\x1f\x8b\x08\x00", b"\x1f\x8b\x08\x08", b"BZh9", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"]
)
@pytest.mark.parametrize("suffix", [".u8bin", ".i8bin", ".fbin"])
def test_numbers_that_begin_as_a_compressed_file_are_numbers(tmp_path: Path, magic: bytes, suffix: str) -> None:
    rows, size = int.from_bytes(magic, "little"), 4 if suffix == ".fbin" else 1
    path = tmp_path / f"rows{suffix}"
    with path.open("wb") as file:
        file.write(magic + (2).to_bytes(4, "little"))
        file.truncate(8 + rows * 2 * size)  # a file with holes takes no room
    assert sources.compression_of(str(path)) is None
    assert make_plan((str(path),), SourceSettings()).rows == rows


def test_two_bytes_of_a_magic_are_none(tmp_path: Path) -> None:
    numbers = np.random.default_rng(1).integers(1, 9, (35_615, 3), np.uint8)
    (tmp_path / "rows.u8bin").write_bytes(np.array(numbers.shape, "<u4").tobytes() + numbers.tobytes())
    assert vectors(tmp_path / "rows.u8bin") == numbers.astype("<f4").tobytes()


def test_a_compressed_fbin_is_told_by_its_bytes_whatever_its_name(tmp_path: Path) -> None:
    fbin(tmp_path / "rows.fbin", VECTORS)
    (tmp_path / "rows.fbin").write_bytes(gzip.compress((tmp_path / "rows.fbin").read_bytes(), mtime=7))
    assert vectors(tmp_path / "rows.fbin") == VECTORS.tobytes()


# Sidecars, encodings, encryption


def test_a_sidecar_that_holds_more_than_its_ids_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", VECTORS)
    np.save(tmp_path / "ids.npy", np.arange(50))
    np.save(tmp_path / "column.npy", np.arange(50).reshape(-1, 1))
    for name in ("ids.npy", "column.npy"):
        found = read(tmp_path / "rows.npy", ids=tmp_path / name)
        assert [one for batch in found for one in batch.ids] == [str(row) for row in range(50)]
    with (tmp_path / "ids.npy").open("ab") as file:
        np.save(file, np.arange(50))
    with pytest.raises(FormatError, match="Were several arrays saved"):
        read(tmp_path / "rows.npy", ids=tmp_path / "ids.npy")
    pq.write_table(table(VECTORS), tmp_path / "ids.parquet")
    (tmp_path / "ids.parquet").write_bytes((tmp_path / "ids.parquet").read_bytes() * 2)
    with pytest.raises(FormatError, match="load each by itself"):
        read(tmp_path / "rows.npy", ids=tmp_path / "ids.parquet")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.csv", "ids.txt"])
def test_text_in_another_encoding_is_one_error_for_the_file(tmp_path: Path, name: str, encoding: str) -> None:
    text = {"rows.json": '[{"id": "a", "vector": [1]}]', "rows.csv": 'id,vector\na,"[1]"\n'}.get(name, ROWS.decode())
    (tmp_path / name).write_bytes(text.encode(encoding))
    np.save(tmp_path / "rows.npy", VECTORS)
    options: dict[str, Any] = {"ids": tmp_path / name} if name == "ids.txt" else {}
    form = {} if name in {"ids.txt", "rows.csv"} else {"format": name.partition(".")[2]}
    with pytest.raises(FormatError, match="UTF-16 or UTF-32"):
        read(tmp_path / ("rows.npy" if options else name), **options, **form)


@pytest.mark.parametrize("plaintext_footer", [False, True])
def test_an_encrypted_parquet_says_so(tmp_path: Path, plaintext_footer: bool) -> None:
    import pyarrow.parquet.encryption as pe  # noqa: PLC0415 - not in every build

    class Kms(pe.KmsClient):  # type: ignore[misc]
        def wrap_key(self, key_bytes: bytes, _name: str) -> bytes:
            return key_bytes

        def unwrap_key(self, wrapped: bytes, _name: str) -> bytes:
            return wrapped

    configuration = pe.EncryptionConfiguration(
        footer_key="k", column_keys={"k": ["vector.list.element"]}, plaintext_footer=plaintext_footer
    )
    factory = pe.CryptoFactory(lambda _configuration: Kms())
    properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), configuration)
    pq.write_table(table(VECTORS), tmp_path / "rows.parquet", encryption_properties=properties)
    with pytest.raises(FormatError, match="encrypted"):
        read(tmp_path / "rows.parquet")
