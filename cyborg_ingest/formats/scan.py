"""What the columns of a delimited file are: a look at every cell of them, before a row is loaded.

A sample would decide wrongly: 0 in a thousand rows and then 0.5, or an empty column with a number at its end.
"""

from __future__ import annotations

import functools
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cyborg_ingest.formats.cells import FITS, NUMBERS, PLURALS, Kind, all_fit, kind_of_type, with_point
from cyborg_ingest.rows.suggestions import one_of_several

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

_SHOWN = 40
_MARKERS = frozenset({"\\N", "NULL", "Null", "null", "NA", "N/A", "n/a", "#N/A", "None", "none", "nil", "-", "?"})
"""What other programs write where there is nothing. It is text, unless the user says otherwise."""


@dataclass(slots=True)
class Column:
    """What a column can still be, after the cells that were seen.

    `lenient` is what it could be if the `markers` in it stood for nothing; `odd` the cell that fits nothing before it.
    """

    kinds: list[Kind] = field(default_factory=lambda: [Kind.VECTOR, *FITS])
    lenient: list[Kind] = field(default_factory=lambda: [Kind.VECTOR, *FITS])
    markers: set[str] = field(default_factory=set)
    odd: str = ""
    is_empty: bool = True
    decimal: str = "."

    def add(self, cells: Iterable[str]) -> None:
        """Look at some more cells."""
        texts = [text for text in cells if text]
        if not texts or not (self.kinds or self.lenient):
            return
        before, self.kinds = self.kinds, self._fitting(self.kinds, texts)
        if self.kinds:
            self.lenient, self.is_empty = self.kinds, False
            return
        if before:
            self.odd = next((text for text in texts if not self._fitting(before, [text])), texts[-1])
        plain = [text for text in texts if text not in _MARKERS]
        self.markers |= {*texts} & _MARKERS
        self.lenient = self._fitting(self.lenient, plain)
        self.is_empty = self.is_empty and not plain

    def _fitting(self, kinds: Sequence[Kind], texts: list[str]) -> list[Kind]:
        numbers = texts if self.decimal == "." else [with_point(text, self.decimal) for text in texts]
        return [kind for kind in kinds if all_fit(kind, numbers if kind in NUMBERS else texts)]

    @property
    def kind(self) -> Kind:
        """What it is, if there are no more cells."""
        return self.kinds[0] if self.kinds and not self.is_empty else Kind.TEXT

    @property
    def kind_without_markers(self) -> Kind:
        """What it would be, if they stood for nothing."""
        return self.lenient[0] if self.lenient and not self.is_empty else Kind.TEXT


@dataclass(frozen=True)
class Form:
    """How a delimited file is written: its columns, its delimiter, the first line if it names them."""

    names: tuple[str, ...]
    delimiter: str
    header: tuple[str, ...] = ()
    nulls: frozenset[str] = frozenset()
    decimal: str = "."

    @functools.cached_property
    def places(self) -> dict[str, int]:
        """Where each column stands."""
        return {name: place for place, name in enumerate(self.names)}

    def is_header(self, cells: Sequence[str]) -> bool:
        """Whether a row repeats the names of the columns, as where files were put together."""
        return bool(self.header) and tuple(cells) == self.header


def look_at(columns: Mapping[str, Column], form: Form, rows: Sequence[Sequence[str]]) -> None:
    """Look at the cells that some rows have in the columns.

    What has another number of cells than the header, or repeats it, is not a row.
    """
    width, first = len(form.names), (form.header or form.names)[0]
    whole = [row for row in rows if len(row) == width and not (row[0] == first and form.is_header(row))]
    for name, column in columns.items():
        place = form.places[name]
        texts = [row[place] for row in whole]
        column.add(texts if not form.nulls else [text for text in texts if text not in form.nulls])


def _rejecting(name: str, kind: Kind) -> str:
    """The option that takes a column for what its first rows are, if it can name it."""
    said = shlex.quote(f"{name}={kind.value}")
    return "" if one_of_several(name) is None else f" --column-types {said} would reject such rows."


def words_on(uri: str, schema: pa.Schema, found: Mapping[str, Column], *, is_whole: bool) -> Iterator[str]:
    """What the user should know of the columns' types: where they are not what the first rows look like."""
    for name, column in found.items():
        first = kind_of_type(schema.field(name).type)
        if column.kind is Kind.TEXT and column.kind_without_markers is not Kind.TEXT:
            listed, others = ",".join(sorted(column.markers)), PLURALS[column.kind_without_markers]
            yield (
                f"{uri}: column {name!r} is text, since beside {others} it holds {listed}. "
                f"--null-values '{listed}' takes that as nothing."
            )
        elif column.kind is Kind.TEXT and first is not Kind.TEXT and column.odd:
            yield (
                f"{uri}: column {name!r} is text, though it begins with {PLURALS[first]}: it also holds "
                f"{column.odd[:_SHOWN]!r}.{_rejecting(name, first)}"
            )
    if not is_whole:
        said = shlex.quote(",".join(f"{name}={column.kind.value}" for name, column in found.items()))
        yield (
            f"{uri} is longer than what can be read twice, so its columns are taken as its first 32 MB are: {said}. A "
            "later row that does not fit is rejected. --column-types says what they are."
        )
