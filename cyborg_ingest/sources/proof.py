"""A source is the same from the plan to its last row, or that is an error."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from cyborg_ingest.errors import SourceChangedError, SourceError
from cyborg_ingest.sources.stores import store_of
from cyborg_ingest.sources.versions import ABSENT, TICK_SECONDS, Seen, what_became

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cyborg_ingest.sources.versions import Version

_Found = TypeVar("_Found")
_AT_ONCE = 16


def is_gone(uri: str) -> bool:
    """Whether a file is not there any more. Raises SourceError where nobody can tell."""
    return _version(uri) == ABSENT


def fingerprint(seen: Seen) -> str:
    """What a later run knows a file by. Raises SourceError."""
    return store_of(seen.uri).fingerprint(seen.uri, seen.version)


def look(uri: str) -> Seen:
    """A file as it is now, for `check` to compare with later. Raises SourceError.

    One that was written to just now is looked at again a moment later: two writes in a row may have one time.
    """
    version = store_of(uri).version(uri)
    if version.is_fresh():
        time.sleep(TICK_SECONDS)
        version = store_of(uri).version(uri)
    return Seen(uri, version)


def look_all(uris: Sequence[str]) -> list[Seen]:
    """The same for many, those that are far away at once."""
    return _each(look, uris)


def check(several: Iterable[Seen], *, everything: bool = False) -> None:
    """Raise SourceChangedError unless the files are as they were seen; `everything`: also where nothing was read since.

    What was read before this call is then of the version that was seen.
    """
    _compare([one for one in several if everything or store_of(one.uri).has_read(one.uri)])


def _compare(wanted: Sequence[Seen]) -> None:
    for one, now in zip(wanted, _each(_version, [one.uri for one in wanted]), strict=True):
        if now != one.version:
            raise SourceChangedError(
                f"{one.uri} changed while it was read: {what_became(one.version, now)}. Run the same command again "
                "once nobody writes to it.",
                one.uri,
            )


@contextlib.contextmanager
def unchanged(several: Sequence[Seen]) -> Iterator[None]:
    """What is done in the `with` is done to one version of the files, whichever process has looked at them first.

    Raises SourceChangedError in place of whatever a file that changed is taken for: damaged, cut short, of bad rows.
    """
    _compare([one for one in several if not store_of(one.uri).knows(one.uri, one.version)])
    try:
        yield
    except SourceChangedError:
        raise
    except Exception:
        try:
            check(several, everything=True)  # one that is gone was not read since
        except SourceChangedError as changed:
            raise changed from None
        except SourceError:
            pass  # what failed first says more
        raise
    check(several)


def _version(uri: str) -> Version:
    return store_of(uri).version(uri)


def _each(step: Callable[[str], _Found], uris: Sequence[str]) -> list[_Found]:
    """What the step finds of each, in their order. Whoever waits for an answer from afar waits for many at once."""
    if len(uris) < 2 or not any("://" in uri for uri in uris):  # noqa: PLR2004 - one is not several
        return [step(uri) for uri in uris]
    with ThreadPoolExecutor(min(_AT_ONCE, len(uris)), thread_name_prefix="looker") as pool:
        return list(pool.map(step, uris))
