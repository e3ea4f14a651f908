"""A table of very many columns is mapped in time that grows with them, not with their square."""

from __future__ import annotations

import time

import pyarrow as pa
import pytest

from cyborg_ingest.errors import MappingError
from cyborg_ingest.rows.mapping import ColumnChoice, map_columns

MANY = 16_000
NUMBERS, TEXTS = [f"v{place}" for place in range(MANY)], [f"m{place}" for place in range(MANY)]
SCHEMA = pa.schema(
    [("id", pa.string()), *((one, pa.float32()) for one in NUMBERS), *((one, pa.string()) for one in TEXTS)]
)
MOST_SECONDS = 15
"""Of this process alone. Names took 60 on the machine where they now take half a second."""


@pytest.mark.parametrize("given", ["v*", ",".join(NUMBERS)], ids=["a pattern", "names"])
def test_vectors_of_many_columns(given: str) -> None:
    begin = time.process_time()
    found = map_columns("rows.parquet", SCHEMA, ColumnChoice(vector=given))
    assert time.process_time() - begin < MOST_SECONDS
    assert (list(found.vector_columns), list(found.metadata_columns)) == (NUMBERS, TEXTS)


def test_a_name_that_is_given_twice_among_many_is_found() -> None:
    with pytest.raises(MappingError, match=f"names '{NUMBERS[-1]}' twice"):
        map_columns("rows.parquet", SCHEMA, ColumnChoice(vector="v*,v15999"))
