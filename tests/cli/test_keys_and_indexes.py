"""`key path` and `key export`; `index create --exist-ok`, `index delete --missing-ok`, `index list --json`."""

from __future__ import annotations

import json
import os
import pty
import select
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from advised import says
from commands import ran
from conftest import KEY, ROOT_KEY
from cyborgdb import Client as SdkClient

from cyborg_ingest.settings import keys

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine
    from service import Service


@pytest.fixture
def to(engine: Engine) -> tuple[str, str]:
    return "--target", engine.target


def test_the_names_of_indexes_come_as_json(engine: Engine, to: tuple[str, str]) -> None:
    with engine.connect() as client, engine.make(client) as one:
        found = json.loads(ran("index", "list", "--json", *to).stdout)
        assert found["target"] == client.target
        assert one.name in found["indexes"]
        assert found["indexes"] == sorted(client.list_indexes())


def test_to_create_what_is_there_as_asked_for_is_well(engine: Engine, to: tuple[str, str], tmp_path: Path) -> None:
    name = engine.name()
    words = ("index", "create", name, "--dimension", 4, "--metric", "cosine", *to)
    assert ran(*words, "--exist-ok").stdout.startswith(f"Created index {name!r}")
    made = engine.key(name)
    assert made != KEY
    again = ran(*words, "--exist-ok")
    assert (again.returncode, again.stderr) == (0, "")
    assert "already: dimension 4, metric cosine." in again.stdout
    assert engine.key(name) == made
    assert ran(*words).returncode == 2
    noted = ran(*words, "--exist-ok", "--storage-precision", "float16", "--bm25-b", "0.5").stderr
    assert "is there already: --storage-precision, --bm25-b changes nothing, and is not compared." in noted
    beside = ran("index", "create", name, "--exist-ok", *to, "--key-out", tmp_path / "new")
    assert (beside.returncode, (tmp_path / "new").exists()) == (0, False)
    assert "is not written" in beside.stderr


@pytest.mark.parametrize("other", [("--dimension", 5), ("--metric", "euclidean")])
def test_an_index_that_is_another_is_refused_and_left_as_it_is(
    engine: Engine, to: tuple[str, str], other: tuple[str, object]
) -> None:
    name = engine.name()
    words = ("index", "create", name, "--exist-ok", *to)
    assert ran(*words, "--dimension", 4, "--metric", "cosine").returncode == 0
    done = ran(*words, *other)
    assert done.returncode == 2
    says(done.stderr, "already, with {}, and {} says {}. Neither can be changed")
    assert ran(*words).returncode == 0  # without the option, as it says


def test_an_index_that_the_key_does_not_open_is_an_error(engine: Engine, to: tuple[str, str]) -> None:
    name = engine.name()
    assert ran("index", "create", name, *to).returncode == 0
    done = ran("index", "create", name, "--exist-ok", *to, CYBORG_INGEST_INDEX_KEY="cd" * 32)
    assert done.returncode == 2
    assert "The key that was tried is that of CYBORG_INGEST_INDEX_KEY." in done.stderr


def test_to_delete_what_is_not_there_is_well_where_that_is_asked_for(engine: Engine, to: tuple[str, str]) -> None:
    name = engine.name()
    delete = ("index", "delete", name, "--yes", *to)
    assert ran(*delete).returncode == 2
    done = ran(*delete, "--missing-ok")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Nothing to delete: ")
    assert ran("index", "create", name, *to).returncode == 0
    assert ran(*delete, "--missing-ok").stdout.startswith("Deleted index")
    assert ran(*delete, "--missing-ok").returncode == 0


def test_an_index_that_another_key_opens_is_never_said_to_be_missing(engine: Engine, to: tuple[str, str]) -> None:
    name = engine.name()
    assert ran("index", "create", name, *to).returncode == 0
    done = ran("index", "delete", name, "--yes", "--missing-ok", *to, CYBORG_INGEST_INDEX_KEY="cd" * 32)
    assert done.returncode == 2
    assert name in json.loads(ran("index", "list", "--json", *to).stdout)["indexes"]


def test_a_user_of_a_service_hears_that_an_index_is_not_there(
    secured_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYBORG_INGEST_API_KEY", ROOT_KEY)
    done = ran("index", "delete", "nope", "--yes", "--missing-ok", "--target", secured_service.url)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_file_of_a_key_is_named_though_the_target_does_not_answer(tmp_path: Path) -> None:
    to = ("--target", "http://127.0.0.1:9")
    kept = keys.kept_key_path("http://127.0.0.1:9", "docs")
    none = ran("key", "path", "docs", *to)
    assert none.returncode == 2
    assert f"is known here. None is kept in {kept}." in none.stderr
    keys.keep_new_key(kept, key=KEY)
    assert ran("key", "path", "docs", *to).stdout == f"{kept}\n"
    (tmp_path / "own").write_text(KEY.hex())
    assert ran("key", "path", "docs", *to, "--index-key-file", tmp_path / "own").stdout == f"{tmp_path / 'own'}\n"
    done = ran("key", "path", "docs", *to, CYBORG_INGEST_INDEX_KEY=KEY.hex())
    assert done.returncode == 2
    says(done.stderr, "is that of {}, which is not a file. To write it into one: cyborg-ingest key export")
    assert KEY.hex() not in done.stderr


def test_a_key_is_exported_to_a_new_file_that_opens_the_index(
    engine: Engine, to: tuple[str, str], tmp_path: Path
) -> None:
    name, file = engine.name(), tmp_path / "copy.key"
    assert ran("index", "create", name, *to).returncode == 0
    done = ran("key", "export", name, "--to", file, *to)
    assert done.stdout == f"{file}: the key of index {name!r}. Whoever has it, and the index, can read its rows.\n"
    assert bytes.fromhex(file.read_text()) == engine.key(name)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ran("index", "info", name, *to, "--index-key-file", file).returncode == 0
    if engine.kind == "rest":
        assert SdkClient(engine.target).load_index(name, bytes.fromhex(file.read_text())).get(["nobody"]) == []
    file.write_text("something else")
    again = ran("key", "export", name, "--to", file, *to)
    assert (again.returncode, file.read_text()) == (2, "something else")
    assert "a key is never overwritten: name a new file." in again.stderr
    assert ran("key", "export", name, "--to", tmp_path / "none" / "k", *to).returncode == 2


def test_a_pipe_gets_a_key_only_if_that_is_asked_for(tmp_path: Path) -> None:
    to = ("--target", "disk:data")
    done = ran("key", "export", "docs", *to, CYBORG_INGEST_INDEX_KEY=KEY.hex())
    assert (done.returncode, done.stdout) == (2, "")
    says(done.stderr, "only if that is asked for: --to FILE, or --to -")
    assert ran("key", "export", "docs", "--to", "-", *to, CYBORG_INGEST_INDEX_KEY=KEY.hex()).stdout == f"{KEY.hex()}\n"
    assert ran("key", "export", "docs", "--to", tmp_path / "k", *to, CYBORG_INGEST_INDEX_KEY=KEY.hex()).returncode == 0


def test_a_terminal_shows_a_key() -> None:
    main, worker = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "cyborg_ingest", "key", "export", "docs", "--target", "disk:data"],
        stdin=subprocess.DEVNULL, stdout=worker, stderr=subprocess.PIPE,
        env={**os.environ, "CYBORG_INGEST_INDEX_KEY": KEY.hex()},
    ) as process:  # fmt: skip
        assert process.wait(60) == 0
        assert select.select([main], [], [], 10)[0]
        assert os.read(main, 1000).decode().strip() == KEY.hex()
    os.close(main)
    os.close(worker)
