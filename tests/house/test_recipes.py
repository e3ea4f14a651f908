"""Each recipe's command loads the files of the corpus that it is about, and the index then holds what was written."""

from __future__ import annotations

import re
import shlex
import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest
from commands import ran
from conftest import Engine
from test_layouts import FOLDERS, NOT_YET, check, layout_of
from typer.main import get_command
from where import ROOT

from cyborg_ingest.cli import app

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "recipes.md").read_text("utf-8")
RECIPE = re.compile(r"<!-- (\S+) -->\n```console\n\$ cyborg-ingest (.*?)\n```", re.DOTALL)


class Recipe(NamedTuple):
    """A command, the exit code it is said to have, and the entry of the corpus that it is about."""

    entry: str
    words: list[str]
    code: int


def recipes() -> list[Recipe]:
    found = []
    for entry, line in RECIPE.findall(PAGE):
        command, _, code = line.partition("# exit code ")
        found.append(Recipe(entry, shlex.split(command), int(code or 0)))
    return found


@pytest.mark.parametrize("recipe", [pytest.param(one, id=one.entry) for one in recipes()])
def test_a_recipe_loads_what_it_says(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(FOLDERS[recipe.entry], tmp_path / "have")
    monkeypatch.chdir(tmp_path / "have")
    target = f"disk:{tmp_path / 'data'}"
    done = ran(*recipe.words, CYBORG_INGEST_TARGET=target, CYBORG_INGEST_CREATE="1")
    assert done.returncode == recipe.code, done.stderr
    check(
        layout_of(recipe.entry), Engine("embedded", target, iter(())), recipe.words[recipe.words.index("--index") + 1]
    )


def test_every_command_of_the_page_is_a_recipe_that_is_run() -> None:
    assert len(re.findall(r"^\$ ", PAGE, re.MULTILINE)) == len(recipes())
    assert not {one.entry for one in recipes()} & NOT_YET


def test_its_options_exist() -> None:
    known = {"--help"}
    command = get_command(app)
    for one in command.commands.values():  # type: ignore[attr-defined]
        known |= {flag for parameter in one.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", PAGE)) <= known
