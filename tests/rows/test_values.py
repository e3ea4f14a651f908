"""JSON, dates and contents reach an engine as they were."""

from __future__ import annotations

import datetime
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyborg_ingest.rows import values

UTC = datetime.timezone.utc
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values))
def test_an_object_written_and_read_again_is_the_same(value: dict[str, object]) -> None:
    text = values.dump_object(value)
    assert values.load_object(text) == value
    assert json.loads(text) == value


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**63) - 1, 2**100, 10**400])
def test_integers_beyond_64_bits_stay_integers(number: int) -> None:
    text = b'{"n":%d}' % number
    assert values.load_object(text) == {"n": number}
    assert values.dump_object({"n": number}) == text


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_are_refused_at_any_depth(number: float) -> None:
    with pytest.raises(values.NotFiniteError):
        values.dump_object({"a": [{"b": number}], "c": None})
    with pytest.raises(values.NotFiniteError):
        values.dump_object({"a": (number,), "big": 2**70})


@pytest.mark.parametrize("text", [b'{"a":NaN}', b'{"a":[-Infinity]}', b'{"a":1e400}'])
def test_text_that_holds_them_is_refused_too(text: bytes) -> None:
    with pytest.raises(values.NotFiniteError):
        values.load_object(text)


@pytest.mark.parametrize("text", [b"[1]", b'"a"', b"3", b"true", b"null", b"{", b"", b'{"a":"\xff"}'])
def test_what_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        values.load_object(text)


@pytest.mark.parametrize("value", [{"a": {1, 2}}, {"a": "\ud800"}, {"a": b"x"}, {"a": object()}])
def test_what_json_cannot_hold_is_a_value_error(value: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        values.dump_object(value)


def test_a_deeply_nested_object_is_no_crash() -> None:
    text = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    with pytest.raises(ValueError, match=r"."):
        values.load_object(text)


def test_dates_become_epoch_milliseconds_at_any_depth() -> None:
    naive = datetime.datetime(2020, 1, 1, 12)  # noqa: DTZ001 - a naive one is what is tested
    aware = naive.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    text = values.dump_object({"naive": naive, "aware": [aware], "day": {"day": datetime.date(1969, 12, 31)}})
    day = -86_400_000
    assert json.loads(text) == {"naive": 1577880000000, "aware": [1577872800000], "day": {"day": day}}


@given(st.datetimes(min_value=datetime.datetime(1800, 1, 1)))  # noqa: DTZ001
def test_microseconds_are_rounded_down(moment: datetime.datetime) -> None:
    milliseconds = values.epoch_milliseconds(moment)
    exact = (moment.replace(tzinfo=UTC) - datetime.datetime(1970, 1, 1, tzinfo=UTC)) // datetime.timedelta(
        microseconds=1
    )
    assert milliseconds == exact // 1000


def test_contents_are_text_and_bytes_base64() -> None:
    assert values.contents_text("é\x00") == "é\x00"
    assert values.contents_text(b"\x00\xff") == "AP8="
    assert values.contents_text(None) == ""
