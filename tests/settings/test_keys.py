# ruff: noqa: E501 - commands are long
"""Keys come from files and the environment, in every usual spelling, and go nowhere else."""

from __future__ import annotations

import base64
import functools
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import KEY, ROOT_KEY
from proxy import Fault, Proxy, held_back, status

import cyborg_ingest
from cyborg_ingest.errors import IngestError, KeyFileError, UsageError
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.settings import keys

if TYPE_CHECKING:
    from service import Service

SPELLINGS: dict[str, bytes] = {
    "raw": KEY,
    "hex": KEY.hex().encode(),
    "upper-case hex": KEY.hex().upper().encode() + b"\n",
    "base64": base64.b64encode(KEY) + b"\r\n",
    "base64 for URLs": base64.urlsafe_b64encode(KEY).rstrip(b"="),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_key_file_may_be_spelled_in_every_usual_way(tmp_path: Path, spelling: str) -> None:
    (tmp_path / "key").write_bytes(SPELLINGS[spelling])
    assert keys.index_key({}, tmp_path / "key") == KEY


@pytest.mark.parametrize("text", [b"", b"short", KEY[:31], KEY + b"\n", b"\0" * 32, b"0" * 64, b"g" * 64])
def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "key").write_bytes(text)
    with pytest.raises(KeyFileError) as caught:
        keys.index_key({}, tmp_path / "key")
    assert "key" in str(caught.value)
    assert not text or text.decode("latin-1") not in str(caught.value).replace(str(tmp_path), "")


def test_two_keys_are_one_too_many(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY)
    with pytest.raises(UsageError, match="Drop one"):
        keys.index_key({}, tmp_path / "key", "cat key")
    with pytest.raises(UsageError, match="Drop one"):
        keys.api_key({}, tmp_path / "key", "cat key")


def test_a_file_that_is_named_goes_before_the_environment(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "api").write_text("of the file")
    environ = {"CYBORG_INGEST_INDEX_KEY": "ab" * 32, "CYBORG_INGEST_API_KEY": "of the environment"}
    assert keys.index_key(environ, tmp_path / "key") == KEY
    assert keys.api_key(environ, tmp_path / "api") == "of the file"
    origin = keys.origin_of(environ, "CYBORG_INGEST_INDEX_KEY", None, "cat key")
    assert origin is not None
    assert origin.text == "--index-key-command"


def test_a_kept_key_is_private_whole_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "one.key"
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(keys.keep_new_key(path))) for _ in range(16)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(set(found)) == 1
    assert keys.find_kept_key(path) == found[0]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_targets_and_indexes_have_files_of_their_own() -> None:
    pairs = [
        ("a", "b/c"),
        ("a/b", "c"),
        ("..", "x"),
        ("a", ".."),
        ("a", "x" * 500),
        ("a", "x" * 501),
        ("a", "X"),
        ("a", ""),
    ]
    paths = [keys.kept_key_path(*pair) for pair in pairs]
    root = keys.kept_key_path("t", "i").parents[1]
    assert len(set(paths)) == len(pairs)
    assert all(path.parents[1] == root and ".." not in path.parts for path in paths)


# Nothing that a run leaves behind holds a key

DIMENSION = 4


def forms() -> list[bytes]:
    hexed = KEY.hex()
    return [
        KEY, hexed.encode(), hexed.upper().encode(), base64.b64encode(KEY).rstrip(b"="),
        base64.urlsafe_b64encode(KEY).rstrip(b"="), ROOT_KEY.encode(), base64.b64encode(ROOT_KEY.encode()).rstrip(b"="),
    ]  # fmt: skip


def look(where: str, data: bytes) -> None:
    for form in forms():
        assert form not in data, f"a key is in {where}"


COMMAND = [sys.executable, "-m", "cyborg_ingest", "upsert"]
CRASH = (
    "import sys; from cyborg_ingest.targets import rest; rest.Body = None; sys.argv[0] = 'cyborg-ingest';"
    "from cyborg_ingest.cli import main; main()"
)


def first_two(fault: Fault | None, upsert: int, _body: bytes) -> Fault | None:
    return fault if upsert < 3 else None


def test_no_key_is_in_any_file_output_traceback_or_process_list(secured_service: Service, tmp_path: Path) -> None:
    with cyborg_ingest.connect(secured_service.url, ROOT_KEY) as client:
        client.create("secrets", KEY, CreateOptions(dimension=DIMENSION)).close()
    rows: list[dict[str, Any]] = [{"id": f"r{row}", "vector": [1.0, 2, 3, row]} for row in range(400)]
    rows[17]["vector"] = [1.0]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    environment = {
        **os.environ, "CYBORG_INGEST_API_KEY": ROOT_KEY, "CYBORG_INGEST_INDEX_KEY": KEY.hex(), "HOME": str(tmp_path / "home"),
        "CYBORG_INGEST_STATE_DIR": str(tmp_path / "state"), "CYBORG_INGEST_CONFIG_DIR": str(tmp_path / "config"),
    }  # fmt: skip
    (tmp_path / "home").mkdir()
    echo = json.dumps(
        {"detail": [{"type": "x", "loc": ["body"], "msg": "m", "input": {"index_key": KEY.hex()}}]}
    ).encode()

    def echoes(connection: Any, forward: Any) -> bool:
        """A 422 as the service writes it: with the whole request in it."""
        forward()
        head = f"HTTP/1.1 422 X\r\nContent-Type: application/json\r\nContent-Length: {len(echo)}\r\n\r\n"
        connection.sendall(head.encode() + echo)
        return True

    faults = [
        Fault("echo", echoes),
        Fault("429", status(429)),
        Fault("late", held_back(0.5)),
        Fault("500", status(500)),
    ]
    codes = []
    for number, fault in enumerate([None, *faults, None]):
        with Proxy(secured_service.port, functools.partial(first_two, fault)).running() as proxy:
            arguments = [str(tmp_path / "rows.jsonl"), "--index", "secrets", "--target", proxy.url, "--max-errors", "5",
                         "--verbose", "--json", "--batch-rows", "50", "--retries", "1", "--retry-max-wait", "0.1",
                         "--timeout", "20", "--progress", "json" if number % 2 else "plain"]  # fmt: skip
            command = [sys.executable, "-c", CRASH, "upsert"] if number == len(faults) + 1 else COMMAND
            with subprocess.Popen(
                [*command, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            ) as process:
                if Path("/proc/self/cmdline").exists():
                    time.sleep(0.2)
                    look("the process list", Path(f"/proc/{process.pid}/cmdline").read_bytes())
                stdout, stderr = process.communicate(timeout=120)
            codes.append(process.returncode)
            look("stdout", stdout)
            look("stderr", stderr)
    assert codes[0] == 1
    assert codes[-1] == 70
    assert b"Traceback" in stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"rejected.jsonl", "report.json", "journal.jsonl"} <= {path.name for path in written}
    for path in written:
        look(str(path), path.read_bytes())


def test_no_repr_or_error_of_ours_shows_a_key(secured_service: Service) -> None:
    with cyborg_ingest.connect(secured_service.url, ROOT_KEY) as client:
        index = client.index("nope", KEY)
        shown = [repr(client), repr(index), repr(index._index.secrets)]  # type: ignore[attr-defined]
        for call in (index.count, lambda: index.upsert_binary(["a"], np.ones((1, 4), np.float32))):
            with pytest.raises(IngestError) as caught:
                call()
            shown += [repr(caught.value), str(caught.value)]
    for text in shown:
        look("a message", text.encode())
