"""A short command is short: it imports what it needs, and computes what it can without more."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command
from typer.testing import CliRunner

from cyborg_ingest import cli
from cyborg_ingest.cli import app
from cyborg_ingest.loading.report import latency
from cyborg_ingest.tally import Tally

SLOW_TO_IMPORT = ("rich", "pandas", "numpy.ma", "cryptography", "h5py", "pyarrow.dataset", "requests")
"""What a load of a file into an embedded index, of which no terminal is told, has no use for."""

COMMAND = f"""
import json, sys
from cyborg_ingest.cli import main
sys.argv[0] = "cyborg-ingest"
try:
    main()
finally:
    json.dump([name for name in {SLOW_TO_IMPORT} if name in sys.modules], sys.stdout)
"""


def test_a_load_imports_nothing_slow_that_it_has_no_use_for(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.ones((3, 4), np.float32))
    load = ["upsert", "rows.npy", "--index", "x", "--target", "disk:data", "--create", "--key-out", "key"]
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *load], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert "3 of 3 rows loaded" in done.stderr
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_the_first_words_of_the_program_import_no_command(words: list[str]) -> None:
    program = (
        "import sys; from cyborg_ingest.cli import app, main; sys.argv[0] = 'cyborg-ingest'\n"
        "try: main()\n"
        "finally: print([one for one in sys.modules if 'ingest.settings.options' in one], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.splitlines()[-1] == "[]"


def test_every_command_that_help_lists_is_there_and_no_other_is() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout.partition("Commands:")[2]
    listed = [line.split()[0] for line in shown.splitlines() if re.match(r"  \w", line)]
    assert listed == list(get_command(app).commands)  # type: ignore[attr-defined]
    files = {path.stem for path in Path(cli.__file__).parent.glob("*.py") if 'part_of_program("' in path.read_text()}
    assert set(listed) == files


@given(st.lists(st.floats(0, 1000, allow_subnormal=False), min_size=1, max_size=50))
def test_latencies_are_told_as_numpy_has_percentiles(seconds: list[float]) -> None:
    tally = Tally()
    tally.latencies.extend(seconds)
    p50, p99 = np.percentile(seconds, [50, 99]) * 1000
    told = latency(tally)
    assert told["p50"] is not None
    assert told["p99"] is not None
    assert abs(told["p50"] - p50) <= 0.0005 + p50 * 1e-12
    assert abs(told["p99"] - p99) <= 0.0005 + p99 * 1e-12


def test_no_request_has_no_latency() -> None:
    assert latency(Tally()) == {"p50": None, "p99": None}
