"""Pages of docs/ that are made of the code, or tell of it, are as the code is."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from typer.main import get_command
from where import ROOT

from cyborg_ingest.cli import app
from cyborg_ingest.loading.report import STATUSES, RunReport
from cyborg_ingest.state import files, locks, samples

if TYPE_CHECKING:
    from pathlib import Path

DOCS = ROOT / "docs"
PAGES = ("exit-codes.md", "report.md", "state.md", "troubleshooting.md")


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def test_the_page_of_options_is_what_the_script_writes() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "options_page.py"), "--check"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_of_the_report_has_each_of_its_keys_once() -> None:
    cells = re.findall(r"^\| (`.*?) \|", page("report.md"), re.MULTILINE)
    named = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(["schema_version", *RunReport.__slots__])


def test_the_page_of_exit_codes_has_each_status() -> None:
    named = set(re.findall(r"`(\w+)`", page("exit-codes.md").partition("\n\n")[2].partition("\n\n")[0]))
    assert named >= {*STATUSES.values(), "ok_with_skipped_files"}


def test_the_page_of_the_state_has_each_file_that_is_kept() -> None:
    table = page("state.md").partition("## What lies where")[2]
    kept = (*files.OWN, *files.OF_A_RUN, samples.NAME, locks.LOCK)
    assert [name for name in kept if f"/{name}`" not in table and f"`{name}`" not in table] == []


@functools.cache
def messages() -> list[str]:
    """All texts of the package; where something is put into one, a sign that no message has."""
    found = []
    for module in (ROOT / "cyborg_ingest").rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(str(one.value) if isinstance(one, ast.Constant) else "\0" for one in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def quoted() -> list[str]:
    return re.findall(r"^> (.+)$", page("troubleshooting.md"), re.MULTILINE)


@pytest.mark.parametrize("message", quoted())
def test_a_message_of_the_page_of_troubles_is_one_of_the_package(message: str) -> None:
    parts = [re.escape(one.strip()) for one in message.split("...") if one.strip()]
    pattern = re.compile(".*".join(parts), re.DOTALL)
    assert any(pattern.search(text) for text in messages())


@pytest.mark.parametrize("name", PAGES)
def test_options_that_a_page_names_exist(name: str) -> None:
    known = {"--help"}

    def look(command: object) -> None:
        for parameter in command.params:  # type: ignore[attr-defined]
            known.update((*parameter.opts, *parameter.secondary_opts))
        for one in getattr(command, "commands", {}).values():
            look(one)

    look(get_command(app))
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", page(name))) <= known


def slug(title: str) -> str:
    """The anchor of a heading, as GitHub and the site make it."""
    return re.sub(r"[^\w\- ]", "", title.replace("`", "").lower()).strip().replace(" ", "-")


def anchors(path: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {slug(title) for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("path", [ROOT / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda path: path.name)
def test_links_of_a_page_lead_to_what_is_there(path: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8"))
    for link in links:
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        there = path.parent / name if name else path
        assert there.is_file(), link
        assert not anchor or anchor in anchors(there), link


def test_each_page_has_its_place_on_the_site_and_each_picture_on_a_page() -> None:
    site = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert [one.name for one in DOCS.glob("*.md") if one.name not in site] == []
    shown = "".join(one.read_text("utf-8") for one in DOCS.glob("*.md"))
    pictures = sorted(DOCS.glob("*.svg"))
    assert [one.name for one in pictures if f"({one.name})" not in shown] == []
    assert all(one.stat().st_size < 100_000 for one in pictures)
    assert not any("%2Ftmp" in one.read_text("utf-8") for one in pictures)
