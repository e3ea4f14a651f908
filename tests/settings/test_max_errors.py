"""`--max-errors` is looked at by its own declaration, whoever gives it."""

from __future__ import annotations

from typing import Any

import pytest

from cyborg_ingest.errors import ArgumentTypeError, UsageError
from cyborg_ingest.settings.declaring import declarations
from cyborg_ingest.settings.options import LoadSettings


def settings(**options: Any) -> LoadSettings:
    return LoadSettings(sources=("x",), index="i", **options)


@pytest.mark.parametrize(("given", "kept"), [(0, "0"), (12, "12"), ("12", "12"), ("0.5%", "0.5%")])
def test_a_number_and_its_text_are_the_same(given: Any, kept: str) -> None:
    assert settings(max_errors=given).max_errors == kept


@pytest.mark.parametrize("given", [-1, "-1", "", "ten", "1 %", "1e3", "5" * 19, 10**18, "٣", "%"])
def test_what_is_neither_is_refused_by_what_was_given(given: Any) -> None:
    with pytest.raises(UsageError, match="it takes a number like 10, or a share like 0.5%"):
        settings(max_errors=given)


@pytest.mark.parametrize("given", [True, 1.5, None, ["1"], b"1"])
def test_another_type_is_refused_as_such(given: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="max_errors is"):
        settings(max_errors=given)


def test_no_other_text_may_be_a_number() -> None:
    """What is a text elsewhere stays one: an index called 5 is a slip of a program."""
    texts = [name for name, one in declarations(LoadSettings).items() if isinstance(getattr(settings(), name), str)]
    for name in [*texts, "id_column", "where", "target"]:
        if declarations(LoadSettings)[name].parse is None:
            with pytest.raises(ArgumentTypeError, match=f"{name} is int"):
                settings(**{name: 5})
