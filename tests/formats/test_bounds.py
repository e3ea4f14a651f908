"""Memory stays bounded whatever the input expands to: what is beyond a limit is a rejected row, or a clear error."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")

MOST = 1000
"""Megabytes that a load may take, with all its processes, as docs/formats.md says, whatever its files hold."""
LIMIT = 16_000_000
"""The default of --max-row-bytes."""
ROWS = 60

MEASURED = r"""
import resource, sys
from cyborg_ingest import cli
from cyborg_ingest.apart import borrowing
sys.argv = ["cyborg-ingest", "upsert", *sys.argv[1:], "--index", "x", "--create", "--dry-run", "--json"]
try:
    cli.main()
finally:
    # not ru_maxrss, which begins with what the process had that this one was started from
    with open("/proc/self/status") as status:
        peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    borrowing._end_all()  # of a process of its own the most is told once it has ended
    peak = int(peak) + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(resource.getrusage(resource.RUSAGE_SELF).ru_utime, peak // 1024, sep="\n", file=sys.stderr)
"""


def checked(path: Path, *options: str) -> tuple[int, dict[str, Any], str, int]:
    """A dry run: exit code, report, what was said (and seconds of CPU in the last line), and the most memory in MB."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", MEASURED, str(path), "--target", f"disk:{path.parent / 'data'}", *options],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    said, _, peak = done.stderr.strip().rpartition("\n")
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, said, int(peak)


def base(rows: int = ROWS) -> dict[str, Any]:
    vectors = np.arange(1, 1 + rows * 4, dtype=np.float32)
    return {"id": [f"i{row}" for row in range(rows)], "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors), 4)}


def repeated(size: int, rows: int = ROWS) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["x" * size]))


def runs(size: int) -> pa.Array:
    return pa.RunEndEncodedArray.from_arrays(pa.array([ROWS], pa.int32()), pa.array(["x" * size]))


def views(size: int) -> pa.Array:
    """Text of which every row is the same piece of one buffer."""
    found = np.zeros(ROWS, [("size", "<i4"), ("begin", "S4"), ("buffer", "<i4"), ("place", "<i4")])
    found["size"], found["begin"] = size, b"xxxx"
    buffers = [None, pa.py_buffer(found.tobytes()), pa.py_buffer(b"x" * size)]
    try:
        return pa.Array.from_buffers(pa.string_view(), ROWS, buffers)
    except ValueError as error:  # the oldest release that is supported has no way to put them together
        pytest.skip(str(error))


def list_views(size: int) -> pa.Array:
    offsets, sizes = pa.array(np.zeros(ROWS, np.int32)), pa.array(np.full(ROWS, size, np.int32))
    return pa.ListViewArray.from_arrays(offsets, sizes, pa.array(np.zeros(size, np.int8)))


def saved_arrow(table: pa.Table, path: Path, *, packed: str | None = "zstd") -> Path:
    new = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
    with new(path, table.schema, options=pa.ipc.IpcWriteOptions(compression=packed)) as out:
        out.write_table(table)
    return path


def saved_parquet(table: pa.Table, path: Path, **options: Any) -> Path:
    pq.write_table(table, path, compression="zstd", **options)
    return path


def large_rows(suffix: str, size: int) -> Callable[[Path], Path]:
    """Text whose second row is large, packed as the suffix says."""
    rows = {
        "jsonl": (b'{"id": "a", "vector": [1, 2]}\n{"id": "b", "vector": [1, 2], "contents": "', b"x",
                  b'"}\n{"id": "c", "vector": [1, 2]}\n'),
        "json": (b'[{"id": "a", "vector": [1, 2]}, {"id": "b", "vector": [1, 2], "metadata": {"x": [', b"{},",
                 b'{}]}}, {"id": "c", "vector": [1, 2]}]'),
        "csv": (b'id,vector\na,"[1, 2]"\nb,', b"ab,", b'\nc,"[1, 2]"\n'),
        "tsv": (b"id\tvector\na\t[1, 2]\nb\t", b"[1,2],", b"\nc\t[1, 2]\n"),
    }  # fmt: skip
    packed = {"gz": partial(gzip.open, compresslevel=1), "bz2": partial(bz2.open, compresslevel=1), "xz": lzma.open}

    def write(folder: Path) -> Path:
        path = folder / f"rows.{suffix}"
        name, _, packing = suffix.partition(".")
        begin, piece, end = rows[name]
        with packed[packing](path, "wb") if packing else path.open("wb") as file:  # type: ignore[operator]
            file.write(begin)
            block = piece * (1_000_000 // len(piece))
            for _ in range(size // len(block)):
                file.write(block)
            file.write(end)
        return path

    return write


def npz_of_long_texts(folder: Path) -> Path:
    path = folder / "rows.npz"
    np.savez_compressed(
        path, id=np.arange(ROWS), vector=np.ones((ROWS, 4), np.float32), contents=np.full(ROWS, "x" * 3_000_000)
    )
    return path


def hdf5(folder: Path, **columns: tuple[Any, dict[str, Any]]) -> Path:
    with h5py.File(folder / "rows.h5", "w") as file:
        file["id"], file["vector"] = np.arange(ROWS), np.ones((ROWS, 4), np.float32)
        for name, (data, options) in columns.items():
            file.create_dataset(name, data=data, **options)
    return folder / "rows.h5"


def hdf5_of_one_chunk(folder: Path) -> Path:
    with h5py.File(folder / "rows.h5", "w") as file:
        file.create_dataset(
            "vector",
            (2_000_000, 100),
            "f4",
            chunks=(2_000_000, 100),
            compression="gzip",
            compression_opts=1,
            fillvalue=1,
        )
        file["vector"][0] = np.ones(100)
    return folder / "rows.h5"


LONG_TEXT = pa.array(["x" * 5_000_000] * ROWS)

REJECTED: dict[str, Callable[[Path], Path]] = {
    "jsonl": large_rows("jsonl", 250_000_000),
    "jsonl.gz": large_rows("jsonl.gz", 250_000_000),
    "json": large_rows("json", 100_000_000),
    "csv": large_rows("csv", 200_000_000),
    "csv.gz": large_rows("csv.gz", 200_000_000),
    "tsv.bz2": large_rows("tsv.bz2", 60_000_000),
    "parquet": lambda folder: saved_parquet(
        pa.table({"id": ["a", "b", "c"], "vector": [[1.0, 2.0], [1.0] * 10_000_000, [1.0, 2.0]]}), folder / "a.parquet"
    ),
}
"""Files of three rows, of which the second is larger than what is allowed."""


@pytest.mark.parametrize("name", REJECTED)
def test_a_row_beyond_the_limit_is_rejected_and_the_others_are_kept(name: str, tmp_path: Path) -> None:
    code, report, said, peak = checked(REJECTED[name](tmp_path), "--max-errors", "1")
    assert (code, report["rejects"], report["rows"]["read"]) == (1, {"too_large": 1}, 3), said
    assert f"{LIMIT:,} that --max-row-bytes allows" in said
    assert peak < MOST


EXPANDING: dict[str, Callable[[Path], Path]] = {
    "parquet dictionary": lambda folder: saved_parquet(
        pa.table({**base(), "contents": repeated(8_000_000)}), folder / "a.parquet"
    ),
    "parquet dictionary in a struct": lambda folder: saved_parquet(
        pa.table({**base(), "metadata": pa.StructArray.from_arrays([repeated(8_000_000)], ["text"])}),
        folder / "a.parquet",
    ),
    "parquet deltas": lambda folder: saved_parquet(
        pa.table({**base(), "contents": LONG_TEXT}), folder / "a.parquet", use_dictionary=False,
        column_encoding={"contents": "DELTA_BYTE_ARRAY"},
    ),
    "parquet plain": lambda folder: saved_parquet(
        pa.table({**base(), "contents": LONG_TEXT}), folder / "a.parquet", use_dictionary=False
    ),
    "arrow dictionary": lambda folder: saved_arrow(
        pa.table({**base(), "contents": repeated(8_000_000)}), folder / "a.arrow"
    ),
    "arrow stream of a dictionary": lambda folder: saved_arrow(
        pa.table({**base(), "contents": repeated(8_000_000)}), folder / "a.arrows"
    ),
    "arrow runs": lambda folder: saved_arrow(pa.table({**base(), "contents": runs(8_000_000)}), folder / "a.arrow"),
    "arrow views": lambda folder: saved_arrow(
        pa.table({**base(), "contents": views(8_000_000)}), folder / "a.arrow", packed=None
    ),
    "arrow packed": lambda folder: saved_arrow(pa.table({**base(), "contents": LONG_TEXT}), folder / "a.arrow"),
    "npz": npz_of_long_texts,
    "hdf5 texts": lambda folder: hdf5(
        folder, contents=(np.array(["x" * 5_000_000] * ROWS, object), {"dtype": h5py.string_dtype()})
    ),
    "hdf5 chunks": lambda folder: hdf5(
        folder,
        contents=(
            np.full(ROWS, b"x" * 5_000_000), {"chunks": (ROWS,), "compression": "gzip", "compression_opts": 1},
        ),
    ),
}  # fmt: skip
"""Small files of 60 good rows that are large once they are decoded."""


@pytest.mark.parametrize("name", EXPANDING)
def test_what_expands_is_decoded_piece_by_piece(name: str, tmp_path: Path) -> None:
    code, report, said, peak = checked(EXPANDING[name](tmp_path))
    assert (code, report["rows"]["read"], report["rows"]["rejected"]) == (0, ROWS, 0), said
    assert peak < MOST


REFUSED: dict[str, Callable[[Path], Path]] = {
    "arrow": lambda folder: saved_arrow(
        pa.table({**base(), "contents": ["x" * 14_000_000] * ROWS}), folder / "a.arrow"
    ),
    "arrows": lambda folder: saved_arrow(
        pa.table({**base(), "contents": ["x" * 14_000_000] * ROWS}), folder / "a.arrows"
    ),
    "hdf5": hdf5_of_one_chunk,
    "parquet page": lambda folder: saved_parquet(
        pa.table({**base(), "contents": ["x" * 14_000_000] * ROWS}), folder / "a.parquet", use_dictionary=False,
        data_page_size=1 << 30, write_batch_size=1000,
    ),
}  # fmt: skip
"""Small files that hold 840 MB in one piece."""


@pytest.mark.parametrize("name", REFUSED)
def test_a_unit_that_no_reader_can_take_apart_is_refused_with_the_option(name: str, tmp_path: Path) -> None:
    code, _, said, peak = checked(REFUSED[name](tmp_path))
    assert code in {2, 3}
    assert "512,000,000" in said
    assert "--max-row-bytes" in said
    assert peak < MOST


def test_a_larger_limit_lets_a_larger_row_pass(tmp_path: Path) -> None:
    path = large_rows("jsonl", 20_000_000)(tmp_path)
    assert checked(path)[0] == 1
    assert checked(path, "--max-row-bytes", "30000000")[0] == 0


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_the_time_of_many_columns_does_not_grow_by_their_square(suffix: str, tmp_path: Path) -> None:
    seconds = []
    for count in (1000, 16_000):
        table = {"id": ["a", "b"], "vector": ["[1, 2]", "[2, 3]"], **{f"c{place}": [1, 2] for place in range(count)}}
        path = tmp_path / f"wide-{count}.{suffix}"
        if suffix == "parquet":
            pq.write_table(pa.table({**table, "vector": [[1.0, 2.0], [2.0, 3.0]]}), path)
        else:
            frame = pd.DataFrame(table)
            frame.to_csv(path, index=False) if suffix == "csv" else path.write_text(
                "".join(json.dumps({**row, "vector": [1, 2]}) + "\n" for row in frame.to_dict("records"))
            )
        code, report, said, _ = checked(path, "--metadata-columns", "*")
        seconds.append(float(said.rpartition("\n")[2]))
        assert (code, report["rows"]["read"]) == (0, 2), said
    assert seconds[1] < 16 * seconds[0]  # with the time to begin in both; it was 100 times
