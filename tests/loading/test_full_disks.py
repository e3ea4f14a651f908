"""A disk that fills up under the state directory, at every page of it: no row is lost, and a resumed load is whole.

The disk is one of Linux's own in memory, so that as much room as is asked for is there, and not a page more.
"""

from __future__ import annotations

import json
import re
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from commands import ran_together
from confined import mount, unmount, with_mounts
from cyborgdb import Client as SdkClient

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from pathlib import Path

    from service import Service

KEY = "ab" * 32
ROWS = 600
PAGE = 4
ROOM = 8192
FULL = r"cannot be written: No space left on device\. Rows that were sent are safe; make room, or name another"


def lines(numbers: Sequence[int], value: float = 1.0) -> str:
    return "".join(json.dumps({"id": f"r{n}", "vector": [value, float(n)]}) + "\n" for n in numbers)


BAD = "".join(json.dumps({"id": f"bad{n}", "vector": [0, 0]}) + "\n" for n in range(30))


class Disk:
    """A folder with sources, and a state directory on a disk of a few pages."""

    def __init__(self, folder: Path, service: Service) -> None:
        self.folder, self.service = folder, service
        self.state, self.told = folder / "state", folder / "told"
        for one in (self.state, folder / "rows"):
            one.mkdir()
        (folder / "key").write_text(KEY)
        self.ends = secrets.token_hex(4)
        self.commands: list[Sequence[str]] = []

    def room(self, pages: int) -> None:
        """From now on so many pages are left."""
        self.commands.append(mount(self.state, size=f"{ROOM}k"))
        left = f"size=$(( $(df --output=used -B1024 {self.state} | tail -1) + {pages * PAGE} ))k"
        full = f"dd if=/dev/zero of={self.state}/fill bs=1k count={PAGE} status=none" if not pages else "true"
        self.commands.append(["sh", "-c", f"{full}; mount -o remount,{left} {self.state}"])

    def enough_room(self) -> None:
        self.commands.append(mount(self.state, size=f"{ROOM}k"))

    def load(self, pages: int, *options: str) -> None:
        words = ["upsert", "rows", "--index", f"i{pages}-{self.ends}", "--target", self.service.url, "--create"]
        words += ["--index-key-file", "key", "--state-dir", str(self.state), "--batch-rows", "20", "--json", *options]
        self.commands.append(words)

    def away(self) -> None:
        """Nothing of it is left open, and nothing lies about that was half written, or this fails."""
        self.commands.append(["sh", "-c", f"test -z \"$(find {self.state} -name '*.new' -o -name 'holder-*')\""])
        self.commands.append(unmount(self.state))

    def run(self) -> list[subprocess.CompletedProcess[bytes]]:
        """All of it; what the shell did has to be well."""
        done = ran_together(self.commands, self.folder, self.told, inside=with_mounts())
        assert [one.stderr for one in done if one.args[0] == "sh" and one.returncode] == []
        return [one for one in done if one.args[0] != "sh"]

    def rows(self, pages: int) -> dict[str, list[float]]:
        """What an index holds, by the official SDK."""
        index = SdkClient(self.service.url).load_index(f"i{pages}-{self.ends}", bytes.fromhex(KEY))
        found = index.get([f"r{n}" for n in range(ROWS + 100)])
        return {one["id"]: list(map(float, one["vector"])) for one in found}


@pytest.fixture
def disk(tmp_path: Path, service: Service) -> Disk:
    return Disk(tmp_path, service)


def report_of(done: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    """The report, in which each row is accounted for."""
    report = json.loads(done.stdout)
    rows = report["rows"]
    assert rows["read"] == rows["acknowledged"] + rows["rejected"] + rows["skipped"] + rows["unsent"]
    assert report["exit_code"] == done.returncode
    return report


def is_well(done: subprocess.CompletedProcess[bytes], code: int) -> bool:
    """It ended with this code and no row unsent; or else it says that the disk is full."""
    report, told = report_of(done), done.stderr.decode()
    assert "Traceback" not in told, told
    if done.returncode == code:
        assert report["rows"]["unsent"] == 0
        return True
    assert (done.returncode, report["retry"]) == (3, "same-command"), told
    assert re.search(FULL, told), told
    return False


@pytest.mark.parametrize("begun", [False, True], ids=["from its start", "resumed"])
def test_wherever_the_state_disk_is_full_no_row_is_lost(begun: bool, disk: Disk) -> None:
    rows = range(ROWS)
    (disk.folder / "rows" / "a.jsonl").write_text(lines(rows[:400]) + BAD + lines(rows[400:]))
    pages = range(16)
    for one in pages:
        disk.room(ROOM // PAGE) if begun else disk.room(one)
        if begun:
            disk.load(one, "--max-errors", "10")
            disk.room(one)
        disk.load(one, "--max-errors", "50")
        disk.enough_room()
        disk.load(one, "--max-errors", "50")
        disk.away()
    done = disk.run()
    each = [done[start : start + 2 + begun] for start in range(0, len(done), 2 + begun)]
    assert not begun or {one[0].returncode for one in each} == {4}
    ends = [is_well(one[begun], 1) for one in each]
    assert (ends[0], ends[-1]) == (False, True)
    for place, (*_, last) in zip(pages, each, strict=True):
        assert is_well(last, 1), place
        assert disk.rows(place) == {f"r{n}": [1.0, float(n)] for n in rows}
        assert report_of(last)["rejects"] == {"vector_zero": 30}


def test_wherever_it_is_full_the_rows_that_are_new_come_and_those_that_left_go(disk: Disk) -> None:
    """The file that vanishes and the one that changes are not the same for two runs: each has its own folder."""
    for name, numbers in (("a", range(200)), ("b", range(200, 400)), ("c", range(400, ROWS))):
        (disk.folder / "rows" / f"{name}.jsonl").write_text(lines(numbers))
    (disk.folder / "later").mkdir()
    (disk.folder / "later" / "b.jsonl").write_text(lines(range(250, 400), 2.0))
    (disk.folder / "later" / "d.jsonl").write_text(lines(range(ROWS, ROWS + 50), 3.0))
    newer = {**{f"r{n}": [1.0, float(n)] for n in range(200)}, **{f"r{n}": [2.0, float(n)] for n in range(250, 400)}}
    newer |= {f"r{n}": [3.0, float(n)] for n in range(ROWS, ROWS + 50)}
    pages = range(12)
    for one in pages:
        disk.room(ROOM // PAGE)
        disk.load(one)
        disk.commands.append(["sh", "-c", "cp -a rows before; rm rows/c.jsonl; cp later/* rows"])
        disk.room(one)
        options = ("--only-new", "--delete-missing", "--max-delete", "100%")
        disk.load(one, *options)
        disk.enough_room()
        disk.load(one, *options)
        disk.commands.append(["sh", "-c", "rm -r rows; mv before rows"])
        disk.away()
    done = disk.run()
    each = [done[start : start + 3] for start in range(0, len(done), 3)]
    assert {one[0].returncode for one in each} == {0}
    ends = [is_well(one[1], 0) for one in each]
    assert (ends[0], ends[-1]) == (False, True)
    for place, (*_, last) in zip(pages, each, strict=True):
        assert is_well(last, 0), place
        assert disk.rows(place) == newer
