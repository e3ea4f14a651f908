"""What a message advises is run: it succeeds, or leads to another message that is true.

`NOT_YET` names the messages that this table does not reach so far; it may only shrink.
"""

from __future__ import annotations

import ast
import functools
import json
import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import advised
import pytest
from advised import Advice
from typer.testing import CliRunner

import cyborg_ingest
from cyborg_ingest import cli
from cyborg_ingest.loading import loader

if TYPE_CHECKING:
    from collections.abc import Iterable

PACKAGE = Path(cyborg_ingest.__file__).parent
_ADVICE = re.compile(r"--[a-z{]|cyborg-ingest [a-z]")
_OPTION = re.compile(r"\b(options?|flag)\b")
_NAME = re.compile(r"--[a-z-]+( and --[a-z-]+)?")
_DECLARE = {"options.py", "cli.py"}
"""Where options are declared: their helps are no messages, and what they raise is."""


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(cli.app, [str(one) for one in arguments])
    return done.exit_code, done.output


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
    **advised.OTHERS,
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
    for words in re.split(r"\{[a-z]*\}", advice):
        assert words.strip() in told, told
    assert ended != 0 or re.search("^note|--", told, re.MULTILINE), told
    if variable:
        monkeypatch.delenv(f"CYBORG_INGEST_{variable}")
    ended, told = run(*shlex.split(one.mended.partition(" ENV=")[0]))
    assert ended == one.code, told
    assert one.then in told, told


@pytest.mark.usefixtures("folder")
def test_printed_commands_are_what_a_shell_takes_whatever_the_names_are(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "an index; of $HOME 'x'"
    monkeypatch.setattr(loader, "AUTO_TRAIN_ROWS", 4)
    monkeypatch.setattr("sys.argv", ["cyborg-ingest", "upsert", "good.npy", "--index", name])
    ended, told = run("upsert", "good.npy", "--index", name)
    create = shlex.split(told.partition("To create it: ")[2].splitlines()[0])
    assert ended == 2
    ended, told = run(*create[1:])
    assert ended == 0, told
    train = shlex.split(told.partition("Train it: ")[2].splitlines()[0])
    assert train[:4] == ["cyborg-ingest", "index", "train", name]
    assert run(*train[1:])[0] == 0


@functools.cache
def messages() -> dict[str, str]:
    """Every text of the package that names an option or a command, with the file that has it.

    A text in which an option's name is put for `{}` is one, too; an option's name alone is a value, and no text.
    """
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        raised = [part for one in ast.walk(tree) if isinstance(one, ast.Raise) for part in ast.walk(one)]
        nodes = raised if path.name in _DECLARE else list(ast.walk(tree))
        skipped = {id(one.value) for one in nodes if isinstance(one, ast.Expr)}  # docstrings
        skipped |= {id(part) for one in nodes if isinstance(one, ast.JoinedStr) for part in one.values}
        for one in nodes:
            text = None if id(one) in skipped else _text(one)
            if text is not None and (_ADVICE.search(text) or _names_an_option(one)) and not _NAME.fullmatch(text):
                found[text] = path.name
    return found


def _names_an_option(node: ast.AST) -> bool:
    values = node.values if isinstance(node, ast.JoinedStr) else []
    return any(isinstance(one, ast.FormattedValue) and _OPTION.search(ast.unparse(one.value)) for one in values)


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


NOT_YET = Path(__file__).with_name("advice_not_yet.txt").read_text("utf-8").splitlines()


def covered_by(advice: str, known: Iterable[str]) -> list[str]:
    """The messages that a part of a message stands for: the one that it is as a whole, or those that it is in."""
    return [text for text in known if text == advice] or [text for text in known if advice in text]


def covered(known: Iterable[str]) -> set[str]:
    return {text for advice in ADVICE for text in covered_by(advice, known)}


@pytest.mark.parametrize("advice", ADVICE)
def test_each_advice_stands_for_one_message_alone(advice: str) -> None:
    assert len(covered_by(advice, messages())) == 1


def test_every_message_that_advises_is_run_or_named_as_missing() -> None:
    known = messages()
    missing = sorted(json.dumps(text) for text in known.keys() - covered(known) if json.dumps(text) not in NOT_YET)
    assert missing == [], "a message advises something: run it in ADVICE, or (better not) name it in advice_not_yet.txt"


def test_the_list_of_what_is_missing_has_nothing_that_is_covered_or_gone() -> None:
    known = messages()
    done = {json.dumps(text) for text in covered(known)}
    assert [line for line in NOT_YET if line in done] == []
    assert [line for line in NOT_YET if line not in {json.dumps(text) for text in known}] == []
