"""The forms that a key may have: raw bytes, hex digits or base64, in a file, a variable or a program; never shown."""

from __future__ import annotations

import base64
import binascii
import codecs
import contextlib

from cyborg_ingest.errors import KeyFileError

KEY_BYTES = 32


def parsed(data: bytes, source: str) -> bytes:
    """The key in one of its forms. `source` says where it is from. Raises KeyFileError."""
    text = plain(data)
    key = data if len(data) == KEY_BYTES else _from_digits(text)
    if key is None:
        raise KeyFileError(f"{source} is not a key: it takes 32 raw bytes, 64 hex digits, or base64 of 32 bytes.")
    return usable(key, source)


def usable(key: bytes, source: str) -> bytes:
    """The key, if the engine takes it. Raises KeyFileError."""
    if not any(key):
        raise KeyFileError(f"{source} is all zeros, which the engine does not take as a key.")
    return key


def plain(data: bytes) -> bytes:
    """Text without what editors put around it: a byte order mark, UTF-16, blanks at the ends."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace").strip().encode(errors="replace")
    return data.removeprefix(codecs.BOM_UTF8).strip()


def from_hex(text: bytes) -> bytes | None:
    """The key of 64 hex digits; None where it is none."""
    with contextlib.suppress(ValueError):
        key = binascii.unhexlify(text[2:] if text[:2] in {b"0x", b"0X"} else text)
        return key if len(key) == KEY_BYTES else None
    return None


def from_text(text: str) -> bytes | None:
    """The key that a text spells, as hex or base64; None where it is none."""
    return _from_digits(text.strip().encode(errors="replace"))


def _from_digits(text: bytes) -> bytes | None:
    return from_hex(text) or _from_base64(text)


def _from_base64(text: bytes) -> bytes | None:
    with contextlib.suppress(ValueError):
        padded = text + b"=" * (-len(text) % 4)
        key = base64.b64decode(padded.replace(b"-", b"+").replace(b"_", b"/"), validate=True)
        return key if len(key) == KEY_BYTES else None
    return None


def is_literal(text: str) -> bool:
    """Whether a text is the hex digits of a key."""
    return from_hex(text.strip().encode(errors="replace")) is not None
