"""Folders and files of ours: made for their owner alone, and not used where somebody else could have made them.

A folder is held open and all that is done in it goes through its descriptor, so that nobody can put another in its
place. No link is followed in it, and nothing is written but to a new file of an unpredictable name, which then takes
the place of the old one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import stat
from typing import TYPE_CHECKING

from cyborg_ingest.errors import UntrustedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typing_extensions import Self

_OWN = 0o700
_FILE = 0o600
_ALL = 0o777
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS = 0o077
# none of these is there on Windows, where only `--help` and the client are of use
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_FOLDER = _NO_LINK | getattr(os, "O_DIRECTORY", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)


class Folder:
    """One of our folders, open. `advice` says how to have it elsewhere, after "or". All methods raise OSError.

    UntrustedError where it, or a file in it, is a link, belongs to another user, or can be written by others.
    """

    def __init__(self, path: Path, handle: int, advice: str) -> None:
        self.path = path
        self.handle = handle
        self._advice = advice
        self._identity = _identity(os.fstat(handle))

    @classmethod
    def root(cls, path: Path, advice: str, *, make: bool = True) -> Self:
        """The folder that all others of ours are in, and that the user may have made: a link to one will do."""
        path = path.absolute()
        if make:
            _make(path)
        handle = os.open(path, _FOLDER & ~getattr(os, "O_NOFOLLOW", 0))
        with _closed_on_error(handle):
            status = os.fstat(handle)
            _check_owner(path, status, {os.geteuid(), 0}, advice)
            shared = stat.S_IWOTH if status.st_gid == os.getegid() else _OTHERS_WRITE
            if not status.st_mode & stat.S_ISVTX:
                _check_mode(path, status, shared, "go-w", advice)
        return cls(path, handle, advice)

    def below(self, name: str, *, make: bool = True) -> Self:
        """A folder in it."""
        path = self.path / name
        if make:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, _OWN, dir_fd=self.handle)
                _open_up(name, self.handle)
        self._refuse_link(path)
        handle = os.open(name, _FOLDER, dir_fd=self.handle)
        with _closed_on_error(handle):
            status = os.fstat(handle)
            _check_owner(path, status, {os.geteuid()}, self._advice)
            _check_mode(path, status, _OTHERS_WRITE, "go-w", self._advice)
            if stat.S_IMODE(status.st_mode) & _ALL != _OWN:
                os.fchmod(handle, _OWN)
        return type(self)(path, handle, self._advice)

    def new(self, name: str) -> Self:
        """A folder in it that was not there. Raises FileExistsError."""
        os.mkdir(name, _OWN, dir_fd=self.handle)
        _open_up(name, self.handle)
        return self.below(name, make=False)

    def open(self, name: str, flags: int = os.O_RDONLY, *, is_secret: bool = False) -> int:
        """A descriptor of a file in it. Raises FileNotFoundError, unless the flags have O_CREAT.

        `is_secret`: it must not be open to others even for reading.
        """
        path = self.path / name
        self._refuse_link(path)
        # a pipe that nobody writes to would be waited for
        handle = os.open(name, flags | _NO_LINK | _NO_WAIT, _FILE, dir_fd=self.handle)
        with _closed_on_error(handle):
            status = os.fstat(handle)
            _check_kind(path, status, self._advice)
            _check_owner(path, status, {os.geteuid()}, self._advice)
            if is_secret:
                _check_mode(path, status, _OTHERS, "600", self._advice)
            if flags & os.O_CREAT and stat.S_IMODE(status.st_mode) != _FILE:
                os.fchmod(handle, _FILE)
        return handle

    def read(self, name: str, *, is_secret: bool = False) -> bytes | None:
        """What is in a file; None where there is none."""
        try:
            handle = self.open(name, is_secret=is_secret)
        except FileNotFoundError:
            return None
        with os.fdopen(handle, "rb") as file:
            return file.read()

    @contextlib.contextmanager
    def replacing(self, name: str) -> Iterator[int]:
        """A descriptor to write to; the file is there, whole, once all is well."""
        with self._temporary(name) as (temporary, handle):
            yield handle
            os.fsync(handle)
            os.replace(temporary, name, src_dir_fd=self.handle, dst_dir_fd=self.handle)

    def replace(self, name: str, data: bytes) -> None:
        """Write a file whole, or not at all."""
        with self.replacing(name) as handle, os.fdopen(os.dup(handle), "wb") as out:
            out.write(data)

    def keep(self, name: str, data: bytes) -> None:
        """Write a file whole, unless there is one. It is on the disk when this returns. Raises FileExistsError."""
        with self._temporary(name) as (temporary, handle):
            with os.fdopen(os.dup(handle), "wb") as out:
                out.write(data)
            os.fsync(handle)
            os.link(temporary, name, src_dir_fd=self.handle, dst_dir_fd=self.handle, follow_symlinks=False)
            os.fsync(self.handle)

    def names(self) -> list[str]:
        """What is in it."""
        return os.listdir(self.handle)  # noqa: PTH208 - by its descriptor

    def drop(self, name: str) -> None:
        """Remove a file from it."""
        os.unlink(name, dir_fd=self.handle)

    def drop_folder(self, name: str) -> None:
        """Remove an empty folder from it."""
        os.rmdir(name, dir_fd=self.handle)

    def is_there(self) -> bool:
        """Whether its path still leads to it."""
        try:
            return _identity(self.path.stat()) == self._identity
        except OSError:
            return False

    def close(self) -> None:
        """Let go of it."""
        if self.handle >= 0:
            os.close(self.handle)
        self.handle = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _temporary(self, name: str) -> Iterator[tuple[str, int]]:
        temporary = f".{name[:100]}.{secrets.token_hex(8)}.new"
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK, _FILE, dir_fd=self.handle)
        try:
            os.fchmod(handle, _FILE)  # whatever the umask takes away
            yield temporary, handle
        finally:
            os.close(handle)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=self.handle)

    def _refuse_link(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISLNK(os.stat(path.name, dir_fd=self.handle, follow_symlinks=False).st_mode):
                raise UntrustedError(
                    f"{path} is a link, and what is kept there is never written through one. Remove it "
                    f"(rm {shlex.quote(str(path))}), or {self._advice}."
                )


def _identity(status: os.stat_result) -> tuple[int, int]:
    """What no other file has while this one is open."""
    return status.st_dev, status.st_ino


@contextlib.contextmanager
def _closed_on_error(handle: int) -> Iterator[None]:
    try:
        yield
    except BaseException:
        os.close(handle)
        raise


def _check_kind(path: Path, status: os.stat_result, advice: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UntrustedError(f"{path} is not a regular file. Remove it, or {advice}.")


def _check_owner(path: Path, status: os.stat_result, owners: set[int], advice: str) -> None:
    own = os.geteuid()
    if status.st_uid not in owners:
        raise UntrustedError(
            f"{path} belongs to user {status.st_uid}, and this process runs as user {own}: it may be somebody "
            f"else's. Take it over (chown -R {own} {shlex.quote(str(path))}), or {advice}."
        )


def _check_mode(path: Path, status: os.stat_result, forbidden: int, needed: str, advice: str) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if mode & forbidden:
        can = "write to" if mode & forbidden & _OTHERS_WRITE else "read"
        raise UntrustedError(
            f"Other users can {can} {path} (its mode is {mode:04o}). Look at what is in it, then take that away "
            f"(chmod {needed} {shlex.quote(str(path))}), or {advice}."
        )


def _make(path: Path) -> None:
    """Make a folder and all that is missing above it; `mkdir(parents=True)` leaves those above to the umask."""
    missing = []
    while not os.path.lexists(path):
        missing.append(path)
        path = path.parent
    for one in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another process was faster
            one.mkdir(_OWN)
            _open_up(str(one), None)


def _open_up(name: str, inside: int | None) -> None:
    """A umask may have taken away what its owner needs to enter it."""
    status = os.stat(name, dir_fd=inside, follow_symlinks=False)
    if stat.S_IMODE(status.st_mode) & _ALL != _OWN and stat.S_ISDIR(status.st_mode):
        os.chmod(name, _OWN, dir_fd=inside)
