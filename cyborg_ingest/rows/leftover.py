"""What has no role becomes metadata, unless the user says otherwise or there is a reason to leave it out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from cyborg_ingest.rows.kinds import is_matrix, storage_type, unfit_inside
from cyborg_ingest.rows.looks import is_packed, looks_like_vectors
from cyborg_ingest.rows.paths import above_lists, head, is_path, steps
from cyborg_ingest.rows.roles import VECTOR, is_folder, origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

REJECTED_KEY = "_rejected"
"""What `rejected.jsonl` adds to a row; never loaded, on any input."""

QUERY_KEY = "_query"
"""What `query` adds to a row that it prints: how near it is, which is nothing of the row's own."""

ALL_COLUMNS = "*"
NO_COLUMNS = "none"

SPARSE = {"indices", "values"}
"""The fields of a sparse vector, as Pinecone, Qdrant and others have it."""
_LISTED = "the list that vectors are in"
_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")


@dataclass(slots=True)
class Leftover:
    """What becomes of columns without a role.

    `columns` become fields of the metadata, without the `cut`: paths that have a role of their own. `reasons`: why
    others do not, in short; `refused`: those that would if their type could be metadata, each with why in a sentence.
    """

    columns: list[str] = field(default_factory=list)
    cut: tuple[str, ...] = ()
    reasons: dict[str, str] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def add(self, one: pa.Field) -> None:
        """Take a column, if its type can be metadata."""
        found = unfit_inside(one.type, one.name)
        if found is None:
            self.columns.append(one.name)
            return
        path, why = found
        self.refused.append((one.name, f"{path!r} {why} or text"))
        self.reasons[one.name] = f"{one.type}, which metadata cannot hold"


def all_of(schema: pa.Schema, chosen: Collection[str]) -> Leftover:
    """All columns without a role, vectors among them: the user asks for all."""
    found = Leftover()
    for one in schema:
        if one.name not in chosen and one.name != REJECTED_KEY:
            found.add(one)
    return found


def by_default(
    schema: pa.Schema, chosen: Sequence[str], unwanted: Mapping[str, str], dimension: int | None
) -> Leftover:
    """All columns without a role but those that nobody would miss, or that would hurt.

    Of the `chosen` the first is the vector's. `unwanted` are those that an option says not to load, with what is said
    of them. `dimension` is that of the vectors.
    """
    inside = taken_out(schema, chosen)
    heads = {head(path) for path in inside}
    found, taken = Leftover(), {*chosen, REJECTED_KEY}
    for one in schema:
        if one.name in taken or is_unseen(one):
            if one.name in unwanted:
                found.reasons[one.name] = unwanted[one.name]
            continue
        is_used_up = one.name in heads and _is_used_up(one, one.name, inside)
        why = unwanted.get(one.name) or ("" if is_used_up else _why_not(one, dimension))
        if why:
            found.reasons[one.name] = why
        elif not is_used_up:
            found.add(one)
        elif _are_named_vectors(one):  # a later row may have others beside it
            inside.add(one.name)
    listed = _list_with_more(schema, chosen[0])
    if listed:
        found.reasons.setdefault(listed, _LISTED)
    found.cut = tuple(sorted(inside))
    return found


def taken_out(schema: pa.Schema, chosen: Sequence[str]) -> set[str]:
    """The paths of the chosen in structs, which are cut out of these; of the vector's, the first, the list it is in."""
    names = set(schema.names)
    paths = [path for path in chosen if path not in names]
    inside = {path for path in paths if above_lists(path) == path}
    if chosen[0] in paths:
        inside.add(above_lists(chosen[0]))
    return inside


def without_vectors(found: Leftover, schema: pa.Schema, vectors: Sequence[str]) -> Leftover:
    """What the user asks for: the vectors are cut out of a row's own metadata, and not of what is asked for by name."""
    inside = {above_lists(path) for path in {*vectors}.difference(schema.names)}
    asked = tuple(f"{name}{end}" for name in found.columns for end in (".", "["))
    found.cut = tuple(path for path in sorted(inside) if is_path(path) and not path.startswith(asked))
    listed = _list_with_more(schema, vectors[0])
    if listed in found.cut and not any(name == listed or name.startswith(f"{listed}[") for name in found.columns):
        found.reasons[listed] = _LISTED
    return found


def _list_with_more(schema: pa.Schema, path: str) -> str:
    """The list that a path leads into, where its items hold more than that; nothing where they do not, or in none."""
    listed = path if path in schema.names else above_lists(path)
    if listed == path:
        return ""
    first, *more = steps(path)
    kind, is_inside = storage_type(schema.field(str(first)).type), False
    for step in more:
        if isinstance(step, int):
            kind, is_inside = storage_type(kind.value_type), True
            continue
        if is_inside and kind.num_fields > 1:
            return listed
        kind = storage_type(kind.field(step).type)
    return ""


def is_unseen(one: pa.Field) -> bool:
    """Whether no row is known to have a field: it may still come, as any other may."""
    return _is_made_here(one) and pa.types.is_null(one.type)


def _why_not(one: pa.Field, dimension: int | None) -> str:
    """Why a column is not loaded, though it could be; nothing for most."""
    if looks_like_vectors(one, dimension):
        return "other vectors"
    return next((why for fits, why in _NEVER if fits(one)), "")


def _is_made_here(one: pa.Field) -> bool:
    """Whether it is of no file, as row numbers, and has no use where the ids are others."""
    return bool(origin_of(one)) and not is_folder(one)


def is_unnamed_index(name: str) -> bool:
    """Whether pandas has named a column so, as an index that has no name: numbers of rows, and nothing of theirs."""
    return _UNNAMED_INDEX.fullmatch(name) is not None


def _is_matrix(one: pa.Field) -> bool:
    return is_matrix(one.type)


def _are_named_vectors(one: pa.Field) -> bool:
    """Whether a column that is named as vectors are holds several of them, by names: Qdrant, Weaviate."""
    children = _children(one)
    return (
        bool(children)
        and one.name.lower() in VECTOR.names
        and all(VECTOR.fits(kind.type) or is_sparse(kind) for kind in children or ())
    )


def is_sparse(one: pa.Field) -> bool:
    """Whether it has the two lists that Pinecone, Qdrant and others have for a sparse vector."""
    children = _children(one) or []
    return {child.name for child in children} == SPARSE and all(VECTOR.fits(child.type) for child in children)


def _children(one: pa.Field) -> list[pa.Field] | None:
    """The fields of a struct; None where it is none."""
    kind = storage_type(one.type)
    return [kind.field(place) for place in range(kind.num_fields)] if pa.types.is_struct(kind) else None


_NEVER: tuple[tuple[Callable[[pa.Field], bool], str], ...] = (
    (is_packed, "packed bits"), (lambda one: is_unnamed_index(one.name), "an index of pandas without a name"),
    (_is_made_here, "not needed"),
    (lambda one: one.name == QUERY_KEY, "what `query` says of a row"),
    (_are_named_vectors, "other vectors"), (is_sparse, "sparse vectors"), (_is_matrix, "a matrix in each row"),
)  # fmt: skip
"""What nobody wants as a field, and why."""


def _is_used_up(one: pa.Field, path: str, inside: Iterable[str]) -> bool:
    """Whether nothing is left of a struct beside the fields that have a role."""
    if path in inside:
        return True
    children = _children(one)
    return bool(children) and all(_is_used_up(child, f"{path}.{child.name}", inside) for child in children or ())
