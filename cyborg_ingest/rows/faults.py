"""What a column was converted to, and which of its rows could not be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from cyborg_ingest.model import Reason

_T_co = TypeVar("_T_co", covariant=True)

Why = tuple["Reason", str]
Faults = dict[int, Why]
"""The rows of a chunk that cannot be loaded: place in the chunk -> why."""


@dataclass(frozen=True, slots=True)
class Converted(Generic[_T_co]):
    """A column's values, one a row, and the rows that have none or none that can be used."""

    values: _T_co
    faults: Faults = field(default_factory=dict)


def first_reasons(*several: Faults) -> Faults:
    """The faults of several, in the order in which they count: a row has the reason that comes first."""
    merged: Faults = {}
    for faults in several:
        for place, why in faults.items():
            merged.setdefault(place, why)
    return merged
