"""What looks at variables sees no key: tracebacks with locals, pickles, copies, reprs."""

from __future__ import annotations

import base64
import copy
import json
import os
import pickle
import secrets
import signal
import socket
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import ROOT_KEY
from key_forms import FORMS, pieces

import cyborg_ingest
from cyborg_ingest.errors import IngestError
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.settings.hidden import Hidden, HiddenMapping, hidden
from cyborg_ingest.targets.base import Connection
from cyborg_ingest.targets.body import Asked, Body

if TYPE_CHECKING:
    from pathlib import Path

    from service import Service

# Prints what printers of tracebacks show of the error that a statement ends with, with all variables of all frames
CHILD = """
import os, sys, traceback
import numpy as np
import cyborg_ingest
from cyborg_ingest.model import CreateOptions

def plain(error):
    found = traceback.TracebackException(type(error), error, error.__traceback__, capture_locals=True)
    print(*found.format(), "args", error.args, "notes", getattr(error, "__notes__", ()))

def rich_one(error):
    from rich.console import Console
    from rich.traceback import Traceback
    more = {"show_locals": True, "locals_max_length": None, "locals_max_string": None}
    console = Console(file=sys.stdout, width=2000)
    console.print(Traceback.from_exception(type(error), error, error.__traceback__, **more))
    console.print(Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True))

for statement in sys.argv[1:]:
    try:
        exec(statement)
    except BaseException as error:
        plain(error)
        if "BY RICH" in statement:
            rich_one(error)
        print("ENDED WITH", type(error).__name__, statement)
    else:
        print("ENDED WELL", statement)
"""


def printed(*statements: str, **environment: str) -> str:
    """What a program that ran these shows of their errors."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *statements],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in {0, -signal.SIGINT}, done.stderr  # Python ends so if any `exec` was interrupted
    return done.stdout + done.stderr


def without(text: str, key: bytes) -> None:
    """No form of a key, nor a part of one, is in a text."""
    for form in FORMS:
        assert not [one for one in pieces(form, key) if len(one) > 10 and one in text], form
    assert key.hex()[:16] not in text
    assert key.hex()[-16:] not in text


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    np.save(tmp_path / "rows.npy", np.ones((3, 4), np.float32))
    return tmp_path / "rows.npy"


LOAD = "cyborg_ingest.load({rows!r}, index='i', target={target!r}{more})"


def test_an_error_of_the_engine_shows_no_key_with_its_variables(rows: Path, tmp_path: Path) -> None:
    key, target = secrets.token_bytes(32), f"disk:{tmp_path / 'data'}"
    with cyborg_ingest.connect(target) as client, client.create("i", secrets.token_bytes(32), CreateOptions(4)):
        pass
    asked = "cyborg_ingest.connect({!r}).{}".format(target, "{}")
    plain = "bytes.fromhex(os.environ['CYBORG_INGEST_INDEX_KEY'])"
    statements = [
        LOAD.format(rows=str(rows), target=target, more="") + "  # BY RICH",
        LOAD.format(rows=str(rows), target=target, more=", create=True, key_out='new.key'"),
        LOAD.format(rows=str(rows), target=target, more=", api_key_file='x'"),
        LOAD.format(rows=str(rows), target=target, more=f", index_key={plain}") + "  # BY RICH",
        LOAD.format(rows=str(rows), target=target, more=f", index_key={plain}[:31]"),
        LOAD.format(rows=str(rows), target=target, more=f", index_key={plain}.hex(), metrik=1"),
        LOAD.format(rows="none.npy", target=target, more=f", index_key={plain}.hex()"),
        asked.format(f"index('i', {plain}).count()"),
        asked.format(f"index('i', {plain}).get(['a'])"),
        asked.format(f"index('i', {plain}).upsert_binary(['a'], np.ones((1, 4), np.float32), [{{'a': 1}}])"),
        asked.format(f"create('i', {plain}, CreateOptions(4))"),
        asked.format(f"create('j', {plain}, CreateOptions(4, 'no metric'))"),
        asked.format(f"index(5, {plain})"),
        asked.format(f"index('i', {plain}[:31])"),
        asked.format(f"index('i', {plain}.hex()[1:])"),
        asked.format(f"index('i', {plain}.hex()).count()"),
        asked.format(f"index('i', {plain}).delete()"),
    ]
    found = printed(*statements, CYBORG_INGEST_INDEX_KEY=key.hex())
    assert "ENDED WELL" not in found
    assert found.count("ENDED WITH") == len(statements), found
    assert "IndexKeyError" in found
    without(found, key)


def test_a_key_that_cannot_be_read_is_not_shown_either(rows: Path, tmp_path: Path) -> None:
    key, load = secrets.token_bytes(32), LOAD.format(rows=str(rows), target=f"disk:{tmp_path / 'data'}", more="{}")
    short = tmp_path / "short.key"
    short.write_text(base64.b64encode(key[:31]).decode())
    kept = tmp_path / "kept.key"
    kept.write_text(key.hex())
    kept.chmod(0o644)
    of_files = [
        load.format(f", index_key_file={str(short)!r}, create=True"),
        load.format(f", key_out={str(kept)!r}, create=True"),
        load.format(f", key_out={str(short)!r}, create=True"),
    ]
    found = printed(*of_files)
    assert found.count("ENDED WITH") == len(of_files), found
    without(found, key)
    both = load.format(f", index_key_file={str(kept)!r}")
    for value in (key.hex()[:-1], f"{key.hex()}0", key.hex(":")):
        found = printed(load.format(""), both, CYBORG_INGEST_INDEX_KEY=value)
        assert found.count("ENDED WITH KeyFileError") == 1, found
        assert found.count("ENDED WITH NoIndexError") == 1, found  # the file that is named goes before the variable
        without(found, key)
    lost = printed(load.format(""), CYBORG_INGEST_INDEX_KEY=key.hex(), CYBORG_INGEST_STATE_DIR=" ")
    assert "CYBORG_INGEST_STATE_DIR is set, and empty" in lost
    without(lost, key)


def test_an_error_of_a_service_shows_no_key_with_its_variables(rows: Path, secured_service: Service) -> None:
    key, target = secrets.token_bytes(32), secured_service.url
    name = secrets.token_hex(4)
    with cyborg_ingest.connect(target, ROOT_KEY) as client:
        client.create(name, secrets.token_bytes(32), CreateOptions(4)).close()
    asked = "cyborg_ingest.connect({!r}, os.environ['ROOT_KEY'], retries=1, retry_max_wait=0).{}".format(target, "{}")
    plain = "bytes.fromhex(os.environ['INDEX_KEY'])"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        gone = asked.replace(target, f"http://127.0.0.1:{closed.getsockname()[1]}")
        statements = [
            asked.format(f"index({name!r}, {plain}).count()  # BY RICH"),
            asked.format(f"index({name!r}, {plain}).get(['a'])"),
            asked.format(f"index({name!r}, {plain}).upsert_binary(['a'], np.ones((1, 4), np.float32), [{{'a': 1}}])"),
            asked.format(f"index({name!r}, {plain}).upsert_binary(['a'], np.ones((1, 4)), [{{'a': object()}}])"),
            asked.format(f"create({name!r}, {plain}, CreateOptions(4))"),
            asked.format(f"create('default', {plain}, CreateOptions(4))"),
            asked.format(f"index('none', {plain}).describe()"),
            gone.format(f"index('i', {plain}).count()"),
            gone.format("list_indexes()"),
            gone.format(f"index('i', {plain}).upsert_binary(['a'], np.ones((1, 4), np.float32))"),
            "cyborg_ingest.connect('nowhere:1', os.environ['ROOT_KEY'])",
            f"cyborg_ingest.connect({target!r}, os.environ['ROOT_KEY'], timeout=0)",
            f"cyborg_ingest.connect({target!r}, [os.environ['ROOT_KEY']])",
        ]
        found = printed(*statements, ROOT_KEY=ROOT_KEY, INDEX_KEY=key.hex())
    assert found.count("ENDED WITH") == len(statements), found
    without(found, key)
    assert ROOT_KEY[5:30] not in found
    wrong = f"{ROOT_KEY}x"
    statement = LOAD.format(rows=str(rows), target=target, more="")
    for more in ("", ", verify='wrong'", ", create=True, kms_name='x'"):
        ended = printed(
            LOAD.format(rows=str(rows), target=target, more=more),
            CYBORG_INGEST_API_KEY=wrong,
            CYBORG_INGEST_INDEX_KEY=key.hex(),
        )
        assert "ENDED WITH" in ended, statement
        without(ended, key)
        assert ROOT_KEY[5:30] not in ended


SILENT = """
import signal, socket, threading
silent = socket.create_server(("127.0.0.1", 0))
def interrupt():
    global connection
    connection = silent.accept()[0]
    connection.recv(1)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
client = cyborg_ingest.connect(f"http://127.0.0.1:{silent.getsockname()[1]}", os.environ["API_KEY"])
index = client.index("i", bytes.fromhex(os.environ["INDEX_KEY"]))
"""


def test_a_call_that_is_interrupted_shows_no_key_with_its_variables() -> None:
    """The frames of the HTTP library hold the request's head and body."""
    key, api_key = secrets.token_bytes(32), secrets.token_hex(20)
    calls = ("index.count()", "index.upsert_binary(['a'], np.ones((1, 60_000), np.float32))")
    found = printed(*(SILENT + call for call in calls), API_KEY=api_key, INDEX_KEY=key.hex())
    assert found.count("ENDED WITH KeyboardInterrupt") == len(calls), found
    without(found, key)
    assert api_key[:12] not in found


def test_a_hidden_secret_is_shown_by_nothing_and_pickled_by_nothing() -> None:
    key, api_key = secrets.token_bytes(32), secrets.token_hex(20)
    connection = Connection(api_key=Hidden(api_key), licence=Hidden(api_key))
    named = HiddenMapping({"index_name": "i", "index_key": key.hex()})
    held = [
        Hidden(key), connection, named, Asked(named, {}),
        Body(named, ["a"], np.ones((1, 2), np.float32), None, None),
    ]  # fmt: skip
    for one in (*held, asdict(connection), copy.deepcopy(connection), copy.copy(Hidden(key)), vars(held[3]).keys()):
        for text in (repr(one), str(one), f"{one}", json.dumps(one, default=str)):
            without(text, key)
            assert api_key[:12] not in text
    for one in (Hidden(key), connection, named):
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match="not pickled"):
                pickle.dumps(one, protocol)
    assert copy.deepcopy(connection).api_key is connection.api_key
    assert Hidden(key).reveal() == key
    assert hidden(None) is None
    assert dict(named) == {"index_name": "i", "index_key": key.hex()}


def test_the_bodies_of_requests_are_what_they_were() -> None:
    named = HiddenMapping({"index_name": "i", "index_key": "00"})
    assert json.loads(bytes(Asked(named, {"ids": ["a"]}))) == {"index_name": "i", "index_key": "00", "ids": ["a"]}
    assert len(Asked(named, {})) == len(bytes(Asked(named, {}))) == len(b"".join(Asked(named, {})))


def test_an_index_and_a_client_are_pickled_by_nothing(tmp_path: Path) -> None:
    key = secrets.token_bytes(32)
    with cyborg_ingest.connect(f"disk:{tmp_path}") as client, client.create("i", key, CreateOptions(4)) as index:
        for one in (client, index):
            without(repr(one), key)
            with pytest.raises(TypeError):
                pickle.dumps(one)
        with pytest.raises(IngestError) as caught:
            index.upsert_binary(["a"], np.ones((1, 5), np.float32))
        without(repr(pickle.dumps(caught.value)), key)
