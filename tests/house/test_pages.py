"""Pages of docs/ that are made of the code, or tell of it, are as the code is."""

from __future__ import annotations

import subprocess
import sys

from where import ROOT


def test_the_page_of_options_is_what_the_script_writes() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "options_page.py"), "--check"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
