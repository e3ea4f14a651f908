"""Row groups are left out by their statistics where it is proved that they hold no such row, and only there."""

from __future__ import annotations

import datetime
import math
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

ROWS, GROUP = 60, 10


def columns() -> dict[str, Any]:
    days = [datetime.date(2024, 1, 1) + datetime.timedelta(days=row) for row in range(ROWS)]
    return {
        "id": [f"r{row}" for row in range(ROWS)],
        "vector": [[1.0]] * ROWS,
        "year": list(range(2000, 2000 + ROWS)),
        "word": [f"w{row:02}" for row in range(ROWS)],
        "half": [row if row < 30 else None for row in range(ROWS)],
        "score": [math.nan if row % GROUP == 3 else float(row // GROUP) for row in range(ROWS)],
        "flag": [row >= 20 for row in range(ROWS)],
        "day": days,
        "moment": pa.array([datetime.datetime.combine(one, datetime.time(12)) for one in days], pa.timestamp("ns")),
        "large": pa.array([2**63 + row for row in range(ROWS)], pa.uint64()),
        "name with blanks": list(range(ROWS)),
        "data": [{"year": row, "none": None} for row in range(ROWS)],
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "rows.parquet"
    pq.write_table(pa.table(columns()), found, row_group_size=GROUP)
    return found


def groups(path: Path, where: str) -> list[int]:
    """The row groups that are read."""
    (source,) = make_plan((str(path),), SourceSettings(where=where)).sources
    return sorted(source.relevant if source.relevant is not None else range(ROWS // GROUP))


def ids(path: Path, where: str) -> list[str]:
    chunks = make_plan((str(path),), SourceSettings(where=where)).chunks(7)
    return [one for batch in cut(chunks, None, Cutting(7, 100_000, encoded=True)) for one in batch.ids]


def asked(where: str) -> list[str]:
    """By duckdb, of a table in memory: with the file's statistics it loses NaN itself."""
    data = pa.table(columns())
    with duckdb.connect() as database:
        database.register("data", data)
        database.execute("CREATE TABLE rows AS SELECT * FROM data")
        found = database.execute(f"SELECT id FROM rows WHERE {where}").fetchall()  # noqa: S608
    return sorted((row[0] for row in found), key=lambda one: int(one[1:]))


PRUNED = {
    "year = 2035": [3],
    "2035 = year": [3],
    "year IN (2005, 2055)": [0, 5],
    "year < 2010": [0],
    "year <= 2010": [0, 1],
    "NOT year > 2009": [0],
    "NOT (year < 2020 OR year >= 2030)": [2],
    "year BETWEEN 2031 AND 2033": [3],
    "year NOT BETWEEN 2010 AND 2049": [0, 5],
    "year < 2005 OR word > 'w55'": [0, 5],
    "year < 2015 AND word >= 'w10'": [1],
    "NOT (NOT year = 2035)": [3],
    "flag = TRUE": [2, 3, 4, 5],
    "flag = FALSE": [0, 1],
    "FALSE = flag AND year > 2005": [0, 1],
    "half IS NULL": [3, 4, 5],
    "half IS NOT NULL": [0, 1, 2],
    "NOT half IS NULL": [0, 1, 2],
    "score < 1": [0],
    "score = 2": [0, 1, 2],
    "score >= 4": [0, 1, 2, 3, 4, 5],
    "day = DATE '2024-01-15'": [1],
    "day > TIMESTAMP '2024-02-19 12:00:00'": [5],
    "moment > TIMESTAMP '2024-02-20 00:00:00'": [5],
    "large = 9223372036854775809": [0],
    '"name with blanks" > 55': [5],
    "data.year = 25": [2],
    "year > 9999": [],
}
"""Conditions and the groups that may hold such a row. A float may be NaN, which is behind all others."""


@pytest.mark.parametrize("where", PRUNED)
def test_only_row_groups_that_may_hold_such_a_row_are_read(path: Path, where: str) -> None:
    read = groups(path, where)
    assert ids(path, where) == asked(where)
    assert set(PRUNED[where]) <= set(read), "a group is left out that may hold such a row"
    if "large" not in where:  # of which older releases of pyarrow give other bounds
        assert read == PRUNED[where]


NEVER = [
    "score != 0", "NOT score = 0", "score NOT IN (0, 1)", "NOT score < 6", "score > 5", "year != 2005",
    "word LIKE 'w0%'", "word NOT LIKE 'w0%'", "NOT flag", "NOT flag = TRUE", "year < 2010 OR score > 5", "year = year",
    "data.none IS NULL",
]  # fmt: skip


@pytest.mark.parametrize("where", NEVER)
def test_what_statistics_do_not_prove_leaves_nothing_out(path: Path, where: str) -> None:
    assert ids(path, where) == asked(where)
    assert groups(path, where) == [0, 1, 2, 3, 4, 5]


def test_a_name_with_a_dot_is_not_judged_by_another_columns_field(tmp_path: Path) -> None:
    data = pa.table({"id": ["a", "b"], "vector": [[1.0]] * 2, "data": [{"n": 1}, {"n": 2}], "data.n": [10, 20]})
    pq.write_table(data, tmp_path / "dots.parquet", row_group_size=1)
    assert ids(tmp_path / "dots.parquet", "data.n = 20") == ["b"]


@pytest.mark.parametrize("statistics", [False, ["year"]])
def test_a_file_without_statistics_is_read_whole(tmp_path: Path, statistics: Any) -> None:
    found = tmp_path / "none.parquet"
    pq.write_table(pa.table(columns()), found, row_group_size=GROUP, write_statistics=statistics)
    assert groups(found, "word = 'w05'") == [0, 1, 2, 3, 4, 5]
    assert ids(found, "word = 'w05' AND year = 2005") == ["r5"]


def test_a_condition_that_does_not_fit_the_columns_is_an_error_although_it_rules_all_out(tmp_path: Path) -> None:
    found = tmp_path / "rows.parquet"
    pq.write_table(pa.table(columns()), found, row_group_size=GROUP)
    with pytest.raises(Exception, match="cannot be compared"):
        groups(found, "year > 9999 AND word = 5")


def test_text_that_a_writer_cut_short_in_its_statistics_is_found(tmp_path: Path) -> None:
    """As duckdb and others write them: the least and the greatest text, cut at some bytes."""
    found = tmp_path / "long.parquet"
    words = ["x" * 300 + str(row) for row in range(40)]
    rows = pa.table({"id": [f"r{row}" for row in range(40)], "vector": [[1.0]] * 40, "word": words})
    duckdb.from_arrow(rows).write_parquet(str(found), row_group_size=2048)
    for row in (0, 17, 39):
        assert ids(found, f"word = '{words[row]}'") == [f"r{row}"]
