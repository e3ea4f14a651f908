"""What makes a job this one and no other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyborg_ingest import sources as places_of
from cyborg_ingest.settings.declaring import given

if TYPE_CHECKING:
    from cyborg_ingest.model import Json
    from cyborg_ingest.settings.options import SourceSettings

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
"""Not the limit: with a higher one the job resumes."""


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
