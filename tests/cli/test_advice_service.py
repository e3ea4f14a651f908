"""What is advised where a service, or the way to it, refuses or fails is done, with the real service."""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from advised import run, says
from conftest import KEY, ROOT_KEY
from proxy import Answer, Fault, Proxy, _answer, reset_before
from service import running
from test_border import certificate
from where import ROOT
from wire import answer, answering

import cyborg_ingest
from cyborg_ingest.model import CreateOptions

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from service import Service

WIDTH = 64
ROWS = np.random.default_rng(1).normal(size=(20, WIDTH)).astype(np.float32)
INFO = ("index", "info", "x", "--index-key-file", "index.key")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_API_KEY", ROOT_KEY)
    (tmp_path / "index.key").write_text(KEY.hex())
    np.save("rows.npy", ROWS)


@pytest.fixture(scope="module")
def secured(secured_service: Service) -> Service:
    """One with an index `x`, whose key is KEY."""
    with cyborg_ingest.connect(secured_service.url, api_key=ROOT_KEY) as client:
        with client.create("x", KEY, CreateOptions(dimension=WIDTH)) as one:
            one.upsert_binary([f"r{row}" for row in range(len(ROWS))], ROWS)
    return secured_service


def test_the_api_key_that_a_service_misses_is_given(
    secured: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_all = ("index", "list", "--target", secured.url)

    def refused() -> str:
        code, told = run(*list_all)
        assert code == 2, told
        return told

    monkeypatch.setenv("CYBORG_INGEST_API_KEY", "not-the-key")
    says(refused(), "Look at CYBORG_INGEST_API_KEY or --api-key-file: the service knows another.")
    monkeypatch.setenv("CYBORG_INGEST_API_KEY", "cdbk_not-a-token")
    says(refused(), "Look at CYBORG_INGEST_API_KEY or --api-key-file: the token is malformed.")
    monkeypatch.delenv("CYBORG_INGEST_API_KEY")
    says(refused(), "Set CYBORG_INGEST_API_KEY or give --api-key-file.")
    (tmp_path / "api.key").write_text(ROOT_KEY)
    assert run(*list_all, "--api-key-file", "api.key")[0] == 0
    monkeypatch.setenv("CYBORG_INGEST_API_KEY", ROOT_KEY)
    assert run(*list_all)[0] == 0


def test_the_index_key_that_a_service_refuses_is_another_one(secured: Service, tmp_path: Path) -> None:
    (tmp_path / "wrong.key").write_text("cd" * 32)
    info = ("index", "info", "x", "--target", secured.url)
    for wrong in (("--index-key-file", "wrong.key"), ()):
        code, told = run(*info, *wrong)
        assert code == 2, told
        says(told, "Set CYBORG_INGEST_INDEX_KEY or --index-key-file to the index's own key")
    assert run(*INFO, "--target", secured.url)[0] == 0


def test_a_service_that_is_somewhere_else_is_named(secured: Service) -> None:
    there = answer(b"", 307, Location=f"{secured.url}/v1/indexes/list")
    with answering(lambda connection, _path: connection.sendall(there)) as url:
        code, told = run("index", "list", "--target", url)
    assert code == 3, told
    says(told, "It redirects to {}; the keys are not sent there. If that is the service, name it as --target.")
    named = re.search(r"redirects to (\S+);", told)
    assert named is not None
    code, told = run("index", "list", "--target", named[1])
    assert (code, "x" in told.split()) == (0, True), told


def test_a_slow_service_is_waited_for(secured: Service) -> None:
    def slow(connection: socket.socket, forward: Callable[[], Answer]) -> bool:
        threading.Event().wait(1)
        return _answer(connection, forward())

    with Proxy(secured.port, lambda *_: None, others=lambda *_: Fault("slow", slow)).running() as proxy:
        code, told = run(*INFO, "--target", proxy.url, "--retries", 0, "--timeout", 0.2)
        assert code == 3, told
        says(told, "{} did not give its answer in time (--timeout sets how long to wait).")
        code, told = run(*INFO, "--target", proxy.url, "--retries", 0, "--timeout", 60)
        assert code == 0, told


def test_an_index_that_is_still_trained_when_its_answer_is_lost_is_waited_for(secured: Service) -> None:
    """Training in earnest takes many seconds: the proxy says that it goes on."""

    def busy(connection: socket.socket, _forward: Callable[[], Answer]) -> bool:
        return _answer(connection, (200, {}, b'{"training_indexes": ["x"]}'))

    faults = {"/v1/indexes/train": Fault("lost", reset_before), "/v1/indexes/training-status": Fault("busy", busy)}
    train = ("index", "train", "x", "--index-key-file", "index.key", "--retries", 1, "--retry-max-wait", 0.01)
    with Proxy(secured.port, lambda *_: None, others=lambda path, _number: faults.get(path)).running() as proxy:
        code, told = run(*train, "--target", proxy.url)
        assert code == 3, told
        says(told, "Index {} is still being trained (--timeout sets how long to wait).")
        faults.clear()
        code, told = run(*train, "--target", proxy.url, "--timeout", 600)
        assert code == 0, told


def test_an_index_that_a_service_has_open_is_loaded_through_it(secured: Service) -> None:
    upsert = ("upsert", "rows.npy", "--index", "x", "--index-key-file", "index.key")
    assert run(*upsert, "--target", secured.url)[0] == 0
    code, told = run(*upsert, "--target", f"disk:{secured.data}")
    assert code == 75, told
    says(told, "Another process has it open, perhaps a service on this directory: stop that one, or load through the")
    code, told = run(*upsert, "--target", secured.url)
    assert (code, "20 of 20 rows loaded" in told) == (0, True), told


def test_without_the_engine_a_service_is_loaded_or_the_extra_installs_it(
    secured: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "cyborgdb_core", None)
        code, told = run(*INFO, "--target", "disk:data")
        assert code == 2, told
        says(
            told,
            "Install it with pip install 'cyborg-ingest[embedded]', or load through a service with --target http://",
        )
        assert run(*INFO, "--target", secured.url)[0] == 0
    extras = ROOT.joinpath("pyproject.toml").read_text("utf-8").partition("optional-dependencies]")[2]
    assert re.search(r'^embedded = \["cyborgdb-core\b', extras, re.MULTILINE)


def test_a_certificate_of_its_own_is_trusted_by_its_file_or_not_looked_at(
    tmp_path: Path,
) -> None:
    one, key = map(Path, certificate(tmp_path))
    with running(tmp_path, certificate=(one, key)) as service:
        list_all = ("index", "list", "--target", service.url)
        code, told = run(*list_all)
        assert code == 3, told
        says(told, "Trust its authority with --ca-cert FILE (or, at your own risk, --insecure).")
        for option in (("--ca-cert", one), ("--insecure",)):
            code, told = run(*list_all, *option)
            assert code == 0, told
