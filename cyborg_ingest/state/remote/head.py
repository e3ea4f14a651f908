"""The head of a job in a store: the one object of it that changes, which is the lock and the list of its files at once.

It is only ever written under a condition, so that there is one history of it: who holds the lock, and of which objects
each file of the job is made. All others are written once and never again, under names that nobody else uses. So a copy
that is made by a head is of one moment, and who has lost the lock can no longer change anything.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from cyborg_ingest.errors import StateError, UsageError
from cyborg_ingest.settings.scrubbing import KNOWN
from cyborg_ingest.state.files import is_kept
from cyborg_ingest.state.locks import Holder, holder_of

if TYPE_CHECKING:
    from typing import Any

    from cyborg_ingest.model import Json

VERSION = 1

_KEY = re.compile(r"[0-9a-f]{12}-\d{1,12}", re.ASCII)
_LONGEST = 3600.0


@dataclass(frozen=True, slots=True)
class Segment:
    """An object with so many bytes of a file, and their checksum (CRC-32)."""

    key: str
    size: int
    checksum: int


Files = dict[str, tuple[Segment, ...]]
"""What each file of the job is made of, in order."""


@dataclass(frozen=True, slots=True)
class Head:
    """One state of it. `nonce` tells it from all others; `owner` is None where nobody holds the lock.

    `expires`: so many seconds without a new head, and the lock is nobody's.
    """

    owner: Holder | None
    expires: float
    files: Files = field(default_factory=dict)
    run: str | None = None
    """The run of the owner, once it may have sent rows; until then that of one which nobody has heard of since."""
    sequence: int = 0
    nonce: str = field(default_factory=lambda: secrets.token_hex(8))

    def next(self, owner: Holder | None, expires: float, files: Files, run: str | None = None) -> Head:
        """The one that follows it."""
        return Head(owner, expires, files, run, self.sequence + 1)

    def data(self) -> bytes:
        """As the store has it."""
        files = {name: [[one.key, one.size, one.checksum] for one in segments] for name, segments in self.files.items()}
        owner = None if self.owner is None else KNOWN.scrubbed(asdict(self.owner))
        record = {
            "version": VERSION, "sequence": self.sequence, "nonce": self.nonce, "owner": owner, "run": self.run,
            "expires": self.expires, "files": files,
        }  # fmt: skip
        return json.dumps(record, separators=(",", ":")).encode()


def head_of(data: bytes, where: str) -> Head:
    """What an object holds that anybody may have written. Raises StateError, UsageError."""
    try:
        record: Any = json.loads(data)
        version = record["version"]
        if isinstance(version, int) and version > VERSION:
            raise UsageError(
                f"{where} was written by a later release (its version is {version}, this release knows {VERSION}). Use "
                "that release, or keep state elsewhere."
            )
        return _checked(record)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise StateError(
            f"{where} is damaged, or not of this program. Remove what is below it (then all rows of the job are sent "
            "again), or keep state elsewhere."
        ) from None


def _checked(record: Json) -> Head:
    nonce, sequence, expires, run = record["nonce"], record["sequence"], float(record["expires"]), record["run"]
    if not isinstance(nonce, str) or type(sequence) is not int or not 0 < expires <= _LONGEST:
        raise ValueError("no head")
    owner = None if record["owner"] is None else holder_of(record["owner"])
    if record["owner"] is not None and owner is None:
        raise ValueError("nobody is named")
    files = {name: tuple(_segment(*one) for one in segments) for name, segments in record["files"].items()}
    if not all(map(is_kept, files)) or not isinstance(run, str | None):
        raise ValueError("a file that no job has")
    return Head(owner, expires, files, run, sequence, nonce)


def _segment(key: Any, size: Any, checksum: Any) -> Segment:
    if not isinstance(key, str) or not _KEY.fullmatch(key) or type(size) is not int or type(checksum) is not int:
        raise ValueError("no segment")
    return Segment(key, size, checksum)
