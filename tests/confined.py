"""Places that give a process less than usual: a disk that is full or only read, a user without a name.

They are namespaces of Linux, which end with the process; nothing of them is seen outside.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_NAMELESS = ("unshare", "--user", "--map-user=12345", "--map-group=12345")
_MOUNTS = ("unshare", "--user", "--map-root-user", "--mount", "--propagation", "private")

_READ_ONLY = """
set -e
kept=$1; shift
mount --bind "$kept" "$kept"
cut -d ' ' -f 5 /proc/self/mountinfo | sort -ru | while read -r one; do
    case $one in "$kept"|/proc*|/sys*) ;; *) mount -o remount,bind,ro "$one" 2>/dev/null || true ;; esac
done
if touch "$PWD/written" /tmp/written 2>/dev/null; then echo 'it can be written to' >&2; exit 99; fi
exec "$@"
"""


@functools.cache
def _fault(command: tuple[str, ...]) -> str | None:
    """Why this cannot be had here, if so."""
    if shutil.which(command[0]) is None:
        return "there is no unshare"
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return (done.stderr.strip() or str(done.returncode)) if done.returncode else None


def _had(command: tuple[str, ...], *tried: str) -> tuple[str, ...]:
    fault = _fault((*command, *tried))
    if fault is not None:
        pytest.skip(f"this system gives no namespaces: {fault}")
    return command


def nameless() -> Sequence[str]:
    """Started by this, a process has a user that the system has no name and no home for."""
    return _had(_NAMELESS, "true")


def with_mounts() -> Sequence[str]:
    """Started by this, a process may mount."""
    return _had(_MOUNTS, "sh", "-c", "mount -t tmpfs tmpfs /tmp && mount -o remount,bind,ro /")


def read_only(but: Path) -> Sequence[str]:
    """Started by this, a process can write to nothing but one folder."""
    return (*with_mounts(), "sh", "-c", _READ_ONLY, "sh", str(but))


def mount(folder: Path, **options: object) -> list[str]:
    """The command that puts a disk of its own there, or gives the one that is there other bounds."""
    given = ",".join(f"{name}={value}" for name, value in options.items())
    fresh = f"mount -t tmpfs -o mode=700,{given} tmpfs {folder}"
    return ["sh", "-c", f"if mountpoint -q {folder}; then mount -o remount,{given} {folder}; else {fresh}; fi"]


def unmount(folder: Path) -> list[str]:
    """The command that takes it away, which fails while anybody has a file of it open."""
    return ["sh", "-c", f"umount {folder}"]
