"""What is kept of a job in a store: one history, of which each moment is one that the job could have left."""

from __future__ import annotations

import contextlib
import json
import os
import random
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from conftest import BUCKET
from forwarder import CONDITIONS, forwarding

from cyborg_ingest.errors import JobBusyError, LockLostError, StateError, UsageError
from cyborg_ingest.facts import ignore
from cyborg_ingest.private import Folder
from cyborg_ingest.settings.options import LockSettings
from cyborg_ingest.state.locks import Holder
from cyborg_ingest.state.remote import lease as leases
from cyborg_ingest.state.remote import pushing
from cyborg_ingest.state.remote.head import Head, head_of
from cyborg_ingest.state.remote.lease import Lease
from cyborg_ingest.state.remote.pulling import pull
from cyborg_ingest.state.remote.pushing import Pushed
from cyborg_ingest.state.remote.stores import Store
from cyborg_ingest.state.remote.trying import check_store
from cyborg_ingest.state.turns import Turn
from cyborg_ingest.stop import Stop

if TYPE_CHECKING:
    from pathlib import Path

URI = f"s3://{BUCKET}/a/state"
PLACE = "jobs/j"
RUN = "runs/20260301T013000Z-0123ab"

pytestmark = pytest.mark.usefixtures("bucket")


def turn() -> Turn:
    return Turn(LockSettings(), Stop(), ignore)


def taken(store: Store, command: str = "me", **more: Any) -> Lease:
    lease = Lease(store, PLACE)
    lease.take(turn(), Holder.here(command), **more)
    return lease


def folder(path: Path) -> Folder:
    path.mkdir(mode=0o700, exist_ok=True)
    return Folder.root(path, "")


def pulled(store: Store, path: Path, files: Any) -> dict[str, bytes]:
    with folder(path) as own:
        pull(store, PLACE, own, files)
    return {str(one.relative_to(path)): one.read_bytes() for one in path.rglob("*") if one.is_file()}


def test_of_many_that_begin_at_once_one_has_the_lock() -> None:
    results: Counter[str] = Counter()
    together = threading.Barrier(8)

    def take() -> None:
        store = Store(URI)
        together.wait()
        try:
            taken(store)
            results["taken"] += 1
        except JobBusyError as error:
            results[f"busy {f'(pid {os.getpid()} on ' in str(error)}"] += 1

    threads = [threading.Thread(target=take) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert results == {"taken": 1, "busy True": 7}


def test_a_lock_that_was_left_is_taken_over_by_one_and_its_holder_can_do_nothing_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leases, "EXPIRY", 1.5)
    monkeypatch.setattr(leases, "_PAUSE", 0.02)
    first = taken(Store(URI), "the first")
    seen: list[str] = []

    def follow() -> None:
        lease = Lease(Store(URI), PLACE)
        with contextlib.suppress(JobBusyError):
            while True:
                with contextlib.suppress(JobBusyError):
                    lease.take(turn(), Holder.here("another"))
                    seen.append("taken")
                    return
                if seen:
                    raise JobBusyError

    threads = [threading.Thread(target=follow) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert seen == ["taken"]
    before = first.look()
    with pytest.raises(LockLostError, match=r"Another process \(pid .*: another\) has taken this job over"):
        first.renew({})
    with pytest.raises(LockLostError):
        first.release()
    assert first.look() == before


def test_a_lock_that_is_renewed_is_not_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "EXPIRY", 3.0)
    first, second = taken(Store(URI)), Lease(Store(URI), PLACE)
    over = threading.Event()
    for _ in range(60):
        first.renew()
        with pytest.raises(JobBusyError):
            second.take(turn(), Holder.here(None))
        over.wait(0.1)  # longer than the lock lasts, in all
    first.release()
    second.take(turn(), Holder.here(None))


def test_a_head_whose_answer_was_lost_is_known_as_our_own(s3_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = Counter[str]()

    def loses(method: str, path: str) -> bool:
        is_head = method == "PUT" and path.endswith("head.json")
        lost.update(["puts"] * is_head)
        return is_head and lost["puts"] in {4, 5, 6, 9}

    with forwarding(s3_port, loses) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        lease = taken(Store(URI))
        done = 0
        while done < 5:
            with contextlib.suppress(StateError):
                lease.renew()
                done += 1
        lease.release()
    assert lost["puts"] > 9
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{s3_port}")
    assert taken(Store(URI)).head is not None


def test_a_store_that_passes_over_conditions_is_refused(s3_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    check_store(URI)
    for conditions in (CONDITIONS, {"if-match"}):
        with forwarding(s3_port, leaves_out=conditions) as proxy:
            monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
            with pytest.raises(UsageError, match="cannot keep two runs apart"):
                check_store(URI)
            with pytest.raises(UsageError, match="cannot keep two runs apart"):
                taken(Store(URI))


def test_what_is_pulled_is_what_was_pushed_and_only_what_is_new_is_sent(
    tmp_path: Path, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "LARGEST", 3000)
    generator, store = random.Random(1), Store(URI)
    sent: list[int] = []
    real = store.put

    def put(path: str, data: bytes) -> None:
        sent.append(len(data))
        real(path, data)

    monkeypatch.setattr(store, "put", put)
    source = tmp_path / "source"
    with folder(source) as own:
        (source / RUN).mkdir(parents=True, mode=0o700)
        (source / "runs").chmod(0o700)
        pushed = Pushed(store, PLACE, own, {})
        written = 0
        for number in range(60):
            names = ["journal.jsonl", "ids", f"{RUN}/rejected.jsonl", f"{RUN}/log.jsonl"]
            for name in generator.sample(names, generator.randrange(1, 4)):
                data = generator.randbytes(generator.randrange(1, 200)).replace(b"\n", b" ") + b"\n"
                written += len(data)
                with (source / name).open("ab") as file:
                    file.write(data)
            if generator.random() < 0.1:
                own.replace("journal.jsonl", b"anew\n")
            if generator.random() < 0.1:
                own.replace("ended.jsonl", f"{number}\n".encode())
            pushed.noted(pushed.changed() or pushed.noted_files)
            there = {str(one.relative_to(source)): one.read_bytes() for one in source.rglob("*") if one.is_file()}
            assert pulled(store, tmp_path / "copy", pushed.noted_files) == there
            assert all(len(one) <= 16 for one in pushed.noted_files.values())
        assert pushed.changed() is None
    keys = [one["Key"] for one in bucket.list_objects_v2(Bucket=BUCKET)["Contents"]]
    named = {one.key for some in pushed.noted_files.values() for one in some}
    assert {key.rpartition("/")[2] for key in keys} == named  # nothing is left of what was put together
    assert sum(sent) < 12 * written


def test_a_copy_never_says_more_than_what_it_depends_on_was_pushed_with(tmp_path: Path) -> None:
    """As a load does: an id, a rejected row, and then the line that needs both; a push comes in between anywhere."""
    store, source, over = Store(URI), tmp_path / "source", threading.Event()
    with folder(source) as own:
        (source / RUN).mkdir(parents=True, mode=0o700)
        (source / "runs").chmod(0o700)

        def write() -> None:
            with contextlib.ExitStack() as opened:
                names = ("ids", f"{RUN}/rejected.jsonl", "journal.jsonl")
                files = [opened.enter_context((source / name).open("ab", buffering=0)) for name in names]
                number = 0
                while not over.is_set() and number < 200_000:
                    number += 1
                    files[0].write(number.to_bytes(8, "little"))
                    files[1].write(b"%d\n" % number)
                    files[2].write(b"%d\n" % number)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            pushed = Pushed(store, PLACE, own, {})
            last = 0
            for _ in range(15):
                pushed.noted(pushed.changed() or pushed.noted_files)
                found = pulled(store, tmp_path / "copy", pushed.noted_files)
                lines = found.get("journal.jsonl", b"").split(b"\n")
                assert lines[-1] == b""
                assert lines[:-1] == [b"%d" % one for one in range(1, len(lines))]
                assert len(lines) - 1 >= last
                last = len(lines) - 1
                assert len(found.get("ids", b"")) // 8 >= last
                assert found.get(f"{RUN}/rejected.jsonl", b"").count(b"\n") >= last
        finally:
            over.set()
            writer.join()
    assert last > 0


def test_half_a_line_is_not_pushed_and_a_journal_that_was_cut_is_sent_anew(tmp_path: Path) -> None:
    store, source = Store(URI), tmp_path / "source"
    with folder(source) as own:
        journal = source / "journal.jsonl"
        pushed = Pushed(store, PLACE, own, {})
        for content in (b"one\ntw", b"one\ntwo\n", b"one\n2", b"x"):
            kept = content[: content.rfind(b"\n") + 1]
            journal.write_bytes(content)
            pushed.noted(pushed.changed() or pushed.noted_files)
            assert pulled(store, tmp_path / "copy", pushed.noted_files)["journal.jsonl"] == kept


def test_a_damaged_object_is_an_error_and_claims_nothing(tmp_path: Path, bucket: Any) -> None:
    store, source = Store(URI), tmp_path / "source"
    with folder(source) as own:
        for name in ("ids", "journal.jsonl"):
            own.replace(name, b"some\n")
        pushed = Pushed(store, PLACE, own, {})
        files = pushed.changed()
        assert files is not None
    bucket.put_object(Bucket=BUCKET, Key=f"a/state/{PLACE}/data/{files['ids'][0].key}", Body=b"else\n")
    (tmp_path / "copy").mkdir(mode=0o700)
    (tmp_path / "copy" / "journal.jsonl").write_bytes(b"older\n")
    with pytest.raises(StateError, match=r"is damaged\. Remove jobs/j there"):
        pulled(store, tmp_path / "copy", files)
    assert not (tmp_path / "copy" / "journal.jsonl").exists()


CHANGES: list[dict[str, Any]] = [
    {"files": {"../../.ssh/authorized_keys": []}}, {"files": {"runs/../../x": []}}, {"files": {"lock": []}},
    {"files": {"runs/20260301T013000Z-0123ab/../x": []}}, {"files": {"ids": [["../key", 1, 1]]}},
    {"files": {"ids": [["0123456789ab-1", "1", 1]]}}, {"owner": "me"}, {"owner": {"pid": -1}},
    {"expires": 1e9}, {"expires": None}, {"nonce": 3}, {"sequence": "x"}, {"run": []}, {"files": []},
]  # fmt: skip
NO_HEADS = [
    *(b"", b"[]", b"null", b"{}", b'{"version": 1}', b"\xff", b"[" * 100_000),
    *(json.dumps({**json.loads(Head(None, 60.0).data()), **change}).encode() for change in CHANGES),
]


@pytest.mark.parametrize("data", NO_HEADS)
def test_what_is_no_head_is_an_error_that_says_what_to_do(data: bytes) -> None:
    with pytest.raises(StateError, match="is damaged, or not of this program"):
        head_of(data, "s3://b/jobs/j/head.json")


def test_a_head_of_a_later_release_is_left_alone() -> None:
    data = json.dumps({**json.loads(Head(None, 60.0).data()), "version": 2}).encode()
    with pytest.raises(UsageError, match="was written by a later release"):
        head_of(data, "s3://b/jobs/j/head.json")
