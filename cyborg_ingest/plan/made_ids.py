"""Ids that are made of file names and row numbers are unique over all sources, or the load does not begin."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyborg_ingest.errors import UsageError
from cyborg_ingest.rows.templates import FILE, ROW

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cyborg_ingest.plan.reading import Source
    from cyborg_ingest.rows.templates import Template

_DIGITS = re.compile(r"\d+\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Made:
    """How the ids of a source are made: a row number between two texts; `after` is None where columns follow too."""

    uri: str
    before: str
    after: str | None
    rows: int | None


def check_made_ids(found: Sequence[Source], id_prefix: str) -> None:
    """Raise UsageError where rows of two sources could get one id. What the columns of a row add is not looked at."""
    made = [one for source in found for one in _made(source, id_prefix)]
    seen: dict[tuple[str, str | None], _Made] = {}
    for one in made:
        other = seen.setdefault((one.before, one.after), one)
        if other is not one:
            raise UsageError(_same(_source(found, other), _source(found, one), id_prefix))
    befores = {one.before: one for one in made if one.after is not None}
    for one in befores.values():
        digits = _DIGITS.search(one.before)
        for cut in range(1, len(digits[0]) + 1 if digits else 1):
            shorter = befores.get(one.before[:-cut])
            if shorter is not None and _meet(shorter, one.before[-cut:]):
                raise UsageError(
                    f"Rows of {shorter.uri} and {one.uri} could share ids, as {one.before + '0'!r}. End what stands "
                    "before the row number with a sign that is not a digit, as in '{file}-'."
                )


def _meet(shorter: _Made, digits: str) -> bool:
    """Whether a row number of the source with the shorter text begins with these digits, and has more."""
    return not digits.startswith("0") and (shorter.rows is None or shorter.rows > int(digits) * 10)


def _made(source: Source, id_prefix: str) -> Iterator[_Made]:
    uri, rows, template = source.layout.uri, source.layout.rows, source.shaping.template
    if template is None:
        if source.is_numbered:
            yield _Made(uri, id_prefix.replace("{file}", source.layout.stem), "", rows)
        return
    texts = _texts(source, template)
    of_columns = any(text is None for text in texts)
    if of_columns and FILE in _own(source, template):
        yield _Made(uri, "\0".join(text or "" for text in texts), None, rows)
    elif not of_columns:
        if ROW not in _own(source, template):
            raise UsageError(
                f"{uri}: --id-template {template.text!r} would give all rows of a file one id. "
                "Add a column, or {row}."
            )
        joined = "".join(text or "" for text in texts)
        yield _Made(uri, joined.partition("\0")[0], joined.rpartition("\0")[2], rows)


def _own(source: Source, template: Template) -> set[str]:
    """`file` and `row` as far as the template means its own, and no column."""
    return ({FILE, ROW} & set(template.fields)) - set(source.layout.schema.names)


def _texts(source: Source, template: Template) -> list[str | None]:
    """The pieces of an id that are one text for all rows of a source; a zero for the row number, None for a column."""
    own = _own(source, template)
    found: list[str | None] = []
    for before, name in template.pieces:
        found.append(before)
        if name in own:
            found.append(source.layout.stem if name == FILE else "\0")
        elif name is not None and name in source.shaping.folders:
            found.append(str(source.shaping.folders[name]))
        elif name is not None:
            found.append(None)
    return found


def _source(found: Sequence[Source], made: _Made) -> Source:
    return next(source for source in found if source.layout.uri == made.uri)


def _same(first: Source, second: Source, id_prefix: str) -> str:
    template = second.shaping.template
    if "{file}" not in id_prefix and not (template is not None and FILE in template.fields):
        return (
            "Several files without ids would share their row numbers as ids. Give --id-prefix with {file} in it, as in "
            "--id-prefix '{file}-', or --id-template '{file}-{row}'."
        )
    made = template.text if template is not None else f"{id_prefix}{{row}}"
    folders = "".join(f"{{{name}}}-" for name in _telling_apart(first, second))
    instead = "" if template is not None else " instead of --id-prefix"
    more = f"; or name the folder too: --id-template {shlex.quote(folders + made)}{instead}" if folders else ""
    return (
        f"{first.layout.uri} and {second.layout.uri} have the same name, {second.layout.stem!r}, which {{file}} "
        f"stands for, so their rows would share ids. Load them one by one with another text before {{file}} for "
        f"each{more}."
    )


def _telling_apart(first: Source, second: Source) -> Iterator[str]:
    """The folders like year=2024/ of two files that are not the same, by their names."""
    for name, value in first.shaping.folders.items():
        if name in second.shaping.folders and value != second.shaping.folders[name] and not set(name) & set("{}"):
            yield name
