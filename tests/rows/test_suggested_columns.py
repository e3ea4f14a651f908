"""What a message suggests as a column is one of the file, is not the contents, and is taken when it is tried."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cyborg_ingest.errors import UsageError
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.declaring import declarations
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORDS = ["a first text", "a second text", "a third text"]
VECTORS = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
NUMBERS = [1.5, 2.5, 3.5]
NAMES = ["a", "b", "c"]

_NAMED = re.compile(r"--(id|vector|metadata|contents)-column ('[^']*'|[^\s;,]+(?:,[^\s;,]+)*)")
_FIELDS = re.compile(r"--metadata-columns ('[^']*'|[^\s;.]+)")
_MEANT = re.compile(r"Did you mean ('[^']*'|\"[^\"]*\")")

TABLES: dict[str, dict[str, Any]] = {
    "contents and vectors": {"text": WORDS, "vector": VECTORS},
    "contents by another name and vectors": {"passage": WORDS, "embedding": VECTORS},
    "contents, their title and vectors": {"passage": WORDS, "title": WORDS, "year": [1, 2, 3], "vec": VECTORS},
    "contents alone": {"text": WORDS},
    "metadata alone": {"metadata": [{"a": 1}, {"a": 2}, {"a": 3}]},
    "nothing of a known name": {"a": NUMBERS, "b": WORDS},
    "ids by another name": {"text": WORDS, "articleId": NAMES, "vector": VECTORS},
    "ids and vectors by other names": {"body": WORDS, "product_key": NAMES, "v": VECTORS},
    "ids in a struct": {"doc": [{"id": one, "text": "t"} for one in NAMES], "vector": VECTORS},
    "vectors in a struct": {"id": NAMES, "data": [{"embedding": one, "model": "m"} for one in VECTORS]},
    "vectors in the metadata": {"id": NAMES, "metadata": [{"embedding": one} for one in VECTORS]},
    "vectors three structs down": {"id": NAMES, "a": [{"b": {"c": one}} for one in VECTORS]},
    "ids of floats": {"id": NUMBERS, "text": WORDS, "vector": VECTORS},
    "ids of floats beside others": {"id": NUMBERS, "code": NAMES, "text": WORDS, "vector": VECTORS},
    "vectors of text": {"id": NAMES, "vector": WORDS, "text": WORDS},
    "vectors of text beside others": {"id": NAMES, "vector": WORDS, "other": VECTORS},
    "two ids": {"id": NAMES, "uuid": NAMES, "vector": VECTORS},
    "two vectors": {"id": NAMES, "vector": VECTORS, "embedding": VECTORS},
    "two contents": {"id": NAMES, "vector": VECTORS, "text": WORDS, "body": WORDS},
    "two metadata": {"id": NAMES, "vector": VECTORS, "meta": [{"a": 1}] * 3, "payload": [{"a": 1}] * 3},
    "contents of numbers": {"id": NAMES, "vector": VECTORS, "contents": NUMBERS},
    "metadata of numbers": {"id": NAMES, "vector": VECTORS, "metadata": NUMBERS},
    "numbers side by side": {"id": NAMES, "v0": NUMBERS, "v1": NUMBERS, "v2": NUMBERS},
    "numbers side by side and others": {"id": NAMES, "dim_1": NUMBERS, "dim_2": NUMBERS, "dim_total": WORDS},
    "numbers side by side, of two digits": {"key": NAMES, **{f"f{place:02}": NUMBERS for place in range(12)}},
    "numbers side by side without ids": {f"e{place}": NUMBERS for place in range(3)},
    "numbers by other names": {"id": NAMES, "x": NUMBERS, "y": NUMBERS},
    "numbers that are not in order": {"id": NAMES, "v10": NUMBERS, "v2": NUMBERS, "vx": WORDS, "v1": NUMBERS},
    "names with blanks": {"the doc id": NAMES, "my vectors": VECTORS, "text": WORDS},
    "names with dots": {"doc.id": NAMES, "a.v": VECTORS, "page.text": WORDS},
    "names with commas": {"id,of it": NAMES, "v,1": VECTORS},
    "names with quotes": {'the "id"': NAMES, "it's a key": NAMES, "v": VECTORS},
    "names with signs of patterns": {"id": NAMES, "v*": VECTORS},
    "names that are options": {"--id": NAMES, "-v": VECTORS},
    "names of the template": {"file": WORDS, "row": [None, None, None], "v": VECTORS},
    "names in capitals": {"ID": NAMES, "VECTOR": VECTORS, "TEXT": WORDS},
    "names of other scripts": {"идентификатор": NAMES, "вектор": VECTORS, "text": WORDS},
    "many columns": {**{f"column {place}": WORDS for place in range(60)}, "text": WORDS},
    "vectors of vectors": {"id": NAMES, "vector": [VECTORS, VECTORS, VECTORS]},
}

OPTIONS: dict[str, tuple[str, ...]] = {
    "no option": (),
    "the contents named": ("--contents-column", "{words}"),
    "a contents column as a field": ("--metadata-columns", "{words}"),
    "a name that is nearly the contents'": ("--id-column", "contexts"),
    "a name that is nearly the vectors'": ("--vector-column", "vecto"),
    "a field that is not there": ("--metadata-columns", "titel"),
    "a condition on what is not there": ("--where", "txt = 'a'"),
    "a template of what is not there": ("--id-template", "{{idd}}"),
}


def _parquet(table: dict[str, Any]) -> Path:
    pq.write_table(pa.table(table), "rows.parquet")
    return Path("rows.parquet")


def _jsonl(table: dict[str, Any]) -> Path:
    rows = [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Path("rows.jsonl")


def _csv(table: dict[str, Any]) -> Path:
    def cell(value: object) -> str:
        text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
        return '"' + text.replace('"', '""') + '"'

    lines = [",".join(map(cell, table)), *(",".join(map(cell, row)) for row in zip(*table.values(), strict=True))]
    Path("rows.csv").write_text("\n".join(lines) + "\n")
    return Path("rows.csv")


def _arrays(table: dict[str, Any]) -> dict[str, Any]:
    """What of a table can be arrays."""
    return {name: values for name, values in table.items() if isinstance(values[0], str | float | int | list)}


def _npz(table: dict[str, Any]) -> Path:
    arrays: dict[str, Any] = {name: np.array(values) for name, values in table.items()}
    np.savez("rows.npz", **arrays)
    return Path("rows.npz")


def _hdf5(table: dict[str, Any]) -> Path:
    with h5py.File("rows.h5", "w") as file:
        for name, values in table.items():
            array = np.array(values)
            file[name] = array.astype("S") if array.dtype.kind == "U" else array
    return Path("rows.h5")


FORMATS: dict[str, Callable[[dict[str, Any]], Path]] = {
    "parquet": _parquet, "jsonl": _jsonl, "csv": _csv, "npz": _npz, "hdf5": _hdf5
}  # fmt: skip


def _names(table: dict[str, Any]) -> set[str]:
    """The columns of a table, and the fields in them, by their paths."""
    found = set(table)
    for name, values in table.items():
        if isinstance(values[0], dict):
            found |= {f"{name}.{one}" for one in _names({key: [value] for key, value in values[0].items()})}
    return found


def _words_of(table: dict[str, Any]) -> str:
    """The column that holds the contents, as the user would name it."""
    return next((name for name, values in table.items() if values == WORDS), next(iter(table)))


def _suggested(text: str) -> list[tuple[str, str]]:
    """Options and the columns that a message names with them."""
    found = [(f"--{role}-column", _plain(name)) for role, name in _NAMED.findall(text)]
    found += [("--metadata-columns", _plain(name)) for name in _FIELDS.findall(text)]
    return [(option, name) for option, name in found if name.split()[:1] not in (["or"], ["and"], ["takes"], ["names"])]


def _plain(name: str) -> str:
    return (shlex.split(name) if name.startswith("'") else [name.rstrip(".")])[0]


def _planned(path: Path, *options: str) -> str:
    """What a plan of a load says of its columns; nothing where all is well."""
    given: dict[str, Any] = {
        _FIELD_NAMES[option]: value for option, value in zip(options[::2], options[1::2], strict=True)
    }
    if "metadata_columns" in given:
        given["metadata_columns"] = (given["metadata_columns"],)
    try:
        make_plan((str(path),), SourceSettings(**given))
    except UsageError as error:
        return str(error)
    return ""


def _check(text: str, table: dict[str, Any], given: tuple[str, ...]) -> None:
    """Every column that a message suggests is there, and the contents are never the ids."""
    names = _names(table)
    for option, name in _suggested(text):
        if name in given or not name:
            continue
        several = name.split(",") if option == "--vector-column" and name not in names else [name]
        for one in several:
            pattern = re.escape(one).replace(r"\*", ".*").replace(r"\[", "[").replace(r"\]", "]")
            assert one in names or any(re.fullmatch(pattern, known) for known in names), text
        if option == "--id-column":
            assert table.get(name) != WORDS, text
            assert name not in given, text
    for meant in _MEANT.findall(text):
        assert meant[1:-1] in names, text
        if "--id-column names" in text:
            assert table.get(meant[1:-1]) != WORDS, text


@pytest.mark.parametrize("how", OPTIONS)
@pytest.mark.parametrize("form", FORMATS)
def test_a_suggested_column_is_there_and_is_not_the_contents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, how: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for table in _tables(form):
        given = tuple(one.format(words=_words_of(table)) for one in OPTIONS[how])
        _check(_planned(FORMATS[form](table), *given), table, given)


def _tables(form: str) -> Iterator[dict[str, Any]]:
    """Those that can be written as files of a format."""
    for table in TABLES.values():
        if form in {"npz", "hdf5"}:
            if _arrays(table) and "file" not in table:
                yield _arrays(table)
        else:
            yield table


@pytest.mark.parametrize("form", FORMATS)
def test_whoever_tries_what_is_suggested_gets_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.chdir(tmp_path)
    ended = 0
    for table in _tables(form):
        path = FORMATS[form](table)
        options: list[str] = []
        seen: list[str] = []
        while error := _planned(path, *options):
            assert error not in seen, "an option that was advised changed nothing"
            seen.append(error)
            advised = _suggested(error) or [("--id-template", one) for one in _TEMPLATE.findall(error)]
            if not advised or advised[0][0] in options:
                break
            options += advised[0]
        ended += not error
        assert not error or not _TRY.search(error), error
    assert ended > len(TABLES) // 3


_TRY = re.compile(r"Try --|Decide with")
_TEMPLATE = re.compile(r"--id-template '([^']*)'")
_FIELD_NAMES = {declared.flag: name for name, declared in declarations(SourceSettings).items()}
