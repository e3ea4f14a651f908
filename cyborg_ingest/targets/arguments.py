"""The arguments of `upsert_binary`, checked in one place for both engines: what is not refused is the same to both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cyborg_ingest.errors import ArgumentError, ArgumentTypeError
from cyborg_ingest.values import JsonList, dump_objects, plain_json

if TYPE_CHECKING:
    import numpy.typing as npt

    from cyborg_ingest.model import Json

_NUMBERS = "fiub"
"""Kinds of dtype that are numbers: not complex ones, dates, text or objects, which a cast would change or invent."""


def checked(
    ids: list[str],
    vectors: npt.NDArray[Any],
    metadata: list[Json | None] | None,
    contents: list[str | bytes | None] | None,
) -> tuple[npt.NDArray[np.float32], list[Json | None] | None]:
    """The vectors as contiguous little-endian float32 of shape (len(ids), dimension), the metadata as plain JSON.

    Raises ArgumentTypeError where a type is none of those of the contract, ArgumentError where lengths or shapes do
    not fit, a number is beyond float32, or text or a number is one that JSON does not have. What a load has checked
    and encoded (`JsonList`) is not looked at again.
    """
    if not isinstance(vectors, np.ndarray):
        raise ArgumentTypeError(f"vectors must be a numpy array, not {type(vectors).__name__}")
    if vectors.ndim != 2:  # noqa: PLR2004 - (n, dim)
        raise ArgumentError(f"vectors must have the shape (n, dimension), not {vectors.shape}")
    lists: dict[str, Any] = {"ids": ids, "metadata": metadata, "contents": contents}
    for name, values in lists.items():
        if not isinstance(values, list) and (values is not None or name == "ids"):
            raise ArgumentTypeError(f"{name} must be a list, not {type(values).__name__}")
    lengths = {"vectors": len(vectors), **{name: len(one) for name, one in lists.items() if one is not None}}
    for name, length in lengths.items():
        if length != len(ids):
            raise ArgumentError(f"there are {len(ids)} ids and {length} {name}")
    _check_ids(ids)
    _check_contents(contents)
    return _narrowed(vectors), _plain(metadata)


def _check_ids(ids: list[str]) -> None:
    for place, identity in enumerate(ids if not isinstance(ids, JsonList) else ()):
        if not isinstance(identity, str):
            raise ArgumentTypeError(f"id {place} is {type(identity).__name__}, not str")
        _check_text(f"id {place}", identity)


def _check_contents(contents: list[str | bytes | None] | None) -> None:
    for place, one in enumerate(contents or () if not isinstance(contents, JsonList) else ()):
        if isinstance(one, str):
            _check_text(f"contents {place}", one)
        elif one is not None and not isinstance(one, bytes):
            raise ArgumentTypeError(f"contents {place} are {type(one).__name__}, not str, bytes or None")


def _check_text(name: str, text: str) -> None:
    if text.isascii():  # which a string knows of itself
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ArgumentError(f"{name} holds a lone surrogate, which is no valid Unicode") from None


def _plain(metadata: list[Json | None] | None) -> list[Json | None] | None:
    if metadata is None or isinstance(metadata, JsonList):
        return metadata
    found = [None if one is None else _plain_object(place, one) for place, one in enumerate(metadata)]
    try:
        return JsonList(found, dump_objects(found))
    except ValueError as error:
        raise ArgumentError(f"metadata hold {error}") from None


def _plain_object(place: int, value: Any) -> Json:
    if not isinstance(value, dict):
        raise ArgumentTypeError(f"metadata {place} is {type(value).__name__}, not a dict or None")
    try:
        found: Json = plain_json(value)
    except TypeError as error:
        raise ArgumentTypeError(f"metadata {place}: {error}") from None
    except ValueError as error:
        raise ArgumentError(f"metadata {place}: {error}") from None
    return found


def _narrowed(vectors: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    if vectors.dtype.kind not in _NUMBERS:
        raise ArgumentTypeError(f"vectors are {vectors.dtype}, not numbers: convert them to float32 yourself")
    if type(vectors) is not np.ndarray and np.ma.is_masked(vectors):  # importing numpy.ma costs 20 ms
        raise ArgumentError("vectors are masked here and there: fill or leave out what is missing")
    try:
        with np.errstate(over="raise"):
            return np.ascontiguousarray(vectors, dtype="<f4")
    except FloatingPointError:
        raise ArgumentError("vectors hold a number beyond float32") from None
