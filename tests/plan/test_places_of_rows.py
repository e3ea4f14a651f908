"""Which rows are asked for, by their places among the rows of all sources, whatever the sources are cut into."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

    from cyborg_ingest.plan.reading import Plan

SCHEMA = pa.schema({"id": pa.string(), "vector": pa.list_(pa.float32()), "n": pa.int64(), "lang": pa.string()})


def rows(start: int, stop: int) -> list[dict[str, Any]]:
    return [
        {"id": f"r{row}", "vector": [float(row), 1.0], "n": row, "lang": "en" if row % 3 else "de"}
        for row in range(start, stop)
    ]


def parquet(path: Path, *groups: list[dict[str, Any]]) -> Path:
    with pq.ParquetWriter(path, SCHEMA) as out:
        for group in groups:
            out.write_table(pa.Table.from_pylist(group, SCHEMA), row_group_size=100)
    return path


def planned(*paths: Path, **options: Any) -> Plan:
    return make_plan(tuple(map(str, paths)), SourceSettings(**options))


def ids(plan: Plan, rows: int = 4) -> list[str]:
    return [
        one for batch in cut(plan.chunks(rows), plan.dimension, Cutting(5, 100_000, encoded=True)) for one in batch.ids
    ]


def names(*numbers: int) -> list[str]:
    return [f"r{one}" for one in numbers]


@pytest.mark.parametrize("place", ["first", "between", "last"])
def test_a_row_group_without_rows_shifts_no_place(tmp_path: Path, place: str) -> None:
    groups = {"first": [[], rows(0, 10)], "between": [rows(0, 4), [], rows(4, 10)], "last": [rows(0, 10), []]}[place]
    path = parquet(tmp_path / "rows.parquet", *groups)
    assert pq.ParquetFile(path).num_row_groups == len(groups)
    assert ids(planned(path, skip=3)) == names(*range(3, 10))
    assert ids(planned(path, skip=3, limit=4)) == names(*range(3, 7))
    whole = parquet(tmp_path / "whole.parquet", rows(0, 10))
    for sample in (1, 3, 9):
        assert ids(planned(path, sample=sample)) == ids(planned(whole, sample=sample))


def mixed(folder: Path) -> list[Path]:
    """40 rows in five files of four formats, the first of no row at all in its first group."""
    folder.mkdir(exist_ok=True)
    first = parquet(folder / "a.parquet", [], rows(0, 7), rows(7, 11))
    second, third, fourth, fifth = (folder / name for name in ("b.jsonl", "c.csv", "d.arrow", "e.json"))
    second.write_text("\n".join(json.dumps(one) for one in rows(11, 18)))
    lines = [f'{one["id"]},"{json.dumps(one["vector"])}",{one["n"]},{one["lang"]}' for one in rows(18, 26)]
    third.write_text("\n".join(["id,vector,n,lang", *lines]))
    with pa.ipc.new_file(fourth, SCHEMA) as out:
        out.write_table(pa.Table.from_pylist(rows(26, 35), SCHEMA), max_chunksize=4)
    fifth.write_text(json.dumps(rows(35, 40)))
    return [first, second, third, fourth, fifth]


@pytest.mark.parametrize("skip", [0, 5, 11, 12, 30, 39, 40])
@pytest.mark.parametrize("limit", [None, 1, 9, 40])
def test_skip_limit_and_a_condition_count_alike_over_files_of_several_formats(
    tmp_path: Path, skip: int, limit: int | None
) -> None:
    paths = mixed(tmp_path / "data")
    options: dict[str, Any] = {"skip": skip} | ({"limit": limit} if limit else {})
    assert ids(planned(*paths, **options)) == names(*range(skip, 40))[:limit]
    expected = [row for row in range(skip, 40) if row % 3 == 0 and row > 7]
    assert ids(planned(*paths, where="lang = 'de' AND n > 7", **options)) == names(*expected)[:limit]


def test_a_sample_is_taken_of_the_rows_that_skip_leaves_and_the_condition_takes(tmp_path: Path) -> None:
    paths = mixed(tmp_path / "data")
    for skip, limit, size in itertools.product((0, 13), (None, 4), (1, 6, 12, 100)):
        options: dict[str, Any] = {"skip": skip, "sample": size, "where": "lang = 'de' AND n > 7"}
        found = ids(planned(*paths, **options | ({"limit": limit} if limit else {})))
        expected = [row for row in range(skip, 40) if row % 3 == 0 and row > 7]
        assert len(found) == min(size, limit or size, len(expected))
        assert found == sorted(found, key=lambda one: int(one[1:]))
        assert set(found) <= set(names(*expected))
        whole = ids(planned(*paths, **options))
        assert found == whole[: limit or len(whole)]
        assert whole == ids(planned(*paths, **options), rows=1)


def test_a_sample_is_not_always_the_first_rows(tmp_path: Path) -> None:
    paths = mixed(tmp_path / "data")
    assert ids(planned(*paths, sample=10)) != names(*range(10))
    assert ids(planned(*paths, sample=40)) == names(*range(40))


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        ({}, [11, 10]),
        ({"skip": 4}, [7, 10]),
        ({"skip": 11}, [0, 10]),
        ({"skip": 15}, [0, 6]),
        ({"skip": 30}, [0, 0]),
        ({"limit": 5}, [5, 0]),
        ({"limit": 12}, [11, 1]),
        ({"skip": 4, "limit": 9}, [7, 2]),
        ({"skip": 12, "limit": 3}, [0, 3]),
    ],
)
def test_how_many_rows_are_expected_of_each_file_is_exact_where_the_headers_say_so(
    tmp_path: Path, options: dict[str, int], counts: list[int]
) -> None:
    first = parquet(tmp_path / "a.parquet", rows(0, 7), rows(7, 11))
    second = parquet(tmp_path / "b.parquet", rows(0, 10))
    plan = planned(first, second, **options)
    assert plan.expected() == [(count, count) for count in counts]
    assert plan.rows == sum(counts) == len(ids(plan))


def test_how_many_rows_are_expected_is_not_known_behind_a_condition_or_a_file_that_does_not_say(tmp_path: Path) -> None:
    first = parquet(tmp_path / "a.parquet", rows(0, 11))
    second = tmp_path / "b.jsonl"
    second.write_text("\n".join(json.dumps(one) for one in rows(11, 18)))
    assert planned(first, where="n > 3").expected() == [(None, 11)]
    assert planned(first, where="n > 3").rows is None
    (known, unknown) = planned(first, second).expected()
    assert known == (11, 11)
    assert unknown[0] is None
    assert 4 <= unknown[1] <= 10
    assert planned(second, first, skip=2).expected()[1][0] is None  # nobody knows where it begins
    assert planned(first, sample=5).rows == 5
    assert planned(first, sample=5, limit=3).rows == 3


@pytest.mark.parametrize(("name", "ids_of_rows"), [("rows.npy.gz", "rows"), ("rows.npy", "rows"), ("a.b.npy", "a.b")])
def test_ids_by_the_files_name_are_the_same_whether_it_is_compressed_or_not(
    tmp_path: Path, name: str, ids_of_rows: str
) -> None:
    import gzip  # noqa: PLC0415 - of this test alone

    path = tmp_path / name
    np.save(tmp_path / "plain.npy", np.ones((2, 2), np.float32))
    data = (tmp_path / "plain.npy").read_bytes()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert ids(planned(path, id_prefix="{file}-")) == [f"{ids_of_rows}-0", f"{ids_of_rows}-1"]


def test_two_fields_can_change_their_names_with_each_other_and_be_set_beside(tmp_path: Path) -> None:
    objects = [{"id": "a", "vector": [1.0], "metadata": {"x": 1, "y": 2, "z": 3}, "n": 4, "m": 5}]
    (tmp_path / "rows.jsonl").write_text(json.dumps(objects[0]))
    pq.write_table(pa.Table.from_pylist(objects), tmp_path / "rows.parquet")
    for name in ("rows.jsonl", "rows.parquet"):
        swapped: dict[str, Any] = {"rename": ("x=y", "y=x", "n=m", "m=n"), "set": ("v=7", 'w="n"')}
        (batch,) = cut(planned(tmp_path / name, metadata_columns=("n", "m"), **swapped).chunks(9), None,
                       Cutting(5, 100_000, encoded=True))  # fmt: skip
        assert batch.metadata == [{"y": 1, "x": 2, "z": 3, "m": 4, "n": 5, "v": 7, "w": "n"}]
        assert not batch.rejections
        (batch,) = cut(planned(tmp_path / name, rename=("x=y",)).chunks(9), None, Cutting(5, 100_000, encoded=True))
        assert [one.reason.value for one in batch.rejections] == ["metadata_invalid"]
