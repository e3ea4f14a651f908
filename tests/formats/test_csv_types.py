"""Delimited files: what a column is follows from all of its cells, as pandas, duckdb and the csv module read them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyborg_ingest.errors import FormatError, IngestError, MappingError, SourceError, UsageError
from cyborg_ingest.formats.cellrows import CellRows
from cyborg_ingest.model import Reason
from cyborg_ingest.plan.done import Done, nothing
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.rows.ranges import RangeSet
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyborg_ingest.model import Batch, Rejection
    from cyborg_ingest.plan.reading import Plan

CUTTING = Cutting(rows=50, size=1_000_000, encoded=True)


def written(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])
    return path


def column(path: Path, cells: Iterable[Any]) -> Path:
    """A file with the cells as its column `x`."""
    return written(path, ["id", "vector", "x"], ([row, "[1]", cell] for row, cell in enumerate(cells)))


def plan_of(*paths: Path, **options: Any) -> Plan:
    return make_plan(tuple(map(str, paths)), SourceSettings(**options))


def read(*paths: Path, skip: int = 0, **options: Any) -> list[Batch]:
    done = (lambda _part: Done(RangeSet([(0, skip)]), None)) if skip else nothing
    plan = plan_of(*paths, **options)
    return list(cut(plan.chunks(20, done), plan.dimension, CUTTING))


def metadata(*paths: Path, **options: Any) -> list[Any]:
    found = read(*paths, **{"metadata_columns": ("x",), **options})
    assert not rejections(found)
    return [(one or {}).get("x") for batch in found for one in batch.metadata or ()]


def ids(found: list[Batch]) -> list[str]:
    return [one for batch in found for one in batch.ids]


def rejections(found: list[Batch]) -> list[Rejection]:
    return [one for batch in found for one in batch.rejections]


def by_pandas(path: Path) -> list[Any]:
    import pandas as pd  # noqa: PLC0415 - slow to import

    read = pd.read_csv(path, low_memory=False, keep_default_na=False, na_values=["", "nan", "NaN"])["x"]
    return [None if pd.isna(one) else one for one in read.tolist()]


def by_duckdb(path: Path) -> list[Any]:
    import duckdb  # noqa: PLC0415 - slow to import

    with duckdb.connect() as connection:
        rows = connection.read_csv(str(path), sample_size=-1, auto_type_candidates=["BIGINT", "DOUBLE", "VARCHAR"])
        return [one for (one,) in rows.project("x").fetchall()]


LATE: dict[str, list[Any]] = {
    "a fraction": [0] * 150 + [0.5, 3],
    "a fraction before": [0.5] + [0] * 150,
    "numbers behind nothing": [""] * 150 + [110, "", 111],
    "fractions behind nothing": [""] * 150 + [1.25, 2],
    "text behind numbers": [*range(150), "N/A", 7],
    "text behind fractions": [0.5] * 150 + ["x"],
    "exponents": [1] * 150 + ["1e-05", "2.5E3"],
    "no number at all": ["a"] * 150 + [1, 2.5],
    "nothing": [""] * 150,
    "not a number": [1.5] * 150 + ["nan", "NaN", 2],
    "negative": [1] * 150 + [-7, -0.25],
}


@pytest.mark.parametrize("case", LATE)
@pytest.mark.parametrize("reader", [by_pandas, by_duckdb])
def test_a_value_is_the_same_wherever_in_the_file_it_stands(tmp_path: Path, case: str, reader: Any) -> None:
    if reader is by_duckdb and case == "not a number":
        pytest.skip("duckdb keeps NaN, which metadata cannot hold")
    path = column(tmp_path / "late.csv", LATE[case])
    found = metadata(path)
    assert found == reader(path)
    assert len({type(one) for one in found if one is not None}) <= 1  # one type for the whole column
    turned = column(tmp_path / "turned.csv", reversed(LATE[case]))
    assert metadata(turned) == found[::-1]


KEPT: dict[str, list[str]] = {
    "leading zeros": ["90210"] * 150 + ["01234"],
    "account numbers": ["12345678901234567890"] + ["1"] * 150,
    "no float64": ["0.5"] * 150 + ["9007199254740993"],
    "versions": ["1.9"] * 150 + ["1.10.1", "1.10"],
    "titles": ["1984"] * 150 + ["Dune"],
    "a plus": ["4930"] * 150 + ["+4930"],
    "infinity": ["1.5"] * 150 + ["inf"],
}


@pytest.mark.parametrize("case", KEPT)
def test_a_column_with_one_cell_that_is_text_is_text_as_it_is_written(tmp_path: Path, case: str) -> None:
    path = column(tmp_path / "rows.csv", KEPT[case])
    with path.open(newline="") as file:
        expected = [row["x"] for row in csv.DictReader(file)]
    assert metadata(path) == expected
    if case not in {"account numbers", "infinity"}:
        (note,) = plan_of(path, metadata_columns=("x",)).sources[0].layout.notes
        assert repr(next(one for one in expected if one != expected[0])) in note
        assert "--column-types x=" in note


def test_a_column_of_text_from_the_first_row_on_needs_no_word(tmp_path: Path) -> None:
    path = column(tmp_path / "rows.csv", ["a", 1, "b"] * 50)
    assert plan_of(path, metadata_columns=("x",)).sources[0].layout.notes == ()


@pytest.mark.parametrize("skip", [1, 99, 100, 101, 150])
def test_a_load_that_goes_on_in_the_middle_gives_the_same_values(tmp_path: Path, skip: int) -> None:
    path = column(tmp_path / "rows.csv", LATE["a fraction"])
    whole = [one for batch in read(path, metadata_columns=("x",)) for one in batch.metadata or ()]
    rest = [one for batch in read(path, skip=skip, metadata_columns=("x",)) for one in batch.metadata or ()]
    assert json.dumps(rest) == json.dumps(whole[skip:])


def test_what_the_user_says_of_a_column_is_believed(tmp_path: Path) -> None:
    header, rows = (
        ["id", "vector", "a", "b", "c", "d"],
        [["1", "[1]", "007", "7", "1", "12"], ["2", "[1]", "8", "", "f", "x"]],
    )
    path = written(tmp_path / "rows.csv", header, rows)
    types = ("a=int", "b=float", "c=bool", "d=text")
    (found,) = read(path, metadata_columns=("a", "b", "c", "d"), column_types=types)
    import pandas as pd  # noqa: PLC0415 - slow to import

    frame = pd.read_csv(
        path, dtype={"a": int, "b": float, "c": str, "d": str}, true_values=["1"], false_values=["f"]
    ).assign(c=[True, False])
    expected = [
        {name: one for name, one in row.items() if not (isinstance(one, float) and math.isnan(one))}
        for row in frame[["a", "b", "c", "d"]].to_dict("records")
    ]
    assert json.dumps(found.metadata) == json.dumps(expected)


def test_a_cell_that_is_not_what_the_user_says_is_its_rows_fault_and_keeps_its_numbers(tmp_path: Path) -> None:
    path = written(
        tmp_path / "rows.csv", ["id", "vector", "n", "score", "zip"],
        [["a", "[1]", "1", "2", "01"], ["b", "[1]", "x", "0.5", "02"], ["c", "[1]", "1.5", "3", "03"]],
    )  # fmt: skip
    found = read(path, metadata_columns=("n", "score", "zip"), column_types=("n=int",))
    bad = rejections(found)
    assert [(one.line, one.reason) for one in bad] == [(3, Reason.METADATA_INVALID), (4, Reason.METADATA_INVALID)]
    assert [one.record["metadata"] for one in bad if one.record] == [
        {"n": "x", "score": 0.5, "zip": "02"},
        {"n": 1.5, "score": 3, "zip": "03"},
    ]


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"column_types": ("y=int",)}, MappingError, "names 'y', which is not there"),
        ({"column_types": ("x=number",)}, UsageError, "int, float, bool, date, timestamp, vector, text"),
        ({"column_types": ("x",)}, UsageError, "NAME=TYPE"),
        ({"delimiter": ";;"}, UsageError, "--delimiter"),
    ],
)
def test_what_cannot_be_said_of_a_column_is_named(
    tmp_path: Path, options: dict[str, Any], kind: type[IngestError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        plan_of(column(tmp_path / "rows.csv", [1]), **options)


@pytest.mark.parametrize(
    "options",
    [{"delimiter": ";"}, {"header": False}, {"header": True}, {"column_types": ("x=int",)}, {"null_values": ("-",)}],
)
def test_options_of_delimited_files_are_refused_where_there_is_none(tmp_path: Path, options: dict[str, Any]) -> None:
    (tmp_path / "rows.jsonl").write_text('{"id": "a", "vector": [1]}\n')
    with pytest.raises(UsageError, match="no source is CSV or TSV"):
        plan_of(tmp_path / "rows.jsonl", **options)


def test_marks_for_nothing_are_text_unless_they_are_named(tmp_path: Path) -> None:
    path = column(tmp_path / "rows.csv", ["1999", "\\N", "nan", "", "NULL", "2001"])
    assert metadata(path) == ["1999", "\\N", "nan", None, "NULL", "2001"]
    (note,) = plan_of(path, metadata_columns=("x",)).sources[0].layout.notes
    assert "--null-values 'NULL,\\N'" in note
    import pandas as pd  # noqa: PLC0415 - slow to import

    expected = pd.read_csv(path, na_values=["\\N", "NULL"])["x"]
    assert metadata(path, null_values=("\\N", "NULL")) == [None if pd.isna(one) else one for one in expected]


def test_nothing_is_nothing_for_ids_and_contents_too(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", ["id", "vector", "contents"], [["NULL", "[1]", "x"], ["b", "[1]", "NULL"]])
    found = read(path, null_values=("NULL",))
    assert [one.reason for one in rejections(found)] == [Reason.ID_MISSING]
    assert [one for batch in found for one in batch.contents or ()] == [None]


def test_ids_are_as_they_are_written_also_where_they_are_made_of_columns(tmp_path: Path) -> None:
    rows = [["7", "1.10", "true"], ["0120", "1.20", "TRUE"], ["8", "1.1", "false"]] * 60
    path = written(tmp_path / "rows.csv", ["doc", "v", "flag", "vector"], ([*row, "[1]"] for row in rows))
    with path.open(newline="") as file:
        expected = ["{doc}-{v}-{flag}".format_map(row) for row in csv.DictReader(file)]
    for options in ({}, {"metadata_columns": ("doc", "v", "flag")}, {"where": "v > 1"}):
        assert ids(read(path, id_template="{doc}-{v}-{flag}", **options)) == expected
    found = read(path, id_template="{doc}-{v}", metadata_columns=("v",))
    assert [one for batch in found for one in batch.metadata or ()][:3] == [{"v": 1.1}, {"v": 1.2}, {"v": 1.1}]


def test_a_condition_compares_with_the_type_of_the_whole_column(tmp_path: Path) -> None:
    path = column(tmp_path / "rows.csv", [*[""] * 120, *range(100), 0.5])
    import duckdb  # noqa: PLC0415 - slow to import

    with duckdb.connect() as connection:
        rows = connection.read_csv(str(path), sample_size=-1)
        expected = rows.filter("x > 97 OR x = 0.5").project("id").fetchall()
    assert ids(read(path, where="x > 97 OR x = 0.5")) == [str(one) for (one,) in expected]


# What cannot be looked at twice


def upsert(path: Path, *arguments: str, data: bytes) -> subprocess.CompletedProcess[bytes]:
    command = [
        sys.executable, "-m", "cyborg_ingest", "upsert", "-", "--format", "csv", "--index", "x", "--target",
        f"disk:{path / 'db'}", "--create", "--progress", "json", "--reject-content", "full", *arguments,
    ]  # fmt: skip
    environment = {**os.environ, "XDG_STATE_HOME": str(path), "XDG_CONFIG_HOME": str(path), "PYTHONUNBUFFERED": "1"}
    return subprocess.run(command, input=data, capture_output=True, env=environment, check=False)


def test_a_short_pipe_is_looked_at_whole_and_a_long_one_rejects_what_does_not_fit(tmp_path: Path) -> None:
    filler = "y" * 40_000
    head = "id,vector,x,text\n" + "".join(f'{row},"[1, 2]",{row},{filler}\n' for row in range(300))
    late = '300,"[1, 2]",0.5,z\n'
    short = upsert(tmp_path / "short", "--metadata-columns", "x", "--dry-run", data=(head + late).encode())
    assert short.returncode == 0, short.stderr
    long = head + "".join(f'{row},"[1, 2]",{row},{filler}\n' for row in range(301, 1000)) + late
    found = upsert(tmp_path / "long", "--metadata-columns", "x", "--dry-run", data=long.encode())
    assert found.returncode == 1
    assert b"--column-types" in found.stderr
    assert b"column 'x' holds '0.5', not a whole number" in found.stderr
    said = upsert(
        tmp_path / "said", "--metadata-columns", "x", "--column-types", "x=float", "--dry-run", data=long.encode()
    )
    assert said.returncode == 0, said.stderr


@pytest.mark.parametrize("suffix", [".csv.gz", ".csv"])
def test_a_compressed_file_is_looked_at_whole(tmp_path: Path, suffix: str) -> None:
    path = column(tmp_path / "rows.csv", LATE["numbers behind nothing"])
    expected = by_pandas(path)
    data = path.read_bytes()
    path.unlink()
    (tmp_path / f"packed{suffix}").write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    assert metadata(tmp_path / f"packed{suffix}") == expected


# Rows are those of the csv module

TEXTS = st.lists(
    st.sampled_from([",", '"', "\n", "\r\n", "a", '""', "1.5", " ", "\u00e9", '","', ',"']), max_size=40
).map("".join)


@given(st.one_of(TEXTS, st.text(max_size=30)))
@settings(deadline=None, max_examples=500)
def test_any_text_has_the_rows_that_the_csv_module_finds(text: str) -> None:
    try:
        data = text.encode()
        expected: Any = [
            row for row in csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="\n"), strict=True) if row
        ]
    except (csv.Error, UnicodeEncodeError):
        expected = None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_bytes(data if expected is not None else text.encode("utf-8", "surrogatepass"))
        try:
            with path.open("rb") as file:
                found: Any = [row.cells for row in CellRows("x", file, ",", SourceError).read(1000, 1 << 30)]
        except IngestError:
            found = None
    if "\r" not in text.replace("\r\n", "") and "\0" not in text[:2]:  # CR alone ends lines, or is an error
        assert found == expected


def test_a_cell_that_is_longer_than_a_block_is_looked_at_too(tmp_path: Path) -> None:
    path = column(tmp_path / "rows.csv", [*range(200), "x" * 3_000_000, 0.5])
    with path.open(newline="") as file:
        csv.field_size_limit(10_000_000)
        expected = [row["x"] for row in csv.DictReader(file)]
    assert metadata(path) == expected


# The first line


def test_a_first_line_of_numbers_is_no_header_until_it_is_said(tmp_path: Path) -> None:
    import duckdb  # noqa: PLC0415 - slow to import

    for width in (4, 12):
        vectors = np.random.default_rng(width).standard_normal((5, width)).astype(np.float32)
        path = tmp_path / f"vectors{width}.tsv"
        np.savetxt(path, vectors, delimiter="\t", fmt="%.9g")
        with pytest.raises(FormatError, match="--no-header"):
            plan_of(path, vector_column="*", id_template="{row}")
        found = read(path, vector_column="*", id_template="{row}", header=False)
        assert np.concatenate([one.vectors for one in found]).tobytes() == vectors.tobytes()
        assert ids(found) == [str(row) for row in range(5)]
        names = duckdb.read_csv(str(path), header=False).columns
        assert [
            one.name
            for one in plan_of(path, vector_column="*", id_template="{row}", header=False).sources[0].layout.schema
        ] == names


@pytest.mark.parametrize("line", ["0.1,-0.13,1e-3", "1,2,3", 'doc-1,"[0.1, 0.2]",hello', '"[1, 2]"', ",1.5,2"])
def test_a_row_as_first_line_is_refused_with_the_option(tmp_path: Path, line: str) -> None:
    (tmp_path / "rows.csv").write_text(f"{line}\n{line}\n")
    with pytest.raises(FormatError, match="say --no-header"):
        plan_of(tmp_path / "rows.csv")


def test_rows_without_a_header_have_columns_by_their_place(tmp_path: Path) -> None:
    rows = [["doc-1", "[0.5, 1]", "hello"], ["doc-2", "[0.25, 2]", "world"]]
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    options: dict[str, Any] = {"id_column": "column0", "vector_column": "column1", "contents_column": "column2"}
    (found,) = read(tmp_path / "rows.csv", header=False, **options)
    assert (found.ids, found.vectors.tolist(), found.contents) == (
        [row[0] for row in rows], [json.loads(row[1]) for row in rows], [row[2] for row in rows]
    )  # fmt: skip
    assert [*(found.lines if found.lines is not None else ())] == [1, 2]


def test_names_that_are_numbers_are_names_where_it_is_said(tmp_path: Path) -> None:
    import pandas as pd  # noqa: PLC0415 - slow to import

    pd.DataFrame(np.eye(3, dtype=np.float32) + 1).to_csv(tmp_path / "rows.csv", index=False)  # its header is 0,1,2
    with pytest.raises(FormatError, match="say --header"):
        plan_of(tmp_path / "rows.csv", vector_column="*", id_template="{row}")
    (found,) = read(tmp_path / "rows.csv", vector_column="*", id_template="{row}", header=True)
    assert found.vectors.tolist() == pd.read_csv(tmp_path / "rows.csv").to_numpy().tolist()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id;embedding;a|b\r\n1;[0,1; 0,2];1,5\r\n", "--delimiter ';'"),
        ("id\tvector\t\n1\t[1]\t\n", "--delimiter tab"),
        ("id|vector|a;b\n1|[1]|2\n", r"--delimiter '\|'"),
    ],
)
def test_another_delimiter_that_is_not_sure_is_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(FormatError, match=words):
        plan_of(tmp_path / "rows.csv")


@pytest.mark.parametrize(("sign", "given_as"), [(";", ";"), ("\t", "tab"), ("\t", "\\t"), ("|", "|")])
def test_any_delimiter_can_be_said(tmp_path: Path, sign: str, given_as: str) -> None:
    rows = [["a", "[1, 2]", f"x{sign}y"], ["b", "[3, 4]", "z"]]
    path = written(tmp_path / "rows.csv", ["id", "vector", "x"], rows, sign)
    assert metadata(path, delimiter=given_as) == [row[2] for row in rows]


# Bytes that are not rows, or not whole ones


def test_a_second_header_is_no_row_and_changes_no_type(tmp_path: Path) -> None:
    one = column(tmp_path / "one.csv", [1, 2])
    (tmp_path / "cat.csv").write_bytes(one.read_bytes() + column(tmp_path / "two.csv", [0.5]).read_bytes())
    found = read(tmp_path / "cat.csv", metadata_columns=("x",))
    (bad,) = rejections(found)
    assert (bad.line, bad.reason) == (4, Reason.UNPARSABLE)
    assert "repeats the header" in bad.detail
    import pandas as pd  # noqa: PLC0415 - slow to import

    expected = pd.concat([pd.read_csv(tmp_path / name) for name in ("one.csv", "two.csv")])["x"].tolist()
    assert [(row or {})["x"] for batch in found for row in batch.metadata or ()] == expected


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("is_long", [False, True])
def test_lines_end_as_pandas_and_the_csv_module_have_it(tmp_path: Path, end: str, is_long: bool) -> None:
    rows = [[f"{row}", "[1, 2]", "a\nb" if row % 7 == 0 else f"t{row}"] for row in range(40_000 if is_long else 5)]
    text = io.StringIO()
    csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([["id", "vector", "contents"], *rows])
    (tmp_path / "rows.csv").write_bytes(text.getvalue().encode())
    if end == "\r":
        import pandas as pd  # noqa: PLC0415 - slow to import

        assert pd.read_csv(tmp_path / "rows.csv", dtype=str)["contents"].tolist() == [row[2] for row in rows]
    found = read(tmp_path / "rows.csv")
    assert ids(found) == [row[0] for row in rows]
    assert [one for batch in found for one in batch.contents or ()] == [row[2] for row in rows]


def test_a_quote_that_is_never_closed_is_an_error_that_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('id,vector,text\na,"[1,2]","never closed\nb,"[1,3]",x\nc,"[1,3]",y\n')
    with pytest.raises(FormatError, match="line 2: the row that begins there"):
        plan_of(tmp_path / "rows.csv")
    path = written(tmp_path / "late.csv", ["id", "vector", "text"], ([row, "[1]", "x"] for row in range(201)))
    path.write_text(path.read_text() + 'c,[1],"open\nd,[1],x\n')
    with pytest.raises(SourceError, match="line 203: the row that begins there"):
        read(path)
