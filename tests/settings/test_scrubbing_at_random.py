"""Keys in foreign words at random: in each form, within what other programs do to a text, cut, and damaged."""

from __future__ import annotations

import itertools
import json
import random
import string
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from key_forms import FORMS, pieces

from cyborg_ingest.errors import printable
from cyborg_ingest.settings.scrubbing import MASK, Secrets

if TYPE_CHECKING:
    from collections.abc import Callable

TELLING: dict[str, Callable[[str], str]] = {
    "as it is": str, "JSON": json.dumps, "JSON in JSON": lambda text: json.dumps(json.dumps(text)), "repr": repr,
    "repr of repr": lambda text: repr(repr(text)), "ascii": ascii, "printed": printable,
}  # fmt: skip

ENOUGH = 5
"""More than four bytes in a row are a part of a key."""


@given(st.integers(0, 2**32), st.sampled_from(sorted(FORMS)), st.sampled_from(sorted(TELLING)))
@settings(max_examples=300)
@example(0, "a list on many lines", "JSON")
@example(1, "hex in lines", "JSON")
@example(37808, "the beginning of its repr", "JSON")
def test_a_key_in_any_form_told_in_any_way_is_taken_out(seed: int, form: str, telling: str) -> None:
    key = random.Random(seed).randbytes(32)
    # behind it stands no hex digit: an `a` may as well be the next one of a key of which the beginning is told
    found = Secrets(None, key).scrub(f"before it {TELLING[telling](FORMS[form](key))} or behind")
    assert MASK in found
    assert found.startswith("before it ")
    assert found.endswith(" or behind")
    assert not [one for one in pieces(form, key) if len(one) > ENOUGH and one in found]


@given(st.integers(0, 2**32), st.sampled_from(["hex", "HEX", "hex with colons"]), st.integers(10, 60))
def test_no_more_than_four_bytes_of_hex_digits_that_were_cut_are_left(seed: int, form: str, length: int) -> None:
    key = random.Random(seed).randbytes(32)
    spelled = FORMS[form](key)
    found = Secrets(None, key).scrub(f"it was cut: {spelled[:length]}")
    plain = found.removeprefix("it was cut: ").replace(":", "").lower()
    assert not any(plain.count(key[start : start + ENOUGH].hex()) for start in range(32 - ENOUGH + 1))


@given(
    st.integers(0, 2**32),
    st.sampled_from(["ascii", "utf-8", "cp1252"]),
    st.sampled_from(["replace", "ignore", "backslashreplace"]),
    st.sampled_from(sorted(TELLING)),
    st.booleans(),
)
@settings(max_examples=300)
def test_what_is_left_of_a_key_that_was_taken_for_text_is_taken_out(
    seed: int, code: str, how: str, telling: str, mostly_text: bool
) -> None:
    numbers = random.Random(seed)
    # signs that no way of telling changes, so that what is looked for below would be seen
    signs = (string.ascii_letters + string.digits).encode() + (b"" if mostly_text else bytes(range(128, 256)))
    key = bytes(numbers.choices(signs, k=31)) + b"\xff"
    found = Secrets(None, key).scrub(f"(([{TELLING[telling](key.decode(code, how))}]))")
    runs = ["".join(run) for is_text, run in itertools.groupby(key.decode("latin-1"), str.isascii) if is_text]
    parts = [run[start : start + ENOUGH] for run in runs for start in range(len(run) - ENOUGH + 1)]
    assert not [part for part in parts if part in found]


@pytest.mark.parametrize("order", ["big", "little"])
def test_a_key_told_as_one_number_is_taken_out(order: Literal["big", "little"]) -> None:
    for seed in range(20):
        key = random.Random(seed).randbytes(32)
        number = str(int.from_bytes(key, order))
        assert Secrets(None, key).scrub(f"index_key={number}, 3 rows") == f"index_key={MASK}, 3 rows"


def test_a_dump_of_memory_keeps_its_addresses_alone() -> None:
    key = random.Random(7).randbytes(32)
    dump = "\n".join(f"{start:08x}  {key[start : start + 16].hex(' ')}" for start in (0, 16))
    assert Secrets(None, key).scrub(dump) == f"00000000  {MASK}\n00000010  {MASK}"


@pytest.mark.parametrize("seed", range(3))
def test_words_numbers_and_digests_of_others_stay(seed: int) -> None:
    numbers = random.Random(seed)
    known = Secrets("an-api-key-of-some-length", numbers.randbytes(32))
    words = [
        numbers.randbytes(32).hex(),
        str([numbers.randrange(256) for _ in range(500)]),
        repr(numbers.randbytes(300)),
        json.dumps([numbers.random() for _ in range(300)]),
        "%20".join(map(str, range(300))),
        "&#38; &#x26; \\n \\u0041 ????????????? \ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd",
        "The dimension of the vectors (3) is not 4; 10,000,000,000 rows",
    ]
    text = " ".join(words)
    assert known.scrub(text) == text
