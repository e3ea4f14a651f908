"""The README does what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest
from typer.main import get_command
from where import ROOT

from cyborg_ingest.cli import app
from cyborg_ingest.formats import READERS
from cyborg_ingest.settings.declaring import declarations
from cyborg_ingest.settings.options import FORMATS as READ
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

README = (ROOT / "README.md").read_text("utf-8")
FORMATS = (ROOT / "docs" / "formats.md").read_text("utf-8")
INSPECT = (ROOT / "docs" / "inspect.md").read_text("utf-8")


class Example(NamedTuple):
    """A command, the exit code it is said to have, and lines of its output."""

    command: str
    code: int
    output: list[str]


def examples(page: str) -> list[Example]:
    found: list[Example] = []
    for block in re.findall(r"```console\n(.*?)```", page, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                command, _, code = line[2:].partition("# exit code ")
                found.append(Example(command.strip(), int(code or 0), []))
            else:
                found[-1].output.append(line)
    return found


def normal(text: str) -> str:
    """Paths and what differs from run to run, each made one word."""
    text = re.sub(r"(?<=[ :])/[^ ,:]*", "PATH", text)
    return re.sub(r"\d[\d,.]*", "0", text)


@pytest.mark.parametrize("page", [README, INSPECT], ids=["README", "inspect"])
def test_its_commands_run_and_print_what_it_shows(page: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("CYBORG", "XDG_", "FORCE_COLOR"))
    }
    # without a terminal a key is made where one is told, which is where a terminal's user has it
    environment |= {"HOME": str(tmp_path), "CYBORG_INGEST_CONFIG_DIR": str(tmp_path / ".config" / "cyborg-ingest")}
    for example in examples(page):
        command = example.command.replace("cyborg-ingest", f"{sys.executable} -m cyborg_ingest", 1)
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environment,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == example.code, done.stderr
        lines = (done.stderr + done.stdout).splitlines()
        # on a busy machine it takes longer than the time between two lines of progress
        printed = [
            normal(line) for line in lines if not line.startswith(("loading ", "looking ", "reading ", "verifying "))
        ]
        shown = [normal(line) for line in example.output]
        assert not shown or shown == printed, example.command


def test_its_options_exist() -> None:
    known = {"--help"}
    command = get_command(app)
    for one in command.commands.values():  # type: ignore[attr-defined]
        known |= {flag for parameter in one.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", README + INSPECT)) <= known


def test_it_is_short() -> None:
    assert len(README.splitlines()) < 150


def test_every_format_and_suffix_is_in_the_table_of_formats() -> None:
    table = FORMATS.partition("## Formats")[2].partition("## Columns")[0]
    assert [name for name in READ if f"`{name}`" not in table] == []
    own = [suffix for name in READ for suffix in READERS[name].suffixes if suffix != f".{name}"]
    assert [suffix for suffix in own if f"`{suffix}`" not in table] == []


def test_every_option_for_columns_and_rows_is_described() -> None:
    declared = [
        one for one in declarations(SourceSettings).values() if one.panel in {"Columns and formats", "Choosing rows"}
    ]
    assert [one.flag for one in declared if one.flag not in FORMATS + README] == []
