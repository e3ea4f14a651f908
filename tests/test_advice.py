"""What a message advises is run: it succeeds, or leads to another message that is true.

`NOT_YET` names the messages that this table does not reach so far; it may only shrink.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import cyborg_ingest
from cyborg_ingest import cli, loader

PACKAGE = Path(cyborg_ingest.__file__).parent
_ADVICE = re.compile(r"--[a-z]|cyborg-ingest [a-z]")
_DECLARE = {"settings.py", "cli.py"}
"""Where options are declared: their helps are no messages."""


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(cli.app, [str(one) for one in arguments])
    return done.exit_code, done.output


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of all kinds of trouble, and an index `x` of four dimensions in `disk:data`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_TARGET", "disk:data")
    good = np.arange(1, 21, dtype=np.float32).reshape(5, 4)
    np.save("good.npy", good)
    np.save("bad.npy", np.where(good == 9, np.nan, good))
    np.save("empty.npy", good[:0])
    np.save("wide.npy", np.ones((5, 6), np.float32))
    Path("array.jsonl").write_text(json.dumps([{"id": "a", "vector": [1, 2, 3, 4]}]))
    Path("lines.json").write_text(
        json.dumps({"id": "a", "vector": [1, 2, 3, 4]}) + "\n" + json.dumps({"id": "b", "vector": [1, 2, 3, 4]})
    )
    Path("rows.unknown").write_text("id,v1,v2,v3,v4\na,1,2,3,4\n")
    Path("numbers.csv").write_text("1,2,3,4\n5,6,7,8\n")
    Path("semi.csv").write_text("id;v1;v2;v3;v4\na;1;2;3;4\nb;1;2;3;4\n")
    Path("many").mkdir()
    for name in ("many/a.npy", "many/b.npy"):
        np.save(name, good)
    assert run("index", "create", "x", "--dimension", 4, "--metric", "cosine")[0] == 0
    return tmp_path


UPSERT = ("upsert", "--index", "x")

# Which message (a part of it as it stands in the source) -> the command that ends with it, and what it advises then
ADVICE: dict[str, tuple[tuple[Any, ...], tuple[Any, ...], int]] = {
    "Mend or remove the row, or go on after bad rows with --max-errors N": (
        (*UPSERT, "bad.npy"), (*UPSERT, "bad.npy", "--max-errors", 1), 1,
    ),
    "If that may be, say so with --allow-empty": (
        (*UPSERT, "empty.npy"), (*UPSERT, "empty.npy", "--allow-empty"), 0,
    ),
    "Name another index, or another --vector-column": (
        (*UPSERT, "wide.npy"), ("upsert", "wide.npy", "--index", "other", "--create"), 0,
    ),
    "To create it: {} --create": (
        ("upsert", "good.npy", "--index", "new"), ("upsert", "good.npy", "--index", "new", "--create"), 0,
    ),
    "--metric says {}": ((*UPSERT, "good.npy", "--metric", "euclidean"), (*UPSERT, "good.npy"), 0),
    "It looks like a JSON array: say so with --format json": (
        (*UPSERT, "array.jsonl"), (*UPSERT, "array.jsonl", "--format", "json"), 0,
    ),
    "It looks like one object a line: say so with --format jsonl": (
        (*UPSERT, "lines.json", "--format", "json"), (*UPSERT, "lines.json", "--format", "jsonl"), 0,
    ),
    "do not tell its format. Say it with --format {}": (
        (*UPSERT, "rows.unknown"), (*UPSERT, "rows.unknown", "--format", "csv", "--vector-column", "v*"), 0,
    ),
    "If it has no header, say --no-header": (
        (*UPSERT, "numbers.csv"),
        (*UPSERT, "numbers.csv", "--no-header", "--vector-column", "column0,column1,column2,column3",
         "--id-template", "{row}"), 0,
    ),
    "say so with --delimiter {}": (
        (*UPSERT, "semi.csv"), (*UPSERT, "semi.csv", "--delimiter", ";", "--vector-column", "v*"), 0,
    ),
    "Give --id-prefix with {file} in it": (
        (*UPSERT, "many"), (*UPSERT, "many", "--id-prefix", "{file}-"), 0,
    ),
    "--kms-name needs a service": (
        ("index", "create", "y", "--kms-name", "k"), ("index", "create", "y"), 0,
    ),
}  # fmt: skip


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("advice", ADVICE)
def test_what_is_advised_helps(advice: str) -> None:
    trouble, mended, code = ADVICE[advice]
    ended, told = run(*trouble)
    assert ended != 0, told
    for words in re.split(r"\{[a-z]*\}", advice):
        assert words.strip() in told, told
    ended, told = run(*mended)
    assert ended == code, told


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


def messages() -> dict[str, str]:
    """Every text of the package that names an option or a command, with the file that has it."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name in _DECLARE:
            continue
        tree = ast.parse(path.read_text("utf-8"))
        nodes = list(ast.walk(tree))
        skipped = {id(one.value) for one in nodes if isinstance(one, ast.Expr)}  # docstrings
        skipped |= {id(part) for one in nodes if isinstance(one, ast.JoinedStr) for part in one.values}
        for one in nodes:
            if id(one) in skipped:
                continue
            text = _text(one)
            if text is not None and _ADVICE.search(text):
                found[text] = path.name
    return found


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


NOT_YET = Path(__file__).with_name("advice_not_yet.txt").read_text("utf-8").splitlines()


def test_every_message_that_advises_is_run_or_named_as_missing() -> None:
    known = messages()
    covered = {text for text in known if any(advice in text for advice in ADVICE)}
    assert len(covered) >= len(ADVICE) - 1
    missing = sorted(json.dumps(text) for text in known if text not in covered and json.dumps(text) not in NOT_YET)
    assert missing == [], "a message advises something: run it in ADVICE, or (better not) name it in advice_not_yet.txt"


def test_the_list_of_what_is_missing_has_nothing_that_is_covered_or_gone() -> None:
    known = {json.dumps(text) for text in messages()}
    covered = {json.dumps(text) for text in messages() if any(advice in text for advice in ADVICE)}
    assert [line for line in NOT_YET if line in covered] == []
    assert len(set(NOT_YET) - known) <= len(NOT_YET) // 4  # messages change; whoever changes one may drop its line
