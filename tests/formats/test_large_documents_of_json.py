"""Documents of JSON larger than what is looked at before a load: all in them is found, or named, as in small ones."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from rows_read import rows_read

from cyborg_ingest.formats import jsonforms

if TYPE_CHECKING:
    from pathlib import Path

IDS = [f"r{place}" for place in range(200)]
VECTORS = [[place + 0.5, -0.25] for place in range(200)]
SPANS: list[Any] = [{"doc_id": place, "spans": [place, 0.5], "pages": [{"box": [1, 2]}]} for place in range(200)]
CHROMA = {"ids": IDS, "embeddings": VECTORS, "metadatas": SPANS, "documents": [f"text {one}" for one in IDS]}


@pytest.fixture(autouse=True)
def short_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 200 rows 20 or so are seen."""
    monkeypatch.setattr(jsonforms, "LOOK_BYTES", 1000)


@pytest.mark.parametrize("names", [*itertools.permutations(["ids", "embeddings", "metadatas"])], ids="-".join)
def test_columns_are_columns_whatever_is_in_the_metadata_and_whichever_comes_first(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "x.json"
    path.write_text(
        json.dumps({"uris": None, **{name: CHROMA[name] for name in [*names, "documents"]}, "included": ["uris"]})
    )
    found = rows_read(path)
    assert (found.ids, found.vectors, found.metadata) == (IDS, VECTORS, SPANS)
    assert found.contents == CHROMA["documents"]


@pytest.mark.parametrize("names", [*itertools.permutations(["id", "vector", "metadata"])], ids="-".join)
def test_columns_of_pandas_are_too(names: tuple[str, ...], tmp_path: Path) -> None:
    columns = {"id": IDS, "vector": VECTORS, "metadata": SPANS}
    pd.DataFrame({name: columns[name] for name in names}).to_json(tmp_path / "x.json", orient="columns")
    found = rows_read(tmp_path / "x.json")
    assert (found.ids, found.vectors, found.metadata) == (IDS, VECTORS, SPANS)
