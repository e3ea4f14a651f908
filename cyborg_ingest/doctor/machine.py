"""This machine: versions, the state directory, room on disks, variables."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from cyborg_ingest.doctor.finding import fail, looked_at, of_error, ok, warn
from cyborg_ingest.errors import ExitCode, IngestError
from cyborg_ingest.settings import environment
from cyborg_ingest.state.usable import check_locks, check_usable
from cyborg_ingest.versions import program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.doctor.finding import Finding

_LEAST, _LITTLE = 10_000_000, 1_000_000_000
"""Free bytes: below the first nothing works, below the second not for long."""

_OF_SEVERAL_MACHINES = ("nfs", "cifs", "smb", "9p", "fuse", "ceph", "gluster", "lustre")
_MOUNTS = Path("/proc/self/mounts")


def versions() -> Iterator[Finding]:
    """What runs here."""
    found = program()
    yield ok("version", f"cyborg-ingest {found['cyborg-ingest']}, {found['Python']}, {found['system']}")


def variables() -> Iterator[Finding]:
    """What is set in the environment for nothing."""
    wrong = environment.misspelled(os.environ)
    yield from (warn("variables", text) for text in wrong)
    try:
        environment.refuse_empty(os.environ)
    except IngestError as error:
        yield of_error("variables", error)
        return
    known = sum(name in environment.known() for name in os.environ)
    if not wrong:
        yield ok("variables", f"{known} of them {'is' if known == 1 else 'are'} set, and none is misspelled or empty")


def state(directory: Path) -> Iterator[Finding]:
    """Whether jobs can be remembered."""
    subject = "state"
    there = _nearest(directory)
    if there != directory:
        if os.access(there, os.W_OK | os.X_OK):
            yield ok(subject, f"{directory} will be made by the first load")
        else:
            text = f"{directory} is not there, and cannot be made in {there}"
            yield fail(subject, text, "Name another with --state-dir.", code=ExitCode.FAILED)
    else:
        yield from looked_at(subject, lambda: _used(directory))
    yield from room("state disk", there)


def _used(directory: Path) -> Iterator[Finding]:
    check_usable(directory)
    yield ok("state", f"{directory} can be written")
    check_locks(directory)
    kind = _file_system(directory)
    if kind and kind.startswith(_OF_SEVERAL_MACHINES):
        text = f"locks hold on this machine; of {kind} nobody knows whether others see them"
        yield warn("locks", text, "Let one machine alone use this state directory.")
    else:
        yield ok("locks", f"two processes are told apart ({kind or 'a file system of unknown kind'})")


def room(subject: str, path: Path) -> Iterator[Finding]:
    """Whether there is room where this is, or will be."""
    there = _nearest(path)
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        yield warn(subject, f"nobody knows how much room is at {there}: {error.strerror or error}")
        return
    text = f"{free / 1e9:,.1f} GB free at {there}" if free >= _LITTLE else f"{free / 1e6:,.1f} MB free at {there}"
    if free < _LEAST:
        yield fail(subject, text, "Make room.", code=ExitCode.FAILED)
    else:
        yield warn(subject, text, "Make room before a large load.") if free < _LITTLE else ok(subject, text)


def _nearest(path: Path) -> Path:
    """The path, or what of it is there."""
    found = path.absolute()
    while not os.path.lexists(found) and found != found.parent:
        found = found.parent
    return found


def _file_system(path: Path) -> str | None:
    """The kind of file system that a path is on, as Linux tells it."""
    best, kind = "", None
    with contextlib.suppress(OSError, ValueError):
        own = str(path.resolve())
        for line in _MOUNTS.read_text().splitlines():
            _, place, found = line.split(" ")[:3]
            place = place.replace("\\040", " ")
            is_above = own == place or own.startswith(place.rstrip("/") + "/")
            if is_above and len(place) >= len(best):
                best, kind = place, found
    return kind
