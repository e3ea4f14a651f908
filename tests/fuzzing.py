"""Files of every format, damaged at random, and each loaded by the command itself in a process of its own.

`python fuzzing.py FOLDER SEED COUNT` prints a JSON line for each load that ended as none may: by a traceback, a signal,
without end, with an exit code that is none, or with a row in the index that no file has.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import json
import lzma
import os
import random
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

ROWS, DIMENSION = 120, 8
EXIT_CODES = {0, 1, 2, 3, 4, 5}
SECONDS = 60
LIBRARY_SECONDS = 10
"""For what is read in a process of its own; by itself it is as long as all that a file is given here."""
MEMORY = 6 << 30
KEY = "11" * 32
REAL_ONE_IN = 5


def rows() -> tuple[list[str], Any]:
    """The ids and vectors of each file."""
    import numpy as np  # noqa: PLC0415 - not in the process that forks

    vectors = np.random.default_rng(5).normal(size=(ROWS, DIMENSION)).astype(np.float32)
    return [f"row-{number}" for number in range(ROWS)], vectors


def write_corpus(folder: Path) -> None:
    """One whole file of each format, and of each way to pack one."""
    import h5py  # noqa: PLC0415 - not in the process that forks
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    folder.mkdir(parents=True)
    ids, vectors = rows()
    objects: list[dict[str, Any]] = [
        {"id": one, "vector": [float(item) for item in vector], "metadata": {"n": number, "t": "é" * (number % 5)}}
        for number, (one, vector) in enumerate(zip(ids, vectors, strict=True))
    ]
    lines = "".join(json.dumps(one) + "\n" for one in objects).encode()
    array = json.dumps(objects, indent=1).encode()
    cells = "id,vector,n\n" + "".join(f'{one["id"]},"{one["vector"]}",{one["metadata"]["n"]}\n' for one in objects)
    (folder / "rows.jsonl").write_bytes(lines)
    (folder / "rows.json").write_bytes(array)
    (folder / "rows.csv").write_bytes(cells.encode())
    (folder / "rows.jsonl.gz").write_bytes(gzip.compress(lines))
    (folder / "rows.csv.bz2").write_bytes(bz2.compress(cells.encode()))
    (folder / "rows.json.xz").write_bytes(lzma.compress(array))
    for name, suffix in (("zstd", "zst"), ("lz4", "lz4")):
        (folder / f"rows.jsonl.{suffix}").write_bytes(_packed(lines, name))
    table = pa.table(
        {
            "id": ids, "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), DIMENSION),
            "metadata": pa.array([one["metadata"] for one in objects]), "contents": [f"text {one}" for one in ids],
        }
    )  # fmt: skip
    pq.write_table(table, folder / "rows.parquet", row_group_size=50)
    pq.write_table(table, folder / "plain.parquet", compression="none", use_dictionary=False, data_page_version="2.0")
    for name, new, packing in (
        ("rows.arrow", pa.ipc.new_file, None), ("packed.arrow", pa.ipc.new_file, "zstd"),
        ("rows.arrows", pa.ipc.new_stream, "lz4"),
    ):  # fmt: skip
        with new(folder / name, table.schema, options=pa.ipc.IpcWriteOptions(compression=packing)) as out:
            out.write_table(table, max_chunksize=50)
    np.save(folder / "rows.npy", vectors)
    np.savez(folder / "rows.npz", id=np.array(ids), vector=vectors)
    np.savez_compressed(folder / "packed.npz", id=np.array(ids), vector=vectors)
    with h5py.File(folder / "rows.h5", "w") as file:
        file["id"] = np.array([one.encode() for one in ids])
        file.create_dataset("vector", data=vectors, chunks=(50, DIMENSION), compression="gzip")
        file.create_dataset("contents", data=np.array(ids, object), dtype=h5py.string_dtype())
    head = np.full((ROWS, 1), DIMENSION, "<i4").view("<f4")
    np.hstack([head, vectors]).astype("<f4").tofile(folder / "rows.fvecs")
    (folder / "rows.fbin").write_bytes(np.array([ROWS, DIMENSION], "<u4").tobytes() + vectors.tobytes())


def _packed(data: bytes, name: str) -> bytes:
    import pyarrow as pa  # noqa: PLC0415 - not in the process that forks

    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, name) as out:
        out.write(data)
    return bytes(sink.getvalue())


def damaged(data: bytes, chance: random.Random) -> tuple[bytes, str]:  # noqa: C901 - one line a way
    """The data, damaged in some ways, and the name of the last."""
    found, name = bytearray(data), ""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        name = chance.choice(("bits", "cut", "twice", "moved", "zeros", "rubbish", "length", "byte"))
        at = chance.randrange(max(1, len(found)))
        if chance.random() < 0.3:  # heads and footers are where most decides
            at = chance.choice((at % 64, max(0, len(found) - 1 - at % 400)))
        size = chance.choice((1, 4, 16, 64, 512, 4096))
        block = bytes(found[at : at + size])
        if name == "cut":
            del found[at:]
        elif name == "twice":
            found[at:at] = block
        elif name == "moved":
            del found[at : at + size]
            to = chance.randrange(max(1, len(found)))
            found[to:to] = block
        elif name == "zeros":
            found[at : at + size] = bytes(len(block))
        elif name == "rubbish":
            found += chance.randbytes(size)
        elif name == "length":
            found[at : at + 4] = chance.choice((b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\x10", b"\0\0\1\0"))
        elif name == "byte" and found:
            found[at % len(found)] = chance.randrange(256)
        elif found:
            found[at % len(found)] ^= 1 << chance.randrange(8)
    return bytes(found), name


def child(arguments: list[str], said: Path) -> int:
    """Run the command in a process of its own; its exit code, or minus the signal that ended it."""
    sys.stdout.flush()
    process = os.fork()
    if not process:
        handle = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for number in (1, 2):
            os.dup2(handle, number)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        code: Any = 70
        try:
            from cyborg_ingest import cli  # noqa: PLC0415 - here alone

            sys.argv = ["cyborg-ingest", *arguments]
            sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115 - as long as the process
            cli.main()
        except SystemExit as done:
            code = done.code or 0
        except BaseException:  # noqa: BLE001 - told by its traceback
            import traceback  # noqa: PLC0415

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code if isinstance(code, int) else 70)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return -signal.SIGALRM


def complaint(code: int, said: str) -> str:
    """What is wrong with how a command ended; nothing if nothing is."""
    if code == -signal.SIGALRM:
        return "did not end"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    if code not in EXIT_CODES:
        return f"exit code {code}"
    return "a traceback" if "Traceback" in said else ""


def main(folder: Path, seed: int, count: int) -> None:
    """Load so many damaged files."""
    import cyborgdb_core  # noqa: PLC0415, F401
    import pyarrow.parquet as pq  # noqa: PLC0415, F401

    import cyborg_ingest.formats.jsoncolumns  # noqa: PLC0415
    import cyborg_ingest.loading.loader  # noqa: PLC0415 - once, and not in each process
    import cyborg_ingest.targets.embedded  # noqa: PLC0415, F401
    from cyborg_ingest.apart import process  # noqa: PLC0415

    process.SECONDS = LIBRARY_SECONDS
    os.environ |= {"CYBORG_INGEST_INDEX_KEY": KEY, "CYBORG_INGEST_STATE_DIR": str(folder / f"state-{seed}")}
    whole = sorted((folder / "corpus").iterdir())
    for number in range(seed, seed + count):
        chance = random.Random(number)
        source = chance.choice(whole)
        data, how = damaged(source.read_bytes(), chance)
        name = folder / f"{number}-{source.name}"
        name.write_bytes(data)
        options = ["upsert", str(name), "--index", "x", "--target", f"disk:{folder / f'data-{number}'}", "--create"]
        options += ["--max-errors", "50%"]
        modes = [["--dry-run"], []] if number % REAL_ONE_IN == 0 else [["--dry-run"]]
        for mode in modes:
            said = folder / f"{number}.txt"
            code = child([*options, *mode], said)
            text = said.read_text(errors="replace")
            wrong = complaint(code, text)
            if wrong:
                found = {"seed": number, "file": name.name, "how": how, "mode": mode, "wrong": wrong}
                sys.stdout.write(json.dumps({**found, "said": text[-1500:]}) + "\n")
                sys.stdout.flush()
                break
            said.unlink()
        else:
            name.unlink()


if __name__ == "__main__":
    if sys.argv[1] == "corpus":
        write_corpus(Path(sys.argv[2]) / "corpus")
    else:
        with contextlib.suppress(KeyboardInterrupt):
            main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
