"""Keys that a command prints, that systemd or a container delivers, and new ones in a file."""

from __future__ import annotations

import json
import os
import shlex
import stat
import sys
import time
from typing import TYPE_CHECKING

import pytest
from advised import says
from commands import ran
from conftest import KEY

from cyborg_ingest.settings import keycommands, keys

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

ROW = json.dumps({"id": "a", "vector": [1.0, 2.0]}) + "\n"
OTHER = bytes(range(1, 33))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_TARGET", "disk:data")
    monkeypatch.delenv("CYBORG_INGEST_INDEX_KEY", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(keys, "CONTAINER_SECRETS", tmp_path / "run" / "secrets")
    monkeypatch.setattr(keycommands, "_printed", {})
    (tmp_path / "rows.jsonl").write_text(ROW)
    (tmp_path / "key").write_text(KEY.hex())
    (tmp_path / "key").chmod(0o600)
    return tmp_path


def load(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return ran("upsert", "rows.jsonl", "--index", "i", "--create", *options, **environment)


def held(name: str = "i") -> bool:
    """Whether the index is there with KEY as its key."""
    return ran("index", "info", name, CYBORG_INGEST_INDEX_KEY=KEY.hex()).returncode == 0


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


@pytest.mark.parametrize("form", ["hex", "base64", "raw"])
def test_a_command_prints_the_key_in_any_form_that_a_file_may_have(form: str) -> None:
    printed = {
        "hex": f"print({KEY.hex()!r})",
        "base64": f"import base64; print(base64.b64encode(bytes.fromhex({KEY.hex()!r})).decode())",
        "raw": f"import sys; sys.stdout.buffer.write(bytes.fromhex({KEY.hex()!r}))",
    }[form]
    done = load("--index-key-command", python(printed))
    assert done.returncode == 0, done.stderr
    assert held()


def test_it_is_run_once_for_a_load_and_its_check(here: Path) -> None:
    code = "open('runs', 'a').write('x'); print(open('key').read())"
    assert load("--index-key-command", python(code), "--verify", "full").returncode == 0
    assert (here / "runs").read_text() == "x"


def test_no_shell_reads_the_command(here: Path) -> None:
    done = load("--index-key-command", "cat key; touch made")
    assert done.returncode == 2
    assert not (here / "made").exists()


def refused(command: str, option: str = "--index-key-command") -> str:
    """What is said of a command, of whose output nothing is shown."""
    if option == "--api-key-command":
        done = ran("index", "list", "--target", "http://127.0.0.1:9", option, command)
    else:
        done = load(option, command)
    assert done.returncode == 2
    assert KEY.hex()[:16] not in done.stdout + done.stderr
    return " ".join(done.stderr.split())


def test_a_command_that_prints_no_key_is_told_without_what_it_printed(here: Path) -> None:
    says(refused(python(f"import sys; print({KEY.hex()!r}); sys.exit(3)")), "{}: {} ended with {}.")
    told = refused("not-a-program-of-ours --x")
    assert "--index-key-command: not-a-program-of-ours: No such file or directory." in told
    says(told, "{}: {}: {}.")
    says(refused("'open"), "{}: a shell would not take it: {}.")
    for empty in ("", " "):
        says(refused(empty), "{} is empty.")
    told = refused("yes")  # without an end
    assert "it has more than 65,536 bytes" in told
    says(told, "{}: what {} prints cannot be read: {}.")
    for printed in ("short", KEY.hex()[:-2], "0" * 64):
        says(refused(python(f"print({printed!r})")), "What --index-key-command prints")
    says(refused(python("print('\\x00')"), "--api-key-command"), "What --api-key-command prints")
    assert not (here / "data").exists()
    assert load("--index-key-command", "cat key").returncode == 0
    (here / "other").write_text(OTHER.hex())
    assert "The key that was tried is that of --index-key-command." in refused("cat other")
    assert load("--index-key-command", "cat key").returncode == 0


def test_a_command_that_does_not_end_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keycommands, "LONGEST_SILENCE", 0.2)
    monkeypatch.setattr("cyborg_ingest.smallfiles.LONGEST_SILENCE", 0.2)
    assert "nothing came through the pipe for" in refused(python("import time; time.sleep(30)"))
    started = time.monotonic()
    assert "it does not end" in refused(python("import os, time; os.close(1); time.sleep(30)"))
    assert "nothing came through" in refused("sh -c 'sleep 30 & sleep 30'")  # who holds the pipe is not waited for
    assert time.monotonic() - started < 25


def test_an_index_key_in_two_ways_is_refused() -> None:
    file, command = ("--index-key-file", "key"), ("--index-key-command", "cat key")
    done = load(*file, *command)
    assert done.returncode == 2
    assert "Both --index-key-file and --index-key-command are given. Drop one." in done.stderr
    assert load(*file).returncode == 0


@pytest.mark.parametrize("typed", [("--index-key-file", "key"), ("--index-key-command", "cat key")])
def test_a_key_that_is_typed_goes_before_every_variable(
    typed: tuple[str, str], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "other").write_text(OTHER.hex())
    assert load(*typed).returncode == 0
    assert load(CYBORG_INGEST_INDEX_KEY_FILE="other").returncode == 2
    for name, value in (
        ("INDEX_KEY", OTHER.hex()),
        ("INDEX_KEY_FILE", str(here / "other")),
        ("INDEX_KEY_COMMAND", f"cat {here / 'other'}"),
    ):
        monkeypatch.setenv(f"CYBORG_INGEST_{name}", value)
    assert load(*typed).returncode == 0, load(*typed).stderr
    said = load(typed[0], typed[1].replace("key", "other")).stderr
    assert f"The key that was tried is that of {typed[0]}" in said


def test_of_variables_alone_and_of_the_file_none_goes_before_another(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY_FILE", "key")
    done = load(CYBORG_INGEST_INDEX_KEY=KEY.hex())
    assert done.returncode == 2
    assert "Both CYBORG_INGEST_INDEX_KEY and CYBORG_INGEST_INDEX_KEY_FILE are given. Drop one." in done.stderr
    monkeypatch.delenv("CYBORG_INGEST_INDEX_KEY_FILE")
    (here / "cyborg-ingest.toml").write_text('index-key-command = "cat key"\n')
    done = load(CYBORG_INGEST_INDEX_KEY=KEY.hex())
    assert "Both CYBORG_INGEST_INDEX_KEY and index-key-command are given. Drop one." in done.stderr
    looked = ran("doctor", CYBORG_INGEST_INDEX_KEY=KEY.hex())
    assert "Both CYBORG_INGEST_INDEX_KEY and index-key-command are given. Drop one." in looked.stdout
    assert load().returncode == 0
    assert load("--index-key-file", "key", CYBORG_INGEST_INDEX_KEY=OTHER.hex()).returncode == 0


@pytest.mark.parametrize("option", ["--api-key-file", "--api-key-command"])
def test_an_api_key_in_two_ways_is_refused(option: str) -> None:
    value = "key" if option == "--api-key-file" else "cat key"
    words = ("index", "list", "--target", "http://127.0.0.1:9", "--retries", "0", option, value)
    variable = "CYBORG_INGEST_" + option.removeprefix("--").replace("-", "_").upper()
    done = ran(*words[:-2], CYBORG_INGEST_API_KEY="x", **{variable: value})
    assert done.returncode == 2
    assert f"Both CYBORG_INGEST_API_KEY and {variable} are given. Drop one." in done.stderr
    assert "Nothing answers at" in ran(*words, CYBORG_INGEST_API_KEY="x").stderr


@pytest.mark.parametrize("option", ["--index-key-file", "--api-key-file"])
def test_a_file_without_a_key_is_named_with_its_option(option: str, here: Path) -> None:
    (here / "blank").write_text(" \n")
    to = ("index", "list", "--target", "http://127.0.0.1:9") if option == "--api-key-file" else ("index", "create", "y")
    done = ran(*to, option, "blank", "--retries", "0")
    assert done.returncode == 2
    assert f"{option} blank is " in done.stderr
    assert f"{option} blank" not in ran(*to, option, "key", "--retries", "0").stderr


@pytest.mark.parametrize("option", ["--api-key-file", "--api-key-command"])
def test_an_api_key_is_for_a_service_however_it_comes(option: str) -> None:
    done = ran("index", "list", option, "key" if option == "--api-key-file" else "cat key")
    assert done.returncode == 2
    says(done.stderr, "{} is for a service; {} needs no API key.")
    assert f"{option} is for a service" in done.stderr
    assert ran("index", "list").returncode == 0


@pytest.mark.parametrize("name", ["CYBORG_INGEST_INDEX_KEY", "cyborg_ingest_index_key", "cyborg-ingest-index-key"])
@pytest.mark.parametrize("by", ["systemd", "container"])
def test_a_key_that_is_delivered_is_found_by_its_name(by: str, name: str, here: Path) -> None:
    folder = here / "credentials" if by == "systemd" else here / "run" / "secrets"
    folder.mkdir(parents=True)
    (folder / name).write_text(KEY.hex() + "\n")
    environment = {"CREDENTIALS_DIRECTORY": str(folder)} if by == "systemd" else {}
    assert load(**environment).returncode == 0
    assert held()
    done = load(CYBORG_INGEST_INDEX_KEY=OTHER.hex(), **environment)  # what is given goes before it
    assert done.returncode == 2
    (folder / name).write_text(OTHER.hex())
    done = load(**environment)
    assert done.returncode == 2
    assert f"The key that was tried is that of {folder / name}." in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_a_file_of_a_key_that_every_user_can_read_is_said(here: Path) -> None:
    (here / "key").chmod(0o644)
    done = load("--index-key-file", "key")
    assert done.returncode == 0
    says(" ".join(done.stderr.split()), "Every user of this machine can read the key of {}: chmod 600 {}")
    assert "chmod 600 key" in done.stderr
    (here / "key").chmod(0o600)
    assert "Every user" not in load("--index-key-file", "key").stderr


def test_a_new_key_is_made_in_a_new_file(here: Path) -> None:
    done = ran("keygen", "new.key")
    assert done.returncode == 0
    assert done.stdout.startswith(f"{here / 'new.key'}: a new key.")
    made = (here / "new.key").read_text()
    assert len(bytes.fromhex(made.strip())) == 32
    assert stat.S_IMODE((here / "new.key").stat().st_mode) == 0o600
    assert load("--index-key-file", "new.key").returncode == 0
    again = ran("keygen", "new.key")
    assert again.returncode == 2
    assert "is there already, and a key is never overwritten: name a new file." in again.stderr
    assert (here / "new.key").read_text() == made
    assert made[:16] not in done.stdout + again.stderr


@pytest.mark.parametrize("name", ["nowhere/new.key", "."])
def test_a_key_that_cannot_be_kept_is_an_error(name: str) -> None:
    done = ran("keygen", name)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
