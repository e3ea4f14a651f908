"""Whatever befalls a request, of whichever command and path: it is asked again, and nothing is done twice."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, Any

import cyborgdb
import numpy as np
import pytest
from conftest import KEY
from proxy import UPSERT, Fault, Proxy, garbage, reset_after, reset_before, status, truncated
from typer.testing import CliRunner

import cyborg_ingest
from cyborg_ingest.check.inspecting import inspect
from cyborg_ingest.check.verifier import verify
from cyborg_ingest.cli import app
from cyborg_ingest.errors import (
    ArgumentError,
    IndexExistsError,
    NoIndexError,
    StoppedError,
    TargetError,
    UnavailableError,
)
from cyborg_ingest.facts import Retrying
from cyborg_ingest.loading.loader import run
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.settings.options import (
    CreateIndexSettings,
    InspectSettings,
    LoadSettings,
    TargetSettings,
    VerifySettings,
)
from cyborg_ingest.stop import Stop
from cyborg_ingest.targets import manage
from cyborg_ingest.targets.opening import open_client
from cyborg_ingest.targets.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from service import Service

    from cyborg_ingest.facts import Event

QUICK: dict[str, Any] = {"retry_max_wait": 0.02, "timeout": 20.0}
FAULTS = [
    Fault("503", status(503)),
    Fault("500", status(500)),
    Fault("429", status(429, Retry_After="0")),
    Fault("reset before", reset_before),
    Fault("reset after", reset_after),
    Fault("truncated", truncated),
    Fault("garbage", garbage),
    Fault("other JSON", lambda connection, forward: _answered(connection, forward, b"[1]")),
]
PATHS = {
    f"/v1/{path}"
    for path in (
        "indexes/create", "indexes/describe", "indexes/list", "indexes/train", "indexes/delete", "vectors/num_vectors",
        "vectors/get", "vectors/upsert_binary",
    )
}  # fmt: skip


def _answered(connection: Any, forward: Callable[[], Any], body: bytes) -> bool:
    forward()
    connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    return True


@pytest.fixture(autouse=True)
def known_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())


def write(folder: Path) -> tuple[Path, np.ndarray[Any, Any]]:
    vectors = np.random.default_rng(11).normal(size=(60, 4)).astype(np.float32)
    np.save(folder / "rows.npy", vectors)
    return folder / "rows.npy", vectors


def read(service: Service, index: str) -> dict[str, bytes]:
    """The rows as the official SDK reads them."""
    rows = cyborgdb.Client(service.url).load_index(index, KEY).get([str(row) for row in range(60)])
    return {str(row["id"]): np.array(row["vector"], "<f4").tobytes() for row in rows}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_fault_on_each_path_is_waited_out(service: Service, tmp_path: Path, fault: Fault) -> None:
    path, vectors = write(tmp_path)
    name = f"every-{fault.name.replace(' ', '-')}"
    heard: list[Event] = []

    def retried() -> int:
        found = sum(isinstance(event, Retrying) for event in heard)
        heard.clear()
        return found

    def every_other(number: int) -> Fault | None:
        return fault if number % 2 else None

    choose = Proxy(service.port, lambda n, _body: every_other(n), others=lambda _path, n: every_other(n))
    with choose.running() as proxy:
        target: dict[str, Any] = {"target": proxy.url, **QUICK}
        broken = 0

        def check() -> None:
            """Each request that was broken was said to be tried again."""
            nonlocal broken
            now = proxy.broken.total() + proxy.injected.total()
            assert now > broken
            assert retried() == now - broken
            broken = now

        said = manage.create(CreateIndexSettings(dimension=4, **target), f"{name}-made", heard.append)
        assert f"Created index '{name}-made'" in said
        check()
        report = run(
            LoadSettings(
                sources=(str(path),), index=name, create=True, batch_rows=20, workers=1, verify="full",
                state_dir=tmp_path / "state", **target,
            ),
            heard.append,
        )  # fmt: skip
        assert report.rows["acknowledged"] == 60
        assert sum(report.retries.values()) == proxy.broken.total() + proxy.injected.total() - broken
        check()
        found = verify(VerifySettings(sources=(str(path),), index=name, **target), emit=heard.append)
        assert (found["checked"], found["differences"]) == (60, 0)
        assert sum(found["retries"].values()) == proxy.broken.total() + proxy.injected.total() - broken
        check()
        looked = inspect(InspectSettings(sources=(str(path),), index=name, **target), heard.append)
        assert looked.index is not None
        assert looked.index["rows"] == 60
        check()
        settings = TargetSettings(**target)
        assert manage.info(settings, name, heard.append)["rows"] == 60
        check()
        assert {name, f"{name}-made"} <= set(manage.names(settings, heard.append)["indexes"])
        check()
        assert "the engine sees no need" in manage.train(settings, name, heard.append)
        check()
        assert read(service, name) == {str(row): vectors[row].tobytes() for row in range(60)}
        assert "Deleted" in manage.delete(settings, name, heard.append)
        check()
        assert set(proxy.broken) | {UPSERT} >= PATHS
        assert all(proxy.broken[one] for one in PATHS - {UPSERT})
    with pytest.raises(NoIndexError):
        manage.info(TargetSettings(target=service.url), name)


@pytest.mark.parametrize("fault", [FAULTS[0], FAULTS[4]], ids=lambda fault: fault.name)
def test_so_it_is_when_a_load_goes_on(service: Service, tmp_path: Path, fault: Fault) -> None:
    path, vectors = write(tmp_path)
    name = f"on-{fault.name.replace(' ', '-')}"
    options: dict[str, Any] = {
        "index": name, "create": True, "batch_rows": 10, "workers": 1, "state_dir": tmp_path / "state", **QUICK,
    }  # fmt: skip
    over = Fault("over", status(401))
    with Proxy(service.port, lambda n, _body: over if n > 3 else None).running() as proxy:
        with pytest.raises(TargetError) as caught:
            cyborg_ingest.load(path, target=proxy.url, **options)
        assert caught.value.exit_code == 3  # the key was good when the load began
        port = int(proxy.url.rpartition(":")[2])
    again = Proxy(service.port, lambda _n, _body: None, others=lambda _path, n: fault if n % 2 else None, listen=port)
    with again.running() as proxy:
        report = cyborg_ingest.load(path, target=proxy.url, **options)
        assert proxy.broken["/v1/vectors/get"] >= 2  # the probes at the beginning and at the end
    assert report.rows["skipped"] == 30
    assert report.rows["acknowledged"] == 30
    assert sum(report.retries.values()) == proxy.broken.total()
    assert read(service, name) == {str(row): vectors[row].tobytes() for row in range(60)}


@pytest.mark.parametrize("retries", [0, 2])
def test_a_fault_that_stays_is_asked_so_often_and_no_more(service: Service, tmp_path: Path, retries: int) -> None:
    path, _ = write(tmp_path)
    fault = Fault("503", status(503))
    always = Proxy(service.port, lambda _n, _body: fault, others=lambda _path, _n: fault)
    with always.running() as proxy:
        target: dict[str, Any] = {"target": proxy.url, "retries": retries, "retry_max_wait": 0.01}
        calls: list[Callable[[], object]] = [
            lambda: manage.names(TargetSettings(**target)),
            lambda: manage.info(TargetSettings(**target), "gone"),
            lambda: manage.create(CreateIndexSettings(**target), "gone", lambda _event: None),
            lambda: verify(VerifySettings(sources=(str(path),), index="gone", **target)),
            lambda: cyborg_ingest.load(path, index="gone", **target),
        ]
        for call in calls:
            before = proxy.asked.total()
            with pytest.raises(UnavailableError) as caught:
                call()
            assert caught.value.exit_code == 3
            assert proxy.asked.total() - before == 1 + retries
        found = inspect(InspectSettings(sources=(str(path),), index="gone", **target))
        assert [one.kind for one in found.findings] == ["index_unreachable"]


def test_an_index_that_was_there_before_is_not_taken_for_one_that_was_just_made(service: Service) -> None:
    """The first answer, "it exists", is lost: the second may not be taken for our own work."""
    with cyborg_ingest.connect(service.url) as client:
        client.create("there-before", KEY, CreateOptions(dimension=4))
    lost = Fault("lost", reset_after)
    with Proxy(service.port, lambda _n, _b: None, others=lambda _path, n: lost if n == 1 else None).running() as proxy:
        with pytest.raises(IndexExistsError, match="already"):
            manage.create(CreateIndexSettings(dimension=4, target=proxy.url, **QUICK), "there-before", print)


def test_stopping_ends_the_pauses_of_every_request(service: Service) -> None:
    fault = Fault("busy", status(503, Retry_After="60"))
    with Proxy(service.port, lambda _n, _b: fault, others=lambda _path, _n: fault).running() as proxy:
        stop = Stop(0)
        settings = TargetSettings(target=proxy.url, retry_max_wait=60)
        threading.Timer(0.5, stop.ask).start()
        begun = time.monotonic()
        with open_client(settings, stop=stop) as client, pytest.raises(UnavailableError):
            client.list_indexes()
        assert time.monotonic() - begun < 30
        with open_client(settings, stop=stop) as client, pytest.raises(StoppedError):
            client.index("any", KEY).count()
        assert proxy.asked.total() == 1  # once stopped, nothing is sent


def test_a_pause_is_a_number_however_often_one_has_tried() -> None:
    assert 0 <= RetryPolicy(max_wait=2).pause(1024, None) <= 2
    assert 0 <= RetryPolicy(max_wait=2).pause(10**9, None) <= 2


def test_a_program_may_ask_for_the_same(service: Service) -> None:
    fault = Fault("503", status(503))
    with Proxy(service.port, lambda _n, _b: None, others=lambda _path, n: fault if n % 2 else None).running() as proxy:
        with cyborg_ingest.connect(proxy.url) as client, pytest.raises(UnavailableError):
            client.list_indexes()
        with cyborg_ingest.connect(proxy.url, retries=1, retry_max_wait=0.01) as client:
            assert isinstance(client.list_indexes(), list)  # the second try of the first request
            with client.create("by-a-program", KEY, CreateOptions(dimension=4)) as index:
                assert index.count() == 0
    for wrong in ({"retries": -1}, {"retries": 1, "retry_max_wait": float("nan")}):
        with pytest.raises(ArgumentError):
            cyborg_ingest.connect(service.url, **wrong)


def test_each_retry_is_said_and_the_result_stays_alone(service: Service) -> None:
    fault = Fault("503", status(503))
    with Proxy(service.port, lambda _n, _b: None, others=lambda _path, n: fault if n == 1 else None).running() as proxy:
        ended = CliRunner().invoke(app, ["index", "list", "--target", proxy.url, "--retry-max-wait", "0.01"])
    assert ended.exit_code == 0
    assert re.fullmatch(r"retry     .*HTTP 503.* Retry 1 of 8 now\.\n", ended.stderr)
    assert "retry" not in ended.stdout
