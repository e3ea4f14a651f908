"""A table beside vectors that has ids of its own: in another order it is refused, and the option for that is named."""

from __future__ import annotations

import gzip
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from advised import run, says

from cyborg_ingest.errors import FormatError, SourceError
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 1200
IDS = [f"k{row}" for row in range(ROWS)]
ALL = [".csv", ".tsv", ".json", ".jsonl", ".parquet"]


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    np.save(tmp_path / "vectors.npy", np.arange(2 * ROWS, dtype=np.float32).reshape(ROWS, 2))
    (tmp_path / "ids.txt").write_text("".join(f"{one}\n" for one in IDS))
    return tmp_path / "vectors.npy"


def written(path: Path, frame: pd.DataFrame) -> Path:
    if path.suffix in {".csv", ".tsv"}:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=path.suffix == ".jsonl")
    return path


def read(vectors: Path, **beside: Any) -> list[tuple[str, Any, Any]]:
    settings = SourceSettings(ids=beside.pop("ids", vectors.with_name("ids.txt")), **beside)
    plan = make_plan((str(vectors),), settings)
    found: list[tuple[str, Any, Any]] = []
    for batch in cut(plan.chunks(100), plan.dimension, Cutting(100, 1_000_000, encoded=False)):
        nothing = [None] * len(batch)
        found += zip(batch.ids, batch.metadata or nothing, batch.contents or nothing, strict=True)
    return found


def table(order: list[int], column: str = "id", prefix: str = "k") -> pd.DataFrame:
    return pd.DataFrame({column: [f"{prefix}{row}" for row in order], "n": order, "text": [f"t{row}" for row in order]})


SHUFFLED = [int(row) for row in np.random.default_rng(7).permutation(ROWS)]
LATE = [*range(ROWS - 2), ROWS - 1, ROWS - 2]


@pytest.mark.parametrize("suffix", ALL)
@pytest.mark.parametrize("role", ["metadata", "contents"])
@pytest.mark.parametrize("column", ["id", "doc_id"])
def test_a_table_in_another_order_is_refused(vectors: Path, suffix: str, role: str, column: str) -> None:
    path = written(vectors.with_name(f"tab{suffix}"), table([*range(1, ROWS), 0], column))
    words = rf"--{role} .*: row 0 has the {column} 'k1', and --ids has 'k0' there.* --{role}-key {column},"
    with pytest.raises(FormatError, match=words) as refused:
        read(vectors, **{role: path})
    says(
        str(refused.value),
        " has the {} {}, and --ids has {} there: row by row they do not belong together. Say {}-key {}, and each row "
        "is found by its id; if that column is not an id of these vectors, rename it.",
    )
    assert len(read(vectors, **{role: path, f"{role}_key": column})) == ROWS


@pytest.mark.parametrize("suffix", ALL)
def test_a_row_far_behind_that_is_of_another_id_is_refused(vectors: Path, suffix: str) -> None:
    path = written(vectors.with_name(f"tab{suffix}"), table(LATE))
    with pytest.raises(SourceError, match=r"row 1,198 has the id 'k1199', and --ids has 'k1198' there"):
        read(vectors, metadata=path)


@pytest.mark.parametrize("suffix", ALL)
def test_with_the_key_of_one_option_alone_the_other_is_compared(vectors: Path, suffix: str) -> None:
    path = written(vectors.with_name(f"tab{suffix}"), table(SHUFFLED))
    with pytest.raises(FormatError, match="--contents .*--contents-key id"):
        read(vectors, metadata=path, contents=path, metadata_key="id")
    found = read(vectors, metadata=path, contents=path, metadata_key="id", contents_key="id")
    assert [(one, text) for one, _, text in found] == [(f"k{row}", f"t{row}") for row in range(ROWS)]
    assert [one["n"] for _, one, _ in found] == [*range(ROWS)]


@pytest.mark.parametrize("suffix", ALL)
def test_a_table_in_the_same_order_is_taken(vectors: Path, suffix: str) -> None:
    path = written(vectors.with_name(f"tab{suffix}"), table([*range(ROWS)]))
    found = read(vectors, metadata=path, contents=path)
    assert [(one, text) for one, _, text in found] == [(f"k{row}", f"t{row}") for row in range(ROWS)]
    assert [one["n"] for _, one, _ in found] == [*range(ROWS)]


@pytest.mark.parametrize("suffix", ALL)
def test_ids_that_are_whole_numbers_are_compared_as_text(vectors: Path, suffix: str) -> None:
    np.save(vectors.with_name("ids.npy"), np.arange(ROWS))
    frame = pd.DataFrame({"id": range(ROWS), "n": range(ROWS)})
    path = written(vectors.with_name(f"tab{suffix}"), frame)
    assert len(read(vectors, ids=vectors.with_name("ids.npy"), metadata=path)) == ROWS
    written(path, frame.iloc[::-1])
    with pytest.raises(FormatError, match="row 0 has the id '1199', and --ids has '0' there"):
        read(vectors, ids=vectors.with_name("ids.npy"), metadata=path)


def test_a_column_that_may_be_the_id_of_something_else_is_metadata(vectors: Path) -> None:
    path = written(vectors.with_name("tab.csv"), table([row // 4 for row in range(ROWS)], "document_id", "d"))
    assert [one["document_id"] for _, one, _ in read(vectors, metadata=path)][:5] == ["d0", "d0", "d0", "d0", "d1"]


def test_without_a_file_of_ids_nothing_is_compared(vectors: Path) -> None:
    path = written(vectors.with_name("tab.csv"), table(SHUFFLED))
    assert len(read(vectors, ids=None, metadata=path)) == ROWS


def test_a_load_names_the_option_and_that_mends_it(vectors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(vectors.parent)
    written(vectors.with_name("tab.csv"), table(SHUFFLED))
    upsert = ("upsert", "vectors.npy", "--ids", "ids.txt", "--metadata", "tab.csv", "--index", "i")
    rest = ("--target", "disk:d", "--dry-run", "--create", "--key-out", "k")
    code, told = run(*upsert, *rest)
    assert code == 2
    assert "Say --metadata-key id, and each row is found by its id" in " ".join(told.split())
    assert run(*upsert, *rest, "--metadata-key", "id")[0] == 0


def test_a_column_that_is_the_ids_in_the_first_rows_has_to_be_them_in_all(vectors: Path) -> None:
    """Files that were put together in another order, in pieces that end where a chunk does."""
    order = [*range(1000), *range(1100, ROWS), *range(1000, 1100)]
    path = written(vectors.with_name("m.csv"), table(order, "doc_id"))
    with pytest.raises(SourceError, match=r"row 1,000 has the doc_id 'k1100', and --ids has 'k1000' there"):
        read(vectors, metadata=path)
    assert [one[0] for one in read(vectors, metadata=path, metadata_key="doc_id")] == IDS


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl", ".parquet"])
def test_a_table_that_ends_before_vectors_of_unknown_number_do_is_named(suffix: str, tmp_path: Path) -> None:
    rows, some = 30, 12
    values = np.ones((rows, 2), "<f4")
    data = b"".join(struct.pack("<i", 2) + row.tobytes() for row in values)
    (tmp_path / "v.fvecs.gz").write_bytes(gzip.compress(data))
    (tmp_path / "ids.txt").write_text("".join(f"k{row}\n" for row in range(rows)))
    path = written(tmp_path / f"m{suffix}", table([*range(some)]))
    with pytest.raises((FormatError, SourceError), match=rf"m{suffix}.*(breaks off at|has {some} rows)"):
        read(tmp_path / "v.fvecs.gz", metadata=path)
