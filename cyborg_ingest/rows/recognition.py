"""Which encoding vectors of text or bytes have, by a sample: only where all of it agrees, else the user says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cyborg_ingest.rows.encodings import BASE64, DTYPES, HEX, TEXT, bytes_of_text, decoder
from cyborg_ingest.rows.vectortext import form_of, text_parser

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_SMALLEST, _LARGEST = 1e-12, 1e12
_SMALLEST_HALF, _LARGEST_HALF = 6e-6, 64.0
_USUAL, _USUAL_HALF = 0.95, 0.99
_SMALL = 1e-3
"""Real vectors of float16 that are read as float32 have about such numbers, or smaller ones."""
_FEWEST = 2
"""A single number without brackets is a number and no vector."""
_ENOUGH = 8
"""So many numbers of a usual size are none by chance."""
_BYTES = ("f32le", "f32be", "f16le", "f64le")
_SHOWN = 40
_FORMATS = (
    (b"\x93NUMPY", "a .npy file: write the numbers alone, with vector.tobytes()"),
    (b"\x80\x04", "a pickle, which is never loaded: it could run code. Write vector.tobytes()"),
    (b"\x80\x05", "a pickle, which is never loaded: it could run code. Write vector.tobytes()"),
)
WORDS = {
    "f32le": "float32 in bytes (f32le)",
    "f32be": "float32 in bytes, big-endian (f32be)",
    "f16le": "float16 in bytes (f16le)",
    "f64le": "float64 in bytes (f64le)",
    BASE64: "base64 of float32",
}


_PLAIN_TEXT = "They are numbers, or text of several with no brackets: --vector-encoding text reads that as vectors."
_ODD_BYTES = "Some are not a multiple of 4 bytes: --vector-encoding f32le rejects these, if the others are float32."
_NO_NUMBERS = (
    "As float32, float64 or float16 they would be numbers of an unusual size. Packed bits (ubinary) are not numbers: "
    "load the vectors that they were made of."
)


@dataclass(frozen=True, slots=True)
class Guess:
    """An encoding and the words on it; or "" and why it cannot be told."""

    encoding: str
    words: str


def recognised(values: Sequence[str | bytes]) -> Guess:
    """The one encoding that all of some values have."""
    if not values:
        return Guess("", "No row that was looked at holds one.")
    texts = [value.encode(errors="replace") if isinstance(value, str) else value for value in values]
    problem = _text_problem(texts)
    if not problem:
        return Guess(TEXT, described(TEXT, texts[0]))
    read = [_of_base64(text) for text in texts]
    written = [one for one in read if one is not None]
    found = _of_bytes(written) if len(written) == len(read) else None
    if found is not None and found.encoding:
        is_hex = texts[0].lstrip().startswith(HEX)
        return Guess(BASE64, "hexadecimal digits of float32" if is_hex else WORDS[BASE64])
    if isinstance(values[0], bytes):
        return _of_bytes(texts)
    odd = _odd_base64(texts, read)
    return found if found is not None and "--vector-encoding" in found.words and not odd else Guess("", odd or problem)


def _of_base64(text: bytes) -> bytes | None:
    try:
        return bytes_of_text(text)
    except ValueError:
        return None


def _odd_base64(texts: Sequence[bytes], read: Sequence[bytes | None]) -> str:
    """The words on the first text that is not base64 of float32, where others plainly are; else ""."""
    dtype = DTYPES[BASE64]
    is_whole = [bool(one) and len(one or b"") % dtype.itemsize == 0 for one in read]
    whole = [one for one, is_one in zip(read, is_whole, strict=True) if is_one and one is not None]
    is_clear = 2 * len(whole) > len(texts) or sum(map(len, whole)) >= _ENOUGH * dtype.itemsize
    if all(is_whole) or not whole or not is_clear or not _suits(whole, dtype):
        return ""
    why = confirmed([texts[is_whole.index(False)].decode(errors="replace")], BASE64).words
    return f"{why} Others are base64 of float32: --vector-encoding base64 rejects those that are not."


def confirmed(values: Sequence[str | bytes], encoding: str) -> Guess:
    """The encoding that the user says, unless not one of some values has it."""
    decode, why = decoder(encoding), ""
    for value in values:
        try:
            decode(value)
        except ValueError as error:
            why = why or f"One {error}."
        else:
            return Guess(encoding, described(encoding, value.encode() if isinstance(value, str) else value))
    return Guess("", why) if values else Guess(encoding, described(encoding, b""))


def described(encoding: str, first: bytes) -> str:
    """The words on an encoding, as the plan has them."""
    return f"text, {form_of(first)}" if encoding == TEXT and first else WORDS.get(encoding, encoding)


def _text_problem(texts: Sequence[bytes]) -> str:
    """Why a sample is not text of vectors; "" where it is."""
    parse, plain, problems = text_parser(), set(), []
    for text in texts:
        try:
            size = len(parse(text))
        except ValueError as error:
            problems.append(f"One {error}: {text[:_SHOWN].decode(errors='replace')!r}.")
            continue
        if text.lstrip()[:1] not in b"[{(":
            plain.add(size)
    if not problems:
        return "" if not plain or (len(plain) == 1 and min(plain) >= _FEWEST) else _PLAIN_TEXT
    is_odd = 2 * len(problems) < len(texts)
    return problems[0] + (
        " Most are text of vectors: --vector-encoding text rejects those that are not." if is_odd else ""
    )


def _of_bytes(data: Sequence[bytes]) -> Guess:
    what = next((words for begin, words in _FORMATS if all(one.startswith(begin) for one in data)), None)
    if what is None and all(map(_is_pgvector, data)):
        what = "pgvector's binary form: select embedding::real[], or embedding::text"
    if what is not None:
        return Guess("", f"Each holds {what}.")
    whole = [one for one in data if one and len(one) % 4 == 0]
    if len(data) > len(whole) > len(data) / 2 and _suits(whole, DTYPES["f32le"]):
        return Guess("", _ODD_BYTES)
    likely = [name for name in _BYTES if _suits(data, DTYPES[name])]
    if "f32le" in likely and not ("f16le" in likely and _median(data) < _SMALL):
        return Guess("f32le", WORDS["f32le"])
    if likely:
        kinds = " or ".join(WORDS[name] for name in likely)
        names = " or ".join(likely)
        return Guess("", f"They may be {kinds}, which nothing in them says: decide with --vector-encoding {names}.")
    return Guess("", _NO_NUMBERS)


def _is_pgvector(data: bytes) -> bool:
    """A header with the dimension, then big-endian numbers."""
    return len(data) > 4 and data[2:4] == b"\0\0" and int.from_bytes(data[:2], "big") * 4 == len(data) - 4  # noqa: PLR2004 - two int16


def _suits(data: Sequence[bytes], dtype: np.dtype[Any]) -> bool:
    """Whether bytes are numbers of this type: nearly all of the size that vectors have, since any bytes are some."""
    if any(not one or len(one) % dtype.itemsize for one in data):
        return False
    sizes = _sizes(data, dtype)
    smallest, largest, usual = _SMALLEST, _LARGEST, _USUAL
    if dtype.itemsize == np.float16().itemsize:
        smallest, largest, usual = _SMALLEST_HALF, _LARGEST_HALF, _USUAL_HALF
    return not len(sizes) or bool(np.mean((sizes > smallest) & (sizes < largest)) >= usual)


def _median(data: Sequence[bytes]) -> float:
    sizes = _sizes(data, DTYPES["f32le"])
    return float(np.median(sizes)) if len(sizes) else 1.0


def _sizes(data: Sequence[bytes], dtype: np.dtype[Any]) -> Any:
    """How far numbers are from zero, zeros left out."""
    with np.errstate(all="ignore"):
        found = np.abs(np.frombuffer(b"".join(data), dtype).astype(np.float64))
    return found[found != 0]
