"""What tells a file from itself once its bytes are others, without reading them; and what became of it, in words."""

from __future__ import annotations

import time
from dataclasses import dataclass

TICK_SECONDS = 0.02
"""Within which two writes may get one time: the coarsest that Linux keeps, with room to spare."""


@dataclass(frozen=True, slots=True)
class Version:
    """`size` in bytes, times in nanoseconds. What a place does not tell is 0 or ""; `tag` is an object's etag."""

    size: int = 0
    modified: int = 0
    changed: int = 0
    inode: int = 0
    tag: str = ""

    def is_fresh(self) -> bool:
        """Whether a write that comes now might leave no trace in it."""
        return 0 <= time.time_ns() - max(self.modified, self.changed) < TICK_SECONDS * 1e9


ABSENT = Version(size=-1)
"""Of what is not there."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was when it was looked at first: every later look has to find the same."""

    uri: str
    version: Version


def what_became(before: Version, now: Version) -> str:
    """What happened to a file between two versions of it: the rest of a sentence that begins with its name."""
    sizes = f"it had {before.size:,} bytes and has {now.size:,}"
    if now == ABSENT:
        return "it was removed"
    if now.inode != before.inode or now.tag != before.tag:
        return f"it was replaced by another ({sizes})"
    if now.size != before.size:
        return f"it {'has grown' if now.size > before.size else 'was cut'} ({sizes})"
    return "it was written to, or its owner or rights were changed"
