"""Where this machine has its copy of a state that is kept elsewhere: below its state directory, or for now only."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cyborg_ingest.errors import StateError, UntrustedError, UsageError
from cyborg_ingest.private import Folder
from cyborg_ingest.state.jobs import state_directory
from cyborg_ingest.state.usable import check_usable

if TYPE_CHECKING:
    from collections.abc import Iterator

_COPIES = "copies"


@contextlib.contextmanager
def copy_place(uri: str, state_dir: Path | None, *, is_for_now: bool = False) -> Iterator[tuple[Path, bool]]:
    """The directory for copies of the jobs of an address, and whether it stays there.

    `is_for_now`: in any case one that is removed at the end. Raises UntrustedError, StateError.
    """
    kept = None if is_for_now else _kept(uri, state_dir)
    if kept is not None:
        yield kept, True
        return
    try:
        made = Path(tempfile.mkdtemp(prefix="cyborg-ingest-"))
    except OSError as error:
        raise StateError(
            f"No directory can be made for a copy of {uri}: {error.strerror or error}. Let TMPDIR name one that "
            "can be written."
        ) from None
    try:
        yield made, False
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _kept(uri: str, state_dir: Path | None) -> Path | None:
    """One below the state directory, which no other address has; None where none can be written."""
    try:
        directory = state_directory(state_dir) / _COPIES / hashlib.blake2b(uri.encode(), digest_size=8).hexdigest()
        Folder.root(directory, "name another directory with --state-dir").close()
        check_usable(directory)
    except UntrustedError:
        raise
    except (OSError, StateError, UsageError):
        return None
    return directory.absolute()
