"""What the service and the engine say of their inside is told in words that users know, with the nearest name."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

import numpy as np
import pytest
import requests
from commands import ran
from conftest import KEY, ROOT_KEY
from proxy import Fault, Proxy, _answer, held_back
from wire import answer, answering

import cyborg_ingest
from cyborg_ingest.errors import IndexExistsError, IndexKeyError, NoIndexError, TargetError
from cyborg_ingest.model import CreateOptions

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine
    from service import Service

INSIDE = ("KMS envelope", "KMS blob", "KMSBlob", "client_kek", "KEK", "DEK", "wrap")
"""Words that no user has heard before."""

ANSWERS = [
    (404, "No KMS envelope for index 'it's'", NoIndexError, "There is no index \"it's\" at "),
    (404, "Index not found: Index 'x' does not exist at the configured storage target", NoIndexError, "no index 'x'"),
    (404, "Index not found: Failed to unwrap DEK for index 'x': the supplied KEK does not authenticate the stored wrap",
     IndexKeyError, "this is not the key of index 'x'"),
    (401, "Wrong encryption key for index 'x'", IndexKeyError, "this is not the key of index 'x'"),
    (401, "index 'x' is provider=none; client_kek required", IndexKeyError, "index 'x' needs its key"),
    (400, "index 'x' is KMS-backed; do not supply index_key. The service resolves the KEK via the index's KMSBlob.",
     IndexKeyError, "a key is given for index 'x', which takes none"),
    (400, "KMS blob already exists for index 'x'.", IndexExistsError, "index 'x' is there already"),
    (400, "exactly one client_kek must unwrap the DEK of the KMS envelope", TargetError,
     "exactly one index key must unwrap the data key of the key record"),
    (502, "KMS error: the wrapped DEK is too short", TargetError, "KMS error: the data key is too short"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "words", "kind", "said"), ANSWERS)
def test_what_a_service_says_of_its_inside_is_told_plainly(
    status: int, words: str, kind: type[TargetError], said: str
) -> None:
    whole = answer(json.dumps({"detail": words}).encode(), status)
    with (
        answering(lambda connection, _path: connection.sendall(whole)) as url,
        cyborg_ingest.connect(url) as client,
        pytest.raises(kind) as caught,
    ):
        client.index("x", KEY).count()
    assert said in str(caught.value)
    assert not [one for one in INSIDE if one in str(caught.value).replace("unwrap the data key", "")]


def test_the_nearest_name_is_asked_for(engine: Engine, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.ones((5, 4), np.float32))
    end = secrets.token_hex(3)
    with engine.connect() as client:
        client.create(f"prod-{end}", KEY, CreateOptions(dimension=4)).close()
        shown = client.target
    place = "at" if engine.kind == "rest" else "in"
    for words in (("index", "info", f"prodd-{end}"), ("upsert", tmp_path / "rows.npy", "--index", f"PROD-{end}x")):
        done = ran(*words, "--target", engine.target)
        assert done.returncode == 2
        name = str(words[-1])
        assert f"There is no index {name!r} {place} {shown}. Did you mean 'prod-{end}'?" in done.stderr
        assert not [one for one in INSIDE if one in done.stderr]
        assert ("--create" in done.stderr) is (words[0] == "upsert")
    assert "Did you mean" not in ran("index", "info", "else", "--target", engine.target).stderr


def test_who_may_not_list_indexes_hears_of_none(
    secured_service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYBORG_INGEST_API_KEY", ROOT_KEY)
    (tmp_path / "key").write_text(KEY.hex())
    made = ran("index", "create", "mine", "--target", secured_service.url, "--index-key-file", tmp_path / "key")
    assert made.returncode == 0, made.stderr
    user = requests.post(
        f"{secured_service.url}/v1/indexes/mine/users", headers={"X-API-Key": ROOT_KEY}, timeout=30,
        json={"permissions": ["read"], "index_key": KEY.hex()},
    ).json()  # fmt: skip
    monkeypatch.setenv("CYBORG_INGEST_API_KEY", next(str(v) for v in user.values() if str(v).startswith("cdbk_")))
    done = ran("index", "info", "mine2", "--target", secured_service.url)
    assert done.returncode == 2
    assert "There is no index 'mine2' at" in done.stderr
    assert "Did you mean" not in done.stderr


def test_a_list_that_does_not_come_is_not_waited_for(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cyborg_ingest.targets.opening._HINT_SECONDS", 0.3)
    lost = Fault("silent", held_back(5))
    others = lambda path, *_: lost if "list" in path else None  # noqa: E731
    with Proxy(service.port, lambda *_: None, others=others).running() as proxy:
        done = ran("index", "info", "nope", "--target", proxy.url)
    assert done.returncode == 2
    assert "There is no index 'nope' at" in done.stderr


def test_a_list_tells_a_missing_index_from_a_wrong_key(service: Service) -> None:
    vague = Fault("404", lambda connection, _: _answer(connection, (404, {}, b'{"detail": "Index not found"}')))
    with (
        cyborg_ingest.connect(service.url) as client,
        client.create("vaguely-there", KEY, CreateOptions(dimension=4)),
        Proxy(
            service.port, lambda *_: None, others=lambda path, *_: vague if "describe" in path else None
        ).running() as proxy,
    ):
        there = ran("index", "info", "vaguely-there", "--target", proxy.url).stderr
        assert "Either there is no such index, or this is not its key." in there
        gone = ran("index", "info", "vaguely-ther", "--target", proxy.url).stderr
        assert f"There is no index 'vaguely-ther' at {proxy.url}. Did you mean 'vaguely-there'?" in gone
