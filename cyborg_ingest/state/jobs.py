"""Where jobs are kept: the state directory, the folder of each job in it, and in that one of each run."""

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

from cyborg_ingest.errors import JobBusyError, StateError
from cyborg_ingest.private import Folder
from cyborg_ingest.settings import keys

if TYPE_CHECKING:
    from cyborg_ingest.model import Json

STATE_DIR_VARIABLE = "CYBORG_INGEST_STATE_DIR"

_JOBS = "jobs"
_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}", re.ASCII)
_ELSEWHERE = "name another directory with --state-dir"


def state_directory(given: Path | None) -> Path:
    """Where jobs are kept."""
    configured = keys.variable(os.environ, STATE_DIR_VARIABLE)
    return given or (Path(configured) if configured else keys.at_home(platformdirs.user_state_path, STATE_DIR_VARIABLE))


def job_folder(directory: Path, description: Json) -> Path:
    """The folder of the job that is described: target, index, sources as typed, mapping."""
    text = json.dumps(description, sort_keys=True)
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", str(description.get("index", "")))[:40].strip("-")
    return directory / _JOBS / f"{name or 'job'}-{digest}"


def open_job(folder: Path, *, make: bool = True) -> Folder:
    """The folder of a job. All from the state directory down to it are checked, and made if they may be."""
    if folder.parent.name != _JOBS:
        return Folder.root(folder, _ELSEWHERE, make=make)
    with Folder.root(folder.parent.parent, _ELSEWHERE, make=make) as root, root.below(_JOBS, make=make) as jobs:
        return jobs.below(folder.name, make=make)


def new_run(runs: Folder) -> Folder:
    """A folder for the run that begins now, named by the time in UTC and a number that tells it from others."""
    while True:
        now = datetime.datetime.now(datetime.timezone.utc)
        with contextlib.suppress(FileExistsError):
            return runs.new(f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}")


def is_run(name: object) -> bool:
    """Whether this is a name as `new_run` gives them."""
    return isinstance(name, str) and _RUN.fullmatch(name) is not None


def take_lock(handle: int, path: Path) -> None:
    """Lock an open file for this process. Raises JobBusyError where another holds it, StateError where none can."""
    import fcntl  # noqa: PLC0415 - not on Windows, where only `--help` and the client are of use

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise JobBusyError(f"Another process is running this job (it holds {path}). Wait for it to end.") from None
    except OSError as error:
        raise StateError(
            f"{path} cannot be locked: {error.strerror or error}. Two runs of this job could not be told apart; name "
            "a directory on a local disk with --state-dir."
        ) from None
