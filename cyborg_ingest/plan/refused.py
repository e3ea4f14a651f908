"""Options that the sources cannot honour are refused, and never ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest.errors import UsageError
from cyborg_ingest.formats import READERS
from cyborg_ingest.formats.base import Typing
from cyborg_ingest.formats.sidecarrows import DELIMITED

if TYPE_CHECKING:
    from cyborg_ingest.formats.base import Reader, Sidecars
    from cyborg_ingest.plan.reading import Source


def refuse_sidecars(readers: list[Reader], sidecars: Sidecars) -> None:
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


def refuse_dialect(readers: list[Reader], sidecars: Sidecars) -> None:
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


def refuse_prefix(found: tuple[Source, ...], sidecars: Sidecars) -> None:
    """Refuse a prefix for ids that are not row numbers."""
    own = next((one for one in found if not one.is_numbered), None)
    if sidecars.id_prefix and own is not None:
        ids = f"has ids of its own ({own.columns.id!r})" if own.columns.id else "gets its ids from --id-template"
        raise UsageError(f"--id-prefix goes before row numbers, and {own.layout.uri} {ids}. Leave it out.")
