"""64 bits of an id that are the same in every process: what is kept of the ids of a job.

Two ids may share them. Whoever asks must be safe then: a row is loaded once more than needed, or is not deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Hashes = npt.NDArray[np.uint64]

MODULUS = 0xF3C9A1D7B5E86F71
"""A prime of 64 bits that is near no power of two. By one that is, like 2^61 - 1, a byte weighs a small multiple of
what another one does: then `user8:item000` and `user0:item001` are the same."""

NONE: Hashes = np.empty(0, np.uint64)


def hashes_of(ids: Sequence[str]) -> Hashes:
    """The bytes of each id, and where they end, as one number by `MODULUS`: a digest takes several times as long."""
    number = int.from_bytes
    return np.fromiter([number(one.encode() + b"\1", "little") % MODULUS for one in ids], np.uint64, len(ids))


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
