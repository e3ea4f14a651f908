"""What a spreadsheet writes: its first line for the delimiter, commas in names and numbers, the bytes of Windows."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
from rows_read import rows_read

from cyborg_ingest.errors import FormatError, MappingError

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [["a", "x", 0.5, 1.5], ["b", "y", 2.5, 3.5]]
VECTORS = [[0.5, 1.5], [2.5, 3.5]]
ICONV = "iconv -f CP1252 -t UTF-8"


def written(path: Path, header: list[str], *, first: str = "", is_quoted: bool = False) -> Path:
    with path.open("w", newline="") as file:
        file.write(first)
        quoted = csv.writer(file, delimiter=";", quoting=csv.QUOTE_ALL)
        writer = quoted if is_quoted else csv.writer(file, delimiter=";")
        writer.writerows([*([header] if header else []), *ROWS])
    return path


@pytest.mark.parametrize("line", ["sep=;\r\n", '"sep=;"\r\n', '\ufeff"sep=;"\n'])
def test_the_line_for_excel_counts_with_a_header_and_without(line: str, tmp_path: Path) -> None:
    path = written(tmp_path / "named.csv", ["id", "note", "v1", "v2"], first=line)
    found = rows_read(path, vector_column="v*")
    assert (found.ids, found.vectors, found.metadata) == (["a", "b"], VECTORS, [{"note": "x"}, {"note": "y"}])
    path = written(tmp_path / "bare.csv", [], first=line)
    found = rows_read(path, header=False, id_column="column0", vector_column="column2,column3")
    assert (found.ids, found.vectors, found.metadata) == (["a", "b"], VECTORS, [{"column1": "x"}, {"column1": "y"}])


def test_the_option_comes_before_the_line_for_excel(tmp_path: Path) -> None:
    path = written(tmp_path / "bare.csv", [], first="sep=,\r\n")
    found = rows_read(path, header=False, delimiter=";", id_column="column0", vector_column="column2,column3")
    assert (found.ids, found.vectors) == (["a", "b"], VECTORS)


def test_a_header_with_a_comma_in_a_name_leads_to_the_delimiter(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id;price, EUR;v1;v2\na;x;0.5;1.5\nb;y;2.5;3.5\n")
    with pytest.raises(FormatError, match="say so with --delimiter ';'"):
        rows_read(path, vector_column="v*")
    found = rows_read(path, vector_column="v*", delimiter=";")
    assert (found.vectors, found.metadata) == (VECTORS, [{"price, EUR": "x"}, {"price, EUR": "y"}])
    quoted = written(tmp_path / "quoted.csv", ["id", "price, EUR", "v1", "v2"], is_quoted=True)
    assert rows_read(quoted, vector_column="v*").metadata == [{"price, EUR": "x"}, {"price, EUR": "y"}]


@pytest.mark.parametrize("header", ["id,size; weight,v1,v2", "id,a;b;c,v1,v2"])
def test_a_header_with_more_commas_than_other_signs_is_one_of_commas(header: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"{header}\na,x,0.5,1.5\nb,y,2.5,3.5\n")
    name = header.split(",")[1]
    assert rows_read(path, vector_column="v*").metadata == [{name: "x"}, {name: "y"}]


def test_numbers_with_a_comma_lead_to_the_option_where_nothing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id;note;v1;v2\na;x;0,5;1,5\nb;y;2,5;3,5\n")
    with pytest.raises(MappingError, match="If '0,5' is a number, say --decimal ','"):
        rows_read(path)
    assert rows_read(path, decimal=",", vector_column="v*").vectors == VECTORS


@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
def test_the_bytes_of_windows_lead_to_a_command_that_mends_them(form: str, tmp_path: Path) -> None:
    path, row = tmp_path / f"rows.{form}", {"id": "a", "text": "Größe … 5 €", "vector": [0.5, 1.5]}
    text = {
        "csv": 'id,text,vector\na,Größe … 5 €,"[0.5, 1.5]"\n',
        "jsonl": json.dumps(row, ensure_ascii=False) + "\n",
        "json": json.dumps([row], ensure_ascii=False),
    }[form]
    path.write_bytes(text.encode("cp1252"))
    with pytest.raises(FormatError, match=f"not UTF-8.*{ICONV}"):
        rows_read(path)
    path.write_bytes(path.read_bytes().decode("cp1252").encode())
    found: Any = rows_read(path)
    assert (found.vectors, found.contents) == ([[0.5, 1.5]], ["Größe … 5 €"])
