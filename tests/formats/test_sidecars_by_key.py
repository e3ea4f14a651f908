"""Files beside vectors in CSV, TSV and JSON, and files whose rows are in another order: joined by the ids."""

from __future__ import annotations

import base64
import json
import random
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from cyborg_ingest.errors import FormatError, IngestError, UsageError
from cyborg_ingest.formats.bounds import AtOnce
from cyborg_ingest.plan.job import describe_job
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

    from cyborg_ingest.model import Rejection

ROWS = 60
VECTORS = np.arange(1, 4 * ROWS + 1, dtype=np.float32).reshape(ROWS, 4)
IDS = [f"k{row}" for row in range(ROWS)]
CUTTING = Cutting(50, 1_000_000, encoded=False)
TABLE = {"id": IDS, "year": [*range(1960, 1960 + ROWS)], "title": [f'a, "b"\n{row}' for row in range(ROWS)]}


class Read:
    """What is loaded of vectors and of what is beside them."""

    def __init__(self, path: Path, **settings: Any) -> None:
        plan = make_plan((str(path),), SourceSettings(**settings))
        batches = list(cut(plan.chunks(7), plan.dimension, CUTTING))
        self.ids = [identity for batch in batches for identity in batch.ids]
        self.metadata = [one for batch in batches for one in batch.metadata or ()]
        self.contents = [one for batch in batches for one in batch.contents or ()]
        self.rejections: list[Rejection] = [one for batch in batches for one in batch.rejections]
        self.notes = plan.sources[0].layout.notes


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    np.save(tmp_path / "vectors.npy", VECTORS)
    (tmp_path / "ids.txt").write_text("".join(f"{one}\n" for one in IDS))
    return tmp_path / "vectors.npy"


def written(path: Path, frame: pd.DataFrame) -> Path:
    """The frame, in the format of the file's suffix, by pandas."""
    if path.suffix in {".csv", ".tsv"}:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=path.suffix == ".jsonl", force_ascii=False)
    return path


ALL = [".csv", ".tsv", ".json", ".jsonl", ".parquet"]


@pytest.mark.parametrize("suffix", ALL)
def test_metadata_and_contents_are_taken_row_by_row(vectors: Path, suffix: str) -> None:
    frame = pd.DataFrame(TABLE)
    metadata = written(vectors.with_name(f"meta{suffix}"), frame[["year", "title"]])
    texts = written(vectors.with_name(f"texts{suffix}"), frame[["title"]].rename(columns={"title": "text"}))
    found = Read(vectors, ids=vectors.with_name("ids.txt"), metadata=metadata, contents=texts)
    assert found.ids == IDS
    assert found.metadata == frame[["year", "title"]].to_dict("records")
    assert found.contents == TABLE["title"]


@pytest.mark.parametrize("suffix", ALL)
def test_ids_are_taken_from_a_column_named_so_or_from_the_only_one(vectors: Path, suffix: str) -> None:
    several = written(vectors.with_name(f"ids{suffix}"), pd.DataFrame({"id": IDS, "n": range(ROWS)}))
    assert Read(vectors, ids=several).ids == IDS
    one = written(vectors.with_name(f"one{suffix}"), pd.DataFrame({"id": IDS}))
    assert Read(vectors, ids=one).ids == IDS


@pytest.mark.parametrize("suffix", ALL)
def test_names_count_by_tiers_beside_vectors_too(vectors: Path, suffix: str) -> None:
    frame = pd.DataFrame({"chunk_id": ["x"] * ROWS, "id": IDS, "chunk": ["no"] * ROWS, "text": TABLE["title"]})
    path = written(vectors.with_name(f"rows{suffix}"), frame)
    found = Read(vectors, ids=path, contents=path)
    assert (found.ids, found.contents) == (IDS, TABLE["title"])


def test_an_array_of_plain_values_is_ids_or_contents(vectors: Path) -> None:
    ids, texts = vectors.with_name("ids.json"), vectors.with_name("texts.json")
    ids.write_text(json.dumps([*range(ROWS)]))
    texts.write_text(json.dumps(TABLE["title"]))
    found = Read(vectors, ids=ids, contents=texts)
    assert (found.ids, found.contents) == ([str(row) for row in range(ROWS)], TABLE["title"])


@pytest.mark.parametrize("suffix", ALL)
def test_rows_in_another_order_are_joined_by_their_key(vectors: Path, suffix: str) -> None:
    frame = pd.DataFrame(TABLE).sample(frac=1, random_state=3)
    path = written(vectors.with_name(f"meta{suffix}"), frame)
    texts = frame[["id", "title"]].rename(columns={"title": "text"}).iloc[::-1]
    beside = written(vectors.with_name(f"texts{suffix}"), texts)
    found = Read(
        vectors, ids=vectors.with_name("ids.txt"), metadata=path, metadata_key="id", contents=beside, contents_key="id"
    )
    expected = duckdb.from_df(pd.DataFrame(TABLE)).project("year, title").fetchall()
    assert [((one or {})["year"], (one or {})["title"]) for one in found.metadata] == expected
    assert all(set(one or {}) == {"year", "title"} for one in found.metadata)  # the key is the id
    assert found.contents == TABLE["title"]
    assert found.notes == ()


def test_row_numbers_are_keys_too(vectors: Path) -> None:
    path = written(vectors.with_name("meta.csv"), pd.DataFrame({"row": [*range(ROWS)][::-1], "n": range(ROWS)}))
    found = Read(vectors, metadata=path, metadata_key="row")
    assert [(one or {})["n"] for one in found.metadata] == [*range(ROWS)][::-1]


def test_missing_and_superfluous_keys_are_said(vectors: Path) -> None:
    frame = pd.DataFrame({"id": [*IDS[5:], "x", "y"], "n": range(ROWS - 3)})
    path = written(vectors.with_name("meta.csv"), frame)
    found = Read(vectors, ids=vectors.with_name("ids.txt"), metadata=path, metadata_key="id")
    assert found.notes == (
        f"{vectors}: 5 of 60 rows have no metadata in {path}, the first is 'k0'.",
        f"{path}: 2 of 57 rows are of no vector in {vectors}.",
    )
    assert found.metadata == [None] * 5 + [{"n": row} for row in range(ROWS - 5)]


@pytest.mark.parametrize(
    ("columns", "settings", "kind", "words"),
    [
        ({"id": ["k1", "k1", "k2"], "n": [1, 2, 3]}, {}, FormatError, r"several rows have one 'id': 'k1' in 2 rows"),
        ({"id": ["a", "b"], "n": [1, 2]}, {}, FormatError, r"--metadata-key id: no id of .* is in .*, the first one"),
        ({"id": ["a"], "n": [1]}, {"metadata_key": "no"}, FormatError, r"--metadata-key no: .* has no such column"),
        ({"n": [1]}, {"metadata_key": None}, FormatError, "has 1 rows and"),
        ({"n": [1]}, {"metadata_key": None, "contents_key": "id"}, UsageError, "--contents-key is a column of"),
    ],
)
def test_what_cannot_be_joined_is_an_error(
    vectors: Path, columns: dict[str, Any], settings: dict[str, Any], kind: type[Exception], words: str
) -> None:
    path = written(vectors.with_name("meta.csv"), pd.DataFrame(columns))
    asked = {"ids": vectors.with_name("ids.txt"), "metadata": path, "metadata_key": "id", **settings}
    with pytest.raises(kind, match=words):
        Read(vectors, **asked)


def test_a_bad_value_is_the_fault_of_the_row_that_it_belongs_to(vectors: Path) -> None:
    rows = [{"id": one, "n": row} for row, one in enumerate(IDS)]
    random.Random(4).shuffle(rows)
    lines = [json.dumps(one) if one["id"] != "k9" else '{"id": "k9", "n": NaN}' for one in rows]
    path = vectors.with_name("meta.jsonl")
    path.write_text("\n".join(lines))
    found = Read(vectors, ids=vectors.with_name("ids.txt"), metadata=path, metadata_key="id")
    assert found.ids == [one for one in IDS if one != "k9"]
    ((row, identity, reason),) = ((one.row, one.id, one.reason) for one in found.rejections)
    assert (row, identity, reason.value) == (9, "k9", "metadata_not_finite")
    path.write_text("\n".join(["{", *lines]))
    with pytest.raises(FormatError, match="--metadata-key id: row 0 cannot be read, so nothing says whose it is"):
        Read(vectors, ids=vectors.with_name("ids.txt"), metadata=path, metadata_key="id")


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json"])
def test_what_is_read_at_once_is_cut_by_bytes(vectors: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AtOnce, "text", 300)
    path = written(vectors.with_name(f"meta{suffix}"), pd.DataFrame(TABLE))
    for key in (None, "id") if suffix != ".parquet" else ("id",):
        found = Read(vectors, ids=vectors.with_name("ids.txt"), metadata=path, metadata_key=key)
        assert [(one or {})["year"] for one in found.metadata] == TABLE["year"], key


def test_options_for_delimited_files_are_for_those_beside_vectors_too(vectors: Path) -> None:
    path = vectors.with_name("meta.csv")
    path.write_text("zip;price\n" + "".join(f"{row:05};{row},5\n" for row in range(ROWS)))
    found = Read(vectors, metadata=path, decimal=",", column_types=("zip=text",))
    assert found.metadata == [{"zip": f"{row:05}", "price": row + 0.5} for row in range(ROWS)]


def test_a_changed_file_is_read_anew(vectors: Path) -> None:
    path = written(vectors.with_name("meta.csv"), pd.DataFrame({"id": IDS, "n": range(ROWS)}))
    settings = {"ids": vectors.with_name("ids.txt"), "metadata": path, "metadata_key": "id"}
    assert (Read(vectors, **settings).metadata[0] or {})["n"] == 0
    written(path, pd.DataFrame({"id": IDS, "n": range(100, 100 + ROWS)}))
    assert (Read(vectors, **settings).metadata[0] or {})["n"] == 100


@pytest.mark.parametrize(
    ("text", "words"),
    [('{"a": 1}', "it is not an array"), ("[1, 2", "its array is not closed"), ("[1] 2", "more follows")],
)
def test_json_beside_vectors_is_one_array(vectors: Path, text: str, words: str) -> None:
    vectors.with_name("ids.json").write_text(text)
    with pytest.raises(IngestError, match=words):
        Read(vectors, ids=vectors.with_name("ids.json"))


def test_the_keys_are_part_of_the_job() -> None:
    plain = describe_job("disk:x", "i", ("a.npy",), SourceSettings())
    assert describe_job("disk:x", "i", ("a.npy",), SourceSettings(metadata_key="id")) == {**plain, "metadata_key": "id"}


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_contents_by_key_may_be_bytes(suffix: str, vectors: Path) -> None:
    texts: list[Any] = [{"base64": base64.b64encode(bytes([row, 255])).decode()} for row in range(ROWS - 1)]
    rows = [{"id": identity, "contents": text} for identity, text in zip(IDS, [*texts, "text"], strict=True)]
    random.Random(5).shuffle(rows)
    path = vectors.parent / f"texts.{suffix}"
    path.write_text(json.dumps(rows) if suffix == "json" else "".join(json.dumps(row) + "\n" for row in rows))
    found = Read(vectors, ids=vectors.parent / "ids.txt", contents=path, contents_key="id")
    assert found.contents == [*(bytes([row, 255]) for row in range(ROWS - 1)), "text"]
    assert not found.rejections


def test_rows_larger_than_what_is_read_at_once_are_read_one_by_one(
    vectors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AtOnce, "text", 10)
    path = written(vectors.parent / "texts.csv", pd.DataFrame({"contents": TABLE["title"]}))
    found = Read(vectors, ids=vectors.parent / "ids.txt", contents=path)
    assert found.contents == TABLE["title"]
