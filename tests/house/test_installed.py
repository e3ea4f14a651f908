"""What `make test` promises: the wheel is tested, not the checkout it was built from."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from where import ROOT

import cyborg_ingest

CHECKOUT = ROOT / "cyborg_ingest"

pytestmark = pytest.mark.skipif(
    os.environ.get("CYBORG_INGEST_TEST_INSTALLED") != "1", reason="not the installed wheel: run `make test`"
)


def _modules(package: Path) -> dict[str, bytes]:
    return {str(path.relative_to(package)): path.read_bytes() for path in package.rglob("*.py")}


def test_the_installed_package_is_tested() -> None:
    assert Path(cyborg_ingest.__file__).is_relative_to(sysconfig.get_path("purelib"))


def test_a_python_started_by_a_test_uses_the_installed_package() -> None:
    code = "import cyborg_ingest; print(cyborg_ingest.__file__)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == cyborg_ingest.__file__


def test_the_wheel_is_not_stale() -> None:
    assert _modules(Path(cyborg_ingest.__file__).parent) == _modules(CHECKOUT)


def test_the_wheel_tells_type_checkers_that_it_is_typed() -> None:
    assert (Path(cyborg_ingest.__file__).parent / "py.typed").is_file()
