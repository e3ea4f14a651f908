"""Which files the sources stand for, and in which format each is read; whatever else was found is accounted for."""

from __future__ import annotations

import io
import json
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyborg_ingest import sources as places_of
from cyborg_ingest.errors import EmptySourceError, FormatError, SourceNotFoundError, UsageError
from cyborg_ingest.formats import by_suffix, others, reader_for
from cyborg_ingest.formats.jsonforms import holds_rows
from cyborg_ingest.formats.jsontext import JsonText
from cyborg_ingest.sources import LeftOut, Why

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cyborg_ingest.formats.base import Reader
    from cyborg_ingest.model import Json
    from cyborg_ingest.sources import Found, Listing

_SHOWN_LINKS = 3
_LARGEST_DOCUMENT = 16_000_000


@dataclass(frozen=True, slots=True)
class Discovery:
    """The files to read, each with its reader, in their order; what was found beside them; what is worth a word.

    `empty` are those that have no byte, and what is said where there are no others.
    """

    files: tuple[tuple[Found, Reader], ...]
    empty: dict[str, FormatError]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def discover(sources: Sequence[str], format_name: str | None, is_row: Callable[[str, Json], bool]) -> Discovery:
    """Find the files. Raises UsageError, or one of its kinds, where one that was named cannot be read.

    `is_row` tells whether an object, in the file of this name, has what a row needs.
    """
    if not sources:
        raise UsageError("No source. Name at least one file.")
    listings = places_of.find(sources)
    left_out = [one for listing in listings for one in listing.left_out]
    _refuse_unaddressable(left_out, format_name)
    found: list[Found] = []
    for listing in listings:
        kept, dropped = _of_one_source(listing, format_name)
        found += kept
        left_out += dropped
    if not found:
        raise SourceNotFoundError(_nothing_known(sources, left_out))
    found, again = _each_once(found)
    left_out += again
    if format_name is None:
        found, about = _without_documents(found, is_row)
        left_out += about
    files: list[tuple[Found, Reader]] = []
    empty: dict[str, FormatError] = {}
    for one in found:
        try:
            files.append((one, reader_for(one.uri, format_name)))
        except EmptySourceError as error:
            empty[one.uri] = error
    if format_name is None:
        _refuse_alike(files)
    return Discovery(tuple(files), empty, tuple(left_out), (*_linked(listings), *_several_formats(files)))


def _refuse_unaddressable(left_out: Iterable[LeftOut], format_name: str | None) -> None:
    """Objects that hold rows and that nobody can read are no small matter: their rows would be missing."""
    one = next((one for one in left_out if one.why is Why.UNADDRESSABLE and (format_name or by_suffix(one.uri))), None)
    if one is not None:
        raise UsageError(
            f"{one.uri}: a key with an empty folder name, . or .. in it is one that no reader can ask for. Copy the "
            "object to another key, or leave it out with a pattern."
        )


def _of_one_source(listing: Listing, format_name: str | None) -> tuple[list[Found], list[LeftOut]]:
    """The files of a source that can be read, each by one of its names, and the others."""
    known: list[Found] = []
    left_out: list[LeftOut] = []
    listed = [one for one in listing.found if one.listed]
    is_chosen = format_name is not None and any(_has_suffix(one.uri, format_name) for one in listed)
    for one in listing.found:
        why = _why_not(one.uri, format_name, is_chosen=is_chosen) if one.listed else None
        if why is None:
            known.append(one)
        else:
            left_out.append(LeftOut(one.uri, why))
    own = {one.identity: one for one in reversed(known) if not one.is_link} if listing.name is None else {}
    own = {one.identity: one for one in reversed(known)} | own
    again = {one.uri for one in known if one.identity is not None and own[one.identity] is not one}
    return [one for one in known if one.uri not in again], left_out + [LeftOut(uri, Why.SAME_FILE) for uri in again]


def _has_suffix(uri: str, format_name: str) -> bool:
    return any(reader.name == format_name for reader in by_suffix(uri))


def _why_not(uri: str, format_name: str | None, *, is_chosen: bool) -> Why | None:
    """Why a file that nobody named is not read; None where it is.

    `is_chosen`: the format that was asked for has files of its own suffix there, so that others are left out.
    """
    other = others.by_name(uri)
    known = by_suffix(uri)
    if other is not None and not known and (other.is_archive or format_name is None or is_chosen):
        return Why.ARCHIVE if other.is_archive else Why.OTHER_FORMAT
    if format_name is None:
        return None if known else Why.UNKNOWN_SUFFIX
    return Why.NOT_CHOSEN if is_chosen and known and not _has_suffix(uri, format_name) else None


def _without_documents(found: list[Found], is_row: Callable[[str, Json], bool]) -> tuple[list[Found], list[LeftOut]]:
    """Leave out JSON that is one object about the data beside it; but not where other .json files hold rows."""
    likely = [one for one in found if _bare(one.uri) + ".json" == _unpacked(one.uri)]
    if not any(one.listed for one in likely) or len(likely) == len(found):
        return found, []
    documents = {one.uri for one in likely if one.listed and _is_document(one.uri, is_row)}
    if len(documents) < len(likely):
        return found, []
    return [one for one in found if one.uri not in documents], [LeftOut(uri, Why.ABOUT_DATA) for uri in documents]


def _is_document(uri: str, is_row: Callable[[str, Json], bool]) -> bool:
    """Whether a file is one JSON value and holds no row: an object that has not what a row needs, or no objects."""
    with places_of.reading(uri), places_of.streamed(uri) as file:
        text = file.read(_LARGEST_DOCUMENT + 1)
    if len(text) > _LARGEST_DOCUMENT:
        return False
    try:
        value = json.loads(text.decode("utf-8-sig"))
    except ValueError:
        return False
    if isinstance(value, dict):
        return not is_row(uri, value) and not _holds_rows(uri, text)
    return not isinstance(value, list) or bool(value and not any(isinstance(one, dict) for one in value))


def _holds_rows(uri: str, text: bytes) -> bool:
    try:
        window = JsonText(io.BytesIO(text), uri, _LARGEST_DOCUMENT, error=FormatError)
        window.begin()
        return holds_rows(window)
    except FormatError:
        return False


def _nothing_known(sources: Sequence[str], left_out: Sequence[LeftOut]) -> str:
    found = "; ".join(one.text for one in places_of.summarised(left_out))
    advice = " Say with --format what they are." if any(one.why is Why.UNKNOWN_SUFFIX for one in left_out) else ""
    return (
        f"{', '.join(sources[:3])}: none of {len(left_out):,} files can be read by its suffix. Found: {found}.{advice}"
    )


def _each_once(found: list[Found]) -> tuple[list[Found], list[LeftOut]]:
    """Refuse what is named twice; a link that was only found gives way. Raises UsageError."""
    seen: dict[object, Found] = {}
    again: list[LeftOut] = []
    for one in sorted(found, key=lambda one: one.listed and one.is_link):
        first = seen.setdefault(one.uri if one.identity is None else one.identity, one)
        if first is one:
            continue
        if one.listed and one.is_link:
            again.append(LeftOut(one.uri, Why.SAME_FILE))
            continue
        same = "" if one.uri == first.uri else f" It is the same file as {first.uri}."
        raise UsageError(f"{one.uri} is named twice.{same} Name every source once.")
    dropped = {one.uri for one in again}
    return [one for one in found if one.uri not in dropped], again


def _refuse_alike(files: Iterable[tuple[Found, Reader]]) -> None:
    """Refuse rows.parquet beside rows.csv where nobody named them: most likely they are the same rows."""
    seen: dict[str, str] = {}
    for one, _ in files:
        if not one.listed or not by_suffix(one.uri):
            continue
        first = seen.setdefault(_bare(one.uri), one.uri)
        if first != one.uri:
            raise FormatError(
                f"{first} and {posixpath.basename(one.uri)} have one name and two formats, so they may hold the same "
                "rows. Choose with --format or a pattern; to load both, name both."
            )


def _unpacked(uri: str) -> str:
    """A file's path without its suffix of compression."""
    root, suffix = posixpath.splitext(uri)
    return root if suffix.lower() in places_of.COMPRESSED else uri


def _bare(uri: str) -> str:
    """A file's path without its suffixes of compression and format."""
    return posixpath.splitext(_unpacked(uri))[0]


def _several_formats(files: Iterable[tuple[Found, Reader]]) -> list[str]:
    names = list(dict.fromkeys(reader.name for one, reader in files if one.listed))
    if len(names) < 2:  # noqa: PLR2004 - several
        return []
    several = f"The files found are of several formats, and all are loaded: {', '.join(names)}."
    return [f"{several} If they hold the same rows, choose with --format or a pattern."]


def _linked(listings: Iterable[Listing]) -> list[str]:
    links = [link for listing in listings for link in listing.links]
    if not links:
        return []
    more = ", ..." if len(links) > _SHOWN_LINKS else ""
    return [f"Links to folders are followed, each once: {', '.join(links[:_SHOWN_LINKS])}{more}."]
