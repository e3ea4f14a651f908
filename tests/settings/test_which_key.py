"""An error about an index's key names where the key was looked for, or whose it was, and the option."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import KEY
from proxy import Fault, Proxy, _answer
from typer.testing import CliRunner

from cyborg_ingest import cli
from cyborg_ingest.settings import keys

if TYPE_CHECKING:
    from conftest import Engine
    from service import Service

WRONG = bytes(reversed(KEY))


def run_any(*arguments: object, **variables: str) -> str:
    done = CliRunner().invoke(cli.app, [str(one) for one in arguments], env=dict(variables))
    assert done.exit_code == 2, done.output
    assert WRONG.hex() not in done.output
    return done.output


def run(*arguments: object, **variables: str) -> str:
    told = run_any(*arguments, **variables)
    assert "--index-key-file" in told
    return told


@pytest.fixture
def index(engine: Engine) -> str:
    with engine.connect() as client, engine.make(client) as one:
        return one.name


def test_where_no_key_is_found_the_place_is_named_that_was_looked_at(
    engine: Engine, index: str, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": "a", "vector": [1, 2, 3, 4]}\n')
    with engine.connect() as client:
        target = client.target
    place = Path(os.environ["CYBORG_INGEST_CONFIG_DIR"]) / "keys"
    for command in (
        ("index", "info", index), ("index", "delete", index, "--yes"), ("verify", rows, "--index", index),
        ("upsert", rows, "--index", index),
    ):  # fmt: skip
        told = run(*command, "--target", engine.target)
        assert f"None is kept in {place}" in told
        assert str(keys.kept_key_path(target, index)) in told
        assert "CYBORG_INGEST_INDEX_KEY" in told
    named = run(
        "upsert", rows, "--index", index, "--target", engine.target, "--create", "--key-out", tmp_path / "a.key"
    )
    assert f"None is kept in {tmp_path / 'a.key'} or {place}" in named


def test_a_key_that_is_not_the_indexs_is_told_by_where_it_came_from(engine: Engine, index: str, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_bytes(WRONG)
    (tmp_path / "out.key").write_text(WRONG.hex())
    (tmp_path / "out.key").chmod(0o600)
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": "a", "vector": [1, 2, 3, 4]}\n')
    info = ("index", "info", index, "--target", engine.target)
    assert f"that of --index-key-file {tmp_path / 'wrong'}." in run(*info, "--index-key-file", tmp_path / "wrong")
    assert "that of CYBORG_INGEST_INDEX_KEY." in run(*info, CYBORG_INGEST_INDEX_KEY=WRONG.hex())
    upsert = ("upsert", rows, "--index", index, "--target", engine.target, "--create")
    assert f"kept in --key-out {tmp_path / 'out.key'}." in run(*upsert, "--key-out", tmp_path / "out.key")
    with engine.connect() as client:
        kept = keys.kept_key_path(client.target, index)
    keys.keep_new_key(kept, key=WRONG)
    assert f"kept in {kept}." in run(*info)


def test_where_a_service_does_not_tell_a_wrong_key_from_a_missing_index_the_key_is_named_too(
    service: Service, tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_bytes(WRONG)
    (tmp_path / "rows.jsonl").write_text('{"id": "a", "vector": [1, 2, 3, 4]}\n')
    refused = Fault(
        "404", lambda connection, _forward: _answer(connection, (404, {}, b'{"detail": "Index not found"}'))
    )
    with Proxy(service.port, lambda *_: None, others=lambda *_: refused).running() as proxy:
        kept = keys.kept_key_path(proxy.url, "i")
        for command in (("index", "info", "i"), ("upsert", tmp_path / "rows.jsonl", "--index", "i")):
            given = (*command, "--target", proxy.url)
            assert "this is not its key. None is kept in " in run_any(*given)
            told = run_any(*given, CYBORG_INGEST_INDEX_KEY=WRONG.hex())
            assert "The key that was tried is that of CYBORG_INGEST_INDEX_KEY." in told
            told = run_any(*given, "--index-key-file", tmp_path / "wrong")
            assert f"The key that was tried is that of --index-key-file {tmp_path / 'wrong'}." in told
        keys.keep_new_key(kept, key=WRONG)
        told = run_any("index", "info", "i", "--target", proxy.url)
        assert f"is kept in {kept}." in told
