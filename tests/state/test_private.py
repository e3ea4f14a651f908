"""Folders and files of ours are nobody else's, whatever the umask and whoever came first."""

from __future__ import annotations

import errno
import json
import os
import shlex
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import KEY
from test_journal import DESCRIPTION, batch, rejection

import cyborg_ingest
from cyborg_ingest.errors import ExitCode, StateError, UntrustedError
from cyborg_ingest.loading.loader import run
from cyborg_ingest.plan import written
from cyborg_ingest.private import Folder
from cyborg_ingest.settings import keys
from cyborg_ingest.settings.options import LoadSettings
from cyborg_ingest.state.jobs import job_folder
from cyborg_ingest.state.journal import Journal
from cyborg_ingest.state.turns import lock_job

if TYPE_CHECKING:
    from collections.abc import Iterator

SOMEBODY = 12345

as_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture(params=[0o000, 0o002, 0o022, 0o077, 0o777])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): stat.S_IMODE(path.lstat().st_mode) for path in (root, *root.rglob("*"))}


def use(folder: Path) -> Path:
    """A whole run of a job."""
    with Journal(job_folder(folder, DESCRIPTION), DESCRIPTION) as journal:
        journal.sending(batch(0, 10))
        journal.reject([rejection(3)], full=True)
        journal.acknowledged(batch(0, 10), [rejection(3)])
        journal.end(ExitCode.OK, {"status": "ok"})
    return journal.run.path


@pytest.mark.usefixtures("umask")
def test_whatever_the_umask_all_is_for_its_owner_alone(tmp_path: Path) -> None:
    root = tmp_path / "made" / "deep" / "state"
    for _ in range(2):
        use(root)
    path = keys.kept_key_path("disk:/d", "i")
    assert keys.keep_new_key(path) == keys.find_kept_key(path)
    for top in (tmp_path / "made", path.parents[2]):
        for name, mode in modes(top).items():
            assert mode == (0o700 if (top / name).is_dir() else 0o600), name
    assert len(modes(root)) > 10


def plant(folder: Path, name: str, victim: Path) -> None:
    """Put a link where a file or folder of ours comes to lie."""
    job = job_folder(folder, DESCRIPTION)
    path = {"jobs": folder / "jobs", "job": job}.get(name, job / name)
    path.parent.mkdir(parents=True)
    path.symlink_to(victim.parent if name in {"jobs", "job", "runs"} else victim)


@pytest.mark.parametrize("name", ["jobs", "job", "lock", "journal.jsonl", "runs"])
def test_no_link_is_followed(tmp_path: Path, name: str) -> None:
    victim = tmp_path / "elsewhere" / "precious"
    victim.parent.mkdir(mode=0o755)
    victim.write_text("precious")
    plant(tmp_path / "state", name, victim)
    with pytest.raises(UntrustedError, match="is a link"):
        use(tmp_path / "state")
    assert modes(victim.parent) == {".": 0o755, "precious": stat.S_IMODE(victim.stat().st_mode)}
    assert victim.read_text() == "precious"


def test_a_file_that_is_written_takes_the_place_of_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "precious"
    victim.write_text("precious")
    plant(tmp_path / "state", "job.json", victim)
    use(tmp_path / "state")
    assert victim.read_text() == "precious"
    assert not (job_folder(tmp_path / "state", DESCRIPTION) / "job.json").is_symlink()


def test_a_link_to_the_state_directory_will_do(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "state").symlink_to(tmp_path / "disk")
    use(tmp_path / "state")
    assert list((tmp_path / "disk" / "jobs").iterdir())


def command_in(text: str) -> list[str]:
    """The first command in brackets."""
    return shlex.split(text.partition("(ch")[2].partition(")")[0].join(["ch", ""]))


@as_root
@pytest.mark.parametrize("place", [".", "jobs", "job", "job/lock", "job/journal.jsonl", "job/runs"])
def test_what_belongs_to_another_user_is_not_used_and_the_message_mends_it(tmp_path: Path, place: str) -> None:
    root = tmp_path / "state"
    use(root)
    job = job_folder(root, DESCRIPTION)
    path = job / place[4:] if place.startswith("job/") else {".": root, "jobs": root / "jobs", "job": job}[place]
    os.chown(path, SOMEBODY, SOMEBODY)
    with pytest.raises(UntrustedError, match=f"belongs to user {SOMEBODY}") as caught:
        use(root)
    assert caught.value.exit_code == 2
    assert "--state-dir" in str(caught.value)
    subprocess.run(command_in(str(caught.value).replace("(its mode", "")), check=True)
    use(root)


@pytest.mark.parametrize("place", [".", "jobs", "job", "job/runs"])
def test_what_others_can_write_to_is_not_used_and_the_message_mends_it(tmp_path: Path, place: str) -> None:
    root = tmp_path / "state"
    use(root)
    job = job_folder(root, DESCRIPTION)
    path = job / place[4:] if place.startswith("job/") else {".": root, "jobs": root / "jobs", "job": job}[place]
    path.chmod(0o777)
    with pytest.raises(UntrustedError, match="its mode is 0777") as caught:
        use(root)
    subprocess.run(command_in(str(caught.value).replace("(its mode", "")), check=True)
    use(root)


def test_folders_that_others_can_only_read_are_closed(tmp_path: Path) -> None:
    use(tmp_path / "state")
    job = job_folder(tmp_path / "state", DESCRIPTION)
    for path in (job.parent, job, job / "runs"):
        path.chmod(0o755)
    use(tmp_path / "state")
    assert {stat.S_IMODE(path.stat().st_mode) for path in (job.parent, job, job / "runs")} == {0o700}


def test_a_pipe_in_place_of_a_journal_is_not_waited_for(tmp_path: Path) -> None:
    job = job_folder(tmp_path / "state", DESCRIPTION)
    job.mkdir(parents=True)
    os.mkfifo(job / "journal.jsonl")
    with pytest.raises(UntrustedError, match="not a regular file"):
        use(tmp_path / "state")


# Keys


def planted(mode: int) -> Path:
    path = keys.kept_key_path("disk:/d", "i")
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_text(KEY.hex())
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o666, 0o602, 0o620, 0o644, 0o640, 0o604])
def test_a_kept_key_that_is_open_to_others_is_not_used_and_the_message_mends_it(mode: int) -> None:
    path = planted(mode)
    for use_it in (keys.find_kept_key, keys.keep_new_key):
        with pytest.raises(UntrustedError, match=rf"its mode is {mode:04o}.*chmod 600") as caught:
            use_it(path)
    subprocess.run(command_in(str(caught.value).replace("(its mode", "")), check=True)
    assert keys.find_kept_key(path) == KEY


@as_root
@pytest.mark.parametrize("place", ["key", "target", "keys", "config"])
def test_a_kept_key_of_another_user_is_not_used(place: str) -> None:
    path = planted(0o600)
    folders = {"key": path, "target": path.parent, "keys": path.parents[1], "config": path.parents[2]}
    os.chown(folders[place], SOMEBODY, SOMEBODY)
    with pytest.raises(UntrustedError, match=f"belongs to user {SOMEBODY}"):
        keys.find_kept_key(path)


def test_a_kept_key_is_no_link_and_lies_in_no_linked_folder(tmp_path: Path) -> None:
    path = keys.kept_key_path("disk:/d", "i")
    path.parent.mkdir(parents=True, mode=0o700)
    (tmp_path / "their.key").write_text(KEY.hex())
    (tmp_path / "their.key").chmod(0o600)
    path.symlink_to(tmp_path / "their.key")
    with pytest.raises(UntrustedError, match="is a link"):
        keys.find_kept_key(path)
    path.unlink()
    path.parent.rename(tmp_path / "moved")
    path.parent.symlink_to(tmp_path / "moved")
    with pytest.raises(UntrustedError, match="is a link"):
        keys.keep_new_key(path)
    assert not list((tmp_path / "moved").iterdir())


# A state directory that goes away


def test_a_state_directory_that_is_removed_in_mid_load_is_noticed(tmp_path: Path) -> None:
    root = tmp_path / "state"
    with Journal(job_folder(root, DESCRIPTION), DESCRIPTION) as journal:
        journal.sending(batch(0, 10))
        root.rename(tmp_path / "moved")
        with pytest.raises(StateError, match="was removed while the load ran"):
            journal.acknowledged(batch(0, 10))


@pytest.mark.parametrize("name", ["journal.jsonl", "runs"])
def test_so_is_one_of_which_a_part_is_removed(tmp_path: Path, name: str) -> None:
    with Journal(job_folder(tmp_path, DESCRIPTION), DESCRIPTION) as journal:
        journal.sending(batch(0, 10))
        subprocess.run(["rm", "-r", journal.folder / name], check=True)
        with pytest.raises(StateError, match="was removed while the load ran"):
            journal.reject([rejection(3)], full=True)


def test_a_load_does_not_end_well_when_its_rejected_rows_are_gone(tmp_path: Path) -> None:
    """They were to be mended: an exit code of 1 would say that they are there."""
    source = tmp_path / "rows.jsonl"
    rows: list[dict[str, Any]] = [{"id": f"r{row}", "vector": [1.0, row]} for row in range(200)]
    rows[3] = {"id": "r4", "vector": [1.0]}
    source.write_text("".join(json.dumps(one) + "\n" for one in rows))
    taken: list[Any] = []

    def thief(event: Any) -> None:
        """Said before the end, of the rejected row whose id another row has: somebody cleans up then."""
        for path in [] if taken else list((tmp_path / "s").rglob("rejected.jsonl")):
            path.unlink()
            taken.append(event)

    settings = LoadSettings(
        sources=(str(source),), index="i", target=f"disk:{tmp_path / 'd'}", create=True, max_errors="1",
        batch_rows=10, state_dir=tmp_path / "s",
    )  # fmt: skip
    with pytest.raises(StateError, match=r"rejected.jsonl is gone") as caught:
        run(settings, thief)
    assert taken
    assert caught.value.exit_code == 3
    report = cyborg_ingest.load(
        source, index="i", target=f"disk:{tmp_path / 'd'}", create=True, max_errors="1", state_dir=tmp_path / "s"
    )
    assert (report.exit_code, report.rows["rejected"]) == (1, 1)


@pytest.mark.parametrize(("number", "words"), [(errno.ENOLCK, "cannot be locked: No locks"), (errno.EAGAIN, "Another")])
def test_a_lock_that_cannot_be_is_not_called_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    import fcntl  # noqa: PLC0415 - not on Windows

    def fails(_handle: int, _flags: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fails)
    with pytest.raises(StateError, match=words), Folder.root(tmp_path, "name another") as folder:
        lock_job(folder)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    with Folder.root(tmp_path, "name another") as folder:
        folder.replace("one", b"first")
        with pytest.raises(TypeError), folder.replacing("one") as handle, os.fdopen(os.dup(handle), "wb") as out:
            out.writelines([b"sec", 1])  # type: ignore[list-item]
        assert folder.read("one") == b"first"
        with pytest.raises(FileExistsError):
            folder.keep("one", b"second")
        assert folder.read("one") == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_differences_in_a_folder_of_a_device_tree_are_private_and_whole_too() -> None:
    """What lies below /dev is not a device for that: it would be open to whatever the umask allows."""
    shared = Path("/dev/shm")  # noqa: S108 - what is tried
    if not os.access(shared, os.W_OK):
        pytest.skip("no /dev/shm on this system")
    before = os.umask(0)
    try:
        with tempfile.TemporaryDirectory(dir=shared) as folder:
            path = Path(folder, "found.jsonl")
            with written.whole(written.Output("--differences", path, "")) as write:
                write("one\n")
                assert not path.exists()
            assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("one\n", 0o600)
    finally:
        os.umask(before)
