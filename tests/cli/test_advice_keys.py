"""What is advised on keys is done: where they are kept, which one was tried, which other one is taken."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from advised import run, says
from conftest import KEY

import cyborg_ingest
from cyborg_ingest.errors import KeyFileError
from cyborg_ingest.settings import keys

WRONG = bytes(reversed(KEY))
CREATE = ("upsert", "rows.npy", "--create", "--index", "new")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five rows, and a target, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_TARGET", "disk:data")
    np.save("rows.npy", np.arange(1, 21, dtype=np.float32).reshape(5, 4))
    Path("right.key").write_text(KEY.hex())
    return tmp_path


def made(name: str = "x") -> Path:
    """An index whose key is KEY, and the place where its key would be kept."""
    assert run("index", "create", name, "--dimension", 4, "--index-key-file", "right.key")[0] == 0
    return keys.kept_key_path(f"disk:{Path('data').resolve()}", name)


def test_a_new_key_is_taken_by_the_option_that_is_told() -> None:
    code, told = run(*CREATE, "--key-out", "a b.key")
    assert code == 0, told
    says(told, " Other commands take it with --index-key-file {}.")
    option = re.search(r"with (--index-key-file .*)\.$", told, re.MULTILINE)
    assert option is not None
    code, told = run("verify", "rows.npy", "--index", "new", *shlex.split(option[1]))
    assert code == 0, told


def test_without_a_place_for_the_key_the_whole_command_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CYBORG_INGEST_CONFIG_DIR")
    monkeypatch.setattr("sys.argv", ["cyborg-ingest", *CREATE])
    code, told = run(*CREATE)
    assert code == 2, told
    assert "Say where to keep it, on a disk that stays: cyborg-ingest" in told
    command = shlex.split(told.partition("on a disk that stays: ")[2].splitlines()[0])
    assert command[0] == "cyborg-ingest"
    code, told = run(*command[1:])
    assert code == 0, told


def test_a_kept_key_that_is_not_the_indexs_is_named_and_another_file_helps(place: Path) -> None:
    kept = made()
    keys.keep_new_key(kept, key=WRONG)
    code, told = run("index", "info", "x")
    assert code == 2, told
    says(told, "Give its own by CYBORG_INGEST_INDEX_KEY or --index-key-file.")
    assert f"The key that was tried is kept in {kept}." in told
    code, told = run("index", "info", "x", "--index-key-file", "right.key")
    assert code == 0, told
    Path("out.key").write_text(WRONG.hex())
    Path("out.key").chmod(0o600)
    create = ("upsert", "rows.npy", "--create", "--index", "x")
    code, told = run(*create, "--key-out", "out.key")
    assert (code, f"is kept in --key-out {place / 'out.key'}." in told) == (2, True), told
    code, told = run(*create, "--index-key-file", "right.key")
    assert code == 0, told


def test_a_file_for_a_key_that_is_no_key_is_left_alone_and_another_one_is_taken(place: Path) -> None:
    Path("out.key").write_text("no key")
    Path("out.key").chmod(0o600)
    code, told = run(*CREATE, "--key-out", "out.key")
    assert code == 2, told
    says(told, "--key-out {}")
    assert f"--key-out {place / 'out.key'} is not a key" in told
    assert Path("out.key").read_text() == "no key"
    assert run(*CREATE, "--key-out", "new.key")[0] == 0


def test_a_key_in_a_variable_has_64_hex_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    made()
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", "5ecret")
    code, told = run("index", "info", "x")
    assert code == 2, told
    says(told, "{} is not 64 hex digits.")
    assert "CYBORG_INGEST_INDEX_KEY is not" in told
    assert "5ecret" not in told
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    assert run("index", "info", "x")[0] == 0


def test_a_licence_that_is_none_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine with its own words, but without the network that it would ask."""
    import cyborgdb_core  # noqa: PLC0415 - an extra

    real = cyborgdb_core.Client

    def client(*, api_key: str, **more: Any) -> Any:
        if api_key:
            raise ValueError("Failed to connect to CyborgDB. Please check your API key.")
        return real(api_key=api_key, **more)

    monkeypatch.setattr(cyborgdb_core, "Client", client)
    made()
    info = ("index", "info", "x", "--index-key-file", "right.key")
    monkeypatch.setenv("CYBORGDB_API_KEY", "no-licence")
    code, told = run(*info)
    assert code == 2, told
    says(told, "{} is not a valid licence; without it the free tier works.")
    assert "CYBORGDB_API_KEY is not" in told
    monkeypatch.delenv("CYBORGDB_API_KEY")
    assert run(*info)[0] == 0


def test_a_directory_of_keys_where_a_source_would_find_them_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("keys").mkdir()
    Path("keys/rows.npy").write_bytes(Path("rows.npy").read_bytes())
    monkeypatch.setenv("CYBORG_INGEST_CONFIG_DIR", "keys")
    upsert = ("upsert", "keys", "--format", "npy", "--create", "--index", "new")
    code, told = run(*upsert)
    assert code == 2, told
    says(told, "Let CYBORG_INGEST_CONFIG_DIR name another directory.")
    monkeypatch.setenv("CYBORG_INGEST_CONFIG_DIR", "elsewhere")
    code, told = run(*upsert)
    assert code == 0, told


def test_a_directory_of_keys_that_others_can_write_to_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("open").mkdir()
    Path("open").chmod(0o777)
    monkeypatch.setenv("CYBORG_INGEST_CONFIG_DIR", "open")
    code, told = run(*CREATE)
    assert code == 2, told
    says(told, "let {} name another directory")
    assert "let CYBORG_INGEST_CONFIG_DIR name" in told
    monkeypatch.setenv("CYBORG_INGEST_CONFIG_DIR", "own")
    assert run(*CREATE)[0] == 0
    command = re.search(r"(chmod go-w [^)]+)\)", told)
    assert command is not None
    assert os.system(command[1]) == 0  # noqa: S605 - what is advised, as it is printed
    monkeypatch.setenv("CYBORG_INGEST_CONFIG_DIR", "open")
    code, told = run("upsert", "rows.npy", "--create", "--index", "other")
    assert code == 0, told


@pytest.fixture
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is an index x, and a user without a home."""
    made()
    monkeypatch.setattr("platformdirs.user_config_path", lambda _name: Path("~/config"))
    monkeypatch.setattr("platformdirs.user_state_path", lambda _name: Path("~/state"))
    for name in ("CYBORG_INGEST_CONFIG_DIR", "CYBORG_INGEST_STATE_DIR"):
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("no_home")
def test_without_a_home_the_variable_that_is_named_helps(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    upsert = ("upsert", "rows.npy", "--index", "x", "--index-key-file", "right.key")
    code, told = run(*upsert)
    assert code == 2, told
    says(told, "There is no home directory to keep anything in. Set HOME, or {}.")
    assert "or CYBORG_INGEST_STATE_DIR." in told
    monkeypatch.setenv("CYBORG_INGEST_STATE_DIR", str(place / "own"))
    code, told = run(*upsert)
    assert code == 0, told


@pytest.mark.usefixtures("no_home")
def test_without_a_home_a_key_is_given_or_the_variable_that_is_named_helps(
    monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    code, told = run("index", "info", "x")
    assert code == 2, told
    says(told, "None is given, and {}. Give one with --index-key-file.")
    assert "there is no home directory where one could be kept" in told
    code, told = run("index", "info", "x", "--index-key-file", "right.key")
    assert code == 0, told
    code, told = run("doctor", "--index", "x")
    assert "none is given, and there is no home directory where one could be kept" in told
    monkeypatch.setattr("cyborg_ingest.cli.options.at_terminal", lambda: True)
    create = ("index", "create", "new", "--dimension", 4)
    code, told = run(*create)
    assert code == 2, told
    assert "There is no home directory to keep anything in. Set HOME, or CYBORG_INGEST_CONFIG_DIR." in told
    monkeypatch.setenv("CYBORG_INGEST_CONFIG_DIR", str(place / "own"))
    code, told = run(*create)
    assert code == 0, told


def test_a_name_that_no_file_can_have_is_told_by_its_option() -> None:
    made()
    options: dict[str, Any] = {"index": "x", "target": "disk:data"}
    with pytest.raises(KeyFileError) as caught:
        cyborg_ingest.load("rows.npy", **options, index_key_file=Path("a\0b"))
    says(str(caught.value), "{}: {}.")
    assert str(caught.value) == "index_key_file: embedded null byte."
    assert cyborg_ingest.load("rows.npy", **options, index_key_file=Path("right.key")).exit_code == 0
