"""A key is made where its user knows it to be: on a terminal that says so, or in the file that --key-out names."""

# ruff: noqa: E501 - commands are long
from __future__ import annotations

import json
import os
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from commands import ran
from conftest import KEY
from test_cli import on_terminal
from typer.testing import CliRunner

import cyborg_ingest
from cyborg_ingest import cli
from cyborg_ingest.errors import UsageError

if TYPE_CHECKING:
    from conftest import Engine

ROWS = np.arange(1, 21, dtype=np.float32).reshape(5, 4)
COMMAND = re.compile(r"cyborg-ingest .*--key-out \S+")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As for a user who has set nothing."""
    for name in ("CYBORG_INGEST_CONFIG_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    np.save("rows.npy", ROWS)
    return tmp_path / "home"


def unwatched(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command as a scheduler runs it: nobody looks."""
    return subprocess.run(
        [sys.executable, "-m", "cyborg_ingest", *shlex.split(command)[1:]],
        capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL, env={**os.environ, **environment},
    )  # fmt: skip


def unseen(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same, in this process."""
    return ran(*shlex.split(command)[1:], **environment)


def keys_below(folder: Path) -> list[Path]:
    return [one for one in folder.rglob("*") if one.is_file() and one.suffix == ".key"]


TARGET = "disk:engine"


def upsert(target: str = TARGET, more: str = "", index: str = "docs") -> str:
    return f"cyborg-ingest upsert rows.npy --index {index} --target {target} --create {more}"


def test_without_a_terminal_no_key_is_made_where_nobody_is_told_and_the_command_that_is_advised_works(
    engine: Engine, home: Path
) -> None:
    index = engine.name()
    command = upsert(engine.target, index=index)
    refused = unwatched(command)
    assert (refused.returncode, keys_below(home.parent)) == (2, []), refused.stderr
    with engine.connect() as client:
        assert index not in client.list_indexes()
    advised = COMMAND.search(refused.stderr)
    assert advised is not None, refused.stderr
    done = unwatched(advised[0])
    assert done.returncode == 0, done.stderr
    (made,) = keys_below(home.parent)
    key = bytes.fromhex(made.read_text("ascii"))
    assert {one.vector for one in engine.read(index, [str(n) for n in range(5)], key).values()} == {
        row.tobytes() for row in ROWS
    }
    told = re.search(r"--index-key-file \S+\.key", done.stderr)
    assert told is not None
    verified = unwatched(f"cyborg-ingest verify rows.npy --index {index} --target {engine.target} {told[0]}")
    assert verified.returncode == 0, verified.stderr


def test_the_same_command_finds_the_key_again_and_never_writes_over_it(home: Path) -> None:
    command = upsert(TARGET, "--key-out own.key --json")
    first = unseen(command)
    before = Path("own.key").read_bytes()
    second = unseen(f"{command} --restart")
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert Path("own.key").read_bytes() == before
    assert stat.S_IMODE(Path("own.key").stat().st_mode) == 0o600
    assert json.loads(first.stdout)["key_file"] == str(home.parent / "own.key")
    assert json.loads(second.stdout)["key_file"] is None
    assert "A new key" in first.stderr
    assert "A new key" not in second.stderr
    assert keys_below(home) == []


def test_a_dry_run_says_that_the_load_would_not_know_where_to_keep_the_key() -> None:
    command = upsert(TARGET, "--dry-run")
    done, told = unseen(command), unseen(f"{command} --key-out a.key")
    assert done.returncode == 1
    assert "--key-out" in done.stderr
    assert told.returncode == 0, told.stderr
    assert not Path("a.key").exists()


def test_whoever_names_the_directory_of_keys_knows_where_they_are(home: Path) -> None:
    done = unseen(upsert(), CYBORG_INGEST_CONFIG_DIR=str(home.parent / "config"))
    assert done.returncode == 0, done.stderr
    assert len(keys_below(home.parent / "config")) == 1


def test_a_file_for_the_key_may_come_from_the_environment() -> None:
    done = unseen(upsert(), CYBORG_INGEST_KEY_OUT="from.key")
    assert done.returncode == 0, done.stderr
    assert len(bytes.fromhex(Path("from.key").read_text("ascii"))) == 32


def test_on_a_terminal_the_key_is_kept_in_the_users_folder_and_said(home: Path) -> None:
    code, shown = on_terminal(*shlex.split(upsert())[1:])
    assert code == 0, shown
    (made,) = keys_below(home)
    assert str(made.parent.parent).replace(f"{home}/", "~/") in re.sub(r"\s", "", shown)
    runner, shown = on_terminal(*shlex.split(upsert(index="other"))[1:], CI="true")  # some of them have one too
    assert (runner, len(keys_below(home))) == (2, 1), shown


def test_index_create_makes_no_key_in_the_dark_either(home: Path) -> None:
    command = f"cyborg-ingest index create docs --target {TARGET} --dimension 4"
    refused = unseen(command)
    assert (refused.returncode, keys_below(home.parent)) == (2, [])
    advised = COMMAND.search(refused.stderr)
    assert advised is not None, refused.stderr
    done = unseen(advised[0])
    assert done.returncode == 0, done.stderr
    assert len(keys_below(home.parent)) == 1


def test_a_program_says_where_to_keep_it(home: Path) -> None:
    """Nobody hears its notes, whatever it runs on."""
    with pytest.raises(UsageError, match=r"key_out='docs\.key'"):
        cyborg_ingest.load("rows.npy", index="docs", target=TARGET, create=True)
    assert keys_below(home.parent) == []
    report = cyborg_ingest.load("rows.npy", index="docs", target=TARGET, create=True, key_out="docs.key")
    assert report.key_file == str(home.parent / "docs.key")
    key = bytes.fromhex(Path(report.key_file).read_text("ascii"))
    with cyborg_ingest.connect(TARGET) as client, client.index("docs", key) as one:
        assert one.count() == 5


def test_a_key_that_is_given_needs_no_place() -> None:
    done = unseen(upsert(), CYBORG_INGEST_INDEX_KEY=KEY.hex())
    assert done.returncode == 0, done.stderr
    both = unseen(upsert(TARGET, "--key-out a.key"), CYBORG_INGEST_INDEX_KEY=KEY.hex())
    kms = unseen(upsert(TARGET, "--key-out a.key --kms-name k"))
    assert (both.returncode, kms.returncode) == (2, 2)
    assert "drop one" in both.stderr
    assert "drop one" in kms.stderr
    assert not Path("a.key").exists()


def test_a_key_that_an_earlier_run_has_kept_goes_to_the_file_that_is_named(home: Path) -> None:
    """Of a creation that was cut short, the envelope is there: no other key would do."""
    command = upsert()
    code, shown = on_terminal(*shlex.split(command)[1:])
    assert code == 0, shown
    (kept,) = keys_below(home)
    with cyborg_ingest.connect(TARGET) as client, client.index("docs", bytes.fromhex(kept.read_text("ascii"))) as one:
        one.delete()
    done = unseen(f"{command} --restart --key-out copy.key")
    assert done.returncode == 0, done.stderr
    assert Path("copy.key").read_bytes() == kept.read_bytes()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere/a.key", "directory that is there"),
        (".", "not a regular file"),
        ("/dev/null", "not a regular file"),
        ("text.key", "is not a key"),
        ("link.key", "is a link"),
        ("open.key", "Other users can read"),
        ("empty.key", "is not a key"),
    ],
)
def test_a_file_that_cannot_hold_the_key_is_named_before_anything_is_made(home: Path, name: str, words: str) -> None:
    Path("empty.key").touch(0o600)
    Path("text.key").write_text("some other file")
    Path("text.key").chmod(0o600)
    Path("open.key").write_text(KEY.hex())
    Path("open.key").chmod(0o644)
    Path("link.key").symlink_to("elsewhere")
    done = CliRunner().invoke(cli.app, shlex.split(upsert(TARGET, f"--key-out {name}"))[1:])
    assert done.exit_code == 2, done.output
    assert words in done.output
    assert "--key-out" in done.output
    assert Path("text.key").read_text() == "some other file"
    assert not Path("engine").exists() or cyborg_ingest.connect(TARGET).list_indexes() == []
    assert not (home.parent / "nowhere").exists()


def test_the_file_of_the_key_is_never_where_a_source_finds_its_files() -> None:
    Path("data").mkdir()
    np.save("data/rows.npy", ROWS)
    command = upsert(TARGET, "--key-out data/k.npy").replace("rows.npy", "data")
    done = unseen(command)
    assert done.returncode == 2
    assert "the next run would load it" in done.stderr
    assert not Path("data/k.npy").exists()
