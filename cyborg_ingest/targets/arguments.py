"""The arguments of every public call, checked in one place for both engines, before anything reaches one.

What is not refused is the same to both. The embedded engine is native code that trusts its caller: a wrong type or a
number beyond its bounds ends the process, and a service's with all that it serves.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cyborg_ingest.errors import ArgumentError, ArgumentTypeError
from cyborg_ingest.model import LARGEST_DIMENSION
from cyborg_ingest.rows.values import JsonList, dump_objects, plain_json
from cyborg_ingest.settings.hidden import Hidden
from cyborg_ingest.settings.keyforms import KEY_BYTES
from cyborg_ingest.settings.options import METRICS, MOST_SECONDS, PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from cyborg_ingest.model import CreateOptions, Json

MOST_RESULTS = 1_000_000
"""Of a query. An index holds as many without a licence; the engine breaks on numbers beyond 64 bits."""

LONGEST_NAME = 200
"""Bytes of an index's name in UTF-8: with what the engine puts behind it, it is a file's name."""

SHORTEST_WAIT, LONGEST_WAIT = 0.001, MOST_SECONDS
"""Seconds; sockets break on much longer ones."""

MOST_RETRIES = 1_000_000

_FLOAT64 = 1.7976931348623157e308
_RESERVED = {"default"}
_POLICIES = ("filterable", "pattern", "full_text")

_NUMBERS = "fiub"
"""Kinds of dtype that are numbers: not complex ones, dates, text or objects, which a cast would change or invent."""


def checked(
    ids: list[str],
    vectors: npt.NDArray[Any],
    metadata: list[Json | None] | None,
    contents: list[str | bytes | None] | None,
) -> tuple[npt.NDArray[np.float32], list[Json | None] | None]:
    """The vectors as contiguous little-endian float32 of shape (len(ids), dimension), the metadata as plain JSON.

    Raises ArgumentTypeError where a type is not one of those of the contract, ArgumentError where lengths or shapes do
    not fit, a number is beyond float32, or text or a number is one that JSON does not have. What a load has checked
    and encoded (`JsonList`) is not looked at again.
    """
    if not isinstance(vectors, np.ndarray):
        raise ArgumentTypeError(f"vectors must be a numpy array, not {type(vectors).__name__}")
    if vectors.ndim != 2:  # noqa: PLR2004 - (n, dim)
        raise ArgumentError(f"vectors must have the shape (n, dimension), not {vectors.shape}")
    if len(vectors) and not 1 <= vectors.shape[1] <= LARGEST_DIMENSION:
        raise ArgumentError(f"vectors must have 1 to {LARGEST_DIMENSION:,} dimensions, not {vectors.shape[1]:,}")
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
        raise ArgumentError(f"{name} holds a lone surrogate, which is not valid Unicode") from None


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


def check_name(name: str) -> str:
    """The name of an index. Raises ArgumentTypeError, ArgumentError."""
    if not isinstance(name, str):
        raise ArgumentTypeError(f"the name of an index is {type(name).__name__}, not str")
    _check_text("the name of an index", name)
    return name


def check_key(key: Hidden[bytes] | None) -> Hidden[bytes] | None:
    """The key of an index, as plain bytes; None where there is none. Raises ArgumentTypeError, ArgumentError.

    No message shows it.
    """
    if key is None:
        return None
    if not isinstance(key.reveal(), bytes):
        raise ArgumentTypeError(f"the key of an index is {type(key.reveal()).__name__}, not bytes")
    if len(key.reveal()) != KEY_BYTES:
        raise ArgumentError(f"the key of an index has {KEY_BYTES} bytes, not {len(key.reveal())}")
    if not any(key.reveal()):
        raise ArgumentError("the key of an index is all zeros, which the engine does not take")
    return Hidden(bytes(key.reveal()))


def distinct_ids(ids: Sequence[str]) -> list[str]:
    """The ids to ask for, each once, in their order. Raises ArgumentTypeError, ArgumentError."""
    if not isinstance(ids, list | tuple):
        raise ArgumentTypeError(f"ids must be a list, not {type(ids).__name__}")
    _check_ids(list(ids))
    return list(dict.fromkeys(map(str, ids)))


def checked_query(vector: npt.NDArray[Any] | Sequence[float], top_k: int) -> tuple[npt.NDArray[np.float32], int]:
    """A vector of shape (dimension,) as contiguous float32, and how many rows to find.

    Raises ArgumentTypeError, ArgumentError.
    """
    if isinstance(vector, list | tuple):
        vector = _numbers(vector)
    if not isinstance(vector, np.ndarray):
        raise ArgumentTypeError(f"the vector must be a numpy array or a list of numbers, not {type(vector).__name__}")
    if vector.ndim != 1 or not 1 <= len(vector) <= LARGEST_DIMENSION:
        hint = "; query takes one at a time: vector[0]" if vector.ndim == 2 else ""  # noqa: PLR2004 - (n, dim)
        raise ArgumentError(f"the vector must have the shape (dimension,), not {vector.shape}{hint}")
    narrow = _narrowed(vector)
    if not np.isfinite(narrow).all():
        raise ArgumentError("the vector holds NaN or infinity")
    return narrow, _whole("top_k", top_k, 1, MOST_RESULTS)


def _numbers(values: Sequence[Any]) -> npt.NDArray[Any]:
    try:
        return np.array(values)
    except (ValueError, TypeError, OverflowError):
        raise ArgumentError("the vector is a list, but not of numbers alone") from None


def check_options(name: str, options: CreateOptions) -> None:
    """How an index is to be made, and its name. Raises ArgumentTypeError, ArgumentError."""
    if not check_name(name) or name in _RESERVED:
        raise ArgumentError(f"an index cannot be named {name!r}: the service reserves it")
    if len(name.encode()) > LONGEST_NAME:
        raise ArgumentError(
            f"the name of an index has {len(name.encode())} bytes; at most {LONGEST_NAME} can be stored"
        )
    if options.dimension is not None:
        _whole("dimension", options.dimension, 0, LARGEST_DIMENSION)
    for field, known in (("metric", METRICS), ("storage_precision", PRECISIONS)):
        value = getattr(options, field)
        if value is not None and not (isinstance(value, str) and value in known):
            kind = ArgumentError if isinstance(value, str) else ArgumentTypeError
            raise kind(f"{field} is {value!r}; it takes {', '.join(known)}")
    if options.kms_name is not None and not isinstance(options.kms_name, str):
        raise ArgumentTypeError(f"kms_name is {type(options.kms_name).__name__}, not str")
    _check_schema(options.metadata_schema)
    _check_fields(options.text_fields)
    for field, largest in (("bm25_k1", _FLOAT64), ("bm25_b", 1.0)):
        value = getattr(options, field)
        if value is not None:
            check_number(field, value, 0.0, largest)


def _check_schema(schema: Mapping[str, Mapping[str, bool]] | None) -> None:
    if schema is None:
        return
    if not isinstance(schema, Mapping):
        raise ArgumentTypeError(f"metadata_schema is {type(schema).__name__}, not a dict")
    for field, policy in schema.items():
        _check_field("a field of metadata_schema", field)
        if not isinstance(policy, Mapping):
            raise ArgumentTypeError(f"metadata_schema[{field!r}] is {type(policy).__name__}, not a dict")
        for name, value in policy.items():
            if name not in _POLICIES:
                raise ArgumentError(f"metadata_schema[{field!r}] has {name!r}; it takes {', '.join(_POLICIES)}")
            if not isinstance(value, bool):
                raise ArgumentTypeError(f"metadata_schema[{field!r}][{name!r}] is {type(value).__name__}, not bool")


def _check_fields(fields: Sequence[str] | None) -> None:
    if fields is None:
        return
    if not isinstance(fields, list | tuple):
        raise ArgumentTypeError(f"text_fields is {type(fields).__name__}, not a tuple of str")
    for field in fields:
        _check_field("a field of text_fields", field)


def _check_field(what: str, field: str) -> None:
    if not isinstance(field, str):
        raise ArgumentTypeError(f"{what} is {type(field).__name__}, not str")
    if not field:
        raise ArgumentError(f"{what} is empty")
    _check_text(what, field)


def check_number(name: str, value: float, least: float, largest: float) -> float:
    """A finite number within bounds. Raises ArgumentTypeError, ArgumentError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ArgumentTypeError(f"{name} is {type(value).__name__}, not a number")
    if not least <= value <= largest:  # of NaN neither is true
        bounds = f"{least:g} to {largest:,.0f}" if largest < _FLOAT64 else f"at least {least:g}, and finite"
        raise ArgumentError(f"{name} is {_shown(value)}; it must be {bounds}")
    return value


def _whole(name: str, value: int, least: int, largest: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise ArgumentTypeError(f"{name} is {type(value).__name__}, not int") from None
    if isinstance(value, bool | np.bool_):
        raise ArgumentTypeError(f"{name} is {type(value).__name__}, not int")
    if not least <= number <= largest:
        raise ArgumentError(f"{name} is {_shown(number)}; it must be {least} to {largest:,}")
    return number


def _shown(number: float) -> str:
    """A number as text; Python refuses to spell the largest."""
    is_long = isinstance(number, int) and number.bit_length() > 64  # noqa: PLR2004
    return "beyond 64 bits" if is_long else str(number)
