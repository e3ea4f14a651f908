"""A service or an engine that tells a key in its answers, not in its errors: the key is nowhere that we write."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from key_forms import FORMS
from proxy import Fault, Proxy, _answer
from test_scrubbing import hidden, seeded
from typer.testing import CliRunner

import cyborg_ingest
from cyborg_ingest import cli
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.settings.scrubbing import MASK, Secrets
from cyborg_ingest.targets import embedded

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service


def echoed(key: bytes) -> list[Any]:
    """The key in values of every kind that JSON has."""
    numbers = list(key)
    return [
        *(spell(key) for spell in FORMS.values()), numbers, [numbers[:16], numbers[16:]], {key.hex(): 1},
        {"a": {"b": [{"c": key.hex()}]}}, [f"{one:02x}" for one in key], {"a": [f"0x{one:02x}" for one in key]},
    ]  # fmt: skip


def test_no_value_of_json_tells_a_key() -> None:
    key = seeded("echoed 1")
    known = Secrets("an-api-key", key)
    for value in echoed(key):
        found = known.scrubbed({"title": "words stay", "year": 1862, "value": value})
        assert found["title"] == "words stay"
        assert found["year"] == 1862
        told = json.dumps(found["value"])
        assert MASK in told
        for form in ("hex", "HEX", "a list without blanks", "a memoryview's list", "base64", "repr"):
            hidden(told, form, key)
    assert known.scrubbed(["an-api-key"] * 3) == [MASK] * 3
    assert known.scrubbed({"long": "x" * 3_000_000, "then": key.hex()}) == {"long": "x" * 3_000_000, "then": MASK}


def test_values_without_a_key_stay_what_they_are() -> None:
    known = Secrets("an-api-key", seeded("echoed 2"))
    value: dict[str, Any] = {
        "a": [1, 2.5, None, True, "x" * 9, {"b": []}],
        "1": {},
        "numbers": list(range(256)),
        "long": "y" * 2_000_000,
    }
    assert known.scrubbed(value) is value
    assert Secrets().scrubbed(value) is value


@pytest.mark.parametrize("form", ["hex", "repr", "base64", "a memoryview's list"])
def test_a_service_that_describes_an_index_by_its_key_is_not_repeated(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    key, name = seeded(form), secrets.token_hex(4)
    spelled = FORMS[form](key)
    with cyborg_ingest.connect(service.url) as client:
        client.create(name, key, CreateOptions(4)).close()
    body = {
        "index_name": spelled, "dimension": 4, "metric": spelled, "is_trained": False, "n_lists": 1,
        "metadata_schema": {spelled: {"filterable": spelled}, "list": list(key)}, "bm25": {"k1": list(key)},
    }  # fmt: skip

    def describe(connection: Any, _forward: Callable[[], Any]) -> bool:
        return _answer(connection, (200, {}, json.dumps(body).encode()))

    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", key.hex())
    np.save(tmp_path / "rows.npy", np.ones((3, 4), np.float32))

    def choose(path: str, _number: int) -> Fault | None:
        return Fault("echo", describe) if path.endswith("/describe") else None

    with Proxy(service.port, lambda *_: None, others=choose).running() as proxy:
        with cyborg_ingest.connect(proxy.url) as client, client.index(name, key) as index:
            shown = [repr(index.describe())]
        to = ["--target", proxy.url]
        for words in (
            ["index", "info", name],
            ["index", "info", name, "--json"],
            ["inspect", str(tmp_path / "rows.npy"), "--index", name, "--json"],
            ["inspect", str(tmp_path / "rows.npy"), "--index", name],
            ["upsert", str(tmp_path / "rows.npy"), "--index", name, "--json"],
            ["upsert", str(tmp_path / "rows.npy"), "--index", name, "--metric", "cosine", "--json", "--restart"],
            ["upsert", str(tmp_path / "rows.npy"), "--index", name, "--metric", "cosine", "--json", "--dry-run"],
        ):
            done = CliRunner().invoke(cli.app, [*words, *to])
            assert done.exit_code in {0, 1, 2}, done.output
            shown.append(done.output)
    kept = [path for path in Path(os.environ["CYBORG_INGEST_STATE_DIR"]).rglob("*") if path.is_file()]
    assert {"job.json", "report.json", "journal.jsonl"} <= {path.name for path in kept}
    shown += [path.read_text() for path in kept]
    assert any(MASK in one for one in shown)
    for one in shown:
        hidden(one, form, key)
        hidden(one, "a list on many lines", key)
        hidden(one, "a memoryview's list", key)


def test_an_engine_that_describes_an_index_by_its_key_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = seeded("echoed 3")
    real = embedded.EmbeddedIndex._engine

    class Echoing:
        dimension, n_lists, metric = 4, 1, key.hex()

        def __init__(self, engine: Any) -> None:
            self._engine = engine

        def __getattr__(self, name: str) -> Any:
            return getattr(self._engine, name)

        def index_config(self) -> Any:
            return {"metadata_schema": {"a": {"b": repr(key)}}, "bm25": list(key)}

    with (
        cyborg_ingest.connect(f"disk:{tmp_path}") as client,
        client.create("i", key, CreateOptions(4)) as index,
        monkeypatch.context() as patch,
    ):
        patch.setattr(embedded.EmbeddedIndex, "_engine", lambda self: Echoing(real(self)))
        shown = repr(index.describe())
    assert shown.count(MASK) >= 3
    for form in ("hex", "repr", "a memoryview's list"):
        hidden(shown, form, key)
