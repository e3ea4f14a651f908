"""The arguments of `upsert_binary`, checked in one place for both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cyborg_ingest.errors import ArgumentError, ArgumentTypeError
from cyborg_ingest.values import JsonList

if TYPE_CHECKING:
    import numpy.typing as npt

    from cyborg_ingest.model import Json


def checked_vectors(
    ids: list[str],
    vectors: npt.NDArray[Any],
    metadata: list[Json | None] | None,
    contents: list[str | bytes | None] | None,
) -> npt.NDArray[np.float32]:
    """The vectors as contiguous little-endian float32 of shape (len(ids), dimension).

    Raises ArgumentTypeError where `vectors` is no array, ArgumentError where lengths or shapes do not fit, an
    id is no text, or a number is beyond float32.
    """
    if not isinstance(vectors, np.ndarray):
        raise ArgumentTypeError(f"vectors must be a numpy array, not {type(vectors).__name__}")
    if vectors.ndim != 2:  # noqa: PLR2004 - (n, dim)
        raise ArgumentError(f"vectors must have the shape (n, dimension), not {vectors.shape}")
    for name, values in (("vectors", vectors), ("metadata", metadata), ("contents", contents)):
        if values is not None and len(values) != len(ids):
            raise ArgumentError(f"there are {len(ids)} ids and {len(values)} {name}")
    if not isinstance(ids, JsonList):
        for place, identity in enumerate(ids):
            if not isinstance(identity, str):
                raise ArgumentError(f"id {place} is {type(identity).__name__}, not str")
    return _narrowed(vectors)


def _narrowed(vectors: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    try:
        with np.errstate(over="raise"):
            return np.ascontiguousarray(vectors, dtype="<f4")
    except FloatingPointError:
        raise ArgumentError("vectors hold a number beyond float32") from None
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"vectors of {vectors.dtype} are no numbers: {error}") from None
