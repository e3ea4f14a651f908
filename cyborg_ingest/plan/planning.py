"""Decide everything that can be decided before a row is read: files, columns, dimension, which rows."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cyborg_ingest import sources as places_of
from cyborg_ingest.errors import EmptySourceError, FormatError, MappingError, SourceError, Unmapped, UsageError
from cyborg_ingest.formats import READERS
from cyborg_ingest.formats.base import Sidecars, Typing
from cyborg_ingest.formats.cells import parse_dialect
from cyborg_ingest.formats.jsonsample import schema_of
from cyborg_ingest.formats.lines import BOM
from cyborg_ingest.formats.sidecarrows import DELIMITED
from cyborg_ingest.model import ColumnMap
from cyborg_ingest.plan.badfiles import BadFiles
from cyborg_ingest.plan.columnfiles import ColumnFiles
from cyborg_ingest.plan.discovery import discover, refuse_vectors_beside_rows
from cyborg_ingest.plan.encoded import Encodings
from cyborg_ingest.plan.late import believed
from cyborg_ingest.plan.looks import looked_at
from cyborg_ingest.plan.made_ids import check_made_ids
from cyborg_ingest.plan.mapped import map_source
from cyborg_ingest.plan.reading import Plan, Source
from cyborg_ingest.plan.selection import Selection
from cyborg_ingest.rows import mapping
from cyborg_ingest.rows.columns import are_text
from cyborg_ingest.rows.mapping import ColumnChoice, dimension_of, field_of
from cyborg_ingest.rows.shaping import Shaping, folder_columns, parse_constants, parse_renames
from cyborg_ingest.rows.templates import parse_template
from cyborg_ingest.settings.declaring import given
from cyborg_ingest.sources import LeftOut, Why, summarised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy.typing as npt

    from cyborg_ingest.formats.base import Layout, Reader
    from cyborg_ingest.model import Chunk, Json
    from cyborg_ingest.plan.discovery import Discovery
    from cyborg_ingest.rows.filters import Filter
    from cyborg_ingest.rows.templates import Template
    from cyborg_ingest.settings.options import SourceSettings
    from cyborg_ingest.sources import Seen

_SEED = 20_240_229
"""Of `--sample`: the same command has to pick the same rows when it goes on."""
_COUNTED_ROWS = 2000
_BLANK_BYTES = 1 << 20
_MAY_BE_BLANK = {"csv", "tsv", "fvecs", "bvecs", "ivecs"}
"""Formats whose readers do not say themselves that nothing is in a file, and without a header that was cut off."""


def make_plan(
    sources: tuple[str, ...], settings: SourceSettings, *, allow_empty: bool = False, skips_bad: bool = False
) -> Plan:
    """Look at every header. Raises UsageError, or one of its kinds, naming the file; and where no file has a row.

    `skips_bad`: a file that cannot be loaded is left out, unless all are such. Raises SourceChangedError where a file
    changes meanwhile.
    """
    bad = BadFiles(are_skipped=skips_bad)
    template = parse_template(settings.id_template) if settings.id_template else None
    condition = _filter(settings.where)
    choice = _choice(settings, template, condition)
    sidecars = _sidecars(settings, _named(choice))
    found = _discovered(sources, settings, choice, sidecars, bad)
    folders = folder_columns(one for one, _ in found.files)
    seen = _look_all(found, sidecars, bad)
    with places_of.unchanged(seen):
        layouts, empty = _layouts(found, sidecars, bad)
        refuse_vectors_beside_rows(found, layouts)
        folders |= {one.uri: folders[one.files[0]] for one in layouts if one.files}
        likely = believed(looked_at(layouts, choice, sidecars), choice, folders)
        mapped, bare = _sources(
            likely, lambda one: Shaping(folders[one.uri], template, condition, one.stem), choice, seen, sidecars, bad,
        )  # fmt: skip
        if not (mapped := bad.without_others(mapped)):
            bad.refuse_all()
        _check_rows(mapped, empty := {**empty, **bare}, allow_empty=allow_empty)
        _check_prefix(mapped, sidecars)
        check_made_ids(mapped, sidecars.id_prefix)
        for source in mapped:
            with bad.at(source.layout.uri):
                _look_at_ids(source, sidecars)
        not_read = summarised(_left_out(found, sidecars, empty))
        plan = Plan(
            mapped, sidecars, _dimension(mapped), Selection(settings.skip, settings.limit), not_read, found.notes,
            () if mapped else tuple(places_of.look_all(list(empty))), bad.facts, skips_bad,
        )  # fmt: skip
        return plan if settings.sample is None else replace(plan, selection=_sampled(plan, settings.sample))


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
        return _layouts(found, sidecars, bad)[0]


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


def _sidecars(settings: SourceSettings, named: tuple[str, ...]) -> Sidecars:
    ids, metadata, contents, contents_from = (
        None if path is None else Path(places_of.local_path(str(path)))
        for path in (settings.ids, settings.metadata, settings.contents, settings.contents_from)
    )
    dialect = parse_dialect(
        settings.delimiter, settings.header, settings.column_types, settings.null_values, settings.decimal
    )
    return Sidecars(
        ids, settings.id_prefix or "", metadata, contents, settings.metadata_key, settings.contents_key, dialect,
        settings.records, named, contents_from, settings.max_row_bytes,
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


def _layouts(seen: Discovery, sidecars: Sidecars, bad: BadFiles) -> tuple[list[Layout], dict[str, FormatError | None]]:
    """The layouts of the files, in their order; and the files that hold nothing, each with what its reader says."""
    readers = [reader for _, reader in seen.files]
    _check_sidecars(readers, sidecars)
    _check_dialect(readers, sidecars)
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


def _check_sidecars(readers: list[Reader], sidecars: Sidecars) -> None:
    """Refuse options that the sources cannot honour."""
    given = {"--ids": sidecars.ids, "--metadata": sidecars.metadata, "--contents": sidecars.contents}
    options = [option for option, value in given.items() if value]
    if options and not all(reader.is_bare for reader in readers):
        bare = ", ".join(name for name, reader in READERS.items() if reader.is_bare)
        raise UsageError(f"{options[0]} is for {bare} sources; the other formats hold their own columns.")
    if options and len(readers) > 1:
        raise UsageError(f"{options[0]} goes with one source; there are {len(readers)} sources. Load them one by one.")
    for role, key, path in (
        ("metadata", sidecars.metadata_key, sidecars.metadata),
        ("contents", sidecars.contents_key, sidecars.contents),
    ):
        if key is not None and path is None:
            raise UsageError(f"--{role}-key is a column of the file that --{role} names. Give that, or leave it out.")
    if sidecars.contents_from and not all(reader.name in {"json", "jsonl"} for reader in readers):
        raise UsageError("--contents-from is for the output of OpenAI's batches, which is JSONL. Leave it out.")
    if sidecars.ids and sidecars.id_prefix:
        raise UsageError("--ids and --id-prefix exclude each other: the ids are in the file, or the row numbers.")


def _check_dialect(readers: list[Reader], sidecars: Sidecars) -> None:
    """Refuse options for delimited files where there are none."""
    dialect = sidecars.dialect
    given = {
        "--delimiter": dialect.delimiter is not None,
        "--header and --no-header": dialect.has_header is not None,
        "--column-types": dialect.types,
        "--null-values": dialect.nulls,
        "--decimal": dialect.decimal != ".",
    }
    if sidecars.records is not None and not any(reader.name == "json" for reader in readers):
        raise UsageError(
            "--records: no source is a JSON document, and in other formats rows are in one place. Leave it out."
        )
    option = next((option for option, value in given.items() if value), None)
    is_read = any(isinstance(reader, Typing) for reader in readers)
    if option is not None and not is_read and not any(path.suffix.lower() in DELIMITED for path in sidecars.files):
        raise UsageError(f"{option}: no source is CSV or TSV, and other formats say this themselves. Leave it out.")


def _check_prefix(found: tuple[Source, ...], sidecars: Sidecars) -> None:
    """Refuse a prefix for ids that are no row numbers."""
    own = next((one for one in found if not one.is_numbered), None)
    if sidecars.id_prefix and own is not None:
        ids = f"has ids of its own ({own.columns.id!r})" if own.columns.id else "gets its ids from --id-template"
        raise UsageError(f"--id-prefix goes before row numbers, and {own.layout.uri} {ids}. Leave it out.")


def _look_at_ids(source: Source, sidecars: Sidecars) -> None:
    """Refuse ids of bytes that are not text, as their first rows show. Raises MappingError."""
    uri, name = source.layout.uri, source.columns.id
    if not source.has_raw_ids or name is None or places_of.is_read_once(uri):
        return
    alone = ColumnMap(name, name)  # what else there is need not be decoded
    for part in source.layout.parts[:1]:
        for chunk in READERS[source.layout.format].read(part, alone, sidecars, rows=_COUNTED_ROWS):
            check_ids(source, Shaping().apply(chunk))
            return


def check_ids(source: Source, chunk: Chunk) -> None:
    """Refuse ids of bytes of which most in a chunk are not text: then it is the column. Raises MappingError."""
    name = source.columns.id
    if source.has_raw_ids and name is not None and not are_text(chunk.batch.column(name)):
        kind = field_of(source.layout.schema, name).type
        raise MappingError(
            f"{source.layout.uri}: the ids in {name!r} are bytes ({kind}) that are not text, and without a logical "
            "type nothing says what they are. Write them as text or with the type UUID, or name other ids with "
            "--id-column.",
            uri=source.layout.uri,
        )


def _with_fingerprint(source: Source, *seen: Seen) -> Source:
    """The source, as it and the files that go with it were seen: its Parts are known by all of these."""
    marks = [places_of.fingerprint(one) for one in seen]
    mark = marks[0] if len(marks) == 1 else hashlib.blake2b(" ".join(marks).encode(), digest_size=16).hexdigest()
    parts = tuple(replace(part, fingerprint=mark) for part in source.layout.parts)
    return replace(source, layout=replace(source.layout, parts=parts), seen=seen)


def _sampled(plan: Plan, size: int) -> Selection:
    """The plan's selection, with so many rows of it picked at random; the same ones each time, whatever the limit."""
    random = np.random.default_rng(_SEED)
    limit, plan = plan.selection.limit, replace(plan, selection=replace(plan.selection, limit=None))
    if plan.rows is None:
        everything = _places(plan)
        places = random.choice(everything, min(size, len(everything)), replace=False)
    else:  # of so many rows none has to be named to pick some
        places = plan.selection.skip + random.choice(plan.rows, min(size, plan.rows), replace=False)
    return replace(plan.selection, limit=limit, sample=np.sort(places))


def _places(plan: Plan) -> npt.NDArray[np.int64]:
    """Where the rows are that are asked for: all have to be looked at. Raises UsageError."""
    once = next((source.layout.uri for source in plan.sources if places_of.is_read_once(source.layout.uri)), None)
    if once is not None:
        raise UsageError(
            f"--sample looks at all rows before it picks some, and {once} can be read once only. Save it in a file, or "
            "take its first rows with --limit."
        )
    uris = [source.layout.uri for source in plan.sources]
    rows = {source.layout.uri: source.layout.rows or 0 for source in plan.sources}
    found = [np.empty(0, np.int64)]
    for chunk in plan.chunks(_COUNTED_ROWS):  # of a file whose rows are known, Parts may be left out
        uri, end = chunk.part.uri, chunk.first_row + len(chunk.batch)
        rows[uri] = max(rows[uri], end)
        before = sum(rows[one] for one in uris[: uris.index(uri)])
        chosen = np.arange(len(chunk.batch)) if chunk.chosen is None else np.flatnonzero(chunk.chosen)
        found.append(before + chunk.first_row + chosen)
    return np.concatenate(found)


_MAPPING = (
    "id_column", "vector_column", "metadata_column", "metadata_columns", "contents_column", "id_template", "set",
    "rename",
)  # fmt: skip
_RULES = 2
"""Of what the user leaves open: rows that other rules mapped are not these rows, and their job is another."""
_DELIMITED = ("delimiter", "header", "column_types", "null_values", "decimal")
_SAID = ("metadata_key", "contents_key", "vector_encoding", "records", "from_command")
"""Where nothing is said of these, the job has the name that it had before there were any."""
_CHOOSING = ("where", "skip", "sample")
"""Not the limit: with a higher one the job goes on."""


def describe_job(target: str, index: str, sources: tuple[str, ...], settings: SourceSettings) -> Json:
    """What makes a job this one and no other: target, index, sources as typed, and how they are mapped."""
    absolute = {name: _absolute(getattr(settings, name)) for name in ("ids", "metadata", "contents")}
    said = given(settings)
    return {
        "target": target,
        "index": index,
        "sources": [_as_typed(source) for source in sources],
        "format": settings.format,
        "id_prefix": settings.id_prefix,
        "columns": {"rules": _RULES, **{name: getattr(settings, name) for name in _MAPPING}},
        "rows": {name: getattr(settings, name) for name in _CHOOSING},
        **({"dialect": dialect} if (dialect := {name: said[name] for name in _DELIMITED if name in said}) else {}),
        **{name: said[name] for name in _SAID if name in said},
        **({"contents_from": _absolute(settings.contents_from)} if settings.contents_from is not None else {}),
        **absolute,
    }


def _as_typed(source: str) -> str:
    """A source so that it is the same from any directory; a pattern stays one."""
    if source == places_of.STDIN or ("://" in source and not source.startswith("file://")):
        return source
    mark = "@" if source.startswith("@") else ""
    return f"{mark}{Path(places_of.local_path(source.removeprefix('@'))).absolute()}"


def _absolute(path: Any) -> str | None:
    return None if path is None else str(Path(places_of.local_path(str(path))).absolute())


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
