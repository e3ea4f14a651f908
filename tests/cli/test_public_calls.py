"""Odd arguments of every public call, on both engines: an error of ours, before anything reaches native code."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from where import TESTS

import cyborg_ingest

if TYPE_CHECKING:
    from conftest import Engine


@pytest.mark.parametrize("call", ["query", "get", "upsert", "create", "index", "connect"])
def test_odd_arguments_are_errors_and_end_no_process(engine: Engine, call: str) -> None:
    done = subprocess.run(
        [sys.executable, str(TESTS / "public_calls.py"), engine.target, call],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"exit code {done.returncode} at: {lines[-1] if lines else ''} {done.stderr}"
    assert lines.pop() == "end"
    assert len(lines) > 10
    assert [line for line in lines if not line.endswith((" -> ArgumentError", " -> ArgumentTypeError"))] == []
    with cyborg_ingest.connect(engine.target) as client:  # the service is still there
        assert client.list_indexes()
