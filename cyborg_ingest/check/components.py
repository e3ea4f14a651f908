"""The first two principal components of a sample of vectors: the plane in which they differ most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from cyborg_ingest.model import Json

KEPT_ROWS = 1000
"""Rows of a sample at most; of more, every second, fourth, ... is taken."""
KEPT_BYTES = 16_000_000
LEAST_ROWS = 20
"""Of fewer there is nothing to see."""

_PLANE = 2
_CLEAR = 1.5
_EVEN = 1e-12


@dataclass(frozen=True, slots=True)
class Components:
    """Where rows lie in the plane: `points` of shape (rows, 2), each of the source that `of` says (into `files`).

    `explained`: the shares of the whole variance along both axes. `is_telling`: there is a direction in them; without
    one, every plane shows the same round cloud.
    """

    points: npt.NDArray[np.float64]
    files: tuple[str, ...]
    of: tuple[int, ...]
    explained: tuple[float, float]
    is_telling: bool

    def to_dict(self) -> Json:
        """As JSON has it: numbers, and no point."""
        return {"rows": len(self.points), "explained": list(self.explained), "is_telling": self.is_telling}


class Sample:
    """Some rows of all that are looked at, evenly spread over them, in bounded memory."""

    def __init__(self) -> None:
        self._rows: list[npt.NDArray[np.float32]] = []
        self._of: list[int] = []
        self._files: dict[str, int] = {}
        self._seen = 0
        self._step = 1

    def add(self, vectors: npt.NDArray[np.float32], uri: str) -> None:
        """Look at some more of one source."""
        if not len(vectors):
            return
        most = max(LEAST_ROWS, min(KEPT_ROWS, KEPT_BYTES // vectors[0].nbytes))
        for row in vectors[-self._seen % self._step :: self._step]:
            self._rows.append(row.copy())
            self._of.append(self._files.setdefault(uri, len(self._files)))
        self._seen += len(vectors)
        while len(self._rows) > most:
            self._rows, self._of, self._step = self._rows[::2], self._of[::2], 2 * self._step

    def components(self) -> Components | None:
        """Where they lie; None where they are too few, of one dimension, or all alike."""
        if len(self._rows) < LEAST_ROWS or len(self._rows[0]) < _PLANE:
            return None
        return components(np.stack(self._rows), tuple(self._files), self._of)


def components(vectors: npt.NDArray[np.float32], files: tuple[str, ...], of: Sequence[int]) -> Components | None:
    """Of vectors of at least two dimensions, their first two principal components; None where all are alike."""
    centred = vectors.astype(np.float64)
    scale = float(np.abs(centred).max()) or 1.0
    centred /= scale  # squares of numbers near float32's largest would be infinite
    centred -= centred.mean(axis=0)
    rows, dimension = centred.shape
    variance = float((centred**2).sum())
    if variance <= _EVEN * rows:
        return None
    left, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    shares = lengths**2 / variance
    points = left[:, :_PLANE] * lengths[:_PLANE] * scale
    points *= np.where(np.abs(points.min(axis=0)) > points.max(axis=0), -1, 1)  # an axis has no sign of its own
    return Components(
        points, files, tuple(of), (float(shares[0]), float(shares[1])), _is_telling(shares, rows, dimension)
    )


def _is_telling(shares: npt.NDArray[np.float64], rows: int, dimension: int) -> bool:
    """Whether the first direction stands out of what chance makes of rows without one (Marchenko and Pastur)."""
    if dimension == _PLANE:
        return True  # it is the vectors themselves
    by_chance = (1 + np.sqrt(dimension / rows)) ** 2 / dimension
    return bool(shares[0] > _CLEAR * by_chance)
