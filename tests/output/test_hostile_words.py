"""Names, ids, columns and a service's words are shown and never obeyed: no terminal, log or reader is told lies."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unicodedata
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import ran_together
from proxy import Fault, Proxy, _answer
from test_cli import on_terminal

from cyborg_ingest.errors import printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from service import Service

FORGED = "done      7 of 7 rows loaded in 0.1 s"
EVIL = f"\x1b[2K\x1b[31mevil\x07\r\n{FORGED}\n\u202etxt\u2066\x9b1m\u2028\x08"
NAME = f"{EVIL}.parquet"


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """A folder with a file of three rows whose name, columns, ids and metadata are hostile."""
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(12, dtype=np.float32) + 1), 4)
    bad = pa.array([[1.0, 2, 3, 4], [float("nan"), 2, 3, 4], [1.0, 2, 3, 4]], pa.list_(pa.float32(), 4))
    ids = ["a", EVIL, EVIL]
    table = {"id": ids, "vector": bad, EVIL: ["x"] * 3, f"{EVIL} v": vectors}
    pq.write_table(pa.table(table), tmp_path / NAME)
    good = pa.table({"id": ["a", EVIL], "vector": vectors.slice(0, 2), EVIL: ["x"] * 2})
    pq.write_table(good, tmp_path / f"good {NAME}")
    (tmp_path / f"{EVIL}.unknown").write_text("x")
    return tmp_path


def command(folder: Path, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "cyborg_ingest", *map(str, arguments)],
        capture_output=True, timeout=120, check=False, stdin=subprocess.DEVNULL, cwd=folder, env=dict(os.environ),
    )  # fmt: skip


def plain(told: bytes) -> str:
    """What was printed, if it is nothing but characters that can be seen, and lines that we have made."""
    text = told.decode("utf-8")
    assert [one for one in text if one != "\n" and unicodedata.category(one) in {"Cc", "Cf", "Cs", "Zl", "Zp"}] == []
    assert [line for line in text.splitlines() if line.startswith(FORGED)] == []
    return text


def commands(folder: Path, target: str) -> dict[str, tuple[list[object], int]]:
    index = ["--index", EVIL, "--target", target]
    whole, good = folder / NAME, folder / f"good {NAME}"
    return {
        "create": (["index", "create", EVIL, "--target", target, "--dimension", 4], 0),
        "list": (["index", "list", "--target", target], 0),
        "info": (["index", "info", EVIL, "--target", target], 0),
        "load": (["upsert", good, *index, "--metadata-columns", "*", "--verify", "full"], 0),
        "a bad row": (["upsert", whole, *index], 4),
        "bad rows": (["upsert", whole, *index, "--max-errors", 2, "--verbose"], 1),
        "a dry run": (["upsert", whole, *index, "--dry-run"], 1),
        "a folder": (["upsert", folder, *index, "--max-errors", 5, "--vector-column", "vector"], 1),
        "inspect": (["inspect", whole, "--full"], 1),
        "inspect with an index": (["inspect", good, *index], 0),
        "verify": (["verify", whole, *index], 5),
        "no such column": (["upsert", good, *index, "--id-column", EVIL + "?"], 2),
        "no such file": (["upsert", folder / f"{EVIL}.npy", *index], 2),
        "no such index": (["upsert", good, "--index", EVIL + "?", "--target", target], 2),
        "no such target": (["upsert", good, "--index", EVIL, "--target", f"ftp://x/{EVIL}"], 2),
        "an odd condition": (["upsert", good, *index, "--where", f"{EVIL} = 1"], 2),
        "an odd number": (["upsert", good, *index, "--skip", EVIL], 2),
        "an odd choice": (["upsert", good, *index, "--metric", EVIL], 2),
        "an odd option": (["upsert", good, *index, f"--{EVIL}"], 2),
        "one too many": (["index", "info", EVIL, EVIL, "--target", target], 2),
        "no such command": ([EVIL], 2),
        "train": (["index", "train", EVIL, "--target", target], 0),
        "delete": (["index", "delete", EVIL, "--target", target, "--yes"], 0),
    }


def test_nothing_that_is_printed_into_a_pipe_or_a_log_is_obeyed(evil: Path, tmp_path: Path) -> None:
    told = {}
    every = commands(evil, f"disk:{tmp_path / 'data'}")
    ended = ran_together([arguments for arguments, _ in every.values()], evil, tmp_path / "told")
    for (name, (_, code)), done in zip(every.items(), ended, strict=True):
        told[name] = plain(done.stdout) + plain(done.stderr)
        assert done.returncode == code, (name, told[name])
        assert "Traceback" not in told[name]
    shown = printable(EVIL)
    for name in ("create", "list", "info", "load", "bad rows", "inspect", "no such column", "train", "delete"):
        assert shown in told[name], name


def test_the_progress_and_the_report_for_programs_stay_json(evil: Path, tmp_path: Path) -> None:
    done = command(evil, "upsert", evil / f"good {NAME}", "--index", EVIL, "--target", f"disk:{tmp_path / 'data'}",
                   "--create", "--json", "--progress", "json")  # fmt: skip
    assert done.returncode == 0
    events = [json.loads(line) for line in plain(done.stderr).splitlines()]
    assert (
        next(one for one in events if one["event"] == "planned")["index"] == EVIL
    )  # a program gets what it is, not how it is shown
    assert json.loads(plain(done.stdout))["index"] == EVIL
    differs = command(evil, "verify", evil / NAME, "--index", EVIL, "--target", f"disk:{tmp_path / 'data'}", "--json")
    assert json.loads(plain(differs.stdout))["examples"][0]["id"] == EVIL


def on_screen(told: str) -> str:
    """What a terminal showed, without what the bar draws itself with."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", told)


def test_nothing_that_is_drawn_on_a_terminal_is_obeyed(
    evil: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(evil)
    every = commands(evil, f"disk:{tmp_path / 'data'}")
    for name in ("create", "load", "bad rows", "info", "inspect", "no such column", "one too many", "delete"):
        arguments, code = every[name]
        done, told = on_terminal(*arguments)
        assert done == code, (name, told)
        for sign in ("\x1b[31mevil", "\x1b[2K\x1b[31m", "\x07", "\u202e", "\u2066", "\x9b", "\u2028", "\x08"):
            assert sign not in told, (name, sign, told)
        assert [line for line in re.split(r"[\r\n]+", on_screen(told)) if line.startswith(FORGED)] == []


ANSWERS = [(400, "text"), (401, "text"), (404, "text"), (422, "list"), (500, "text"), (503, "text"), (418, "text")]


@pytest.mark.parametrize(("status", "shape"), ANSWERS)
def test_a_services_words_are_shown(service: Service, evil: Path, tmp_path: Path, status: int, shape: str) -> None:
    def echo(connection: Any, _forward: Callable[[], Any]) -> bool:
        detail: Any = [{"loc": [EVIL], "msg": EVIL}] if shape == "list" else EVIL
        return _answer(connection, (status, {"Retry-After": "0"}, json.dumps({"detail": detail}).encode()))

    with Proxy(service.port, lambda *_: Fault("echo", echo)).running() as proxy:
        load = ["upsert", evil / f"good {NAME}", "--index", f"{EVIL}{tmp_path.name}", "--create",
                "--target", proxy.url, "--retries", 2, "--retry-max-wait", 0]  # fmt: skip
        for done in ran_together([load, [*load, "--verbose"]], evil, tmp_path / "told"):
            assert done.returncode == (2 if status in {401, 404} else 3)
            assert "\\x1b[31mevil" in plain(done.stderr)
            plain(done.stdout)


def test_the_traceback_of_a_bug_and_what_python_warns_of_are_shown(tmp_path: Path) -> None:
    script = tmp_path / "bug.py"
    script.write_text(
        "import sys, threading, warnings\n"
        "from cyborg_ingest import cli; from cyborg_ingest.targets import manage\n"
        "def fail(*_):\n"
        "    warnings.warn(sys.argv[2])\n"
        "    thread = threading.Thread(target=lambda: {}[sys.argv[2]])\n"
        "    thread.start()\n"
        "    thread.join()\n"
        "    raise RuntimeError(sys.argv[2])\n"
        "manage.names = fail\n"
        "sys.argv = ['cyborg-ingest', 'index', 'list', '--target', 'disk:x']\n"
        "sys.argv[1:1], sys.argv = [], [sys.argv[0], *sys.argv[1:]]\n"
        "cli.main()\n".replace("sys.argv[2]", "EVIL").replace("import sys", f"EVIL = {EVIL!r}\nimport sys")
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 70
    told = plain(done.stderr)
    assert told.count("evil") >= 3
    assert "Traceback" in told
    assert "This is a bug" in told
