"""What tests share: the real service, the real engine, and a place where nothing of the user's is touched."""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import hypothesis
import numpy as np
import pytest
from commands import BAD, ROWS
from cyborgdb import Client as SdkClient
from moto.s3.models import FakeKey
from moto.server import ThreadedMotoServer
from service import Service, running

import cyborg_ingest
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.settings import keys
from cyborg_ingest.settings.scrubbing import KNOWN
from cyborg_ingest.sources import stores, versions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cyborg_ingest.targets.base import Client, Index

KEY = bytes(range(32))
BUCKET = "bucket"
ROOT_KEY = "root-" + "5ecret" * 4

# how long an example takes depends on what else the machine does
hypothesis.settings.register_profile("without deadline", deadline=None)
hypothesis.settings.load_profile("without deadline")

# an engine of the embedded kind never sees a network, and a test never sees the user's own settings
for _name in [name for name in os.environ if name.startswith(("CYBORG", "AWS_"))]:
    if _name != "CYBORG_INGEST_TEST_INSTALLED":
        del os.environ[_name]


_tests = itertools.count()


@pytest.fixture(scope="session")
def folder_of_all(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own")


def pytest_configure() -> None:
    """A shell starts what runs behind it with Ctrl-C ignored, and so would be all that tests start and interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with rows in it, which `commands.load` loads; other tests have others of this name."""
    (tmp_path / "rows.jsonl").write_text(ROWS)
    (tmp_path / "bad.jsonl").write_text(ROWS + BAD)
    (tmp_path / "worse.jsonl").write_text(ROWS + BAD * 12)
    (tmp_path / "key").write_text("ab" * 32)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_TARGET", "disk:data")
    monkeypatch.setenv("CYBORG_INGEST_CREATE", "true")
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY_FILE", "key")
    return tmp_path


@pytest.fixture(autouse=True)
def own_folders(folder_of_all: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and state of a test go to folders of the test.

    `mktemp` for each test would look through the folders of all tests before it.
    """
    folder = folder_of_all / str(next(_tests))
    folder.mkdir()
    monkeypatch.setenv("CYBORG_INGEST_CONFIG_DIR", str(folder / "config"))
    monkeypatch.setenv("CYBORG_INGEST_STATE_DIR", str(folder / "state"))
    monkeypatch.setenv("HOME", str(folder))
    for name in ("CI", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def no_secrets_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process hides all keys that it has come to know; those of other tests may be words of this one."""
    monkeypatch.setattr(KNOWN, "_known", frozenset())
    monkeypatch.setattr(KNOWN, "_parts", ())


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that asks for no API key. It ends with the module: see TESTS_A_START for what it costs to idle."""
    with running(tmp_path_factory.mktemp("service")) as one:
        yield one


@pytest.fixture(autouse=True)
def no_tick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody writes to a file again in the tick of the clock in which a test has written it: the wait is spared.

    The tests of sources that change do just that.
    """
    if not request.node.path.stem.startswith("test_unchanged"):
        monkeypatch.setattr(versions, "TICK_SECONDS", 0.0)


TESTS_A_START = 12
"""An index that a service has opened costs it eight threads and 0.6 % of a core, for as long as it runs.

To start it anew costs half a second of a core.
"""

_uses = itertools.count(1)


@pytest.fixture(autouse=True)
def few_open_indexes(request: pytest.FixtureRequest) -> None:
    """Start the service anew from time to time; its indexes stay."""
    parameters = getattr(request.node, "callspec", None)
    is_used = "service" in request.fixturenames or (parameters and parameters.params.get("engine") == "rest")
    if is_used and next(_uses) % TESTS_A_START == 0:
        service: Service = request.getfixturevalue("service")
        service.stop()
        service.start()


@pytest.fixture(scope="module")
def secured_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that asks for its root key, or for a token of it."""
    with running(tmp_path_factory.mktemp("secured"), root_key=ROOT_KEY) as one:
        yield one


@dataclass(frozen=True)
class Stored:
    """A row as somebody else than our client reads it."""

    vector: bytes
    metadata: dict[str, Any] | None
    contents: str | None


@dataclass
class Engine:
    """A target of one kind, and an independent reader of what is in it."""

    kind: str
    target: str
    numbers: Iterator[int]

    def name(self) -> str:
        """The name of a new index."""
        return f"index-{next(self.numbers)}-{secrets.token_hex(3)}"

    def connect(self) -> cyborg_ingest.Client:
        return cyborg_ingest.connect(self.target)

    def make(self, client: Client, dimension: int | None = 4, metric: str | None = None) -> Index:
        """A new index with the key KEY."""
        return client.create(self.name(), KEY, CreateOptions(dimension=dimension, metric=metric))

    def key(self, index: str) -> bytes:
        """The key that was made for an index, or KEY."""
        with self.connect() as client:
            return keys.find_kept_key(keys.kept_key_path(client.target, index)) or KEY

    def read(self, index: str, ids: list[str], key: bytes | None = None) -> dict[str, Stored]:
        """Rows of an index: over REST through the official SDK, embedded through the engine itself."""
        key = key or self.key(index)
        found = self._sdk(index, ids, key) if self.kind == "rest" else self._engine(index, ids, key)
        return {
            row["id"]: Stored(
                np.array(row["vector"], "<f4").tobytes(),
                row.get("metadata") or None,
                _text(row.get("contents")),
            )
            for row in found
        }

    def _sdk(self, index: str, ids: list[str], key: bytes) -> list[dict[str, Any]]:
        rows = SdkClient(self.target).load_index(index, key)
        return [row for start in range(0, len(ids), 1000) for row in rows.get(ids[start : start + 1000])]

    def _engine(self, index: str, ids: list[str], key: bytes) -> list[dict[str, Any]]:
        import cyborgdb_core  # noqa: PLC0415

        storage = cyborgdb_core.StorageConfig.disk(self.target.removeprefix("disk:"))
        handle = cyborgdb_core.Client(storage_config=storage).load_index(index, key)
        return list(handle.get(ids, index_key=key))

    def count(self, index: str, key: bytes | None = None) -> int:
        """How many rows the index holds."""
        with self.connect() as client, client.index(index, key or self.key(index)) as one:
            return one.count()


def _text(contents: Any) -> str | None:
    if not contents:
        return None
    return contents.decode() if isinstance(contents, bytes) else str(contents)


@pytest.fixture(scope="module", params=["rest", "embedded"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Both engines, one after the other: what is true of one is true of the other."""
    if request.param == "rest":
        return Engine("rest", request.getfixturevalue("service").url, itertools.count())
    return Engine("embedded", f"disk:{tmp_path_factory.mktemp('engine')}", itertools.count())


def _etag_of_all_bytes(key: FakeKey) -> str:
    if key._etag is None:
        key._etag = hashlib.md5(key.value, usedforsecurity=False).hexdigest()
    return f'"{key._etag}"'


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    """A store. Moto makes an etag without its lock: of an object that is read meanwhile, it was seen to be wrong."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeKey, "etag", property(_etag_of_all_bytes))
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        _, port = server.get_host_and_port()
        yield port
        server.stop()


@pytest.fixture
def bucket(s3_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in (("AWS_ACCESS_KEY_ID", "testing"), ("AWS_SECRET_ACCESS_KEY", "testing")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{s3_port}")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(stores, "by_scheme", {**stores.by_scheme})
    stores.by_scheme.pop("s3", None)
    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{s3_port}", region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    yield client
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for one in page.get("Contents", ()):
            client.delete_object(Bucket=BUCKET, Key=one["Key"])
    client.delete_bucket(Bucket=BUCKET)


def upload(client: Any, root: Path, prefix: str = "") -> None:
    for path in sorted(root.rglob("*")):
        if path.is_file():
            client.put_object(Bucket=BUCKET, Key=prefix + str(path.relative_to(root)), Body=path.read_bytes())
