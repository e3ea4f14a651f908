"""Advice that names a column is what a shell takes, whatever the column is called, and is given only where it works."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from advised import run, says
from conftest import KEY

import cyborg_ingest

NAMES = ["late", "two words", "it's", "$HOME", "a;b", "x*", "a=b", "\N{SNOWMAN}", "a.b", 'a"b', "--late"]
UNNAMED = ["a,b", " a", "a ", ","]
VECTOR = [1, 2, 3, 4]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_TARGET", "disk:data")
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    assert run("index", "create", "x", "--dimension", 4)[0] == 0


def upsert(source: str, *options: str) -> tuple[int, str]:
    return run("upsert", source, "--index", "x", *options)


def stored(identity: str) -> object:
    with cyborg_ingest.connect("disk:data") as client, client.index("x", KEY) as index:
        return index.get([identity])[0].metadata


def advised(told: str, option: str) -> list[str]:
    """The option with its value, as a shell takes it."""
    found = re.search(rf"({option} .+?) (would|stores) ", told)
    assert found is not None, told
    return shlex.split(found[1])


def rows_with_a_late_field(name: str) -> None:
    rows = ({"id": f"r{row}", "vector": VECTOR, **({name: row} if row > 149 else {})} for row in range(200))
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("name", NAMES)
def test_a_late_field_is_loaded_by_the_option_that_is_told(name: str) -> None:
    rows_with_a_late_field(name)
    code, told = upsert("rows.jsonl", "--metadata-columns", "none")
    assert code == 0, told
    says(told, "--metadata-columns {} would load it.")
    code, told = upsert("rows.jsonl", *advised(told, "--metadata-columns"))
    assert (code, stored("r170")) == (0, {name: 170}), told


@pytest.mark.parametrize("name", UNNAMED)
def test_no_option_is_told_for_a_name_that_none_can_take(name: str) -> None:
    rows_with_a_late_field(name)
    code, told = upsert("rows.jsonl", "--metadata-columns", "none")
    assert (code, "is not in the first rows" in told, "--metadata-columns" in told) == (0, True, False), told
    Path("rows.csv").write_text(mixed(name))
    code, told = upsert("rows.csv", "--metadata-columns", "*")
    assert (code, "is text, though" in told, "--column-types" in told) == (0, True, False), told


def mixed(name: str) -> str:
    quoted = name.replace('"', '""')
    return f'id,vector,"{quoted}"\n' + "".join(f'{n},"{VECTOR}",{"x" if n == 150 else n}\n' for n in range(151))


@pytest.mark.parametrize("name", NAMES)
def test_a_column_of_two_kinds_is_of_one_by_the_option_that_is_told(name: str) -> None:
    Path("rows.csv").write_text(mixed(name))
    code, told = upsert("rows.csv", "--metadata-columns", "*")
    assert code == 0, told
    options = advised(told, "--column-types")
    code, told = upsert("rows.csv", "--metadata-columns", "*", "--max-errors", "1", *options)
    assert (code, stored("7")) == (1, {name: 7}), told
    assert "1 rejected" in told


@pytest.mark.parametrize("name", ["meta", "Metadata"])
def test_a_text_that_is_no_object_is_stored_as_a_field_by_the_option_that_is_told(name: str) -> None:
    Path("rows.csv").write_text(f'id,vector,{name}\na,"{VECTOR}",wiki\n')
    code, told = upsert("rows.csv", "--metadata-column", name)
    assert code == 4, told
    says(told, ". --metadata-columns {} stores it as a field of its own")
    code, told = upsert("rows.csv", *advised(told, "--metadata-columns"))
    assert (code, stored("a")) == (0, {name: "wiki"}), told


FOLDERS = {
    "one level": (["year=2023", "year=2024"], "{year}-{file}-{row}"),
    "another name": (["lang=de/x", "lang=en/x"], "{lang}-{file}-{row}"),
    "a name of two words": (["the lang=de", "the lang=en"], "{the lang}-{file}-{row}"),
    "of two levels one differs": (["year=2024/lang=de", "year=2024/lang=en"], "{lang}-{file}-{row}"),
}


@pytest.mark.parametrize("case", FOLDERS)
@pytest.mark.parametrize("how", [("--id-prefix", "{file}-"), ("--id-template", "{file}-{row}")])
def test_files_of_one_name_are_told_apart_by_the_folders_that_they_are_in(case: str, how: tuple[str, str]) -> None:
    folders, expected = FOLDERS[case]
    for folder in folders:
        Path("all", folder).mkdir(parents=True)
        np.save(Path("all", folder, "part.npy"), np.ones((3, 4), np.float32))
    code, told = upsert("all", *how)
    assert code == 2, told
    says(told, "; or name the folder too: --id-template {}")
    if "--id-prefix" in how:
        says(told, " instead of --id-prefix")
    advice = re.search(r"(--id-template .*?)(?: instead of --id-prefix)?\.$", told, re.MULTILINE)
    assert advice is not None, told
    assert shlex.split(advice[1]) == ["--id-template", expected]
    code, told = upsert("all", *shlex.split(advice[1]))
    assert (code, "0 rows before, 6 after" in told) == (0, True), told


def test_files_of_one_name_in_plain_folders_are_loaded_one_by_one() -> None:
    for folder in ("one", "two"):
        Path("all", folder).mkdir(parents=True)
        np.save(Path("all", folder, "part.npy"), np.ones((3, 4), np.float32))
    code, told = upsert("all", "--id-prefix", "{file}-")
    assert (code, "one by one with another text before {file}" in told, "--id-template" in told) == (2, True, False), (
        told
    )
    for folder in ("one", "two"):
        code, told = upsert(f"all/{folder}", "--id-prefix", f"{folder}-{{file}}-")
        assert code == 0, told
    assert "3 rows before, 6 after" in told


@pytest.mark.parametrize("name", ["other", "two words", "a,b", "x*", "it's"])
@pytest.mark.parametrize("form", ["npz", "hdf5"])
def test_the_array_that_is_named_for_the_vectors_is_taken(name: str, form: str) -> None:
    arrays: dict[str, Any] = {"vectors": np.arange(5.0), name: np.ones((5, 4), np.float32)}
    if form == "npz":
        np.savez("rows.npz", **arrays)
    else:
        h5py = pytest.importorskip("h5py")
        with h5py.File("rows.hdf5", "w") as file:
            for one, values in arrays.items():
                file[one] = values
    code, told = upsert(f"rows.{form}", "--id-template", "{row}")
    assert code == 2, told
    says(told, "{}: {} holds one {} a row and no vectors. Decide with --vector-column {}.")
    advice = re.search(r"Decide with (.*)\.$", told, re.MULTILINE)
    assert advice is not None
    code, told = upsert(f"rows.{form}", "--id-template", "{row}", *shlex.split(advice[1]))
    assert (code, "5 of 5 rows loaded" in told) == (0, True), told
