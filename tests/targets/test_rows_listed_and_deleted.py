"""The ids of an index are those of its rows, and a row that is deleted is gone, on both engines alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import KEY

from cyborg_ingest.errors import ArgumentError, NoIndexError

if TYPE_CHECKING:
    from conftest import Engine

IDS = ["a", "ä", "with blank", "x" * 3000, "\0", "0"]


def test_ids_are_listed_and_rows_deleted(engine: Engine) -> None:
    with engine.connect() as client, engine.make(client) as index:
        assert index.list_ids() == []
        index.upsert_binary(IDS, np.ones((len(IDS), 4), np.float32))
        assert sorted(index.list_ids()) == sorted(IDS)
        index.delete_rows(["ä", "x" * 3000, "nobody", "ä"])
        assert sorted(index.list_ids()) == sorted({*IDS} - {"ä", "x" * 3000})
        assert index.count() == 4
        index.delete_rows([])
        assert index.count() == 4
        name = index.name
    assert set(engine.read(name, IDS, KEY)) == {"a", "with blank", "\0", "0"}


def test_what_is_no_list_of_ids_is_refused_and_nothing_is_deleted(engine: Engine) -> None:
    with engine.connect() as client, engine.make(client) as index:
        index.upsert_binary(IDS, np.ones((len(IDS), 4), np.float32))
        for odd in ("a", [1], ["a", None], None):
            with pytest.raises(ArgumentError):
                index.delete_rows(odd)  # type: ignore[arg-type]
        assert index.count() == len(IDS)
        with pytest.raises(NoIndexError):
            client.index("nowhere", KEY).list_ids()
