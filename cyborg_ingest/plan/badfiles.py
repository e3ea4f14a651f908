"""Files that cannot be loaded, where the others are loaded all the same: which errors are a file's own, and whose."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING

from cyborg_ingest import sources as places
from cyborg_ingest.errors import FormatError, IngestError, MappingError, SourceChangedError, SourceError, Unmapped
from cyborg_ingest.facts import FileSkipped
from cyborg_ingest.rows.mapping import dimension_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cyborg_ingest.plan.reading import Source
    from cyborg_ingest.sources import Seen

_OWN = (FormatError, SourceError, MappingError)


def is_bad(uri: str, error: IngestError) -> bool:
    """Whether an error is that of one file, and tells nothing of the others.

    What comes once is the only source there is of its rows; and a file that somebody writes to is not a bad one yet,
    unless it is gone.
    """
    if places.is_read_once(uri) or places.is_object(uri):
        return False
    is_other = isinstance(error, SourceChangedError) and not places.is_gone(uri)
    return isinstance(error, _OWN) and not is_other


def skipped(uri: str, error: IngestError) -> FileSkipped:
    """A bad file as a fact."""
    reason = error.code.value if isinstance(error, MappingError) else "format"
    return FileSkipped(uri, "unreadable" if isinstance(error, SourceError) else reason, str(error))


class BadFiles:
    """Those that are found while a plan is made; where none may be skipped, the first ends it."""

    def __init__(self, *, are_skipped: bool) -> None:
        self.are_skipped = are_skipped
        self.errors: dict[str, IngestError] = {}

    def __contains__(self, uri: object) -> bool:
        return uri in self.errors

    @property
    def facts(self) -> tuple[FileSkipped, ...]:
        """What is told of them."""
        return tuple(skipped(uri, error) for uri, error in self.errors.items())

    @contextlib.contextmanager
    def at(self, uri: str) -> Iterator[None]:
        """What fails in the `with` for a reason of this file's own makes it a bad one."""
        try:
            yield
        except _OWN as error:
            if not (self.are_skipped and is_bad(uri, error)):
                raise
            self.errors[uri] = error

    def seen(self, uris: Sequence[str]) -> list[Seen]:
        """The files as they are now."""
        if not self.are_skipped:
            return places.look_all(uris)
        with contextlib.suppress(SourceError):  # one of them: then each by itself
            return places.look_all(uris)
        found: list[Seen] = []
        for uri in uris:
            with self.at(uri):
                found.append(places.look(uri))
        return found

    def without_others(self, found: tuple[Source, ...]) -> tuple[Source, ...]:
        """The sources without those whose vectors have another dimension than those of most files have."""
        known = {one.layout.uri: dimension_of(one.layout.schema, one.columns) for one in found}
        counts = Counter(one for one in known.values() if one is not None)
        if not self.are_skipped or len(counts) < 2:  # noqa: PLR2004 - several
            return found
        usual = counts.most_common(1)[0][0]
        for uri, dimension in known.items():
            if dimension not in {None, usual}:
                with self.at(uri):
                    raise MappingError(
                        f"{uri}: its vectors have {dimension} dimensions; those of most files have {usual}.",
                        uri=uri,
                        code=Unmapped.DIMENSIONS,
                    )
        return tuple(one for one in found if one.layout.uri not in self)

    def refuse_all(self) -> None:
        """Raise an error where there is no other file: that of the columns, which options decide, or all are bad."""
        if not self.errors:
            return
        first = next(iter(self.errors.values()))
        if isinstance(first, MappingError):
            raise first
        raise all_bad(len(self.errors), str(first))


def all_bad(count: int, first: str) -> SourceError:
    """The error of sources none of which can be read."""
    many = "The only file is bad" if count == 1 else f"All {count:,} files are bad"
    return SourceError(f"{many}, so that --skip-bad-files leaves none: {first}")
