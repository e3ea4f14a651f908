"""Which files the sources stand for, and in which format each is read; whatever else was found is accounted for."""

from __future__ import annotations

import io
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyborg_ingest import sources as places_of
from cyborg_ingest.errors import EmptySourceError, FormatError, SourceNotFoundError, UsageError
from cyborg_ingest.formats import READERS, by_suffix, others, reader_for
from cyborg_ingest.formats.jsonforms import holds_rows
from cyborg_ingest.formats.jsontext import JsonText
from cyborg_ingest.plan.badfiles import BadFiles
from cyborg_ingest.rows.values import load_json
from cyborg_ingest.sources import LeftOut, Why

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from pathlib import Path

    from cyborg_ingest.formats.base import Layout, Reader
    from cyborg_ingest.model import Json
    from cyborg_ingest.sources import Found, Listing

_SHOWN_LINKS = 3
_LARGEST_DOCUMENT = 16_000_000
_OF_REPOSITORIES = {
    "config.json", "config_sentence_transformers.json", "croissant.json", "dataset_infos.json",
    "generation_config.json", "index_config.json", "metadata.json", "modules.json", "package.json",
    "sentence_bert_config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.json",
    "VDF_META.json",
}  # fmt: skip
"""JSON that is about the data, or about the model that made it."""
_FOR_PEOPLE = {".md", ".rst", ".html", ".pdf", ".png", ".jpg", ".py", ".ipynb", ".yaml", ".yml", ".toml"}
_WORDS = re.compile(r"([^A-Za-z0-9]+)")
_FORMAT_WORDS = {suffix[1:] for reader in READERS.values() for suffix in reader.suffixes} | READERS.keys()


@dataclass(frozen=True, slots=True)
class Discovery:
    """The files to read, each with its reader, in their order; what was found beside them; what is worth a word.

    `empty` are those that have no byte, and what is said where there are no others.
    """

    files: tuple[tuple[Found, Reader], ...]
    empty: dict[str, FormatError]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def discover(
    sources: Sequence[str],
    format_name: str | None,
    is_row: Callable[[str, Json], bool],
    beside: Collection[Path] = (),
    bad: BadFiles | None = None,
) -> Discovery:
    """Find the files. Raises UsageError, or one of its kinds, where one that was named cannot be read.

    `is_row` tells whether an object, in the file of this name, has what a row needs. Files `beside` the sources, which
    options name, are none of them where they were only found in a folder. `bad` gets those that cannot be read.
    """
    bad = bad or BadFiles(are_skipped=False)
    if not sources:
        raise UsageError("No source. Name at least one file.")
    listings = places_of.find(sources)
    left_out = [one for listing in listings for one in listing.left_out]
    _refuse_unaddressable(left_out, format_name)
    found: list[Found] = []
    for listing in listings:
        kept, dropped = _of_one_source(listing, format_name)
        if format_name is None:
            _refuse_twin_folders(kept)
        found += kept
        left_out += dropped
    if not found:
        raise SourceNotFoundError(_nothing_known(sources, left_out))
    found, again = _each_once(found)
    left_out += again
    given = {places_of.identity(one) for one in beside} - {None}
    found = [one for one in found if not (one.is_discovered and one.identity in given)] or found
    if format_name is None:
        found, about = _without_documents(found, is_row, bad)
        left_out += about
    files: list[tuple[Found, Reader]] = []
    empty: dict[str, FormatError] = {}
    for one in (one for one in found if one.uri not in bad):
        try:
            with bad.at(one.uri):
                files.append((one, reader_for(one.uri, format_name)))
        except EmptySourceError as error:
            empty[one.uri] = error
    if format_name is None:
        _refuse_alike(files)
    return Discovery(tuple(files), empty, tuple(left_out), (*_linked(listings), *_several_formats(files)))


def _refuse_unaddressable(left_out: Iterable[LeftOut], format_name: str | None) -> None:
    """Objects that hold rows and that nobody can read are not a small matter: their rows would be missing."""
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
    discovered = [one for one in listing.found if one.is_discovered]
    is_chosen = format_name is not None and any(_has_suffix(one.uri, format_name) for one in discovered)
    for one in listing.found:
        why = _why_not(one.uri, format_name, is_chosen=is_chosen) if one.is_discovered else None
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
    if format_name is None or (not known and _is_about(uri)):
        return None if known else Why.UNKNOWN_SUFFIX
    return Why.NOT_CHOSEN if is_chosen and known and not _has_suffix(uri, format_name) else None


def _is_about(uri: str) -> bool:
    """Whether a file is what people read, whatever format the rows have: README.md, LICENSE."""
    stem, suffix = posixpath.splitext(posixpath.basename(uri).lower())
    return suffix in _FOR_PEOPLE or (not suffix and stem in {"readme", "license", "licence", "notice", "changelog"})


def _without_documents(
    found: list[Found], is_row: Callable[[str, Json], bool], bad: BadFiles
) -> tuple[list[Found], list[LeftOut]]:
    """Leave out JSON that is one object about the data beside it; but not where other .json files hold rows."""
    likely = [one for one in found if _bare(one.uri) + ".json" == _unpacked(one.uri)]
    own = {one.uri for one in likely if posixpath.basename(_unpacked(one.uri)) in _OF_REPOSITORIES}
    looked_at = [one.uri for one in likely if one.is_discovered and (len(likely) < len(found) or one.uri in own)]
    documents = set()
    for uri in looked_at:
        with bad.at(uri):
            documents |= {uri} if _is_document(uri, is_row) else set()
    if len(documents) < len(likely):  # rows may be in any of them, but for those that every repository has
        documents &= own
    return [one for one in found if one.uri not in documents], [LeftOut(uri, Why.ABOUT_DATA) for uri in documents]


def _is_document(uri: str, is_row: Callable[[str, Json], bool]) -> bool:
    """Whether a file is one JSON value and holds no row: an object that has not what a row needs, or no objects."""
    with places_of.reading(uri), places_of.streamed(uri) as file:
        text = file.read(_LARGEST_DOCUMENT + 1)
    if len(text) > _LARGEST_DOCUMENT:
        return False
    try:
        value = load_json(text.decode("utf-8-sig").encode())
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
    for one in sorted(found, key=lambda one: one.is_discovered and one.is_link):
        first = seen.setdefault(one.uri if one.identity is None else one.identity, one)
        if first is one:
            continue
        if one.is_discovered and one.is_link:
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
        if not one.is_discovered or not by_suffix(one.uri):
            continue
        first = seen.setdefault(_bare(one.uri), one.uri)
        if first != one.uri:
            raise FormatError(
                f"{first} and {posixpath.basename(one.uri)} have one name and two formats, so they may hold the same "
                "rows. Choose with --format or a pattern; to load both, name both."
            )


def _refuse_twin_folders(files: Iterable[Found]) -> None:
    """Refuse passages_parquet/ beside passages_npy/ where only what is above was named: most likely the same rows."""
    seen: dict[str, tuple[str, str]] = {}
    for one in files:
        readers = by_suffix(one.uri) if one.is_discovered else []
        folder = posixpath.dirname(one.uri)
        name = _without_formats(folder)
        if not readers or name == folder:
            continue
        first, other = seen.setdefault(name, (folder, readers[0].name))
        if first != folder and other != readers[0].name:
            raise FormatError(
                f"{first} and {folder} have one name but for the formats in it, so they may hold the same rows. Choose "
                f"with --format {other}, --format {readers[0].name} or by the folder's own name; to load both, name "
                "both."
            )


def refuse_vectors_beside_rows(found: Discovery, layouts: Iterable[Layout]) -> None:
    """Refuse vectors in `.npy` and its kin in the folder of other files that have rows, as many: likely the same rows.

    As many are those of a file or of all together, and any where a number is not known. What is named is loaded.
    Raises FormatError.
    """
    discovered = {one.uri for one, _ in found.files if one.is_discovered}
    folders: dict[str, tuple[list[Layout], list[Layout]]] = {}
    for layout in layouts:
        uri = layout.files[0] if layout.files else layout.uri
        if uri in discovered:
            bare, others = folders.setdefault(posixpath.dirname(uri), ([], []))
            (bare if layout.files or READERS[layout.format].is_bare else others).append(layout)
    for bare, others in folders.values():
        if bare and others and _may_be_as_many(bare, others):
            first, other = bare[0].uri, others[0].uri
            if bare[0].files:
                raise FormatError(
                    f"{first}: its .npy files are a table, and {posixpath.basename(other)} may hold the same rows. "
                    "Choose with --format or a pattern; to load both, name all files."
                )
            raise FormatError(
                f"{first} holds vectors alone, and {posixpath.basename(other)} rows of its own: they may be the same "
                "rows. If the vectors lack what is in it, load them with --ids and --metadata, which name it; else "
                "choose with --format or a pattern; to load both, name both."
            )


def _may_be_as_many(bare: Sequence[Layout], others: Sequence[Layout]) -> bool:
    """Whether two files have as many rows, or all of each kind together; and where that is not known."""
    counts = [[one.rows for one in several] for several in (bare, others)]
    known = [[one for one in some if one is not None] for some in counts]
    return known != counts or sum(known[0]) == sum(known[1]) or not {*known[0]}.isdisjoint(known[1])


def _without_formats(folder: str) -> str:
    """A folder's path without the words in it that name a format."""
    return "".join(word for word in _WORDS.split(folder) if word.lower() not in _FORMAT_WORDS)


def _unpacked(uri: str) -> str:
    """A file's path without its suffix of compression."""
    root, suffix = posixpath.splitext(uri)
    return root if suffix.lower() in places_of.COMPRESSED else uri


def _bare(uri: str) -> str:
    """A file's path without its suffixes of compression and format."""
    return posixpath.splitext(_unpacked(uri))[0]


def _several_formats(files: Iterable[tuple[Found, Reader]]) -> list[str]:
    names = list(dict.fromkeys(reader.name for one, reader in files if one.is_discovered))
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
