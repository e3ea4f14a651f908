"""JSON without a row: a shard of nothing is left out of a folder and said, alone it is an error of that kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cyborg_ingest import sources
from cyborg_ingest.errors import EmptySourceError, FormatError
from cyborg_ingest.formats import READERS
from cyborg_ingest.formats.base import Sidecars
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

BOM = b"\xef\xbb\xbf"
NOTHING = {
    "no byte": b"", "blank lines": b" \n\n", "a mark": BOM, "a mark, blank": BOM + b"\n", "an array": b"[]",
    "two lines": b"[\n]\n", "a marked array": BOM + b"[ ]",
}  # fmt: skip


@pytest.mark.parametrize("what", NOTHING)
@pytest.mark.parametrize("name", ["json", "jsonl"])
def test_a_reader_says_itself_that_nothing_is_there(name: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{name}"
    path.write_bytes(NOTHING[what])
    with pytest.raises(EmptySourceError, match=r"it has blank lines only|the file is empty|its array is empty"):
        READERS[name].layout(str(path), Sidecars())
    settings = SourceSettings(format=name)
    with pytest.raises(EmptySourceError, match=r"a\.json.*--allow-empty"):
        make_plan((str(path),), settings)
    row = '{"id": "x", "vector": [1.0, 2.0]}'
    (tmp_path / f"b.{name}").write_text(row if name == "jsonl" else f"[{row}]")
    plan = make_plan((str(tmp_path),), settings)
    assert [source.layout.uri for source in plan.sources] == [str(tmp_path / f"b.{name}")]
    assert [(one.reason, one.count) for one in plan.not_read] == [(sources.Why.NO_ROWS, 1)]


@pytest.mark.parametrize("text", [b"[[]]", b"[] 1", b"[]\n{}x", b"null", b"[{}]"])
def test_a_line_that_is_no_object_is_an_error_all_the_same(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(text)
    with pytest.raises(FormatError) as caught:
        READERS["jsonl"].layout(str(tmp_path / "a.jsonl"), Sidecars())
    assert not isinstance(caught.value, EmptySourceError)


@pytest.mark.parametrize("name", ["metadata", "contents"])
def test_an_empty_file_beside_vectors_does_not_make_them_an_empty_shard(name: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((2, 3), np.float32))
    (beside := tmp_path / "beside.json").write_bytes(b" \n")
    more: dict[str, Any] = {name: beside, "id_prefix": "p"}
    with pytest.raises(FormatError, match=r"beside\.json") as caught:
        make_plan((str(tmp_path / "a.npy"),), SourceSettings(**more))
    assert not isinstance(caught.value, EmptySourceError)
