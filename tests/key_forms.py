"""A key as other programs spell it: each form is made by Python's own libraries, not by ours."""

from __future__ import annotations

import array
import base64
import json
import textwrap
import urllib.parse
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

FORMS: dict[str, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "HEX": lambda key: key.hex().upper(),
    "0x": lambda key: "0x" + key.hex(),
    "hex with colons": lambda key: key.hex(":"),
    "hex with blanks": lambda key: key.hex(" ", 4),
    "repr": repr,
    # but for bytes that happen to be a character of UTF-8, of which two or three may stay at an end
    "ascii of a text": lambda key: ascii("".join(chr(one if one < 128 else 0xDC00 + one) for one in key)),
    "a bytearray": lambda key: repr(bytearray(key)),
    "repr of repr": lambda key: repr(repr(key)),
    "a memoryview's list": lambda key: repr(memoryview(key).tolist()),
    "a tuple": lambda key: str(tuple(key)),
    "a list without blanks": lambda key: json.dumps(list(key), separators=(",", ":")),
    "a list on many lines": lambda key: json.dumps(list(key), indent=2),
    "an array of numpy": lambda key: repr(np.frombuffer(key, np.uint8)),
    "a print of numpy": lambda key: str(np.frombuffer(key, np.uint8)),
    "signed bytes": lambda key: repr(np.frombuffer(key, np.int8)),
    "an array": lambda key: repr(array.array("B", key)),
    "hex numbers": lambda key: ", ".join(f"0x{one:02x}" for one in key),
    "short hex numbers": lambda key: " ".join(f"{one:x}" for one in key),
    "JSON of Latin-1": lambda key: json.dumps(key.decode("latin-1")),
    "JSON of Latin-1, as it is": lambda key: json.dumps(key.decode("latin-1"), ensure_ascii=False),
    "raw, as Latin-1": lambda key: key.decode("latin-1"),
    "raw, as UTF-8": lambda key: key.decode("utf-8", "surrogateescape"),
    "escapes of C": lambda key: "".join(f"\\x{one:02x}" for one in key),
    "octal escapes": lambda key: "".join(f"\\{one:03o}" for one in key),
    "base64": lambda key: base64.b64encode(key).decode(),
    "base64 for addresses": lambda key: base64.urlsafe_b64encode(key).decode(),
    "base64 without its end": lambda key: base64.b64encode(key).decode().rstrip("="),
    "base64 in an address": lambda key: urllib.parse.quote(base64.b64encode(key).decode(), safe=""),
    "base64 of the hex": lambda key: base64.b64encode(key.hex().encode()).decode(),
    "base64 of more": lambda key: base64.b64encode(b"user:" + key + b";").decode(),
    "percent": lambda key: urllib.parse.quote(key, safe=""),
    "percent, plus for a blank": urllib.parse.quote_plus,
    "all percent": lambda key: "".join(f"%{one:02X}" for one in key),
    "base32": lambda key: base64.b32encode(key).decode(),
    "percent twice": lambda key: urllib.parse.quote(urllib.parse.quote(key, safe="")),
    "entities": lambda key: "".join(f"&#{one};" for one in key),
    "hex entities": lambda key: "".join(f"&#x{one:x};" for one in key),
    "Latin-1 in XML": lambda key: key.decode("latin-1").encode("ascii", "xmlcharrefreplace").decode(),
    "Latin-1 with escapes": lambda key: key.decode("latin-1").encode("ascii", "backslashreplace").decode(),
    "hex in lines": lambda key: "\n    ".join(textwrap.wrap(key.hex(), 20)),
    "a list of hex texts": lambda key: str([hex(one) for one in key]),
    "both ends of the hex": lambda key: f"{key.hex()[:24]}...{key.hex()[-24:]}",
    "the beginning of its repr": lambda key: repr(key[:16]),
}

WHOLE = {
    "hex in lines",
    "base32",
    "both ends of the hex",
    "the beginning of its repr",
    "base64 of more",
    "base64 of the hex",
}
"""Forms whose pieces are not the form of a piece."""


def pieces(form: str, key: bytes, size: int = 6) -> set[str]:
    """What of a spelled key must be nowhere: the spelling of any so many bytes in a row, without what is around it."""
    spelled = FORMS[form](key)
    if form in WHOLE or "base64" in form:
        body = spelled.strip("b'=")
        return {body[start : start + 11] for start in range(len(body) - 10)} - {"...", ""}
    found = set()
    for start in range(len(key) - size + 1):
        piece = FORMS[form](key[start : start + size])
        body = piece.removeprefix("bytearray(").removeprefix("array('B', ").removeprefix("0x")
        for sign in ("b'", 'b"', "[", "(", "'", '"'):
            body = body.removeprefix(sign)
        for sign in (", dtype=uint8)", ", dtype=int8)", ")", "]", "'", '"'):
            body = body.removesuffix(sign)
        found.add(body.strip("[]()'\" \n"))
    return found - {""}
