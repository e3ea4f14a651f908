"""How an index may be made, before an engine is asked: what both of them take, as CyborgDB documents it."""

from __future__ import annotations

from typing import Any

import pytest

from cyborg_ingest.errors import ArgumentError, ArgumentTypeError
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.targets.arguments import LONGEST_NAME, check_options

GOOD: list[dict[str, Any]] = [
    {},
    {"dimension": 0}, {"dimension": 1}, {"dimension": 65_535},
    {"metric": "cosine"}, {"metric": "euclidean"}, {"storage_precision": "float16"},
    {"bm25_k1": 0}, {"bm25_k1": 0.0}, {"bm25_k1": 1e308}, {"bm25_b": 0.0}, {"bm25_b": 1}, {"bm25_b": 0.75},
    {"text_fields": ()}, {"text_fields": ("a", "b.c")}, {"kms_name": "mine"},
    {"metadata_schema": {}}, {"metadata_schema": {"a": {}}},
]  # fmt: skip
BAD: list[tuple[dict[str, Any], str]] = [
    ({"dimension": -1}, "dimension is -1; it must be 0 to 65,535"),
    ({"dimension": 65_536}, "dimension is 65536; it must be 0 to 65,535"),
    ({"metric": "manhattan"}, "metric is 'manhattan'; it takes "),
    ({"storage_precision": "int8"}, "storage_precision is 'int8'; it takes "),
    ({"bm25_k1": -0.1}, "bm25_k1 is -0.1; it must be at least 0, and finite"),
    ({"bm25_k1": float("inf")}, "bm25_k1 is inf; it must be at least 0, and finite"),
    ({"bm25_k1": float("nan")}, "bm25_k1 is nan; it must be at least 0, and finite"),
    ({"bm25_b": -0.1}, "bm25_b is -0.1; it must be 0 to 1"),
    ({"bm25_b": 1.1}, "bm25_b is 1.1; it must be 0 to 1"),
    ({"text_fields": ("",)}, "a field of text_fields is empty"),
    ({"metadata_schema": {"": {}}}, "a field of metadata_schema is empty"),
    ({"metadata_schema": {"a": {"odd": True}}}, "metadata_schema['a'] has 'odd'; it takes "),
]
OF_ANOTHER_TYPE: list[tuple[dict[str, Any], str]] = [
    ({"dimension": 1.0}, "dimension is float, not int"),
    ({"dimension": True}, "dimension is bool, not int"),
    ({"metric": 1}, "metric is 1; it takes "),
    ({"kms_name": b"mine"}, "kms_name is bytes, not str"),
    ({"bm25_k1": "1"}, "bm25_k1 is str, not a number"),
    ({"bm25_k1": True}, "bm25_k1 is bool, not a number"),
    ({"bm25_b": "1"}, "bm25_b is str, not a number"),
    ({"text_fields": "a"}, "text_fields is str, not a tuple of str"),
    ({"text_fields": (1,)}, "a field of text_fields is int, not str"),
    ({"metadata_schema": [1]}, "metadata_schema is list, not a dict"),
    ({"metadata_schema": {1: {}}}, "a field of metadata_schema is int, not str"),
    ({"metadata_schema": {"a": True}}, "metadata_schema['a'] is bool, not a dict"),
]


@pytest.mark.parametrize("options", GOOD, ids=str)
def test_what_both_engines_take_passes(options: dict[str, Any]) -> None:
    check_options("docs", CreateOptions(**options))


@pytest.mark.parametrize(("options", "words"), BAD, ids=str)
def test_what_is_beyond_the_bounds_is_refused_with_them(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        check_options("docs", CreateOptions(**options))
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(("options", "words"), OF_ANOTHER_TYPE, ids=str)
def test_what_is_of_another_type_is_refused_with_it(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentTypeError) as caught:
        check_options("docs", CreateOptions(**options))
    assert str(caught.value).startswith(words)


def test_the_longest_name_is_counted_in_bytes() -> None:
    check_options("é" * (LONGEST_NAME // 2), CreateOptions())
    with pytest.raises(ArgumentError, match=rf"has {LONGEST_NAME + 1} bytes; at most {LONGEST_NAME}"):
        check_options("é" * (LONGEST_NAME // 2) + "a", CreateOptions())
    with pytest.raises(ArgumentError, match="the service reserves it"):
        check_options("default", CreateOptions())
