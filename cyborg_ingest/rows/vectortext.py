"""Vectors written as text: pgvector's [1,2], PostgreSQL's {1,2}, NumPy's print [0.1 0.2], JSON, and plain 0.1 0.2."""

from __future__ import annotations

import math
import re
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

_BRACKETS = {b"[": b"]", b"{": b"}", b"(": b")"}
_MOST_BRACKETS = 2
"""A list of one list is a vector."""
_NAMED = re.compile(rb"np\.float(?:16|32|64)\(([^()]*)\)")
"""How a list of NumPy's numbers is written since NumPy 2."""
_ARRAY = re.compile(rb"(?:np\.|numpy\.|torch\.)?(?:array|tensor)\((.*?)(?:,\s*dtype=[\w.]+\s*)?\)", re.DOTALL)
_NULLS = {b"null", b"none", b"na", b""}
_SHOWN = 40


def text_parser() -> Callable[[bytes], npt.NDArray[np.float64]]:
    """A function that reads a vector; ValueError with what is wrong where it is none. For one thread.

    Most are arrays of JSON but for their brackets, which simdjson reads where it is installed, without a Python object
    for each number; what it refuses is looked at number by number.
    """
    fast = _json_parser()

    def parse(text: bytes) -> npt.NDArray[np.float64]:
        inner = _without_brackets(text)
        found = None if b";" in inner else fast(inner if b"," in inner else b",".join(inner.split()))
        return _numbers(inner) if found is None else found

    return parse


def form_of(text: bytes) -> str:
    """How vectors are written, by one of them: its brackets, and what is between its numbers if that is not a comma."""
    begin = text.lstrip()[:1]
    end = _BRACKETS.get(begin, b"")
    inner = text.strip().strip(b"[]{}()")
    sign = ";" if b";" in inner else "" if b"," in inner else " "
    dots = f"..{sign}.." if sign or not end else ".."
    return f"{begin.decode() if end else ''}{dots}{end.decode()}" if end or sign else "..,.."


def _json_parser() -> Callable[[bytes], npt.NDArray[np.float64] | None]:
    """Numbers with commas between them by simdjson, which is as strict as JSON; None where they are anything else."""
    try:
        import simdjson  # noqa: PLC0415 - only for text, and not for every Python
    except ImportError:
        return lambda _inner: None
    parser: Any = simdjson.Parser()  # its types say nothing of what a text holds

    def parse(inner: bytes) -> npt.NDArray[np.float64] | None:
        if b"[" in inner:  # nested ones would be flattened
            return None
        try:
            return np.frombuffer(parser.parse(b"[%b]" % inner).as_buffer(of_type="d"))
        except (ValueError, TypeError, RuntimeError, MemoryError, OverflowError):
            return None

    return parse


def _without_brackets(text: bytes) -> bytes:
    """What is between the brackets, if there are any. Raises ValueError."""
    inner = text.strip()
    if b"(" in inner:
        whole = _ARRAY.fullmatch(inner)
        inner = _NAMED.sub(rb"\1", whole[1] if whole else inner).strip()
    if not inner:
        raise ValueError("is empty text")
    for _ in range(_MOST_BRACKETS):
        end = _BRACKETS.get(inner[:1])
        if end is None:
            break
        if inner[-1:] != end or len(inner) == 1:
            raise ValueError(f"begins with {inner[:1].decode()} and does not end with {end.decode()}")
        inner = inner[1:-1].strip()
    return inner


def _numbers(inner: bytes) -> npt.NDArray[np.float64]:
    """Numbers one by one; with semicolons between them a comma is the decimal point."""
    if not inner:
        return np.empty(0)
    if b";" in inner:
        tokens = inner.replace(b",", b".").split(b";")
    else:
        tokens = inner.split(b",") if b"," in inner else inner.split()
    try:
        if b"_" in inner:  # which Python takes
            raise ValueError  # noqa: TRY301 - as any other sign that is none of a number
        found = np.array(list(map(float, tokens)))
    except ValueError:
        raise ValueError(_problem(tokens)) from None
    if np.isinf(found).any():
        for place in np.flatnonzero(np.isinf(found)).tolist():
            if any(48 <= sign <= 57 for sign in tokens[place]):  # noqa: PLR2004 - digits: beyond float64, not infinite
                found[place] = math.copysign(sys.float_info.max, found[place])
    return found


def _problem(tokens: list[bytes]) -> str:
    for place, token in enumerate(tokens):
        word = token.strip()
        if word in {b"...", b"\xe2\x80\xa6"}:
            return f"leaves numbers out ({word.decode()!r} at position {place}), as NumPy prints long arrays"
        if word.lower() in _NULLS:
            return f"holds {'nothing' if not word else 'a null'} at position {place}"
        if not _is_number(word):
            return f"holds {word[:_SHOWN].decode(errors='replace')!r} at position {place}, which is not a number"
    return "is not a vector"


def _is_number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return b"_" not in word
