"""Rows come from files, folders, patterns, lists, pipes, object stores and other libraries' tables, all alike."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from conftest import BUCKET, KEY, upload
from service import free_port

import cyborg_ingest
from cyborg_ingest import sources
from cyborg_ingest.errors import IngestError, SourceError, SourceNotFoundError, UsageError
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.settings.options import SourceSettings
from cyborg_ingest.sources import small, stores

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Engine

ROWS = 400


def table() -> pa.Table:
    random = np.random.default_rng(11)
    return pa.table(
        {
            "id": [f"r{row}" for row in range(ROWS)],
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(random.normal(size=ROWS * 6).astype(np.float32)), 6),
            "metadata": [json.dumps({"n": row}) for row in range(ROWS)],
        }
    )


def lines(rows: pa.Table | None = None) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in (table() if rows is None else rows).to_pylist()).encode()


def rows_of(*named: str | Path, **options: Any) -> list[tuple[str, bytes]]:
    plan = make_plan(tuple(str(one) for one in named), SourceSettings(**options))
    found = list(cut(plan.chunks(50), None, Cutting(100, 1_000_000, encoded=True)))
    assert not [one for batch in found for one in batch.rejections]
    return [
        (identity, vector.tobytes()) for one in found for identity, vector in zip(one.ids, one.vectors, strict=True)
    ]


def expected() -> list[tuple[str, bytes]]:
    rows = table()
    vectors = rows["vector"].combine_chunks().flatten().to_numpy().reshape(ROWS, 6)
    return [(identity, vector.tobytes()) for identity, vector in zip(rows["id"].to_pylist(), vectors, strict=True)]


def _arrow_packed(kind: str) -> Callable[[bytes], bytes]:
    def pack(data: bytes) -> bytes:
        out = pa.BufferOutputStream()
        with pa.CompressedOutputStream(out, kind) as stream:
            stream.write(data)
        return bytes(out.getvalue())

    return pack


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": _arrow_packed("zstd"),
    "lz4": _arrow_packed("lz4"),
}


# Files


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_compressed_file_is_read_as_it_was(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"rows.jsonl.{suffix}").write_bytes(PACKERS[suffix](lines()))
    assert rows_of(tmp_path / f"rows.jsonl.{suffix}") == expected()
    (tmp_path / "misnamed.jsonl").write_bytes(PACKERS[suffix](lines()))
    assert rows_of(tmp_path / "misnamed.jsonl") == expected()


@pytest.mark.parametrize("suffix", PACKERS)
def test_two_compressed_files_in_a_row_are_one(tmp_path: Path, suffix: str) -> None:
    half = len(lines()) // 2
    (tmp_path / "rows.jsonl").write_bytes(PACKERS[suffix](lines()[:half]) + PACKERS[suffix](lines()[half:]))
    assert rows_of(tmp_path / "rows.jsonl") == expected()


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_compressed_file_that_was_cut_or_damaged_is_never_taken_for_whole(tmp_path: Path, suffix: str) -> None:
    whole = PACKERS[suffix](lines())
    path = tmp_path / f"rows.jsonl.{suffix}"
    for size in (1, 5, 20, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(IngestError, match=r"rows\.jsonl"):
            rows_of(path)
    # lz4 and zstd files need not have a checksum; the others do
    if suffix in {"gz", "bz2", "xz"}:
        path.write_bytes(whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :])
        with pytest.raises(IngestError, match=r"rows\.jsonl"):
            rows_of(path)


def test_a_compressed_npy_and_its_ids(tmp_path: Path) -> None:
    vectors = np.arange(1, 25, dtype=np.float32).reshape(8, 3)
    np.save(tmp_path / "v.npy", vectors)
    (tmp_path / "v.npy.gz").write_bytes(gzip.compress((tmp_path / "v.npy").read_bytes()))
    (tmp_path / "ids.txt").write_text("".join(f"i{row}\n" for row in range(8)))
    assert rows_of(tmp_path / "v.npy.gz", ids=tmp_path / "ids.txt") == [
        (f"i{row}", vectors[row].tobytes()) for row in range(8)
    ]
    np.save(tmp_path / "f.npy", np.asfortranarray(vectors))
    (tmp_path / "f.npy.gz").write_bytes(gzip.compress((tmp_path / "f.npy").read_bytes()))
    with pytest.raises(UsageError, match="column by column"):
        rows_of(tmp_path / "f.npy.gz")


def test_a_format_is_told_by_its_first_bytes(tmp_path: Path) -> None:
    pq.write_table(table(), tmp_path / "one")
    (tmp_path / "two").write_bytes(gzip.compress(lines()))
    (tmp_path / "three.dat").write_bytes(b"\xef\xbb\xbf" + lines())
    for name in ("one", "two", "three.dat"):
        assert rows_of(tmp_path / name) == expected()


def write_folder(root: Path) -> list[tuple[str, bytes]]:
    """Shards in several folders and formats, and all that jobs leave beside them."""
    rows = table()
    (root / "b" / "_temporary").mkdir(parents=True)
    (root / "a").mkdir()
    pq.write_table(rows.slice(0, 100), root / "a" / "part-00000.snappy.parquet")
    (root / "a" / "part-00001.jsonl.gz").write_bytes(gzip.compress(lines(rows.slice(100, 100))))
    (root / "b" / "part-00000.jsonl").write_bytes(lines(rows.slice(200, 200)))
    (root / "b" / "_temporary" / "x.jsonl").write_text("broken")
    for name in ("_SUCCESS", ".part-00000.crc", "README.md", "_metadata"):
        (root / name).write_text("no rows")
    return expected()


def test_a_directory_is_its_files_by_name_without_what_jobs_leave_beside_them(tmp_path: Path) -> None:
    everything = write_folder(tmp_path)
    assert rows_of(tmp_path) == everything


def test_patterns_are_expanded_in_order(tmp_path: Path) -> None:
    everything = write_folder(tmp_path)
    assert rows_of(f"{tmp_path}/**/*.jsonl*") == everything[100:]
    assert rows_of(f"{tmp_path}/?/part-*") == everything
    assert rows_of(f"{tmp_path}/[b]") == everything[200:]


def test_a_list_names_sources_and_keeps_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = write_folder(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "files.txt").write_text("# shards\nb/part-00000.jsonl\n\n  a  \n")
    assert rows_of("@files.txt") == everything[200:] + everything[:200]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nothing/*.parquet", "no file matches"),
        ("nothing", "no such file"),
        ("empty", "no file in it"),
        ("@none.txt", "list"),
        ("@blank.txt", "names no source"),
        ("only", "known suffix"),
        ("ftp://host/x", "scheme"),
        ("s3://key:secret@bucket/x", "password"),
    ],
)
def test_a_source_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "x.bin").write_text("x")
    (tmp_path / "blank.txt").write_text("\n# nothing\n")
    with pytest.raises(UsageError, match=words) as error:
        rows_of(source)
    assert "secret" not in str(error.value)


def test_a_file_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path)
    with pytest.raises(UsageError, match="named twice"):
        rows_of(tmp_path, f"{tmp_path}/b/*.jsonl")


def test_a_thousand_shards_are_planned_at_once(tmp_path: Path) -> None:
    one = table().slice(0, 1)
    for number in range(300):
        pq.write_table(one, tmp_path / f"shard-{number:04}.parquet")
    assert make_plan((str(tmp_path),), SourceSettings()).rows == 300


# Standard input


def pipe(data: bytes, *options: str, folder: Path, chunk: int = 1 << 16) -> subprocess.CompletedProcess[str]:
    """`upsert -` fed bit by bit, as a pipe does it."""
    environment = {**os.environ, "CYBORG_INGEST_INDEX_KEY": KEY.hex()}
    command = [sys.executable, "-m", "cyborg_ingest", "upsert", "-", "--index", "a", "--target", f"disk:{folder}/data"]
    with subprocess.Popen(
        [*command, "--create", "--json", *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=False, env=environment,
    ) as process:  # fmt: skip
        assert process.stdin is not None

        def feed(stdin: Any) -> None:
            try:
                for start in range(0, len(data), chunk):
                    stdin.write(data[start : start + chunk])
                    stdin.flush()
                stdin.close()
            except BrokenPipeError:
                pass

        feeder = threading.Thread(target=feed, args=(process.stdin,))
        feeder.start()
        assert process.stdout is not None
        assert process.stderr is not None
        errors: list[bytes] = []
        reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))  # type: ignore[union-attr]
        reader.start()
        out = process.stdout.read()
        feeder.join()
        reader.join()
        process.stdin = None
    return subprocess.CompletedProcess(command, process.wait(), out.decode(), errors[0].decode())


def test_standard_input_is_a_source(tmp_path: Path) -> None:
    for number, (data, options) in enumerate(
        [(lines(), ("--format", "jsonl")), (gzip.compress(lines()), ()), (lines(), ("--verify", "count"))]
    ):
        done = pipe(data, *options, folder=tmp_path / str(number), chunk=1000)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["rows"]["acknowledged"] == ROWS


def test_more_than_the_kept_head_flows_through_a_pipe(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(20_000, 500)).astype(np.float32)  # 40 MB
    np.save(tmp_path / "v.npy", vectors)
    done = pipe((tmp_path / "v.npy").read_bytes(), "--format", "npy", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    with cyborg_ingest.connect(f"disk:{tmp_path}/data") as client, client.index("a", KEY) as index:
        assert index.count() == len(vectors)
        for row in (0, 9_999, 19_999):
            (stored,) = index.get([str(row)])
            assert stored.vector is not None
            assert stored.vector.tobytes() == vectors[row].tobytes()


def test_a_stopped_load_of_a_pipe_goes_on_with_the_same_bytes(tmp_path: Path) -> None:
    rows = table().to_pylist()
    bad = [{**row, "vector": [0.0] * 6} if row["id"] == "r300" else row for row in rows]
    data = "".join(json.dumps(row) + "\n" for row in bad).encode()
    first = pipe(data, "--batch-rows", "50", folder=tmp_path)
    assert first.returncode == 4
    done = pipe(data, "--batch-rows", "50", "--max-errors", "1", folder=tmp_path)
    assert done.returncode == 1
    counts = json.loads(done.stdout)["rows"]
    assert counts["acknowledged"] + counts["skipped"] + counts["rejected"] == ROWS
    assert counts["skipped"] >= 250


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        (b"", (), "nothing came in"),
        (b"", ("--format", "jsonl"), "empty"),
        (b"\x00\x01rubbish", (), "--format"),
        (b"PAR1rubbish", (), "Parquet is read from its end"),
        (b'{"id": "a", "vector": [1]}\n', ("--verify", "full"), "can be read once"),
    ],
)
def test_a_pipe_that_cannot_be_loaded_is_an_error_with_the_next_step(
    tmp_path: Path, data: bytes, options: tuple[str, ...], words: str
) -> None:
    done = pipe(data, *options, folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr


# Object stores


def test_objects_prefixes_and_patterns_are_sources(bucket: Any, tmp_path: Path) -> None:
    everything = write_folder(tmp_path)
    upload(bucket, tmp_path, "data/")
    assert rows_of(f"s3://{BUCKET}/data/a/part-00000.snappy.parquet") == everything[:100]
    assert rows_of(f"s3://{BUCKET}/data") == everything
    assert rows_of(f"s3://{BUCKET}/data/") == everything
    assert rows_of(f"s3://{BUCKET}/data/**/*.jsonl*") == everything[100:]
    assert rows_of(f"s3://{BUCKET}/data/?/*.parquet") == everything[:100]
    for missing in ("nothing", "data/*.csv", "data/nothing/*"):
        with pytest.raises(SourceNotFoundError):
            rows_of(f"s3://{BUCKET}/{missing}")
    with pytest.raises(SourceNotFoundError):
        rows_of("s3://no-such-bucket-at-all/x.parquet")


def test_a_load_from_a_bucket_arrives_and_is_done_by_the_objects_etag(
    bucket: Any, engine: Engine, tmp_path: Path
) -> None:
    pq.write_table(table(), tmp_path / "rows.parquet", row_group_size=50)
    upload(bucket, tmp_path)
    index, uri = engine.name(), f"s3://{BUCKET}/rows.parquet"
    report = cyborg_ingest.load(uri, index=index, target=engine.target, create=True, verify="full")
    assert report.rows["acknowledged"] == ROWS
    found = engine.read(index, [identity for identity, _ in expected()])
    assert [(identity, found[identity].vector) for identity, _ in expected()] == expected()
    before = sources.fingerprint(sources.look(uri))
    assert before.startswith("etag:")
    upload(bucket, tmp_path)
    assert sources.fingerprint(sources.look(uri)) == before
    bucket.put_object(Bucket=BUCKET, Key="rows.parquet", Body=b"other")
    assert sources.fingerprint(sources.look(uri)) != before


BREAKS = 10


class Breaking:
    """Hands bytes to and from a server; of the answers that have a range, it breaks off each second one, ten times."""

    def __init__(self, port: int) -> None:
        self.port, self.broken, self.ranges = port, 0, 0
        self._server = socket.create_server(("127.0.0.1", free_port()))
        self.own_port = self._server.getsockname()[1]
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, socket.create_connection(("127.0.0.1", self.port)) as server:
            while True:
                head = b""
                while b"\r\n\r\n" not in head:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    head += piece
                server.sendall(head)
                has_body = not head.startswith(b"HEAD")
                self._answer(connection, server, is_ranged=b"\r\nrange:" in head.lower(), has_body=has_body)
                return  # a connection a request is enough

    def _answer(self, connection: socket.socket, server: socket.socket, *, is_ranged: bool, has_body: bool) -> None:
        answer = b""
        server.settimeout(2.0)
        while True:
            try:
                piece = server.recv(1 << 20)
            except TimeoutError:
                break
            answer += piece
            length = re.search(rb"\r\ncontent-length: *(\d+)", answer, re.IGNORECASE)
            end = answer.find(b"\r\n\r\n")
            missing = int(length[1]) - (len(answer) - end - 4) if length and has_body else 0
            if not piece or (end >= 0 and missing <= 0):
                break
        with self._lock:
            self.ranges += is_ranged
            breaks = is_ranged and self.ranges % 2 == 0 and self.broken < BREAKS
            self.broken += breaks
        connection.sendall(answer[: len(answer) * 2 // 3] if breaks else answer)

    def close(self) -> None:
        self._server.close()


def test_a_read_that_breaks_is_tried_again_where_it_was(
    bucket: Any, s3_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(table(), tmp_path / "rows.parquet", row_group_size=50)
    (tmp_path / "rows.jsonl").write_bytes(lines())
    upload(bucket, tmp_path)
    proxy = Breaking(s3_port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.own_port}")
    monkeypatch.setattr(small, "LARGEST", 0)  # small objects are read with one request
    stores.by_scheme.pop("s3", None)
    try:
        for name in ("rows.parquet", "rows.jsonl") * 4:  # few requests read one
            assert rows_of(f"s3://{BUCKET}/{name}") == expected()
        assert proxy.broken == BREAKS
    finally:
        proxy.close()
        stores.by_scheme.pop("s3", None)


def test_an_object_that_is_replaced_while_it_is_read_is_an_error(bucket: Any) -> None:
    bucket.put_object(Bucket=BUCKET, Key="rows.jsonl", Body=lines() * 60)
    with sources.opened(f"s3://{BUCKET}/rows.jsonl") as file:
        file.read(10)
        bucket.put_object(Bucket=BUCKET, Key="rows.jsonl", Body=lines() * 61)
        file.raw._file = None  # type: ignore[attr-defined]  # as after a read that broke
        file.seek(2_000_000)
        with pytest.raises(SourceError, match="replaced"):
            file.read(10)


# Other libraries' tables


def frames() -> dict[str, Callable[[], Any]]:
    whole = table()
    return {
        "a Table": lambda: whole,
        "a RecordBatchReader": lambda: whole.to_reader(max_chunksize=70),
        "a Dataset": lambda: pads.dataset(whole),
        "polars": lambda: pl.from_arrow(whole),
        "pandas": lambda: pd.DataFrame(
            {
                "id": whole["id"].to_pylist(),
                "vector": whole["vector"].to_pylist(),
                "metadata": whole["metadata"].to_pylist(),
            }
        ),
        "duckdb": lambda: duckdb.from_arrow(whole),
    }


@pytest.mark.parametrize("kind", frames())
def test_what_arrow_can_read_is_loaded_without_a_file(engine: Engine, kind: str) -> None:
    index = engine.name()
    report = cyborg_ingest.load(frames()[kind](), index=index, target=engine.target, create=True, batch_rows=64)
    assert report.rows == {"read": ROWS, "acknowledged": ROWS, "rejected": 0, "skipped": 0, "unsent": 0}
    found = engine.read(index, [identity for identity, _ in expected()])
    assert [(identity, found[identity].vector) for identity, _ in expected()] == expected()
    assert found["r7"].metadata == {"n": 7}


def test_a_table_is_read_as_often_as_it_is_asked_for_and_a_stream_once(engine: Engine) -> None:
    options: dict[str, Any] = {"target": engine.target, "create": True, "verify": "full"}
    assert cyborg_ingest.load([table()], index=engine.name(), **options).verify["differences"] == 0  # type: ignore[index]
    with pytest.raises(UsageError, match="read once"):
        cyborg_ingest.load(table().to_reader(), index=engine.name(), **options)


def test_rejected_rows_of_a_table_are_kept(engine: Engine) -> None:
    rows = table().slice(0, 3).to_pylist()
    rows[1]["vector"] = [0.0] * 6
    report = cyborg_ingest.load(
        pa.Table.from_pylist(rows), index=engine.name(), target=engine.target, create=True, max_errors="1"
    )
    assert report.rows["rejected"] == 1
    assert report.rejected_file is not None
    assert json.loads(Path(report.rejected_file).read_text("utf-8"))["id"] == "r1"


def test_what_is_no_source_is_refused_by_its_type(engine: Engine) -> None:
    with pytest.raises(UsageError, match="int"):
        cyborg_ingest.load([5], index="a", target=engine.target)
