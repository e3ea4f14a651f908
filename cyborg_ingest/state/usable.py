"""Whether a state directory can be used: written, by us alone, with locks that hold. What is tried there is removed."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

from cyborg_ingest.errors import StateError
from cyborg_ingest.state.jobs import open_root
from cyborg_ingest.state.locks import has_locked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cyborg_ingest.private import Folder

_BLOCK = b"x" * 65_536


def check_usable(directory: Path) -> None:
    """Write a file there, and remove it. Raises StateError, UntrustedError."""
    with _probe(directory) as (root, name), os.fdopen(root.open(name, os.O_WRONLY | os.O_CREAT), "wb") as file:
        file.write(_BLOCK)


def check_locks(directory: Path) -> None:
    """Raise StateError where a lock cannot be had, or does not keep others out."""
    with _probe(directory) as (root, name):
        first = root.open(name, os.O_RDWR | os.O_CREAT)
        second = root.open(name, os.O_RDWR)
        try:
            if has_locked(first, root.path / name) and has_locked(second, root.path / name):
                raise StateError(f"{directory}: a lock there keeps nobody out. Name a local disk with --state-dir.")
        finally:
            os.close(first)
            os.close(second)


@contextlib.contextmanager
def _probe(directory: Path) -> Iterator[tuple[Folder, str]]:
    name = f".probe.{secrets.token_hex(6)}"
    try:
        with open_root(directory) as root:
            try:
                yield root, name
            finally:
                with contextlib.suppress(FileNotFoundError):
                    root.drop(name)
    except OSError as error:
        raise StateError(
            f"The state directory {directory} cannot be written: {error.strerror or error}. Make room, or name another "
            "with --state-dir."
        ) from None
