"""State that is kept in a bucket: it survives the machine, and of two runs on two machines one has the job."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from advised import says
from commands import ran
from conftest import BUCKET, KEY
from moto.server import ThreadedMotoServer
from where import TESTS

import cyborg_ingest
from cyborg_ingest.state.remote import session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from conftest import Engine

ROWS, FILES, DIMENSION, BATCH = 60, 4, 4, 20
EXPIRY, LONG = 2.0, 60.0
URI = f"s3://{BUCKET}/state"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: Any) -> Path:  # noqa: ARG001 - the store is there
    """A working directory with rows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    monkeypatch.setenv("CYBORG_INGEST_STATE_URI", URI)
    write(tmp_path / "rows")
    return tmp_path


def write(folder: Path, *, files: int = FILES, seed: int = 1) -> dict[str, list[float]]:
    """Files whose ids occur in the next file again; what the index has to hold in the end."""
    folder.mkdir(exist_ok=True)
    wanted: dict[str, list[float]] = {}
    generator = np.random.default_rng(seed)
    for file in range(files):
        vectors = generator.normal(size=(ROWS, DIMENSION)).astype(np.float32)
        ids = [f"row-{file * ROWS // 2 + row}" for row in range(ROWS)]
        rows = [{"id": one, "vector": vector.tolist()} for one, vector in zip(ids, vectors, strict=True)]
        (folder / f"{file}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        wanted.update(zip(ids, vectors.tolist(), strict=True))
    return wanted


def expected() -> dict[str, list[float]]:
    """What the files say, read as anybody would: the later row of an id wins."""
    lines = [line for path in sorted(Path("rows").glob("*.jsonl")) for line in path.read_text().splitlines()]
    return {row["id"]: row["vector"] for row in map(json.loads, lines)}


def load(engine: Engine, index: str, *more: object) -> list[str]:
    words = ("upsert", "rows", "--index", index, "--target", engine.target, "--create", "--json", "--batch-rows", BATCH)
    return [*map(str, words), "--workers", "1", *map(str, more)]


def machine(place: Path) -> dict[str, str]:
    """The environment of another machine, or of a new container."""
    place.mkdir(exist_ok=True)
    own = {"HOME": str(place), "CYBORG_INGEST_STATE_DIR": str(place / "state"), "PYTHONPATH": str(TESTS)}
    return {**os.environ, **own}


@contextlib.contextmanager
def tenant(
    here: Path, name: str, arguments: list[str], *, free: int = 10_000, expiry: float = LONG, is_stopped: bool = False
) -> Iterator[subprocess.Popen[str]]:
    """A load on a machine of its own, whose engine waits after so many requests; of one that dies the lock is short."""
    folder, words = here / name, [sys.executable, str(TESTS / "tenant.py"), str(expiry), str(here / name), str(free)]
    environment = machine(folder)
    if is_stopped:
        (folder / "stops").touch()
    with subprocess.Popen(
        [*words, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            (folder / "open").touch()
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()


def ended(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any], str]:
    out, told = process.communicate(timeout=120)
    return process.returncode, json.loads(out) if out.startswith("{") else {}, told


def until(condition: Callable[[], Any], *processes: subprocess.Popen[Any]) -> None:
    """Wait until it is so, as long as they live."""
    over = threading.Event()
    while not condition():
        assert all(one.poll() is None for one in processes), [one.communicate() for one in processes]
        over.wait(0.05)


def elsewhere(place: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A command on another machine."""
    own = machine(place)
    return ran(*arguments, **{name: own[name] for name in ("HOME", "CYBORG_INGEST_STATE_DIR")})


def heads(bucket: Any) -> dict[str, dict[str, Any]]:
    """The heads that the store has, by job."""
    found = bucket.list_objects_v2(Bucket=BUCKET, Prefix="state/jobs/").get("Contents", [])
    keys = [one["Key"] for one in found if one["Key"].endswith("/head.json")]
    return {key.split("/")[2]: json.loads(bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read()) for key in keys}


def kept(bucket: Any, name: str = "journal.jsonl") -> bytes:
    """A file of the only job, as the store has it."""
    while True:
        ((job, head),) = heads(bucket).items()
        keys = [f"state/jobs/{job}/data/{key}" for key, _, _ in head["files"].get(name, [])]
        with contextlib.suppress(bucket.exceptions.NoSuchKey):  # there is a newer head by now
            return b"".join(bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys)


def acknowledged(bucket: Any) -> int:
    """The rows that the journal in the store has as acknowledged."""
    if not heads(bucket):
        return 0
    lines = [json.loads(line.partition(b" ")[2]) for line in kept(bucket).splitlines()]
    return sum(one["ack"][2] - one["ack"][1] for one in lines if "ack" in one)


def check(engine: Engine, index: str, wanted: Mapping[str, list[float]] | None = None) -> None:
    """The index holds what the files say, and nothing else."""
    wanted = wanted or expected()
    stored = engine.read(index, list(wanted), KEY)
    vectors = {one: np.array(vector, "<f4").tobytes() for one, vector in wanted.items()}
    assert {one: row.vector for one, row in stored.items()} == vectors
    assert engine.count(index, KEY) == len(wanted)


@pytest.mark.parametrize("end", ["killed", "asked"])
def test_a_load_goes_on_elsewhere_and_sends_exactly_the_rest(engine: Engine, here: Path, bucket: Any, end: str) -> None:
    index = engine.name()
    arguments = load(engine, index)
    with tenant(here, "first", arguments, expiry=EXPIRY, free=5) as first:
        until(lambda: acknowledged(bucket) == 5 * BATCH, first)
        if end == "killed":
            first.kill()
        else:
            first.send_signal(signal.SIGTERM)
            (here / "first" / "open").touch()
        code, report, _ = ended(first)
    done = 5 * BATCH if end == "killed" else report["rows"]["acknowledged"]
    assert (code, done >= 5 * BATCH) == (-9 if end == "killed" else 143, True)
    shutil.rmtree(here / "first")
    with tenant(here, "second", [*arguments, "--lock-wait", "1m"]) as second:
        code, report, told = ended(second)
    assert code == 0, told
    assert report["rows"]["skipped"] == done
    assert report["rows"]["acknowledged"] == ROWS * FILES - done
    check(engine, index)


def test_in_a_new_container_only_what_is_new_is_loaded_and_what_is_gone_is_deleted(engine: Engine, here: Path) -> None:
    index = engine.name()
    assert elsewhere(here / "first", *load(engine, index)).returncode == 0
    shutil.rmtree(here / "first")
    (here / "rows" / "3.jsonl").unlink()
    (here / "rows" / "4.jsonl").write_text('{"id": "new", "vector": [1, 2, 3, 4]}\n')
    done = elsewhere(here / "second", *load(engine, index, "--only-new", "--delete-missing", "--max-delete", "50%"))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    counts = {name: report["compared"][name]["files"] for name in ("new", "same", "changed", "vanished")}
    assert (counts["new"], counts["vanished"], counts["changed"]) == (1, 1, 0)
    assert report["missing"]["deleted"] == ROWS // 2
    check(engine, index)
    again = elsewhere(here / "third", *load(engine, index, "--only-new", "--nothing-new-exit", "99"))
    assert again.returncode == 99


def test_a_copy_that_is_older_than_the_store_is_not_gone_by(engine: Engine, here: Path) -> None:
    index = engine.name()
    assert elsewhere(here / "first", *load(engine, index)).returncode == 0
    first = (here / "rows" / "0.jsonl").read_bytes()
    stamp = (here / "rows" / "0.jsonl").stat()
    write(here / "rows", seed=2)
    assert elsewhere(here / "second", *load(engine, index, "--only-new")).returncode == 0
    (here / "rows" / "0.jsonl").write_bytes(first)  # which the first machine's copy has as loaded
    os.utime(here / "rows" / "0.jsonl", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    done = elsewhere(here / "first", *load(engine, index, "--only-new"))
    assert done.returncode == 0, done.stderr
    check(engine, index)


def test_what_could_not_be_pushed_is_gone_by_where_nobody_has_gone_on_since(
    engine: Engine, here: Path, bucket: Any
) -> None:
    """As after an end in which the store was away: the copy here says more than the store, and is as true."""
    index = engine.name()
    with tenant(here, "first", load(engine, index), free=3) as first:
        until(lambda: acknowledged(bucket) == 3 * BATCH, first)
        first.kill()
        ended(first)
    done = elsewhere(here / "first", *load(engine, index))  # at once: nobody else can have had it
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"]["skipped"] == 3 * BATCH
    check(engine, index)


@pytest.fixture(scope="module")
def rest(service: Any) -> Any:
    """The service, which several processes may load into."""
    from conftest import Engine  # noqa: PLC0415

    return Engine("rest", service.url, iter(range(1000)))


def test_of_two_machines_one_loads_and_the_other_is_told_who(rest: Engine, here: Path, bucket: Any) -> None:
    index = rest.name()
    arguments = load(rest, index)
    with tenant(here, "first", arguments, free=2) as first:
        until(lambda: acknowledged(bucket) == 2 * BATCH, first)
        busy = elsewhere(here / "second", *arguments)
        assert busy.returncode == 75
        report = json.loads(busy.stdout)
        assert (report["status"], report["retry"]) == ("busy", "same-command")
        pattern = rf"job \(pid {first.pid} on \S+ since [0-9: -]+ UTC: cyborg-ingest upsert .*, run \S+\), whose state"
        assert re.search(pattern, report["error"])
        assert "Run the same command again later, or let it wait with --lock-wait 10m." in busy.stderr
        with tenant(here, "third", [*arguments, "--lock-wait", "1m"]) as third:
            assert third.stderr is not None
            assert any("Waiting for it to end, 1m at most" in line for line in third.stderr)
            (here / "first" / "open").touch()
            assert ended(first)[0] == 0
            code, report, told = ended(third)
    assert (code, report["rows"]["acknowledged"]) == (0, ROWS * FILES), told  # it waited, and then loads all of it
    check(rest, index)


def test_who_was_killed_is_followed_by_one_that_waits_and_the_later_row_of_an_id_wins(
    rest: Engine, here: Path, bucket: Any
) -> None:
    index = rest.name()
    arguments = load(rest, index)
    with tenant(here, "first", arguments, expiry=EXPIRY, free=4) as first:
        until(lambda: acknowledged(bucket) == 4 * BATCH, first)
        with (
            tenant(here, "second", [*arguments, "--lock-wait", "1m"]) as second,
            tenant(here, "third", [*arguments, "--lock-wait", "1m"]) as third,
        ):
            first.kill()
            results = [ended(one) for one in (second, third)]
    assert [code for code, _, _ in results] == [0, 0], results
    skipped = sorted(report["rows"]["skipped"] for _, report, _ in results)
    assert skipped == [0, 4 * BATCH]  # one has gone on, and the other has begun anew behind it
    check(rest, index)


def test_who_was_stopped_and_goes_on_after_another_has_taken_over_sends_and_pushes_nothing(
    rest: Engine, here: Path, bucket: Any
) -> None:
    index = rest.name()
    arguments = load(rest, index)
    with tenant(here, "first", arguments, expiry=EXPIRY, free=4, is_stopped=True) as first:
        until(lambda: "4\n" in _read(here / "first" / "requests"), first)
        with tenant(here, "second", [*arguments, "--lock-wait", "1m"]) as second:
            code, report, told = ended(second)
        assert code == 0, told
        assert report["rows"]["acknowledged"] + report["rows"]["skipped"] == ROWS * FILES
        before = heads(bucket)
        first.send_signal(signal.SIGCONT)
        code, report, told = ended(first)
    assert (code, report["status"], report["retry"]) == (3, "failed", "same-command")
    assert "has taken this job over in" in report["error"]
    assert _read(here / "first" / "requests").split() == ["1", "2", "3", "4"]
    assert heads(bucket) == before
    check(rest, index)


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], ThreadedMotoServer]]:
    """The same store at an address of its own, at which it can be away; what begins it there."""
    servers = [ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)]
    servers[0].start()
    _, port = servers[0].get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")

    def start() -> ThreadedMotoServer:
        servers.append(ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False))
        servers[-1].start()
        return servers[-1]

    servers.append(servers[0])
    start.first = servers[0]  # type: ignore[attr-defined]
    yield start
    with contextlib.suppress(Exception):
        servers[-1].stop()


def test_where_the_store_is_away_the_load_goes_on_and_the_next_one_sends_again_what_it_missed(
    engine: Engine, here: Path, bucket: Any, store: Any
) -> None:
    index = engine.name()
    arguments = load(engine, index)
    with tenant(here, "first", arguments, expiry=EXPIRY, free=4) as first:
        until(lambda: acknowledged(bucket) == 4 * BATCH, first)
        store.first.stop()
        assert first.stderr is not None
        assert any("The load continues, and that is tried again" in line for line in first.stderr)
        (here / "first" / "open").touch()
        code, report, told = ended(first)
    assert (code, report["rows"]["acknowledged"]) == (0, ROWS * FILES)
    assert "that is tried again" not in told  # which was said once
    assert any("The end of this run is not kept there" in note for note in report["notes"])
    check(engine, index)
    store()
    with tenant(here, "second", [*arguments, "--lock-wait", "1m"]) as second:
        code, report, told = ended(second)
    assert code == 0, told
    assert report["rows"]["skipped"] == 4 * BATCH
    check(engine, index)


def test_a_store_that_comes_back_is_told_all(engine: Engine, here: Path, bucket: Any, store: Any) -> None:
    index = engine.name()
    with tenant(here, "first", load(engine, index), expiry=EXPIRY, free=4) as first:
        until(lambda: acknowledged(bucket) == 4 * BATCH, first)
        store.first.stop()
        assert first.stderr is not None
        assert any("The load continues, and that is tried again" in line for line in first.stderr)
        store()
        assert any("answers again" in line for line in first.stderr)
        (here / "first" / "open").touch()
        assert ended(first)[0] == 0
    assert acknowledged(bucket) == ROWS * FILES


def test_where_the_store_is_away_from_the_start_nothing_is_sent(
    engine: Engine, here: Path, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.first.stop()
    monkeypatch.setattr(session, "LAST_SECONDS", 0.1)
    index = engine.name()
    done = elsewhere(here / "first", *load(engine, index))
    assert (done.returncode, json.loads(done.stdout)["retry"]) == (3, "same-command")
    assert "Run the same command again when it answers." in done.stderr
    with engine.connect() as client:
        assert index not in client.list_indexes()
    store()
    assert elsewhere(here / "first", *load(engine, index)).returncode == 0


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("s4://bucket/x", "is in no store that is known"),
        ("/a/path", "is in no store that is known"),
        ("s3://", "names no bucket"),
        ("s3://key:secret@bucket/x", "holds a user or password"),
        ("s3://bucket/a//b", "has a prefix that cannot be one"),
        ("s3://bucket/a?x=secret", "has a prefix that cannot be one"),
        ("abfs://container/x", "no account"),
        ("s3://no-such-bucket/x", "There is no such bucket"),
    ],
)
def test_an_address_that_is_none_is_refused(engine: Engine, here: Path, uri: str, words: str) -> None:
    done = elsewhere(here / "first", *load(engine, "i", "--state-uri", uri))
    assert done.returncode == 2
    assert words in done.stderr
    assert "secret" not in done.stderr + done.stdout


def test_what_is_said_of_an_address_helps(engine: Engine, here: Path) -> None:
    index = engine.name()
    done = elsewhere(here / "first", *load(engine, index, "--state-uri", f"http://{BUCKET}/state"))
    says(done.stderr, "--state-uri {} {}. {}.")
    done = elsewhere(here / "first", *load(engine, index, "--no-checkpoint"))
    assert done.returncode == 2
    says(done.stderr, "--state-uri keeps what is known of the job, and --no-checkpoint keeps nothing. Drop one.")
    assert elsewhere(here / "first", *load(engine, index)).returncode == 0


def test_a_dry_run_writes_nothing_anywhere_and_knows_what_was_loaded(engine: Engine, here: Path, bucket: Any) -> None:
    index = engine.name()
    assert elsewhere(here / "first", *load(engine, index)).returncode == 0
    before = heads(bucket)
    done = elsewhere(here / "second", *load(engine, index, "--only-new", "--dry-run"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["compared"]["same"]["files"] == FILES
    assert heads(bucket) == before
    assert not list((here / "second").rglob("*"))


def test_where_no_directory_can_be_written_there_is_one_for_as_long_as_the_load_takes(
    engine: Engine, here: Path, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "file").touch()
    (here / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(here / "tmp"))
    index = engine.name()
    arguments = load(engine, index, "--state-dir", here / "file" / "state")
    done = elsewhere(here / "first", *arguments)
    assert done.returncode == 0, done.stderr
    assert acknowledged(bucket) == ROWS * FILES
    assert not list((here / "tmp").iterdir())
    assert json.loads(elsewhere(here / "first", *arguments, "--only-new").stdout)["nothing_new"] is True


def test_jobs_and_runs_are_looked_at_cleaned_and_forgotten_from_elsewhere(
    engine: Engine, here: Path, bucket: Any
) -> None:
    index = engine.name()
    bad = here / "rows" / "1.jsonl"
    bad.write_text('{"id": "bad", "vector": [0, 0, 0, 0]}\n' + bad.read_text())
    done = elsewhere(here / "first", *load(engine, index, "--max-errors", "1"))
    assert done.returncode == 1, done.stderr
    shutil.rmtree(here / "first")
    desk = here / "desk"
    (job,) = json.loads(elsewhere(desk, "jobs", "list", "--json").stdout)["jobs"]
    assert (job["standing"], job["rows"], job["index"]) == ("ended", ROWS * FILES + 1, index)
    shown = json.loads(elsewhere(desk, "runs", "show", job["last_run"]["run"], "--json").stdout)
    assert shown["report"]["rows"] == json.loads(done.stdout)["rows"]
    rejected = Path(shown["rejected_file"]).read_text().splitlines()
    assert [json.loads(line)["id"] for line in rejected] == ["bad"]
    assert "  rejected rows (1)" in elsewhere(desk, "runs", "list").stdout
    assert f"{ROWS * FILES:,} " in elsewhere(desk, "report", job["last_run"]["run"]).stdout
    assert elsewhere(desk, "jobs", "clean", "--older-than", "1d").stdout.startswith("removed 0 jobs")
    done = elsewhere(desk, "jobs", "forget", job["job"], "--yes")
    assert done.returncode == 0, done.stderr
    assert elsewhere(here / "other", "jobs", "list").stdout.split()[-1] != "ok"
    assert not kept(bucket)
    done = elsewhere(here / "second", *load(engine, index, "--max-errors", "1"))
    assert json.loads(done.stdout)["rows"]["skipped"] == 0

    def is_cleaned() -> bool:  # once a second has passed
        assert elsewhere(desk, "jobs", "clean", "--older-than", "1s", "--with-rejected").returncode == 0
        return json.loads(elsewhere(here / "other", "jobs", "list", "--json").stdout)["jobs"] == []

    until(is_cleaned)


def test_a_job_that_runs_elsewhere_is_shown_as_running_and_is_not_forgotten(
    engine: Engine, here: Path, bucket: Any
) -> None:
    index = engine.name()
    with tenant(here, "first", load(engine, index), free=2) as first:
        until(lambda: acknowledged(bucket) == 2 * BATCH, first)
        (job,) = json.loads(elsewhere(here / "desk", "jobs", "list", "--json").stdout)["jobs"]
        assert (job["standing"], job["rows"]) == ("running", 2 * BATCH)
        assert f"pid {first.pid} on " in job["holder"]
        done = elsewhere(here / "desk", "jobs", "forget", job["job"], "--yes")
        assert (done.returncode, "Another process is running this job" in done.stderr) == (75, True)
        done = elsewhere(here / "desk", "jobs", "clean", "--older-than", "1s", "--json")
        assert json.loads(done.stdout)["left"] == {job["job"]: "a load is running"}
        (here / "first" / "open").touch()
        assert ended(first)[0] == 0
    check(engine, index)


def test_nothing_that_is_kept_elsewhere_names_a_key(engine: Engine, here: Path, bucket: Any) -> None:
    index = engine.name()
    assert elsewhere(here / "first", *load(engine, index)).returncode == 0
    found = bucket.list_objects_v2(Bucket=BUCKET)["Contents"]
    data = b"".join(bucket.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read() for one in found)
    assert KEY.hex().encode() not in data
    assert b"testing" not in data  # the secret of the store


@pytest.mark.parametrize("seed", range(4))
def test_whatever_was_pushed_when_a_load_was_killed_the_next_one_elsewhere_ends_right(
    engine: Engine, here: Path, seed: int
) -> None:
    index = engine.name()
    generator = np.random.default_rng(seed)
    write(here / "rows", seed=seed)
    for number in range(3):
        environment = {**machine(here / f"m{number}")}
        row, moment = int(generator.integers(1, ROWS * FILES)), str(generator.choice(["before", "after"]))
        words = [sys.executable, str(TESTS / "victim.py"), str(row), moment, *load(engine, index, "--lock-wait", "1m")]
        program = (
            "import runpy, sys, tenant; "
            f"tenant.hurry({EXPIRY}); tenant.session.PUSH_SECONDS = {generator.uniform(0.001, 0.05)}; "
            f"sys.argv = {words[1:]!r}; runpy.run_path(sys.argv[0], run_name='__main__')"
        )
        subprocess.run([sys.executable, "-c", program], env=environment, check=False, capture_output=True, timeout=120)
    with tenant(here, "last", load(engine, index, "--lock-wait", "1m")) as last:
        code, _, told = ended(last)
    assert code == 0, told
    check(engine, index)


@pytest.mark.parametrize("is_sent", [True, False])
def test_a_row_that_was_replaced_behind_the_last_push_is_no_sign_of_another_index_if_it_is_sent_again(
    engine: Engine, here: Path, bucket: Any, *, is_sent: bool
) -> None:
    index = engine.name()
    arguments = load(engine, index)
    with tenant(here, "first", arguments, expiry=EXPIRY, free=3) as first:  # all of the first file
        until(lambda: acknowledged(bucket) == 3 * BATCH, first)
        first.kill()
        ended(first)
    lines = [json.loads(line.partition(b" ")[2]) for line in kept(bucket).splitlines()]
    asked_for = next(one["probe"][0] for one in lines if "probe" in one)  # of the first batch, and of no other file
    with engine.connect() as client, client.index(index, KEY) as one:
        one.upsert_binary([asked_for], np.ones((1, DIMENSION), np.float32))
    if is_sent:  # as by a row that was sent then, and of which nothing is noted
        with (here / "rows" / "3.jsonl").open("a") as file:
            file.write(json.dumps({"id": asked_for, "vector": [1.0] * DIMENSION}) + "\n")
    with tenant(here, "second", [*arguments, "--lock-wait", "1m"]) as second:
        code, report, told = ended(second)
    assert "rows that were loaded are others by now" in told
    assert (code, report["rows"]["skipped"]) == (0 if is_sent else 5, 3 * BATCH)
    if is_sent:
        check(engine, index)


def test_a_program_loads_with_it_as_well(engine: Engine) -> None:
    index = engine.name()
    report = cyborg_ingest.load(["rows"], index=index, target=engine.target, create=True, state_uri=URI)
    assert report.exit_code == 0
    again = cyborg_ingest.load(["rows"], index=index, target=engine.target, state_uri=URI, only_new=True)
    assert again.nothing_new
