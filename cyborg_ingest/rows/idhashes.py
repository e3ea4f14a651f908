"""64 bits of an id that are the same in every process: what is kept of the ids of a job.

Two ids may share them. Whoever asks must be safe then: a row is loaded once more than needed, or is not deleted.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Hashes = npt.NDArray[np.uint64]

MODULUS = sys.hash_info.modulus
"""Of the hash of a whole number, which Python documents: 2^61 - 1 where words have 64 bits. Others are not these."""

NONE: Hashes = np.empty(0, np.uint64)


def hashes_of(ids: Sequence[str]) -> Hashes:
    """The bytes of each id as one number, by `MODULUS`: a tenth of a microsecond an id, a digest takes three."""
    number = int.from_bytes
    return np.fromiter([hash(number(one.encode(), "little")) for one in ids], np.uint64, len(ids))


def merged(some: Sequence[Hashes]) -> Hashes:
    """All of them, sorted and each once."""
    return np.unique(np.concatenate(some)) if some else NONE


def among(hashes: Hashes, known: Hashes) -> npt.NDArray[np.bool_]:
    """Which of them are among the known ones, which are sorted."""
    if not len(known):
        return np.zeros(len(hashes), np.bool_)
    found: npt.NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, hashes), len(known) - 1)] == hashes
    return found


def without(hashes: Hashes, others: Hashes) -> Hashes:
    """Those that are not among the others, which are sorted."""
    return hashes[~among(hashes, others)]
