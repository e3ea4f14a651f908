"""What rows are like: norms of vectors, fields of metadata, sizes of contents; counted in bounded memory."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from cyborg_ingest.model import Json

NORMALISED = 1e-3
"""How far from 1 a norm may be in vectors that look normalised."""

BINS = 10
KEPT_NORMS = 1_000_000
"""Norms that a histogram is made of, at most; of more, every second, fourth, ... is taken."""

MOST_DISTINCT = 1000
"""Distinct values of a field that are counted."""
MOST_FIELDS = 200

_LONGEST_EXAMPLE = 60
_MOST_ITEMS = 10
_DEEPEST = 5
_EVEN = 1e-6
_KINDS = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


class Norms:
    """Euclidean norms of vectors."""

    def __init__(self) -> None:
        self._count = 0
        self._sum = 0.0
        self._low, self._high = np.inf, 0.0
        self._kept: list[npt.NDArray[np.float64]] = []
        self._kept_count = 0
        self._step = 1

    def add(self, vectors: npt.NDArray[np.float32]) -> None:
        """Look at some more, of shape (n, dimension)."""
        if not len(vectors):
            return
        norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
        self._low, self._high = min(self._low, float(norms.min())), max(self._high, float(norms.max()))
        self._sum += float(norms.sum())
        some = norms[-self._count % self._step :: self._step]
        self._count += len(norms)
        self._kept.append(some)
        self._kept_count += len(some)
        while self._kept_count > KEPT_NORMS:
            self._kept = [np.concatenate(self._kept)[::2]]
            self._kept_count = len(self._kept[0])
            self._step *= 2

    def to_dict(self) -> dict[str, Any] | None:
        """As JSON has it; None where there was none."""
        if not self._count:
            return None
        kept, edges = np.concatenate(self._kept), np.array([self._low, self._high])
        counts = np.array([len(kept)])
        if self._high - self._low > _EVEN * self._high:  # what differs by rounding alone is one bin
            counts, edges = np.histogram(kept, BINS, (self._low, self._high))
        return {
            "count": self._count,
            "min": self._low,
            "mean": self._sum / self._count,
            "max": self._high,
            "looks_normalised": max(abs(self._low - 1), abs(self._high - 1)) <= NORMALISED,
            "histogram": {"edges": edges.tolist(), "counts": counts.tolist(), "every": self._step},
        }


@dataclass(slots=True)
class _Field:
    kinds: Counter[str] = field(default_factory=Counter)
    nulls: int = 0
    distinct: set[int] = field(default_factory=set)
    example: Any = None

    def add(self, value: Any) -> None:
        if value is None:
            self.nulls += 1
            return
        self.kinds[_KINDS.get(type(value), type(value).__name__)] += 1
        if len(self.distinct) <= MOST_DISTINCT:
            self.distinct.add(_hash(value))
        if self.example is None:
            self.example = short(value)


def _hash(value: Any) -> int:
    """Of the value and its type: 1, 1.0 and true are three."""
    plain = json.dumps(value, sort_keys=True, default=str) if isinstance(value, list | dict) else value
    return hash((type(value), plain))


def short(value: Any, depth: int = 0) -> Any:
    """A value of JSON as it is, but for what is long in it: texts, arrays and objects end early, and say so."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_EXAMPLE else f"{value[:_LONGEST_EXAMPLE]}..."
    if not isinstance(value, list | dict) or not value:
        return value
    if depth == _DEEPEST:
        return "..."
    if isinstance(value, list):
        more = ["..."] if len(value) > _MOST_ITEMS else []
        return [short(one, depth + 1) for one in value[:_MOST_ITEMS]] + more
    fields = list(value.items())
    more_fields = {"...": f"{len(fields) - _MOST_ITEMS:,} more"} if depth and len(fields) > _MOST_ITEMS else {}
    shown = fields[:_MOST_ITEMS] if more_fields else fields
    return {short(name): short(one, depth + 1) for name, one in shown} | more_fields


class Fields:
    """The fields of metadata, by name: types, how many rows have it, how many values there are."""

    def __init__(self) -> None:
        self._rows = 0
        self._fields: dict[str, _Field] = {}
        self._passed_over = 0

    def add(self, metadata: list[Json | None] | None) -> None:
        """Look at the metadata of some rows."""
        for one in metadata or ():
            self._rows += bool(one)
            for name, value in (one or {}).items():
                if name in self._fields or len(self._fields) < MOST_FIELDS:
                    self._fields.setdefault(name, _Field()).add(value)
                else:
                    self._passed_over += 1

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it. `passed_over`: values of more fields than are looked at."""
        return {
            "rows": self._rows,
            "passed_over": self._passed_over,
            "fields": [
                {
                    "name": name,
                    "types": dict(one.kinds),
                    "present": one.kinds.total(),
                    "nulls": one.nulls,
                    "distinct": len(one.distinct) if len(one.distinct) <= MOST_DISTINCT else f">{MOST_DISTINCT}",
                    "example": one.example,
                }
                for name, one in self._fields.items()
            ],
        }


class Sizes:
    """The bytes of contents."""

    def __init__(self) -> None:
        self._rows = self._sum = self._high = 0
        self._low: int | None = None

    def add(self, contents: list[str | bytes | None] | None) -> None:
        """Look at the contents of some rows; empty ones count as none, as the engines store them."""
        sizes = [len(one.encode() if isinstance(one, str) else one) for one in contents or () if one]
        if sizes:
            self._rows += len(sizes)
            self._sum += sum(sizes)
            self._low = min(sizes) if self._low is None else min(self._low, *sizes)
            self._high = max(self._high, *sizes)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        mean = round(self._sum / self._rows, 1) if self._rows else None
        return {
            "rows": self._rows,
            "min_bytes": self._low,
            "mean_bytes": mean,
            "max_bytes": self._high if self._rows else None,
        }
