"""Delimited files as Excel and others write them: read as the csv module, pandas and duckdb read them."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cyborg_ingest.errors import FormatError, MappingError
from cyborg_ingest.plan.job import describe_job
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cyborg_ingest.model import Batch

CUTTING = Cutting(50, 1_000_000, encoded=False)
ROWS = [["a", "0.5", "-1.25", "x,y"], ["b", "0.75", "2", "z"]]
HEADER = ["id", "v1", "v2", "note"]


def written(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]], sign: str, before: str = "") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(before)
        csv.writer(file, delimiter=sign).writerows([header, *rows])
    return path


def read(path: Path, **options: Any) -> tuple[Batch, tuple[str, ...]]:
    plan = make_plan((str(path),), SourceSettings(**options))
    (batch,) = cut(plan.chunks(100), plan.dimension, CUTTING)
    return batch, plan.sources[0].layout.notes


@pytest.mark.parametrize(
    ("sign", "suffix", "word"), [(";", "csv", "';'"), ("\t", "csv", "tab"), ("|", "csv", "'|'"), (",", "tsv", "','")]
)
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "marked"])
def test_the_delimiter_of_the_header_is_taken_and_said(
    tmp_path: Path, sign: str, suffix: str, word: str, mark: str
) -> None:
    path = written(tmp_path / f"rows.{suffix}", HEADER, ROWS, sign, mark)
    found, notes = read(path, vector_column="v*", metadata_columns=("note",))
    assert found.vectors.tolist() == [[0.5, -1.25], [0.75, 2.0]]
    assert found.metadata == [{"note": "x,y"}, {"note": "z"}]
    assert notes == (f"{path}: its cells are set apart by {word}, as in its header.",)


@pytest.mark.parametrize("line", ["sep=;\r\n", "\ufeffsep=;\n", "sep=^\n"])
def test_excels_own_first_line_is_taken_for_what_it_says(tmp_path: Path, line: str) -> None:
    sign = line.strip()[-1]
    path = written(tmp_path / "rows.csv", HEADER, ROWS, sign, line)
    found, notes = read(path, vector_column="v*")
    assert (found.ids, list(found.lines if found.lines is not None else ())) == (["a", "b"], [3, 4])
    assert notes == (f"{path}: its cells are set apart by '{sign}', as its first line, 'sep={sign}', says.",)
    assert read(path, vector_column="v*", delimiter=sign)[1] == ()


@pytest.mark.parametrize("header", ["id;v1;v2,w", "id;v1|v2", "id;v1;", ";v1"])
def test_what_is_not_sure_is_not_taken(tmp_path: Path, header: str) -> None:
    (tmp_path / "rows.csv").write_text(f"{header}\na;1;2\n")
    with pytest.raises((FormatError, MappingError)):
        read(tmp_path / "rows.csv", vector_column="v*")


def test_a_quoted_header_is_looked_at_between_its_quotes(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('"id";"v1";"v2";"a,b|c"\n"x";"1";"2";"d"\n')
    found, _ = read(tmp_path / "rows.csv", vector_column="v*", metadata_columns=("*",))
    assert (found.ids, found.metadata) == (["x"], [{"a,b|c": "d"}])


def test_the_index_that_pandas_writes_has_the_name_that_it_has_in_parquet(tmp_path: Path) -> None:
    import pandas as pd  # noqa: PLC0415 - slow to import

    frame = pd.DataFrame({"id": ["a", "b"], "vector": [[1.0, 2.0], [3.0, 4.0]]}, index=["x", "y"])
    frame.to_csv(tmp_path / "rows.csv")
    found, _ = read(tmp_path / "rows.csv")
    assert (found.ids, found.vectors.tolist()) == (["a", "b"], [[1, 2], [3, 4]])
    assert read(tmp_path / "rows.csv", id_column="__index_level_0__")[0].ids == ["x", "y"]
    text = (tmp_path / "rows.csv").read_text()
    (tmp_path / "twice.csv").write_text(text + text)
    (bad,) = read(tmp_path / "twice.csv", metadata_columns=("*",))[0].rejections
    assert "repeats the header" in bad.detail


@pytest.mark.parametrize(("header", "place"), [("id,,vector", 2), (",,vector", 1), (",id,", 1), ("", 1)])
def test_other_columns_without_a_name_are_an_error(tmp_path: Path, header: str, place: int) -> None:
    (tmp_path / "rows.csv").write_text(f'{header or chr(34) * 2}\na,1,"[1]"\n')
    with pytest.raises(FormatError, match=f"column {place} has no name"):
        read(tmp_path / "rows.csv")


def test_without_a_header_only_the_option_says_the_delimiter(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a;1;2\nb;3;4\n")
    options: dict[str, Any] = {"header": False, "id_column": "column0", "vector_column": "column1,column2"}
    assert read(tmp_path / "rows.csv", delimiter=";", **options)[0].vectors.tolist() == [[1, 2], [3, 4]]
    with pytest.raises(MappingError):
        read(tmp_path / "rows.csv", **options)


NUMBERS = [["a", "0,5", "-1,25", "1,5", "007"], ["b", ",75", "2", "3", "1.234,5"], ["c", "1e3", "4,", "", "x"]]


def test_decimal_commas_are_read_as_pandas_reads_them(tmp_path: Path) -> None:
    import pandas as pd  # noqa: PLC0415 - slow to import

    path = written(tmp_path / "rows.csv", ["id", "v1", "v2", "price", "code"], NUMBERS, ";")
    found, _ = read(path, vector_column="v*", decimal=",", metadata_columns=("price", "code"))
    frame = pd.read_csv(path, sep=";", decimal=",", dtype={"code": str})
    assert found.vectors.tolist() == frame[["v1", "v2"]].to_numpy(np.float32).tolist()
    assert [(row or {}).get("price") for row in found.metadata or ()] == [1.5, 3.0, None]
    assert [(row or {})["code"] for row in found.metadata or ()] == frame["code"].tolist()


def test_a_point_is_no_decimal_comma_and_a_bad_number_stays_as_it_is_written(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", ["id", "v1", "v2", "n"], [["a", "0,5", "1.5", "2,5"]], ";")
    plan = make_plan((str(path),), SourceSettings(vector_column="v1,v2", decimal=",", column_types=("v2=float",)))
    ((bad,),) = (batch.rejections for batch in cut(plan.chunks(10), plan.dimension, CUTTING))
    assert bad.detail == "column 'v2' holds '1.5', not a number"
    assert bad.record == {"id": "a", "vector": [0.5, "1.5"], "metadata": {"n": 2.5}}


@pytest.mark.parametrize("options", [{"vector_column": "v*"}, {"metadata_columns": ("v1",)}])
def test_decimal_commas_are_told_where_they_keep_numbers_text(tmp_path: Path, options: dict[str, Any]) -> None:
    rows = [["a", "0,5", "[1, 2]"], ["b", "1", "[3, 4]"]]
    path = written(tmp_path / "rows.csv", ["id", "v1", "vector"], rows, ";")
    try:
        words = " ".join(read(path, **options)[1])
    except MappingError as error:
        words = str(error)
    assert "If '0,5' is a number, say --decimal ','." in words


MOMENTS = ["2024-05-17T12:30:15.123Z", "2024-05-17 12:30:15", "2024-05-17", "1969-12-31 23:59:59.999", ""]


def test_dates_and_timestamps_are_epoch_milliseconds_as_duckdb_reads_them(tmp_path: Path) -> None:
    import duckdb  # noqa: PLC0415 - slow to import

    path = written(
        tmp_path / "rows.csv", ["id", "vector", "t", "d"],
        [[f"k{row}", "[1]", text, text[:10]] for row, text in enumerate(MOMENTS)], ",",
    )  # fmt: skip
    found, _ = read(path, metadata_columns=("t", "d"), column_types=("t=timestamp", "d=date"))
    table = duckdb.read_csv(str(path), dtype={"t": "TIMESTAMP", "d": "DATE"})
    expected = table.project("epoch_ms(t), epoch_ms(d::TIMESTAMP)").fetchall()
    assert [((row or {}).get("t"), (row or {}).get("d")) for row in found.metadata or ()] == expected
    chosen, _ = read(path, where="t < TIMESTAMP '1970-01-01 00:00:00'", column_types=("t=timestamp",))
    assert chosen.ids == ["k3"]


@pytest.mark.parametrize(
    ("kind", "text"), [("date", "2024-02-30"), ("date", "2024-05-17 12:00"), ("timestamp", "17.05.2024")]
)
def test_what_is_no_date_is_its_rows_fault(tmp_path: Path, kind: str, text: str) -> None:
    path = written(tmp_path / "rows.csv", ["id", "vector", "t"], [["a", "[1]", "2024-05-17"], ["b", "[1]", text]], ",")
    found, _ = read(path, metadata_columns=("t",), column_types=(f"t={kind}",))
    (bad,) = found.rejections
    assert bad.detail.startswith(f"column 't' holds {text!r}, not a {kind} as in")
    assert (found.ids, found.metadata) == (["a"], [{"t": 1715904000000}])


def test_the_decimal_sign_is_part_of_the_job() -> None:
    plain = describe_job("disk:x", "i", ("a.csv",), SourceSettings())
    told = describe_job("disk:x", "i", ("a.csv",), SourceSettings(decimal=","))
    assert told == {**plain, "dialect": {"decimal": ","}}
