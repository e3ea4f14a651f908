"""Every command, where there is less than usual: no variables, no user, a disk that is only read, or that is full."""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from commands import BAD, ROWS, every_command, ran_together
from confined import nameless, read_only, with_mounts
from cyborgdb import Client as SdkClient

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from service import Service

KEY = "ab" * 32


class Case(NamedTuple):
    """A command, what it ends with, and what is on its standard output."""

    words: str
    code: int
    shown: str


EVERY = {
    "inspect": Case("inspect rows.jsonl --index i --index-key-file key", 0, "5 of 5 rows looked at"),
    "upsert": Case("upsert bad.jsonl --index i --max-errors 1 --json", 1, '"acknowledged": 5'),
    "upsert --dry-run": Case("upsert bad.jsonl --index i --dry-run --json", 1, '"kind": "vector_zero"'),
    "upsert --no-checkpoint": Case("upsert rows.jsonl --index i --no-checkpoint --json", 0, '"acknowledged": 5'),
    "run": Case("run j --json", 1, '"acknowledged": 5'),
    "verify": Case("verify rows.jsonl --index i", 0, "5 rows compared, vectors bit by bit: all equal."),
    "get": Case("get row-1 --index i", 0, '"id": "row-1"'),
    "query": Case("query --like row-1 --index i -k 2", 0, '"_query"'),
    "head": Case("head --index i -n 3", 0, '"id": "row-'),
    "key path": Case("key path i", 0, "/key"),
    "key export": Case("key export i --to -", 0, KEY),
    "doctor": Case("doctor j", 0, "ok    index key"),
    "jobs list": Case("jobs list", 0, "rejected rows (1)"),
    "jobs show": Case("jobs show j", 0, "bad.jsonl"),
    "jobs clean": Case("jobs clean --older-than 30d", 0, "removed 0 jobs"),
    "runs list": Case("runs list", 0, "rejected rows (1)"),
    "runs show": Case("runs show RUN", 0, "rejected"),
    "report": Case("report RUN", 0, "# "),
    "schedule --cron": Case("schedule j --cron", 0, "cyborg-ingest run j --config"),
    "schedule --systemd": Case("schedule j --systemd", 0, "[Service]"),
    "schedule --kubernetes": Case("schedule j --kubernetes", 0, "kind: CronJob"),
    "keygen": Case("keygen new.key", 0, "a new key"),
    "config show": Case("config show j --json", 0, '"index"'),
    "config validate": Case("config validate", 0, "valid, 1 job"),
    "config schema": Case("config schema", 0, "json-schema.org"),
    "index list": Case("index list", 0, "i-"),
    "index info": Case("index info i", 0, "rows            5"),
    "index create": Case("index create new --dimension 2", 0, "Created index 'new-"),
    "index train": Case("index train i", 0, "is not trained"),
    "index delete": Case("index delete gone --yes", 0, "Deleted index 'gone-"),
    "jobs forget": Case("jobs forget j --yes", 0, "Forgot what job"),
    "--version": Case("--version", 0, "cyborg-ingest "),
    "--help": Case("--help", 0, "Commands:"),
    "upsert --help": Case("upsert --help", 0, "--max-errors"),
}


class Place:
    """A folder with rows, a configuration and a state directory; two indexes of a service, and a job that has run."""

    def __init__(self, folder: Path, service: Service) -> None:
        self.folder, self.service = folder, service
        self.state = folder / "state"
        self.told = folder / "told"
        for name, text in (("rows.jsonl", ROWS), ("bad.jsonl", ROWS + BAD), ("key", KEY)):
            (folder / name).write_text(text)
        (folder / "key").chmod(0o600)
        self.ends = secrets.token_hex(4)
        self.configure(f'state-dir = "{self.state}"')
        made = [f"upsert rows.jsonl --index {one} --create" for one in ("i", "gone")]
        assert [one.returncode for one in self.run([*made, EVERY["run"].words])] == [0, 0, 1]

    def configure(self, *lines: str) -> None:
        (self.folder / "cyborg-ingest.toml").write_text(
            "\n".join((f'target = "{self.service.url}"', 'index-key-file = "key"', *lines))
            + f'\n[job.j]\nsources = ["bad.jsonl"]\nindex = "{self.index("i")}"\nmax-errors = "1"\n'
        )

    def index(self, name: str) -> str:
        return f"{name}-{self.ends}"

    def run(
        self, commands: Sequence[str | Sequence[str]], *, inside: Sequence[str] = (), told: Path | None = None
    ) -> list[subprocess.CompletedProcess[bytes]]:
        """Commands in one process, their indexes by the names that they have here."""
        names = {one: self.index(one) for one in ("i", "gone", "new")}
        names["RUN"] = max((one.name for one in self.state.glob("jobs/i-*/runs/*")), default="")
        words = [[names.get(one, one) for one in (c.split() if isinstance(c, str) else c)] for c in commands]
        return ran_together(words, self.folder, told or self.told, inside=inside)

    def rows(self, name: str = "i") -> dict[str, list[float]]:
        """What the index holds, by the official SDK."""
        found = SdkClient(self.service.url).load_index(self.index(name), bytes.fromhex(KEY))
        return {one["id"]: list(map(float, one["vector"])) for one in found.get([f"row-{n}" for n in range(10)])}

    def indexes(self) -> set[str]:
        return {one for one in SdkClient(self.service.url).list_indexes() if one.endswith(self.ends)}


@pytest.fixture
def place(tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name in [one for one in os.environ if one.startswith("CYBORG_INGEST_")]:
        monkeypatch.delenv(name)
    return Place(tmp_path, service)


def with_path_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in os.environ if one != "PATH"]:
        monkeypatch.delenv(name)


def all_end_as(
    place: Place, others: Mapping[str, tuple[int, str]], before: Sequence[Sequence[str]] = (), **more: Any
) -> None:
    """Every command ends as the table has it, or else as `others` has it, with these words on standard error."""
    cases = list(EVERY.items())
    ended = place.run([*before, *(case.words for _, case in cases)], **more)[len(before) :]
    wrong = [
        f"{name}: {done.returncode}\n{(done.stdout + done.stderr).decode()}"
        for (name, case), done in zip(cases, ended, strict=True)
        if not _is_as(done, *others.get(name, (case.code, "")), case)
    ]
    assert not wrong, "\n".join(wrong)


def _is_as(done: subprocess.CompletedProcess[bytes], code: int, words: str, case: Case) -> bool:
    stdout, stderr = done.stdout.decode(), done.stderr.decode()
    is_told = words in stderr and "Traceback" not in stderr
    return done.returncode == code and is_told and (code != case.code or case.shown in stdout)


def test_the_table_has_every_command() -> None:
    assert every_command().keys() <= {name.partition(" --")[0] for name in EVERY}


def test_every_command_works_without_a_variable_but_path(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with_path_alone(monkeypatch)
    all_end_as(place, {})
    assert place.rows() == {f"row-{n}": [1.0, float(n)] for n in range(5)}
    assert place.indexes() == {place.index("i"), place.index("new")}


def test_every_command_works_for_a_user_without_a_name_and_a_home(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_path_alone(monkeypatch)
    all_end_as(place, {}, inside=nameless())


NO_STATE = "There is no home directory to keep anything in. Set HOME, or CYBORG_INGEST_STATE_DIR."
NO_LOCK = "is not locked against other loads of this host: There is no home directory to keep anything in."


def test_without_a_home_only_what_keeps_something_asks_for_a_place(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_path_alone(monkeypatch)
    place.configure()
    kept = ("upsert", "run", "jobs list", "jobs show", "jobs clean", "jobs forget", "runs list", "runs show", "report")
    keeps = dict.fromkeys(kept, (2, NO_STATE))
    noted = {"upsert --no-checkpoint": (0, NO_LOCK), "index delete": (0, NO_LOCK), "index train": (0, NO_LOCK)}
    all_end_as(place, {**keeps, **noted, "doctor": (2, "")}, inside=nameless())


def test_every_command_works_where_nothing_but_the_state_can_be_written(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the working directory, nor the home, nor what is temporary."""
    with_path_alone(monkeypatch)
    (place.folder / "home").mkdir()
    monkeypatch.setenv("HOME", str(place.folder / "home"))
    others = {"keygen": (2, "A key cannot be kept in ")}
    all_end_as(place, others, inside=read_only(place.state), told=place.state)
    assert place.rows() == {f"row-{n}": [1.0, float(n)] for n in range(5)}
    assert place.indexes() == {place.index("i"), place.index("new")}


def filled(place: Place, bound: str) -> list[str]:
    """The command that puts the state on a disk of its own that has no room left, by this bound."""
    disk, state = place.folder / "disk", place.state
    disk.mkdir()
    full = f"cat /dev/zero > {disk}/fill 2>/dev/null" if bound == "size" else "true"
    if bound == "nr_inodes":
        full = f"mount -o remount,nr_inodes=$(df --output=iused {disk} | tail -1 | tr -d ' ') {disk}"
    size = "1g" if bound == "nr_inodes" else "8m"
    made = f"mount -t tmpfs -o mode=700,size={size} tmpfs {disk} && cp -a {state}/. {disk}/"
    return ["sh", "-c", f"{made}; {full}; mount --bind {disk} {state}"]


FULL = "cannot be written: No space left on device. "


@pytest.mark.parametrize("bound", ["size", "nr_inodes"])
def test_every_command_says_what_is_full_or_does_without(
    bound: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_path_alone(monkeypatch)
    others = {"upsert": (3, FULL), "run": (3, FULL), "doctor": (3, "")}
    all_end_as(place, others, inside=with_mounts(), before=[filled(place, bound)])
    assert place.rows() == {f"row-{n}": [1.0, float(n)] for n in range(5)}
    assert place.run([EVERY["run"].words])[0].returncode == 1


def test_other_files_on_a_full_disk_are_notes_or_end_it_before_anything_is_made(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_path_alone(monkeypatch)
    full = place.folder / "full"
    full.mkdir()
    (place.folder / "others.jsonl").write_text(ROWS.replace("1.0", "7.0"))
    (place.folder / "bare.toml").write_text("")
    disk = ["sh", "-c", f"mount -t tmpfs -o mode=700,size=4k tmpfs {full}; cat /dev/zero > {full}/fill"]
    create = f"index create new --dimension 2 --key-out full/new --config bare.toml --target {place.service.url}"
    verify = "verify others.jsonl --index i --differences full/found"
    load = "upsert rows.jsonl --index i --log-file full/log --metrics-file full/m.prom --json"
    words = [disk, "keygen full/key", create, verify, load, ["sh", "-c", "ls full"]]
    ended = place.run(words, inside=with_mounts())[1:]
    assert [one.returncode for one in ended] == [2, 2, 3, 0, 0]
    made, created, verified, loaded, _ = (one.stderr.decode() for one in ended)
    assert "full/key: No space left on device." in made
    assert "The index was not created." in created
    assert "--differences full/found cannot be written: No space left on device. Name another file." in verified
    assert f"The log file {full}/log lacks lines: No space left on device." in loaded
    assert "The metrics were not written: full/m.prom: No space left on device." in loaded
    assert json.loads(ended[3].stdout)["rows"]["acknowledged"] == 5
    assert ended[4].stdout.decode().split() == ["fill", "log"]
    assert place.indexes() == {place.index("i"), place.index("gone")}


def test_a_command_at_the_end_hears_of_it_where_nothing_can_be_written(place: Place) -> None:
    words = ["upsert", "rows.jsonl", "--index", "i", "--no-checkpoint", "--on-end"]
    (done,) = place.run(
        [[*words, "sh -c 'echo its code: $CYBORG_INGEST_EXIT_CODE'"]], inside=read_only(place.state), told=place.state
    )
    told = done.stderr.decode()
    assert done.returncode == 0
    assert "its code: 0\n" in told
    assert "note      --on-end: sh got no file of the report: No usable temporary directory found in " in told
