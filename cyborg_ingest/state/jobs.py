"""Where jobs are kept: the state directory, the folder of each job in it, and in that one of each run.

An index has a folder, too, for its lock.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from cyborg_ingest.errors import StateError
from cyborg_ingest.private import Folder
from cyborg_ingest.settings import keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.model import Json

STATE_DIR_VARIABLE = "CYBORG_INGEST_STATE_DIR"

DESCRIPTION, RUNS = "job.json", "runs"
"""What is in the folder of a job beside its journals and its lock."""

_JOBS, _INDEXES = "jobs", "indexes"
_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}", re.ASCII)
_ELSEWHERE = "name another directory with --state-dir"


def state_directory(given: Path | None) -> Path:
    """Where jobs are kept."""
    configured = keys.variable(os.environ, STATE_DIR_VARIABLE)
    return given or (Path(configured) if configured else keys.at_home(platformdirs.user_state_path, STATE_DIR_VARIABLE))


def job_folder(directory: Path, description: Json) -> Path:
    """The folder of the job that is described: target, index, sources as typed, mapping."""
    return directory / _JOBS / _named(str(description.get("index", "")), "job", description)


def index_folder(directory: Path, target: str, index: str) -> Path:
    """The folder of an index, named by its target in one spelling: what this host knows of who works on it."""
    return directory / _INDEXES / _named(index, "index", {"target": target, "index": index})


def _named(index: str, other: str, description: Json) -> str:
    digest = hashlib.blake2b(json.dumps(description, sort_keys=True).encode(), digest_size=8).hexdigest()
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", index)[:40].strip("-")
    return f"{name or other}-{digest}"


def open_job(folder: Path, *, make: bool = True) -> Folder:
    """The folder of a job, or of an index. All from the state directory down are checked, and made if they may be."""
    above = folder.parent
    if above.name not in {_JOBS, _INDEXES}:
        return Folder.root(folder, _ELSEWHERE, make=make)
    with Folder.root(above.parent, _ELSEWHERE, make=make) as root, root.below(above.name, make=make) as all_of_them:
        return all_of_them.below(folder.name, make=make)


def all_jobs(directory: Path) -> Path:
    """Where the folders of all jobs are."""
    return directory / _JOBS


def open_root(directory: Path) -> Folder:
    """The state directory, which is not made. Raises FileNotFoundError."""
    return Folder.root(directory, _ELSEWHERE, make=False)


def open_jobs(directory: Path) -> Folder:
    """The folder of all jobs, which is not made. Raises FileNotFoundError."""
    with open_root(directory) as root:
        return root.below(_JOBS, make=False)


def new_run(runs: Folder) -> Folder:
    """A folder for the run that begins now, named by the time in UTC and a number that tells it from others."""
    while True:
        now = datetime.datetime.now(datetime.timezone.utc)
        with contextlib.suppress(FileExistsError):
            return runs.new(f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}")


def is_run(name: object) -> bool:
    """Whether this is a name as `new_run` gives them."""
    return isinstance(name, str) and _RUN.fullmatch(name) is not None


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Errors of the system become StateError, which says what it means for a load."""
    try:
        yield
    except OSError as error:
        raise StateError(
            f"The state directory {folder} cannot be written: {error.strerror or error}. Rows that were sent are "
            "safe; make room, or name another with --state-dir, and run the same command again."
        ) from None


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[None]:
    """The same, where it is only looked at: but what is not there is for whoever looks."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StateError(f"The state directory {folder} cannot be read: {error.strerror or error}.") from None
