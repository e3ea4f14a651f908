"""Keys in foreign words that other programs told on: a form within one or two ways of telling a text."""

from __future__ import annotations

import base64
import html
import html.entities
import json
import random
import time
import urllib.parse
from typing import TYPE_CHECKING
from xml.sax import saxutils

import pytest
from key_forms import FORMS
from test_scrubbing import AMBIGUOUS

from cyborg_ingest.settings.scrubbing import MASK, Secrets

if TYPE_CHECKING:
    from collections.abc import Callable


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _references(text: str) -> str:
    return saxutils.escape(text).encode("ascii", "xmlcharrefreplace").decode()


def _named(text: str) -> str:
    names = html.entities.codepoint2name
    return "".join(f"&{names[ord(one)]};" if ord(one) in names else one for one in text)


WAYS: dict[str, Callable[[str], str]] = {
    "repr": repr, "repr of repr": lambda text: repr(repr(text)), "str of KeyError": lambda text: str(KeyError(text)),
    "JSON": json.dumps, "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "repr of bytes": lambda text: repr(_utf8(text)),
    "backslashes": lambda text: _utf8(text).decode("ascii", "backslashreplace"),
    "percent": lambda text: urllib.parse.quote(_utf8(text), safe=""),
    "percent and plus": lambda text: urllib.parse.quote_plus(_utf8(text)),
    "HTML": html.escape, "attribute": saxutils.quoteattr, "references": _references, "named references": _named,
    "base64": lambda text: base64.b64encode(_utf8(text)).decode(),
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(_utf8(text)).decode().rstrip("="),
    "hex": lambda text: _utf8(text).hex(),
}  # fmt: skip

PAIRS = [
    ("repr", "references"), ("JSON", "references"), ("repr of repr", "references"), ("references", "repr"),
    ("HTML", "repr"), ("HTML", "JSON"), ("HTML", "HTML"), ("repr", "HTML"), ("percent", "repr"), ("percent", "JSON"),
    ("percent", "references"), ("JSON", "percent"), ("base64", "repr"), ("base64", "JSON"), ("base64", "HTML"),
    ("JSON", "base64"), ("percent", "percent"), ("hex", "JSON"), ("percent", "base64 for addresses"),
]  # fmt: skip

SHORTER = {"both ends of the hex": 24, "the beginning of its repr": 16}
"""Forms that have fewer than all bytes of the key."""


def left(key: bytes, form: str, *ways: str) -> str:
    """The longest part of a told key that is not hidden, if that is more than seven bytes may take; else nothing."""
    told = FORMS[form](key)
    for way in reversed(ways):
        told = WAYS[way](told)
    found = Secrets(None, key).scrub(f"<<{told}>>")
    assert found.startswith("<<"), (form, ways)
    assert found.endswith(">>"), (form, ways)
    assert MASK in found, (form, ways, told)
    longest = max(found[2:-2].split(MASK), key=len)
    return longest if len(longest) > len(told) * 7 / SHORTER.get(form, 32) + 6 else ""


@pytest.mark.parametrize("form", FORMS)
def test_a_key_in_a_form_that_was_told_on_in_one_way_or_two_is_taken_out(form: str) -> None:
    keys = [*AMBIGUOUS, random.Random(form).randbytes(32)]
    for ways in [*((way,) for way in WAYS), *PAIRS]:
        for key in keys:
            assert not left(key, form, *ways), (ways, key.hex())


@pytest.mark.parametrize("ways", [("repr",), ("JSON",), ("repr of repr",), ("JSON in JSON",), ("HTML", "repr")])
@pytest.mark.parametrize("form", ["Latin-1 in XML", "raw, as UTF-8", "raw, as Latin-1", "Latin-1 with escapes"])
def test_backslashes_of_a_key_hide_nothing_of_what_stands_behind_them(form: str, ways: tuple[str, ...]) -> None:
    for seed in range(40):
        numbers = random.Random(seed)
        key = bytearray(numbers.randbytes(32))
        for place in numbers.sample(range(31), 2):
            key[place : place + 2] = b"\\" + numbers.choice([b"b", b"n", b"\x1d", b"\n", b"'", b"\\", b"\xe4"])
        assert not left(bytes(key), form, *ways), (seed, bytes(key))


def test_a_key_with_a_character_beyond_65_535_is_taken_out_of_json() -> None:
    for seed in range(20):
        key = bytearray(random.Random(seed).randbytes(32))
        key[20:24] = "😀".encode()
        assert not left(bytes(key), "raw, as UTF-8", "JSON")


@pytest.mark.parametrize("seed", range(3))
def test_what_others_told_on_stays(seed: int) -> None:
    numbers = random.Random(seed)
    known = Secrets("an-api-key-of-some-length", numbers.randbytes(32))
    words = json.dumps({"id": "row-17", "name": "Łódź & Söhne", "other": numbers.randbytes(32).hex()})
    texts = [way(words) for way in WAYS.values()]
    texts += [WAYS[outer](WAYS[inner](words)) for outer, inner in PAIRS]
    texts += [
        f"https://example.org/a%20b?of={numbers.randbytes(12).hex()}&amp;x=%41&copy;=1&unknown;",
        "\\UFFFFFFFF \\777",
    ]
    for text in texts:
        assert known.scrub(text) == text


def test_a_text_of_nothing_but_backslashes_costs_little() -> None:
    known, begun = Secrets(None, random.Random(1).randbytes(32)), time.monotonic()
    text = "\\" * 300_000
    assert known.scrub(text) == text
    assert time.monotonic() - begun < 20  # each from each other, it took hours
