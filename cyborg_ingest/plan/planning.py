"""Decide everything that can be decided before a row is read: files, columns, dimension, which rows."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cyborg_ingest import sources as places_of
from cyborg_ingest.errors import EmptySourceError, FormatError, MappingError, SourceError, Unmapped, UsageError
from cyborg_ingest.facts import Advanced, Began, ignore
from cyborg_ingest.formats.base import Sidecars
from cyborg_ingest.formats.bounds import USUAL, AtOnce
from cyborg_ingest.formats.cells import parse_dialect
from cyborg_ingest.formats.jsonsample import schema_of
from cyborg_ingest.formats.lines import BOM
from cyborg_ingest.plan.badfiles import BadFiles
from cyborg_ingest.plan.columnfiles import ColumnFiles
from cyborg_ingest.plan.discovery import discover, refuse_vectors_beside_rows
from cyborg_ingest.plan.encoded import Encodings
from cyborg_ingest.plan.late import believed
from cyborg_ingest.plan.looks import looked_at
from cyborg_ingest.plan.made_ids import check_made_ids
from cyborg_ingest.plan.mapped import map_source
from cyborg_ingest.plan.raw_ids import look_at_ids
from cyborg_ingest.plan.reading import Plan, Source
from cyborg_ingest.plan.refused import refuse_dialect, refuse_prefix, refuse_sidecars
from cyborg_ingest.plan.sampling import sampled
from cyborg_ingest.plan.selection import Selection
from cyborg_ingest.rows import mapping
from cyborg_ingest.rows.mapping import ColumnChoice, dimension_of
from cyborg_ingest.rows.shaping import Shaping, folder_columns, parse_constants, parse_renames
from cyborg_ingest.rows.templates import parse_template
from cyborg_ingest.sources import LeftOut, Why, summarised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cyborg_ingest.facts import Emit
    from cyborg_ingest.formats.base import Layout
    from cyborg_ingest.model import Json
    from cyborg_ingest.plan.discovery import Discovery
    from cyborg_ingest.rows.filters import Filter
    from cyborg_ingest.rows.templates import Template
    from cyborg_ingest.settings.options import SourceSettings
    from cyborg_ingest.sources import Seen

_BLANK_BYTES = 1 << 20
_MAY_BE_BLANK = {"csv", "tsv", "fvecs", "bvecs", "ivecs"}
"""Formats whose readers do not say themselves that nothing is in a file, and without a header that was cut off."""


def make_plan(
    sources: tuple[str, ...],
    settings: SourceSettings,
    *,
    allow_empty: bool = False,
    skips_bad: bool = False,
    at_once: AtOnce = USUAL,
    tell: Emit = ignore,
) -> Plan:
    """Look at every header. Raises UsageError, or one of its kinds, naming the file; and where no file has a row.

    `skips_bad`: a file that cannot be loaded is left out, unless all are such. `at_once`: how much is decoded. `tell`
    hears how many files were looked at. Raises SourceChangedError where a file changes meanwhile.
    """
    tell(Began("plan", unit="file"))
    bad = BadFiles(are_skipped=skips_bad)
    template = parse_template(settings.id_template) if settings.id_template else None
    condition = _filter(settings.where)
    choice = _choice(settings, template, condition)
    sidecars = _sidecars(settings, _named(choice), at_once)
    found = _discovered(sources, settings, choice, sidecars, bad)
    tell(Began("plan", len(found.files), unit="file"))
    folders = folder_columns(one for one, _ in found.files)
    seen = _look_all(found, sidecars, bad)
    with places_of.unchanged(seen):
        layouts, empty = _layouts(found, sidecars, bad, tell)
        refuse_vectors_beside_rows(found, layouts)
        folders |= {one.uri: folders[one.files[0]] for one in layouts if one.files}
        likely = believed(looked_at(layouts, choice, sidecars), choice, folders)
        mapped, bare = _sources(
            likely, lambda one: Shaping(folders[one.uri], template, condition, one.stem), choice, seen, sidecars, bad,
        )  # fmt: skip
        if not (mapped := bad.without_others(mapped)):
            bad.refuse_all()
        _check_rows(mapped, empty := {**empty, **bare}, allow_empty=allow_empty)
        refuse_prefix(mapped, sidecars)
        check_made_ids(mapped, sidecars.id_prefix)
        for source in mapped:
            with bad.at(source.layout.uri):
                look_at_ids(source, sidecars)
        not_read = summarised(_left_out(found, sidecars, empty))
        plan = Plan(
            mapped, sidecars, _dimension(mapped), Selection(settings.skip, settings.limit), not_read, found.notes,
            () if mapped else tuple(places_of.look_all(list(empty))), bad.facts, skips_bad,
        )  # fmt: skip
        return plan if settings.sample is None else replace(plan, selection=sampled(plan, settings.sample))


def _look_all(found: Discovery, sidecars: Sidecars, bad: BadFiles) -> list[Seen]:
    """The files and what goes with them, as they are before anything of them is read."""
    return bad.seen([*(one.uri for one, _ in found.files), *map(str, sidecars.files)])


def _left_out(found: Discovery, sidecars: Sidecars, empty: Iterable[str]) -> list[LeftOut]:
    """What was found and is not read; what goes with the sources is."""
    beside = {str(path.absolute()) for path in sidecars.files}
    left_out = [one for one in found.left_out if not beside or str(Path(one.uri).absolute()) not in beside]
    return left_out + [LeftOut(uri, Why.NO_ROWS) for uri in empty]


def find_layouts(sources: tuple[str, ...], settings: SourceSettings) -> list[Layout]:
    """What the headers say, whatever is which column. Raises UsageError, or one of its kinds."""
    choice = _choice(settings, parse_template(settings.id_template) if settings.id_template else None, None)
    sidecars = _sidecars(settings, _named(choice))
    bad = BadFiles(are_skipped=False)
    found = _discovered(sources, settings, choice, sidecars, bad)
    with places_of.unchanged(_look_all(found, sidecars, bad)):
        return _layouts(found, sidecars, bad, ignore)[0]


def _discovered(
    sources: tuple[str, ...], settings: SourceSettings, choice: ColumnChoice, sidecars: Sidecars, bad: BadFiles
) -> Discovery:
    def is_row(uri: str, found: Json) -> bool:
        try:
            mapping.map_columns(uri, schema_of([found]), replace(choice, id_parts=(), tested=()))
        except MappingError:
            return False
        return True

    if settings.format and sources and all(map(places_of.is_object, sources)):
        raise UsageError("--format is for files, and no source is one. Leave it out.")
    return discover(sources, settings.format, is_row, sidecars.files, bad)


def _sidecars(settings: SourceSettings, named: tuple[str, ...], at_once: AtOnce = USUAL) -> Sidecars:
    ids, metadata, contents, contents_from = (
        None if path is None else Path(places_of.local_path(str(path)))
        for path in (settings.ids, settings.metadata, settings.contents, settings.contents_from)
    )
    dialect = parse_dialect(
        settings.delimiter, settings.header, settings.column_types, settings.null_values, settings.decimal
    )
    return Sidecars(
        ids, settings.id_prefix or "", metadata, contents, settings.metadata_key, settings.contents_key, dialect,
        settings.records, named, contents_from, min(settings.max_row_bytes, at_once.row), at_once,
    )  # fmt: skip


def _named(choice: ColumnChoice) -> tuple[str, ...]:
    """The columns that options name."""
    names = (choice.id, choice.vector, choice.metadata, choice.contents)
    return (*(one for one in names if one), *choice.metadata_columns, *choice.id_parts, *choice.tested)


def _filter(condition: str | None) -> Filter | None:
    if condition is None:
        return None
    from cyborg_ingest.rows.filters import parse_filter  # noqa: PLC0415 - its parser is slow to import

    return parse_filter(condition)


def _choice(settings: SourceSettings, template: Template | None, condition: Filter | None) -> ColumnChoice:
    return ColumnChoice(
        settings.id_column,
        settings.vector_column,
        settings.metadata_column,
        settings.metadata_columns,
        settings.contents_column,
        id_parts=template.fields if template else (),
        tested=condition.fields if condition else (),
        makes_ids=template is not None,
        constants=parse_constants(settings.set),
        renames=parse_renames(settings.rename),
        encoding=settings.vector_encoding,
    )


def _layouts(
    seen: Discovery, sidecars: Sidecars, bad: BadFiles, tell: Emit
) -> tuple[list[Layout], dict[str, FormatError | None]]:
    """The layouts of the files, in their order; and the files that hold nothing, each with what its reader says."""
    readers = [reader for _, reader in seen.files]
    refuse_sidecars(readers, sidecars)
    refuse_dialect(readers, sidecars)
    layouts: list[Layout] = []
    empty: dict[str, FormatError | None] = dict(seen.empty)
    tables = ColumnFiles(seen)
    for one, reader in seen.files:
        if one.uri in tables.taken or one.uri in bad:
            continue
        layout = None
        with bad.at(one.uri):
            try:
                layout = tables.layout(one.uri, reader, sidecars)
            except FormatError as error:
                is_empty = isinstance(error, EmptySourceError)
                if not is_empty and (reader.name not in _MAY_BE_BLANK or not _is_blank(one.uri)):
                    raise
                empty[one.uri] = error
        tell(Advanced(1))
        if layout is None:
            continue
        if layout.rows == 0 and layout.arrays is None:
            empty[one.uri] = None
        else:
            layouts.append(layout)
    tables.refuse_lost(layouts)
    columns = tables.taken
    return [one for one in layouts if one.uri not in columns], {k: v for k, v in empty.items() if k not in columns}


def _is_blank(uri: str) -> bool:
    """Whether a file has nothing in it but white space."""
    rest = b""
    try:
        with places_of.reading(uri), places_of.streamed(uri) as file:
            while len(rest) <= len(BOM) and (block := file.read(_BLANK_BYTES)):
                rest += b"".join(block.split())
    except SourceError:  # what its reader says of it is closer
        return False
    return not rest.removeprefix(BOM)


def _sources(
    layouts: Iterable[Layout],
    shaping_of: Callable[[Layout], Shaping],
    choice: ColumnChoice,
    seen: list[Seen],
    sidecars: Sidecars,
    bad: BadFiles,
) -> tuple[tuple[Source, ...], dict[str, FormatError | None]]:
    """The sources, mapped; and the files of which only now is known that they have no rows."""
    own = {one.uri: one for one in seen}
    beside, encodings = [own[str(path)] for path in sidecars.files], Encodings(sidecars)
    found = []
    for layout in layouts:
        files = [own[uri] for uri in layout.files or (layout.uri,)]
        with bad.at(layout.uri):
            source = map_source(layout, shaping_of(layout), choice, sidecars, encodings)
            found.append(_with_fingerprint(source, *files, *beside))
    bare = [one.layout.uri for one in found if one.layout.rows == 0]
    return tuple(one for one in found if one.layout.rows != 0), dict.fromkeys(bare)


def _check_rows(found: tuple[Source, ...], empty: dict[str, FormatError | None], *, allow_empty: bool) -> None:
    """Raise UsageError where there is nothing at all to load."""
    if found or allow_empty:
        return
    uri, error = next(iter(empty.items()))
    text = (
        str(error or f"{uri}: it has no rows.")
        if len(empty) == 1
        else f"{uri}: none of {len(empty):,} files has a row."
    )
    raise EmptySourceError(f"{text} If that may be, say so with --allow-empty.")


def _with_fingerprint(source: Source, *seen: Seen) -> Source:
    """The source, as it and the files that go with it were seen: its Parts are known by all of these."""
    marks = [places_of.fingerprint(one) for one in seen]
    mark = marks[0] if len(marks) == 1 else hashlib.blake2b(" ".join(marks).encode(), digest_size=16).hexdigest()
    parts = tuple(replace(part, fingerprint=mark) for part in source.layout.parts)
    return replace(source, layout=replace(source.layout, parts=parts), seen=seen)


def _dimension(sources: tuple[Source, ...]) -> int | None:
    """The dimension that the schemas fix. Raises MappingError where two fix different ones."""
    known: dict[int, str] = {}
    for source in sources:
        dimension = dimension_of(source.layout.schema, source.columns)
        if dimension is not None:
            known.setdefault(dimension, source.layout.uri)
    if len(known) > 1:
        listed = ", ".join(f"{dimension} in {uri}" for dimension, uri in known.items())
        raise MappingError(
            f"The sources have vectors of different dimensions: {listed}. Load them apart.", code=Unmapped.DIMENSIONS
        )
    return next(iter(known), None)
