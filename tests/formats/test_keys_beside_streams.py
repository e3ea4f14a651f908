"""Files beside vectors whose rows only the end of the file tells: what is said of keys holds, or is not said."""

from __future__ import annotations

import gzip
import json
import struct
from typing import TYPE_CHECKING, Any

import pytest
from rows_read import rows_read

from cyborg_ingest.errors import FormatError
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

IDS = [f"k{row}" for row in range(20)]


def written(path: Path, metadata: dict[str, int]) -> Path:
    """Vectors as Faiss' fvecs, compressed or not; and metadata by key."""
    data = b"".join(struct.pack("<i2f", 2, row + 0.5, 1.0) for row in range(len(IDS)))
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    path.with_name("ids.txt").write_text("".join(f"{one}\n" for one in IDS))
    rows = [{"key": name, "n": number} for name, number in metadata.items()]
    path.with_name("meta.json").write_text(json.dumps(rows))
    return path


def notes_on(path: Path, **options: Any) -> str:
    found = make_plan((str(path),), SourceSettings(metadata=path.with_name("meta.json"), metadata_key="key", **options))
    return "\n".join(found.sources[0].layout.notes).replace(f"{path.parent}/", "")


@pytest.mark.parametrize("name", ["v.fvecs", "v.fvecs.gz"])
def test_what_is_missing_is_counted_where_ids_tell_the_rows(name: str, tmp_path: Path) -> None:
    path = written(tmp_path / name, {one: place for place, one in enumerate([*IDS[3:], "other"])})
    ids = tmp_path / "ids.txt"
    assert notes_on(path, ids=ids) == (
        f"{name}: 3 of 20 rows have no metadata in meta.json, the first is 'k0'.\n"
        f"meta.json: 1 of 18 rows are of no vector in {name}."
    )
    found = rows_read(path, ids=ids, metadata=tmp_path / "meta.json", metadata_key="key")
    assert found.metadata == [None] * 3 + [{"n": place} for place in range(17)]
    with pytest.raises(FormatError, match="no id of .* is in .*, the first one is 'k0'"):
        notes_on(written(path, {"x": 1}), ids=ids)


def test_what_nobody_can_know_is_not_said(tmp_path: Path) -> None:
    metadata = {f"v-{row}": row for row in range(20)}
    assert notes_on(written(tmp_path / "v.fvecs", metadata), id_prefix="v-") == ""
    path = written(tmp_path / "v.fvecs.gz", metadata)
    assert notes_on(path, id_prefix="v-") == ""
    found = rows_read(path, id_prefix="v-", metadata=tmp_path / "meta.json", metadata_key="key")
    assert (found.ids, found.metadata) == ([*metadata], [{"n": row} for row in range(20)])


@pytest.mark.parametrize("name", ["v.fvecs", "v.fvecs.gz"])
def test_ids_in_another_order_are_seen_before_a_row_is_read(name: str, tmp_path: Path) -> None:
    path = written(tmp_path / name, {})
    path.with_name("meta.json").write_text(json.dumps([{"id": one, "n": 1} for one in reversed(IDS)]))
    with pytest.raises(FormatError, match="row 0 has the id 'k19', and --ids has 'k0' there"):
        make_plan((str(path),), SourceSettings(ids=tmp_path / "ids.txt", metadata=tmp_path / "meta.json"))


def test_about_as_many_rows_are_told_as_go_with_them(tmp_path: Path) -> None:
    path = written(tmp_path / "v.fvecs.gz", {})
    layout = make_plan((str(path),), SourceSettings(ids=tmp_path / "ids.txt")).sources[0].layout
    assert (layout.rows, layout.rows_estimate) == (None, 20)
