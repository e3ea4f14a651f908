"""A job that is to be run by the clock, as every scheduler needs to know it."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyborg_ingest.errors import UsageError, printable

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST_NAME = 40
_MARGIN_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A job of a configuration file. What is None is not said there.

    `final_codes`: exit codes after which the same command would fail again, or has nothing left to do.
    """

    job: str
    at: str
    program: str
    config: Path
    final_codes: tuple[int, ...]
    profile: str | None = None
    target: str | None = None
    is_embedded: bool = False
    """Whether the target is the engine itself, which asks for no API key."""
    state_dir: Path | None = None
    state_uri: str | None = None
    """Where its state is kept, if not on the machine that runs it."""
    lock_wait: str | None = None
    api_key_file: Path | None = None
    index_key_file: Path | None = None
    written: tuple[Path, ...] = ()
    """Files that it writes beside its state: a log, metrics, a key."""
    drain_seconds: float = 20.0
    nothing_new_exit: int = 0
    """The exit code that the job has where there was nothing to send."""

    def __post_init__(self) -> None:
        for text in (self.job, self.program, str(self.config), self.profile or ""):
            if printable(text) != text:
                raise UsageError(f"{text!r} has control characters, which no scheduler takes. Give it another name.")

    @property
    def name(self) -> str:
        """A name for units and objects: small letters, digits and dashes; no two jobs have the same."""
        plain = re.sub(r"[^a-z0-9]+", "-", self.job.lower())[:_LONGEST_NAME].strip("-") or "job"
        digest = hashlib.blake2b(self.job.encode("utf-8", "surrogatepass"), digest_size=3).hexdigest()
        return f"cyborg-ingest-{plain if plain == self.job else f'{plain}-{digest}'}"

    @property
    def place(self) -> str | None:
        """The directory that an embedded engine writes to."""
        is_disk = self.target is not None and self.target.lower().startswith("disk:")
        return self.target[len("disk:") :] if self.target is not None and is_disk else None

    @property
    def stop_seconds(self) -> int:
        """How long to wait for its end before it is killed: requests that are on their way, and a little more."""
        return math.ceil(self.drain_seconds) + _MARGIN_SECONDS

    def arguments(self, config: str, *more: str) -> list[str]:
        """What stands behind the program's name; `more` are options."""
        options = ["--config", config, *(["--profile", self.profile] if self.profile else []), *more]
        return ["run", *options, "--", self.job] if self.job.startswith("-") else ["run", self.job, *options]
