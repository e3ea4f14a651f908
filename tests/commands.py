"""`cyborg-ingest` with no process for each command, where what it does is tried and not how it starts or is ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from cyborg_ingest import cli

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

ROWS = "".join(json.dumps({"id": f"row-{n}", "vector": [1.0, float(n)]}) + "\n" for n in range(5))
BAD = '{"id": "bad-one", "vector": [0, 0]}\n'

ONE_AFTER_ANOTHER = """
import json, os, subprocess, sys
from cyborg_ingest import cli
folder, answers, before = sys.argv[1], os.dup(1), []
for place, arguments in enumerate(json.loads(sys.stdin.read())):
    for stream in (1, 2):
        file = os.open(f"{folder}/{place}.{stream}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, stream)
        os.close(file)
    before += [sys.stdout, sys.stderr]  # which would close 1 and 2 as they go
    sys.stdout = open(1, "w", closefd=False)
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    sys.argv = ["cyborg-ingest", *arguments]
    code = "it did not end by itself"
    try:
        if arguments[0] == "sh":
            sys.exit(subprocess.run(arguments).returncode)
        cli.main()
    except SystemExit as done:
        code = done.code or 0
    sys.stdout.flush()
    os.write(answers, f"{int(code)} ".encode())
os._exit(0)
"""


def ran(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in this process, without a terminal."""
    words = [str(one) for one in arguments]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["cyborg-ingest", *words])  # which is named where the same command is advised
        done = CliRunner().invoke(cli.app, words, env=environment, catch_exceptions=False)
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


def load(
    *more: object, file: str = "rows.jsonl", index: str = "i", **environment: str
) -> subprocess.CompletedProcess[str]:
    """A load of rows of `here`."""
    return ran("upsert", file, "--index", index, *more, **environment)


def ran_together(
    commands: Iterable[Sequence[object]], cwd: Path, folder: Path, *, inside: Sequence[str] = ()
) -> list[subprocess.CompletedProcess[bytes]]:
    """Commands one after another in a process of their own, each with streams of its own, which go to files.

    A command that begins with `sh` is the shell's. `inside`: what the process is started by.
    """
    words = [[str(one) for one in command] for command in commands]
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [*inside, sys.executable, "-c", ONE_AFTER_ANOTHER, str(folder)], input=json.dumps(words).encode(), cwd=cwd,
        stdout=subprocess.PIPE, timeout=300, check=True, env=dict(os.environ),
    )  # fmt: skip
    return [
        subprocess.CompletedProcess(
            command, code, (folder / f"{place}.1").read_bytes(), (folder / f"{place}.2").read_bytes()
        )
        for place, (command, code) in enumerate(zip(words, map(int, done.stdout.split()), strict=True))
    ]


def every_command() -> dict[str, Any]:
    """All commands by their words, as the parser has them."""
    found: dict[str, Any] = {}
    for name, one in get_command(cli.app).commands.items():  # type: ignore[attr-defined]
        found |= (
            {f"{name} {inner}": two for inner, two in one.commands.items()} if hasattr(one, "commands") else {name: one}
        )
    return found
