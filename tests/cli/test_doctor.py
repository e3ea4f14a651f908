"""`doctor`: what is broken is said with its remedy, which helps, and all else is looked at nevertheless."""

from __future__ import annotations

import contextlib
import email.utils
import http.server
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from advised import says
from commands import ran
from conftest import BUCKET, KEY, ROOT_KEY
from cyborgdb import Client as SdkClient
from forwarder import CONDITIONS, forwarding
from service import Service, free_port, running
from test_border import certificate
from where import ROOT

import cyborg_ingest
from cyborg_ingest.doctor import extras, reach
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.state import usable

if TYPE_CHECKING:
    from collections.abc import Iterator

Told = dict[str, tuple[str, str, str]]

ALWAYS = {"version", "extra embedded", "extra hdf5", "configuration", "variables", "state", "state disk", "target"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the key of an index."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "state").mkdir(mode=0o700)
    Path("key").write_text(KEY.hex())
    Path("key").chmod(0o600)
    return tmp_path


def doctor(*words: object, code: int, **environment: str) -> Told:
    """What it says by subject; of several of one subject, the worst. Text and JSON say the same, and show no key."""
    done = ran("doctor", *words, "--json", **environment)
    found = json.loads(done.stdout)
    said = ran("doctor", *words, **environment)
    assert (done.returncode, said.returncode, found["exit_code"]) == (code, code, code), said.stdout
    assert found["status"] == ("failed" if code else "ok")
    told: Told = {}
    for one in sorted(found["checks"], key=lambda one: ["skip", "ok", "warn", "fail"].index(one["level"])):
        told[one["subject"]] = (one["level"], one["text"], one["remedy"])
        assert one["remedy"] in said.stdout
    assert set(told) >= ALWAYS
    for secret in (KEY.hex(), ROOT_KEY, environment.get("CYBORG_INGEST_API_KEY", ROOT_KEY)):
        assert secret not in done.stdout + done.stderr + said.stdout + said.stderr
    assert "Traceback" not in said.stderr
    return told


def failed(told: Told, level: str = "fail") -> set[str]:
    return {subject for subject, (found, _, _) in told.items() if found == level}


@pytest.fixture(scope="module")
def docs(secured_service: Service) -> str:
    """An index with a row in a service that asks for a key."""
    with cyborg_ingest.connect(secured_service.url, api_key=ROOT_KEY) as client:
        with client.create("docs", KEY, CreateOptions(dimension=4, metric="cosine")) as index:
            index.upsert_binary(["a"], np.ones((1, 4), np.float32))
    return "docs"


def test_where_all_is_well_each_thing_says_what_it_is(secured_service: Service, docs: str) -> None:
    Path("api").write_text(ROOT_KEY)
    Path("api").chmod(0o600)
    options = ("--target", secured_service.url, "--index", docs, "--index-key-file", "key", "--api-key-file", "api")
    told = doctor(*options, code=0)
    assert failed(told) == failed(told, "warn") == set()
    with urllib.request.urlopen(f"{secured_service.url}/v1/health") as answer:  # noqa: S310 - our own
        assert json.load(answer)["version"] in told["target"][1]
    assert told["index"][1] == "'docs' opens with this key: 4 dimensions, cosine, 1 rows, not trained"
    assert "root key" in told["permissions"][1]
    assert (told["api key"][1], told["index key"][1]) == (
        f"from --api-key-file api, {len(ROOT_KEY)} characters", "from --index-key-file key, 32 bytes",
    )  # fmt: skip
    assert told["clock"][0] == "ok"
    assert cyborg_ingest.__version__ in told["version"][1]
    told = doctor("--target", secured_service.url, CYBORG_INGEST_API_KEY=ROOT_KEY, code=0)
    assert told["api key"][1].startswith("from CYBORG_INGEST_API_KEY")
    says(told["index"][1], "none is named (--index)")


def test_a_wrong_api_key_fails_and_none_at_all_too(secured_service: Service, docs: str) -> None:
    options = ("--target", secured_service.url, "--index", docs, "--index-key-file", "key")
    for key in ("a-wrong-key", "cdbk_wrong"):
        told = doctor(*options, CYBORG_INGEST_API_KEY=key, code=2)
        assert failed(told) == {"permissions", "index"}
        assert "Look at CYBORG_INGEST_API_KEY or --api-key-file" in told["permissions"][1]
    assert failed(doctor(*options, code=2)) == {"permissions", "index"}


def test_an_index_that_is_not_there_is_made_by_the_command_that_is_shown(secured_service: Service) -> None:
    options = ("--target", secured_service.url, "--index", "new docs", "--index-key-file", "key")
    told = doctor(*options, CYBORG_INGEST_API_KEY=ROOT_KEY, code=2)
    assert failed(told) == {"index"}
    says(told["index"][2], "If it is to be made: {}")
    words = shlex.split(told["index"][2].partition("If it is to be made: ")[2])
    assert ran(*words[1:], CYBORG_INGEST_API_KEY=ROOT_KEY).returncode == 0
    assert failed(doctor(*options, CYBORG_INGEST_API_KEY=ROOT_KEY, code=0)) == set()


def test_another_key_than_the_indexes_fails(secured_service: Service, docs: str) -> None:
    Path("other").write_text("cd" * 32)
    options = ("--target", secured_service.url, "--index", docs)
    told = doctor(*options, "--index-key-file", "other", CYBORG_INGEST_API_KEY=ROOT_KEY, code=2)
    assert failed(told) == {"index"}
    assert "this is not the key of index" in told["index"][1]
    told = doctor(*options, "--index-key-file", "nowhere", CYBORG_INGEST_API_KEY=ROOT_KEY, code=2)
    assert failed(told) == {"index", "index key"}
    Path("short").write_text("ab" * 15)
    Path("short").chmod(0o600)
    told = doctor(*options, "--index-key-file", "short", CYBORG_INGEST_API_KEY=ROOT_KEY, code=2)
    assert "it takes 32 raw bytes" in told["index key"][1]


def test_a_key_that_everybody_can_read_is_a_warning_which_its_remedy_ends(secured_service: Service, docs: str) -> None:
    Path("key").chmod(0o644)
    options = ("--target", secured_service.url, "--index", docs, "--index-key-file", "key")
    told = doctor(*options, CYBORG_INGEST_API_KEY=ROOT_KEY, code=0)
    assert failed(told, "warn") == {"index key"}
    subprocess.run(told["index key"][2], shell=True, check=True)  # noqa: S602 - the remedy, as somebody types it
    assert failed(doctor(*options, CYBORG_INGEST_API_KEY=ROOT_KEY, code=0), "warn") == set()


@pytest.mark.parametrize(
    ("permissions", "refused"), [(["read", "write"], ""), (["read"], "not write"), (["write"], "not read")]
)
def test_what_a_token_may_do_is_asked_and_nothing_is_changed(
    secured_service: Service, docs: str, permissions: list[str], refused: str
) -> None:
    request = urllib.request.Request(  # noqa: S310 - our own service
        f"{secured_service.url}/v1/indexes/{docs}/users",
        json.dumps({"permissions": permissions, "index_key": KEY.hex()}).encode(),
        {"X-API-Key": ROOT_KEY, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - the same
        (token,) = [one for one in json.load(answer).values() if str(one).startswith("cdbk_")]
    index = SdkClient(secured_service.url, api_key=ROOT_KEY).load_index(docs, KEY)
    before = index.get(["a"], include=["vector", "metadata", "contents"]), sorted(index.list_ids())
    environment = {"CYBORG_INGEST_API_KEY": token}
    options = ("--target", secured_service.url, "--index", docs, "--index-key-file", "key")
    told = doctor(*options, **environment, code=2 if refused else 0)
    if refused:
        assert refused in told["permissions"][1]
        assert "read and write" in told["permissions"][2]
    else:
        assert told["permissions"][:2] == ("ok", "a token that may read and write, and create no index")
    assert before == (index.get(["a"], include=["vector", "metadata", "contents"]), sorted(index.list_ids()))
    told = doctor("--target", secured_service.url, **environment, code=0)
    says(told["permissions"][1], "what a token may do is known of an index alone: name it with --index")


def test_a_service_that_asks_for_no_key_says_so(service: Service) -> None:
    told = doctor("--target", service.url, code=0)
    assert told["permissions"][:2] == ("ok", "everything: the service asks for no key")
    told = doctor("--target", service.url, CYBORG_INGEST_API_KEY="a-key", code=0)
    assert failed(told, "warn") == {"permissions"}


def test_where_nothing_answers_all_else_is_looked_at() -> None:
    told = doctor("--target", f"http://127.0.0.1:{free_port()}", "--index", "i", "--index-key-file", "key", code=3)
    assert failed(told) == {"target"}
    assert "Nothing answers at" in told["target"][1]
    assert (told["index key"][0], told["index"][0]) == ("ok", "skip")
    told = doctor("--target", "ftp://x", code=2)
    assert failed(told) == {"target"}
    assert failed(doctor(code=2)) == {"target"}


# TLS and the clock


@contextlib.contextmanager
def over_tls(folder: Path, **made: Any) -> Iterator[str]:
    files = certificate(folder, **made)
    with running(folder / "tls", certificate=tuple(map(Path, files))) as one:
        yield one.url


@pytest.mark.parametrize(
    ("made", "options", "code", "level", "said"),
    [
        ({"days": (-1, 400)}, "--ca-cert cert.pem", 0, "ok", "for 127.0.0.1"),
        ({"days": (-1, 5)}, "--ca-cert cert.pem", 0, "warn", "4 days"),
        ({"days": (-3, -1)}, "--ca-cert cert.pem", 3, "fail", "has expired"),
        ({"days": (1, 3)}, "--ca-cert cert.pem", 3, "fail", "not valid yet"),
        ({"name": "elsewhere.test"}, "--ca-cert cert.pem", 3, "fail", "another name than '127.0.0.1'"),
        ({}, "", 3, "fail", "cannot be verified"),
        ({"days": (-3, -1)}, "--insecure", 0, "warn", "not verified"),
    ],
)
def test_a_certificate_is_looked_at(
    tmp_path: Path, made: dict[str, Any], options: str, code: int, level: str, said: str
) -> None:
    with over_tls(tmp_path, **made) as url:
        told = doctor("--target", url, *options.split(), code=code)
        assert said in told["certificate"][1]
        assert told["certificate"][0] == level
        if options == "--insecure":
            says(told["certificate"][2], "Give --ca-cert, not --insecure.")
        assert failed(told) == ({"certificate", "target"} if code else set())
        if level == "ok":
            shown = subprocess.run(
                ["openssl", "x509", "-noout", "-enddate", "-in", "cert.pem", "-dateopt", "iso_8601"],
                capture_output=True, text=True, check=True,
            ).stdout  # fmt: skip
            assert re.findall(r"\d{4}-\d\d-\d\d", shown)[0] in told["certificate"][1]


@contextlib.contextmanager
def at_another_time(seconds: float) -> Iterator[str]:
    """A server whose clock is wrong; all else of it is missing."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def date_time_string(self, timestamp: float | None = None) -> str:
            return email.utils.formatdate((timestamp or time.time()) + seconds, usegmt=True)

        def do_GET(self) -> None:
            self.send_response(200)
            body = b'{"status": "healthy", "version": "0.18.0"}'
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("seconds", "said"), [(-3600, "ahead of"), (3600, "behind")])
def test_clocks_that_differ_are_said(seconds: float, said: str) -> None:
    with at_another_time(seconds) as url:
        told = doctor("--target", url, code=3)
    assert told["clock"][0] == "warn"
    assert re.fullmatch(rf"this machine is 3,[56]\d\d s {said} the service", told["clock"][1])


# This machine


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A disk of its own; only root of a machine that lets it may have one."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="root of Linux alone mounts")
def test_a_full_disk_and_one_that_is_read_only_are_failures(tmp_path: Path) -> None:
    with mounted(tmp_path / "full", "size=256k,mode=700") as full:
        with contextlib.suppress(OSError), (full / "fill").open("wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
        told = doctor("--target", "disk:db", "--state-dir", full, code=3)
        assert failed(told) == {"state", "state disk"}
        says(told["state"][1], "{} cannot be written: {}. Make room, or name another with --state-dir.")
        assert "No space left on device" in told["state"][1]
        assert [one.name for one in full.iterdir()] == ["fill"]
    with mounted(tmp_path / "frozen", "size=256m,mode=700,ro") as frozen:
        told = doctor("--target", "disk:db", "--state-dir", frozen, code=3)
        assert failed(told) == {"state"}
        assert "Read-only file system" in told["state"][1]
        told = doctor("--target", "disk:db", "--state-dir", frozen / "below", code=3)
        assert failed(told) == {"state"}
        says(told["state"][2], "Name another with --state-dir.")
    assert failed(doctor("--target", "disk:db", "--state-dir", "state", code=0)) == set()


def test_a_state_directory_is_said_to_be_made_or_why_it_cannot_be_used(here: Path) -> None:
    told = doctor("--target", "disk:db", "--state-dir", "later/on", code=0)
    assert told["state"][1] == "later/on will be made by the first load"
    assert not (here / "later").exists()
    (here / "state").chmod(0o777)
    told = doctor("--target", "disk:db", code=2)
    assert "Other users can write to" in told["state"][1]
    told = doctor("--target", "disk:db", "--state-dir", "key", code=3)
    assert failed(told) == {"state"}


def test_locks_that_keep_nobody_out_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of network file systems that take every lock, and tell nobody."""
    monkeypatch.setattr(usable, "has_locked", lambda *_: True)
    told = doctor("--target", "disk:db", code=3)
    says(told["state"][1], "{}: a lock there keeps nobody out. Name a local disk with --state-dir.")
    monkeypatch.undo()
    assert ran("doctor", "--target", "disk:db", "--state-dir", "elsewhere").returncode == 0


def test_variables_and_a_file_that_are_wrong_are_said_beside_all_else(here: Path) -> None:
    told = doctor("--target", "disk:db", CYBORG_INGEST_TARGT="x", CYBORG_INGEST_INDEX="", code=2)
    assert told["variables"] == ("fail", "CYBORG_INGEST_INDEX is set, and empty. Give it a value, or unset it.", "")
    told = doctor("--target", "disk:db", CYBORG_INGEST_TARGT="x", code=0)
    assert "Is it CYBORG_INGEST_TARGET?" in told["variables"][1]
    (here / "cyborg-ingest.toml").write_text("retries = ")
    told = doctor("--target", "disk:db", code=2)
    assert failed(told) == {"configuration"}
    assert "it is not TOML" in told["configuration"][1]
    (here / "cyborg-ingest.toml").write_text("[job.a]\nindex = 'a'\nsources = 'b'\nretry = 3\n")
    told = doctor("--target", "disk:db", code=2)
    assert "[job.a] retry: there is no such option. Is it 'retries'?" in told["configuration"][1]


def test_a_job_is_looked_at_with_its_own_options(here: Path) -> None:
    file = here / "cyborg-ingest.toml"
    job = "target = 'disk:db'\n[job.wiki]\nsources = ['rows']\nindex = 'wiki'\nindex-key-file = 'key'\n"
    (here / "db").mkdir()
    file.write_text(job)
    told = doctor("wiki", code=2)
    assert failed(told) == {"index"}
    assert told["index key"][1].startswith("from --index-key-file")
    file.write_text(f"{job}create = true\n")
    told = doctor("wiki", code=0)
    says(told["index"][1], "{} A load with --create makes it.")
    (here / "rows.jsonl").write_text('{"id": "a", "vector": [1, 2]}\n')
    file.write_text(file.read_text().replace("'rows'", "'rows.jsonl'"))
    assert ran("run", "wiki").returncode == 0
    assert "2 dimensions, euclidean, 1 rows" in doctor("wiki", code=0)["index"][1]
    told = doctor("wikki", code=2)
    assert "Is it 'wiki'?" in told["configuration"][1]


def test_an_index_that_another_process_has_open_is_no_failure() -> None:
    with cyborg_ingest.connect("disk:db") as client, client.create("i", KEY, CreateOptions(dimension=2)) as index:
        index.upsert_binary(["a"], np.ones((1, 2), np.float32))
        options = ["--target", "disk:db", "--index", "i", "--index-key-file", "key"]
        done = subprocess.run(
            [sys.executable, "-m", "cyborg_ingest", "doctor", *options],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert re.search("^warn  index  .*(locked|open)", done.stdout, re.MULTILINE), done.stdout


def test_an_index_that_is_to_be_trained_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "AUTO_TRAIN_ROWS", 4)
    with cyborg_ingest.connect("disk:db") as client, client.create("i", KEY, CreateOptions(dimension=2)) as index:
        index.upsert_binary(list("abcdefgh"), np.ones((8, 2), np.float32))
    told = doctor("--target", "disk:db", "--index", "i", "--index-key-file", "key", code=0)
    says(told["index"][2], "Queries scan all of it. Train it: {}")
    assert ran(*shlex.split(told["index"][2].partition("Train it: ")[2])[1:]).returncode == 0


def test_every_extra_is_known_and_one_that_is_needed_and_missing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8").partition("[project.optional-dependencies]")[2]
    declared = dict(re.findall(r"^([a-z0-9-]+) = \[([^\]]*)\]", text.partition("\n\n")[0], re.MULTILINE))
    of_users = {name: packages for name, packages in declared.items() if name not in {"test", "lint", "docs", "dev"}}
    assert {name: set(extra.packages) for name, extra in extras.EXTRAS.items()} == {
        name: set(re.findall(r'"([A-Za-z0-9_.-]+)', packages)) for name, packages in of_users.items()
    }
    monkeypatch.setitem(sys.modules, "h5py", None)
    told = doctor("--target", "disk:db", code=0)
    assert told["extra hdf5"][1] == "not installed; it is for HDF5 files (pip install 'cyborg-ingest[hdf5]')"
    monkeypatch.setitem(sys.modules, "cyborgdb_core", None)
    told = doctor("--target", "disk:db", code=2)
    assert failed(told) == {"extra embedded", "target"}
    assert told["extra embedded"][2] == "pip install 'cyborg-ingest[embedded]'"


def test_a_store_that_keeps_state_is_tried_out_and_left_as_it_was(
    bucket: Any, s3_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"s3://{BUCKET}/state"
    told = doctor("--target", "disk:db", "--state-uri", uri, code=0)
    assert told["state uri"][0] == "ok"
    assert not bucket.list_objects_v2(Bucket=BUCKET).get("Contents")
    told = doctor("--target", "disk:db", "--state-uri", "s3://no-such-bucket/state", code=2)
    assert "There is no such bucket" in told["state uri"][1]
    with forwarding(s3_port, leaves_out=CONDITIONS) as proxy:
        told = doctor("--target", "disk:db", "--state-uri", uri, code=2, AWS_ENDPOINT_URL=proxy.url)
    assert "cannot keep two runs apart" in told["state uri"][1]
    told = doctor("--target", "disk:db", "--state-uri", uri, code=3, AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}")
    assert failed(told) == {"state uri"}
    monkeypatch.setitem(sys.modules, "obstore", None)
    told = doctor("--target", "disk:db", "--state-uri", uri, code=2)
    assert failed(told) == {"extra state-uri", "state uri"}
    assert told["extra state-uri"][2] == "pip install 'cyborg-ingest[state-uri]'"
    done = ran("upsert", "rows.npy", "--index", "i", "--target", "disk:db", "--state-uri", uri)
    assert done.returncode == 2
    assert "pip install 'cyborg-ingest[state-uri]'" in done.stderr
