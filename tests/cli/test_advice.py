"""What a message advises is run: it succeeds, or leads to another message that is true.

Two places run them: the table of `advised`, and the tests of test_advice_*.py that call `says`, for what takes more
than files and a command line. A message that neither runs fails here.
"""

from __future__ import annotations

import ast
import functools
import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import advised
import pytest
from advised import Advice, run, says
from where import TESTS

import cyborg_ingest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PACKAGE = Path(cyborg_ingest.__file__).parent
_ADVICE = re.compile(r"--[a-z{]|cyborg-ingest [a-z]|CYBORG_INGEST_[A-Z]")
_OPTION = re.compile(r"options?|flag|variable|[A-Z_]+_VARIABLE|\w*command|with_options")
_NAME = re.compile(r"--[a-z-]+( and --[a-z-]+)?|CYBORG_INGEST_[A-Z_]+|[{} ]+")
"""An option alone, or whatever it is with its value: that is put into messages, and is none."""

_DECLARE = {"options", "scheduling"}
"""Where options are declared, or documents are written: helps are not messages, what is raised or said there is.

Documents are read by the parsers that they are for, and what they run is run: test_schedule.
"""


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files of all kinds of trouble, from which each test has its own copy."""
    folder = tmp_path_factory.mktemp("troubled") / "files"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        advised.files()
    return folder


@pytest.fixture
def folder(troubled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files, and an index `x` of four dimensions in `disk:data`."""
    own = tmp_path / "files"
    shutil.copytree(troubled, own)
    monkeypatch.chdir(own)
    monkeypatch.setenv("CYBORG_INGEST_TARGET", "disk:data")
    assert run("index", "create", "x", "--dimension", 4, "--metric", "cosine")[0] == 0
    return own


ADVICE: dict[str, Advice] = {
    **advised.MAPPING, **advised.FORMATS, **advised.WHERE, **advised.SETTINGS, **advised.TARGETS, **advised.FINDINGS,
    **advised.ROWS, **advised.OTHERS,
}  # fmt: skip
"""Which message (a part of it as it stands in the source) is the end of which command, and what it advises."""


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("advice", ADVICE)
def test_what_is_advised_helps(advice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = ADVICE[advice]
    trouble, _, variable = one.trouble.partition(" ENV=")
    if variable:
        monkeypatch.setenv(f"CYBORG_INGEST_{variable}", "cd" * 32)
    ended, told = run(*shlex.split(trouble))
    says(told, advice)
    assert ended != 0 or re.search("^note|--", told, re.MULTILINE), told
    if variable:
        monkeypatch.delenv(f"CYBORG_INGEST_{variable}")
    ended, told = run(*shlex.split(one.mended.partition(" ENV=")[0]))
    assert ended == one.code, told
    assert one.then in told, told


@functools.cache
def messages() -> dict[str, str]:
    """Every text of the package that names an option or a command, with the file that has it.

    A text in which an option's name is put for `{}` is one, too; an option's name alone is a value, and no text.
    """
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        said = [part for one in ast.walk(tree) if _is_said(one) for part in ast.walk(one)]
        nodes = said if _DECLARE & {path.stem, path.parent.name} else list(ast.walk(tree))
        skipped = {id(one.value) for one in nodes if isinstance(one, ast.Expr)}  # docstrings
        skipped |= {id(part) for one in nodes if isinstance(one, ast.JoinedStr) for part in one.values}
        for one in nodes:
            text = None if id(one) in skipped else _text(one)
            if text is not None and (_ADVICE.search(text) or _names_an_option(one)) and not _NAME.fullmatch(text):
                found[text] = path.name
    return found


def _is_said(node: ast.AST) -> bool:
    return isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say")


def _names_an_option(node: ast.AST) -> bool:
    """Whether an option's name is put in, or a variable's that says the same, or a command, by the name of what is put.

    `option`, `role.option`, `KEY_VARIABLE`, `command`; `options.metric` is another thing: a value of theirs.
    """
    put = [one.value for one in getattr(node, "values", ()) if isinstance(one, ast.FormattedValue)]
    parts = [part for one in put for part in ast.walk(one)]
    of = {id(part.value) for part in parts if isinstance(part, ast.Attribute)}
    names = [getattr(part, "attr", None) or getattr(part, "id", "") for part in parts if id(part) not in of]
    return any(_OPTION.fullmatch(str(name)) for name in names)


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def covered_by(advice: str, known: Iterable[str]) -> list[str]:
    """The messages that a part of a message stands for: the one that it is as a whole, or those that it is in."""
    return [text for text in known if text == advice] or [text for text in known if advice in text]


def followed() -> Iterator[str]:
    """The messages that tests have produced and followed, by `says`."""
    for path in sorted(TESTS.rglob("test_*.py")):
        for one in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id == "says":
                message = _text(one.args[-1])
                if message is not None:
                    yield message


RUN = {*ADVICE, *followed()}


@pytest.mark.parametrize("advice", sorted(RUN))
def test_each_advice_stands_for_one_message_alone(advice: str) -> None:
    assert len(covered_by(advice, messages())) == 1


def test_every_message_that_advises_is_run() -> None:
    known = messages()
    missing = known.keys() - {text for advice in RUN for text in covered_by(advice, known)}
    assert sorted(missing) == [], "a message advises something: run it, in the table of `advised` or with `says`"
