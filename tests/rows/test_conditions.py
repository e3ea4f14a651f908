"""`--where` takes the rows that duckdb and sqlite take, from every format, whatever is decoded at once."""

from __future__ import annotations

import csv
import datetime
import functools
import json
import math
import random
import sqlite3
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cyborg_ingest.errors import UsageError
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.rows.conditions import parse_condition
from cyborg_ingest.rows.filters import parse_filter
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = 90
SEEDS = 3
TEXTS = [
    "",
    "a",
    "A",
    "ab",
    "aB",
    "b",
    "50%",
    "50\\%",
    "a_b",
    "axb",
    "a\nb",
    "it's",
    "é",
    "É",
    "straße",
    "STRASSE",
    "%",
]
WHOLE = [-129, -1, 0, 1, 2, 3, 127, 128, 2**40, 2**53 + 1, -(2**63), 2**63 - 1]
FLOATS = [-1.5, -0.0, 0.0, 0.1, 0.5, 1.0, 2.0, 1e300, 5e-324, math.inf, -math.inf]
DAYS = [datetime.date(1969, 12, 31), datetime.date(1970, 1, 1), datetime.date(2024, 2, 29), datetime.date(9999, 12, 31)]
MOMENTS = [
    datetime.datetime(1969, 12, 31, 23, 59, 59, 999_999),  # noqa: DTZ001 - without a zone, as a table has it
    datetime.datetime(1970, 1, 1),  # noqa: DTZ001 - the same
    datetime.datetime(2024, 2, 29, 12, 0, 0, 1),  # noqa: DTZ001 - the same
]
SCHEMA = pa.schema({
    "id": pa.string(), "vector": pa.list_(pa.float32(), 1), "t": pa.string(), "u": pa.string(), "n": pa.int64(),
    "a b": pa.int64(), "f": pa.float64(), "g": pa.float64(), "k": pa.bool_(), "tiny": pa.int8(), "big": pa.uint64(),
    "narrow": pa.float32(), "price": pa.decimal128(10, 2), "d": pa.date32(), "s": pa.timestamp("us"),
    "z": pa.timestamp("ms", "UTC"), "word": pa.dictionary(pa.int32(), pa.string()),
})  # fmt: skip
PLAIN = ("id", "vector", "t", "u", "n", "a b", "g", "k")
"""What CSV and JSON have a type for."""


def table(seed: int) -> list[dict[str, Any]]:
    """Rows that are much alike within a group of eight, so that its bounds say something."""
    chance = random.Random(seed)

    def some(values: list[Any], place: int) -> Any:
        if chance.random() < 0.2:
            return None
        return chance.choice(values) if chance.random() < 0.3 else values[place // 8 % len(values)]

    return [
        {
            "id": f"r{place}", "vector": [1.0], "t": some(TEXTS[1:], place), "u": some(TEXTS[1:], place + 8),
            "n": some(WHOLE, place), "a b": some(WHOLE, place + 3), "f": some([*FLOATS, math.nan, math.nan], place),
            "g": some(FLOATS, place), "k": some([True, False], place), "tiny": some([-128, -1, 0, 1, 127], place),
            "big": some([0, 1, 2**63, 2**64 - 1], place), "narrow": some([0.1, 0.5, -3.25, math.nan], place),
            "price": some([Decimal("-1.10"), Decimal("0.00"), Decimal("1.15"), Decimal("99999999.99")], place),
            "d": some(DAYS, place), "s": some(MOMENTS, place), "z": some(MOMENTS, place), "word": some(TEXTS, place),
        }
        for place in range(ROWS)
    ]  # fmt: skip


def _floats_aside(row: dict[str, Any]) -> dict[str, Any]:
    """JSON and CSV have no infinity."""
    kept = {name: row[name] for name in PLAIN}
    return {**kept, "g": None if row["g"] is not None and math.isinf(row["g"]) else row["g"]}


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    return str(value) if name in {"id", "t", "u"} else json.dumps(value)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("conditions"))


class World:
    """Random tables, as files of each format and as tables of the two databases."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.rows = functools.cache(table)
        self.path: Callable[[int, str], Path] = functools.cache(self._written)
        self.duck: Callable[[int, bool], Any] = functools.cache(self._duck)
        self.lite: Callable[[int, bool], Any] = functools.cache(self._lite)

    def _arrow(self, seed: int) -> pa.Table:
        return pa.Table.from_pylist(self.rows(seed), SCHEMA)

    def _written(self, seed: int, kind: str) -> Path:
        path = self._folder / f"{seed}.{kind}"
        plain = [_floats_aside(row) for row in self.rows(seed)]
        if kind == "parquet":
            pq.write_table(self._arrow(seed), path, row_group_size=8)
        elif kind == "arrow":
            with pa.ipc.new_file(path, SCHEMA) as out:
                out.write_table(self._arrow(seed).unify_dictionaries(), max_chunksize=13)
        elif kind == "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in plain), "utf-8")
        elif kind == "json":
            path.write_text(json.dumps(plain), "utf-8")
        else:
            with path.open("w", newline="", encoding="utf-8") as file:
                out = csv.writer(file)
                out.writerow(PLAIN)
                out.writerows([_cell(name, one) for name, one in row.items()] for row in plain)
        return path

    def _duck(self, seed: int, is_plain: bool) -> Any:
        rows = self.rows(seed)
        data = pa.Table.from_pylist([_floats_aside(row) if is_plain else row for row in rows], SCHEMA)
        found = duckdb.connect()
        found.execute("SET TimeZone = 'UTC'")
        found.register("data", data)
        found.execute("CREATE TABLE rows AS SELECT * FROM data")
        return found

    def _lite(self, seed: int, is_plain: bool) -> Any:
        found = sqlite3.connect(":memory:")
        found.execute("PRAGMA case_sensitive_like = ON")
        found.execute(
            'CREATE TABLE rows (id TEXT, t TEXT, u TEXT, n INTEGER, "a b" INTEGER, g REAL, k INTEGER, tiny INTEGER)'
        )
        names = ("id", "t", "u", "n", "a b", "g", "k", "tiny")
        for row in self.rows(seed):
            kept = _floats_aside(row) if is_plain else row
            found.execute("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [kept.get(name) for name in names])
        return found


def ids(path: Path, where: str, rows: int = 7, **options: Any) -> list[str]:
    plan = make_plan((str(path),), SourceSettings(where=where, metadata_columns=("none",), **options))
    return [one for batch in cut(plan.chunks(rows), None, Cutting(7, 100_000, encoded=True)) for one in batch.ids]


def asked(database: Any, where: str) -> list[str]:
    found = [row[0] for row in database.execute(f"SELECT id FROM rows WHERE {where}").fetchall()]  # noqa: S608
    return sorted(found, key=lambda one: int(one[1:]))


# Random conditions

SIGNS = st.sampled_from(["=", "!=", "<>", "<", "<=", ">", ">="])
COLUMNS = {
    "t": "text", "u": "text", "n": "number", "a b": "number", "g": "number", "k": "flag", "tiny": "number",
    "f": "number", "big": "number", "narrow": "number", "price": "number", "d": "day", "s": "moment", "z": "moment",
    "word": "text",
}  # fmt: skip
IN_SQLITE = ("t", "u", "n", "a b", "g", "k", "tiny")


SAME = {name: {"n", "a b", "tiny"} for name in ("n", "a b", "tiny")}
"""Numbers of one width with those of another are compared as the databases do not agree on."""


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


LITERALS = {
    "text": st.sampled_from(TEXTS).map(quoted),
    "number": st.sampled_from(
        ["-129", "-1", "0", "1", "2", "128", "0.1", "0.5", "1.15", "-1.5", "2.5", str(2**53 + 1), "300"]
    ),
    "flag": st.sampled_from(["true", "false"]),
    "day": st.sampled_from(DAYS).map(lambda one: f"DATE '{one}'"),
    "moment": st.sampled_from(MOMENTS).map(lambda one: f"TIMESTAMP '{one}'"),
}
PATTERNS = st.lists(st.sampled_from(["a", "b", "B", "%", "_", "\\", "5", "0", "é", "É", "\n", "'"]), max_size=4).map(
    "".join
)


def named(column: str) -> str:
    return f'"{column}"' if " " in column else column


def compared(
    kind: str, name: str, literal: st.SearchStrategy[str], others: list[str]
) -> dict[str, st.SearchStrategy[str]]:
    """Conditions on one column, by their form."""
    maybe = st.sampled_from(["", "NOT "])
    several = st.lists(literal, min_size=1, max_size=3).map(", ".join)
    found = {
        "compare": st.tuples(SIGNS, literal).map(lambda one: f"{name} {one[0]} {one[1]}"),
        "turned": st.tuples(literal, SIGNS).map(lambda one: f"{one[0]} {one[1]} {name}"),
        "null": maybe.map(lambda one: f"{name} IS {one}NULL"),
        "in": st.tuples(maybe, several).map(lambda one: f"{name} {one[0]}IN ({one[1]})"),
        "between": st.tuples(maybe, literal, literal).map(lambda one: f"{name} {one[0]}BETWEEN {one[1]} AND {one[2]}"),
        "column": st.tuples(SIGNS, st.sampled_from(others)).map(lambda one: f"{name} {one[0]} {one[1]}"),
    }
    if kind == "flag":
        found["flag"] = maybe.map(lambda one: f"{one}{name}")
    return found


def matched(name: str, words: list[str]) -> st.SearchStrategy[str]:
    """LIKE in its forms, with an escape or without."""
    word = st.tuples(st.sampled_from(["", "NOT "]), st.sampled_from(words)).map("".join)
    plain = PATTERNS.map(quoted)
    escaped = PATTERNS.map(lambda one: quoted(one.replace("%", "!%", 1)) + " ESCAPE '!'")
    return st.tuples(word, plain | escaped).map(lambda one: f"{name} {one[0]} {one[1]}")


@st.composite
def leaf(draw: st.DrawFn, columns: tuple[str, ...], *, ilike: bool) -> str:
    column = draw(st.sampled_from(columns))
    kind = COLUMNS[column]
    literal = LITERALS["day"] | LITERALS["moment"] if kind in {"day", "moment"} else LITERALS[kind]
    alike = [one for one in columns if COLUMNS[one] == kind and (kind != "number" or one in SAME.get(column, {column}))]
    found = compared(kind, named(column), literal, [named(one) for one in alike])
    if kind == "text":
        found["like"] = matched(named(column), ["LIKE", "ILIKE"] if ilike else ["LIKE"])
    return draw(st.one_of(*found.values()))


def conditions(columns: tuple[str, ...], *, ilike: bool) -> st.SearchStrategy[str]:
    return st.recursive(
        leaf(columns, ilike=ilike),
        lambda inner: (
            st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda one: f"({one[0]} {one[1]} {one[2]})")
            | inner.map(lambda one: f"NOT ({one})")
            | st.tuples(inner, st.sampled_from(["AND NOT", "OR NOT"]), inner).map(" ".join).map(lambda one: f"({one})")
        ),
        max_leaves=5,
    )


EXAMPLES = pytest.mark.parametrize("examples", [25, pytest.param(60, marks=pytest.mark.soak)])


def by_chance(examples: int, check: Callable[[st.DataObject], None]) -> None:
    """Check so many examples."""
    settings(deadline=None, max_examples=examples, suppress_health_check=[HealthCheck.too_slow])(
        given(st.data())(check)
    )()


@EXAMPLES
@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_typed_rows_are_those_that_duckdb_takes(world: World, kind: str, examples: int) -> None:
    def check(data: st.DataObject) -> None:
        seed = data.draw(st.integers(0, SEEDS - 1))
        where = data.draw(conditions(tuple(COLUMNS), ilike=True))
        rows = data.draw(st.sampled_from([1, 3, 7, 1000]))
        assert ids(world.path(seed, kind), where, rows) == asked(world.duck(seed, False), where)

    by_chance(examples, check)


@EXAMPLES
@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_typed_rows_are_those_that_sqlite_takes(world: World, kind: str, examples: int) -> None:
    def check(data: st.DataObject) -> None:
        seed = data.draw(st.integers(0, SEEDS - 1))
        where = data.draw(conditions(IN_SQLITE, ilike=False))
        assert ids(world.path(seed, kind), where) == asked(world.lite(seed, False), where)

    by_chance(examples, check)


@EXAMPLES
@pytest.mark.parametrize("kind", ["jsonl", "json", "csv"])
def test_rows_of_text_formats_are_those_that_both_take(world: World, kind: str, examples: int) -> None:
    def check(data: st.DataObject) -> None:
        seed = data.draw(st.integers(0, SEEDS - 1))
        where = data.draw(conditions(IN_SQLITE[:-1], ilike=False))
        found = ids(world.path(seed, kind), where, data.draw(st.sampled_from([1, 3, 7, 1000])))
        assert found == asked(world.duck(seed, True), where)
        assert found == asked(world.lite(seed, True), where)

    by_chance(examples, check)


# The language

FIXED: list[dict[str, Any]] = [
    {"id": "a", "vector": [1.0], "t": "50%", "n": 1},
    {"id": "b", "vector": [1.0], "t": "50\\%", "n": 2},
    {"id": "c", "vector": [1.0], "t": "50x", "n": 3},
    {"id": "d", "vector": [1.0], "t": None, "n": 4},
]


@pytest.fixture(params=["parquet", "jsonl"])
def fixed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"fixed.{request.param}"
    if request.param == "parquet":
        pq.write_table(pa.Table.from_pylist(FIXED), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in FIXED), "utf-8")
    return path


def plain_database() -> Any:
    found = sqlite3.connect(":memory:")
    found.execute("CREATE TABLE rows (id TEXT, t TEXT, n INTEGER)")
    found.executemany("INSERT INTO rows VALUES (?, ?, ?)", [(row["id"], row["t"], row["n"]) for row in FIXED])
    return found


ODD = [
    "t LIKE '50\\%'",
    "t NOT LIKE '50\\%'",
    "t LIKE '50!%' ESCAPE '!'",
    "t NOT LIKE '50!%' ESCAPE '!'",
    "NOT t LIKE '50!%' ESCAPE '!'",
    "NOT (NOT (t = '50%'))",
    "NOT t = '50%' AND NOT n = 3",
    "n = 1 OR n = 2 AND t = '50x'",
    "(n) = (2)",
    "n = -(-2)",
    "n = 2.0",
    "n < 2.5 AND n > 1.5",
    "n = 2e0",
    "n < 1e300",
    "n < 99999999999999999999999999999999999999999",
    "n > -99999999999999999999999999999999999999999",
    "1 = 1 AND n = 2",
    "1 = 2 OR n = 2",
    "n = 1; ",
    "n = 1 -- and a remark",
    "t NOTNULL",
    "n = 1 OR t ISNULL",
    " OR ".join(f"n = {number}" for number in range(2, 600)),
]


@pytest.mark.parametrize("where", ODD)
def test_what_is_seldom_written_means_what_sqlite_takes_it_for(fixed: Path, where: str) -> None:
    expected = [row[0] for row in plain_database().execute(f"SELECT id FROM rows WHERE {where}")]  # noqa: S608
    assert ids(fixed, where) == expected


REFUSED = [
    "n BETWEEN SYMMETRIC 3 AND 1",
    "n NOT BETWEEN SYMMETRIC 3 AND 1",
    "n BETWEEN SYMMETRIC 3 AND t",
    "t LIKE ANY ('a', 'b')",
    "t LIKE n",
    "t LIKE '50!' ESCAPE '!'",
    "t LIKE '50' ESCAPE '!!'",
    "t SIMILAR TO '50'",
    "t RLIKE '50'",
    "t GLOB '50'",
    "t = '50%' COLLATE nocase",
    "t = 'a' 'b'",
    "t = N'a'",
    "n = NULL",
    "n IN (1, NULL)",
    "n IN ()",
    "n IN (SELECT 1)",
    "n IS DISTINCT FROM 1",
    "n = 1 = 2",
    "n = 1; n = 2",
    "n = 1 x",
    "n = 1_000",
    "n = 0x1F",
    "n = 1e99999999",
    "n + 1 = 2",
    "CAST(n AS DATE) = 1",
    "TRY_CAST('2024-01-01' AS DATE) = n",
    "n = DATE '2024-13-01'",
    "n = DATE '2024-01-01 10:00'",
    "n = TIME '10:00'",
    "n = INTERVAL '1' DAY",
    "n = ?",
    "n[1] = 1",
    "EXISTS(n)",
    "*",
    "n LIKE '1%'",
    "'a' LIKE 'a%'",
    "1 IS NULL",
    "'a' IS NOT NULL",
    "1 BETWEEN 0 AND 2",
    "DATE '2024-01-01' IS NULL",
    "NOT n",
    "t = 1",
    "t IN ('a', 1)",
    "n = true",
    "'a' = 1 OR n = 1",
    "'a' = 'a'",
    "t = '\ud800'",
    "(" * 50 + "n = 1" + ")" * 50,
    "NOT " * 2000 + "n = 1",
    "",
]


@pytest.mark.parametrize("where", REFUSED, ids=lambda one: ascii(one[:30]))
def test_what_is_not_known_is_refused_in_one_line_before_a_row_is_read(fixed: Path, where: str) -> None:
    with pytest.raises(UsageError, match="--where") as caught:
        make_plan((str(fixed),), SourceSettings(where=where))
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("where", "part"),
    [("'a' LIKE 'a%'", "'a'"), ("1 IS NULL", "1"), ("n = 1 AND NOT 2 IS NULL", "2"), ("(-3) IS NOT NULL", "(-3)")],
)
def test_a_value_in_the_place_of_a_column_is_what_is_not_understood(where: str, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_condition(where)
    assert str(caught.value).startswith(f"--where {where!r}: {part!r} is not understood. It knows ")


@pytest.mark.parametrize(
    ("moment", "form"),
    [
        ("DATE '2024-01-01 10:00'", "2024-12-31"),
        ("DATE '2024-01-01 00:00:00.5'", "2024-12-31"),
        ("DATE '2024-01'", "2024-12-31"),
        ("TIMESTAMP '10:00'", "2024-12-31 23:59:59"),
        ("TIMESTAMP '2024-01-01 10'", "2024-12-31 23:59:59"),
    ],
)
def test_a_moment_in_another_form_is_refused_with_the_form(moment: str, form: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_condition(f"d = {moment}")
    text = moment.partition(" ")[2]
    assert str(caught.value) == f"--where {f'd = {moment}'!r}: {text} has not the form {form}."


def test_a_parser_that_says_more_than_is_known_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As NOT LIKE became a flag on the node, with which older readers of the tree took the opposite rows."""
    where = (
        "NOT (a = 1 AND b.c.d.e.f > -2.5 OR \"g h\" IN ('x', 'y') OR i LIKE 'j%' ESCAPE '!' OR k ILIKE 'l' "
        "OR m BETWEEN 1 AND 2 OR n IS NULL OR o OR p = true OR q < DATE '2024-01-01')"
    )
    parse_filter(where)
    before, count = sqlglot.parse, len(list(sqlglot.parse_one(where).walk()))
    for place in range(count):

        def changed(text: str, place: int = place) -> list[Any]:
            trees: list[Any] = before(text)
            node = list(trees[0].walk())[place]
            node = node[0] if isinstance(node, tuple) else node
            node.args["brand_new"] = True
            return trees

        monkeypatch.setattr(sqlglot, "parse", changed)
        with pytest.raises(UsageError, match="is not understood"):
            parse_condition(where)
    assert count > 40


def test_nan_comes_last_and_is_equal_to_itself(tmp_path: Path) -> None:
    data = pa.table({"id": ["a", "b", "c", "d"], "vector": [[1.0]] * 4, "f": [1.0, math.nan, None, math.inf]})
    pq.write_table(data, tmp_path / "nan.parquet", row_group_size=1)
    for where in (
        "f > 1",
        "f != 1",
        "NOT f = 1",
        "f NOT IN (1, 2)",
        "f <= 1",
        "f = f",
        "NOT f < 5",
        "f BETWEEN 0 AND 2",
    ):
        expected = duckdb.from_arrow(data).filter(where).project("id").fetchall()
        assert ids(tmp_path / "nan.parquet", where) == sorted(row[0] for row in expected), where


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_moments_are_compared_in_utc_whatever_their_unit(tmp_path: Path, unit: str) -> None:
    moments = [datetime.datetime(2024, 1, 1, hour, tzinfo=datetime.timezone.utc) for hour in range(4)]
    table = pa.table({
        "id": ["a", "b", "c", "d"], "vector": [[1.0]] * 4,
        "z": pa.array(moments, pa.timestamp(unit, "Asia/Tokyo")),
        "d": pa.array([one.date() for one in moments], pa.date64()),
        "other": pa.array([moments[1]] * 4, pa.timestamp("ns", "UTC")),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "zones.parquet", row_group_size=1)
    for where, expected in {
        "z >= TIMESTAMP '2024-01-01 02:00:00'": "cd",
        "z = TIMESTAMP '2024-01-01T03:00:00+02:00'": "b",
        "z < TIMESTAMPTZ '2024-01-01 00:00:00.000000001Z'": "a",
        "z > TIMESTAMP '2024-01-01 02:59:59.999999999'": "d",
        "z = DATE '2024-01-01'": "a",
        "z > DATE '9999-12-31' OR z < DATE '0001-01-01'": "",
        "z = d": "a",
        "z < other": "a",
        "other <= z": "bcd",
    }.items():
        assert "".join(ids(tmp_path / "zones.parquet", where)) == expected, where
