"""Every call of the embedded engine, and how to make that one call of a real engine fail."""

from __future__ import annotations

import functools
import secrets
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from broken import Broken, raising

from cyborg_ingest import targets
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.targets.base import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

ROW = np.array([[1, 2, 3, 4]], np.float32)
FOUR = CreateOptions(dimension=4)


class Engine:
    """A client with an index of one row whose handle, client or module can be broken."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self.key = key
        self.name = secrets.token_hex(4)
        self.client: Any = cast("Any", targets.connect(f"disk:{folder}", Connection()))
        self.index: Any = self.client.create(self.name, key, FOUR)
        self.index.upsert_binary(["a"], ROW)
        self._whole: tuple[Any, ...] = (self.index, self.index._handle, self.client._client, self.client._core)

    def break_one(self, part: str, name: str, error: BaseException) -> None:
        """Let one call of the engine's index, client or module fail; all else works (again)."""
        self.index, self.index._handle, self.client._client, self.client._core = self._whole
        whole = {"handle": self.index, "client": self.client, "core": self.client}[part]
        setattr(whole, f"_{part}", Broken(getattr(whole, f"_{part}"), name, raising(error)))
        if name == "Client":
            self.client._client = None
            self.index = self.client.index(self.name, self.key)  # one that is not open yet


def _new(engine: Engine) -> Any:
    return engine.client.create(secrets.token_hex(4), engine.key, FOUR)


# What is called -> what of the engine fails below it, which part of ours it is in, and what the message says
CALLS: dict[str, tuple[Callable[[Engine], Any], str, str, str]] = {
    "upsert": (lambda one: one.index.upsert_binary(["b"], ROW), "handle", "upsert", "upserting 1 rows"),
    "upsert with metadata": (
        lambda one: one.index.upsert_binary(["b"], ROW, [{"a": 1}]), "handle", "upsert", "upserting 1 rows",
    ),
    "get": (lambda one: one.index.get(["a"]), "handle", "get", "getting 1 rows"),
    "query": (lambda one: one.index.query(ROW[0], 1), "handle", "query", "querying"),
    "count": (lambda one: one.index.count(), "handle", "get_num_vectors", "counting"),
    "describe": (lambda one: one.index.describe(), "handle", "is_trained", "describing"),
    "describe, its configuration": (lambda one: one.index.describe(), "handle", "index_config", "describing"),
    "describe, its dimension": (lambda one: one.index.describe(), "handle", "dimension", "describing"),
    "train": (lambda one: one.index.train(), "handle", "train", "training"),
    "delete": (lambda one: one.index.delete(), "handle", "delete_index", "deleting"),
    "delete, its envelope": (lambda one: one.index.delete(), "core", "delete_index_kms", "deleting"),
    "open": (lambda one: one.client.index(one.name, one.key).count(), "client", "load_index", "counting"),
    "open, the list": (lambda one: one.client.index(one.name, one.key).count(), "client", "list_indexes", "counting"),
    "connect": (lambda one: one.index.count(), "core", "Client", ""),
    "list": (lambda one: one.client.list_indexes(), "client", "list_indexes", "listing"),
    "create": (_new, "client", "create_index", "creating"),
    "create, its envelope": (_new, "core", "create_index_kms", "creating"),
    "create, reading the envelope": (_new, "core", "get_index_kms", "creating"),
}  # fmt: skip


def breaking(folder: Path, key: bytes, call: str, errors: Iterable[BaseException]) -> Iterator[tuple[Engine, Any]]:
    """For each error an engine that fails with it in this call, and the call."""
    act, part, name, _ = CALLS[call]
    engine: Engine | None = None
    for number, error in enumerate(errors):
        if engine is None or call.startswith("delete"):
            engine = Engine(folder / str(number), key)
        engine.break_one(part, name, error)
        yield engine, functools.partial(act, engine)
    if engine is not None:
        engine.client.close()
