"""The keywords of `load`, `verify` and `inspect` are the declared options, and read well in `help` and in an IDE."""

from __future__ import annotations

import dataclasses
import doctest
import inspect
import subprocess
import sys
import typing
from typing import TYPE_CHECKING, Any

import pytest
from where import ROOT

import cyborg_ingest
from cyborg_ingest.api import types
from cyborg_ingest.settings import options
from cyborg_ingest.settings.declaring import declarations

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FUNCTIONS: dict[str, tuple[Callable[..., Any], type[Any], set[str]]] = {
    "load": (cyborg_ingest.load, options.LoadSettings, set()),
    "verify": (cyborg_ingest.verify, options.VerifySettings, set()),
    "inspect": (cyborg_ingest.inspect, options.InspectSettings, {"json"}),  # the result has `to_dict`
}
OWN = {"sources", "index", "api_key", "index_key", "progress"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_there_is_a_keyword_for_each_option_with_its_default(name: str) -> None:
    function, settings, left_out = FUNCTIONS[name]
    parameters = inspect.signature(function).parameters
    declared = declarations(settings)
    assert parameters.keys() - OWN == declared.keys() - {"index"} - left_out
    assert {one.kind for one in parameters.values()} == {
        inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY,
    }  # fmt: skip
    for field in dataclasses.fields(settings):
        if field.name in parameters.keys() - OWN:
            default = parameters[field.name].default
            assert default == field.default or str(default) == field.default, field.name  # "0" is the number here


ALIASES: dict[str, Any] = {
    "Metric": options.METRICS, "Precision": options.PRECISIONS, "Format": options.FORMATS, "Verify": options.VERIFY,
    "Encoding": options.ENCODINGS, "RejectContent": options.REJECT_CONTENTS, "VerifyMode": options.VERIFY[1:],
    "DecimalSign": (".", ","),
}  # fmt: skip


def test_words_that_an_option_takes_are_the_type_of_its_keyword() -> None:
    for name, words in ALIASES.items():
        assert typing.get_args(getattr(types, name)) == tuple(words), name
    for function, settings, left_out in FUNCTIONS.values():
        kinds = inspect.signature(function).parameters
        for name, declared in declarations(settings).items():
            if declared.choices and name not in left_out:
                alias = str(kinds[name].annotation).removesuffix(" | None")
                assert tuple(ALIASES[alias]) == declared.choices, name


KINDS = {
    bool: {"bool"}, int: {"int", "Size"}, float: {"float | timedelta"}, str: {"str", "Duration", "Size", "Share"},
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_keyword_has_the_type_of_its_option(name: str) -> None:
    function, settings, left_out = FUNCTIONS[name]
    parameters, declared = inspect.signature(function).parameters, declarations(settings)
    for field_name, kind in typing.get_type_hints(settings).items():
        if field_name not in declared.keys() - {"index"} - left_out or declared[field_name].choices:
            continue
        of_option = (
            [one for one in typing.get_args(kind) if one is not type(None)]
            if type(None) in typing.get_args(kind)
            else [kind]
        )
        told = str(parameters[field_name].annotation)
        assert (" | None" in told) == (type(None) in typing.get_args(kind)), field_name
        told = told.removesuffix(" | None")
        one = of_option[0]
        wanted = KINDS.get(one) or ({"File"} if getattr(one, "__name__", "") == "Path" else {"Names", "Pairs"})
        assert told in wanted, field_name


def test_the_files_are_what_the_script_writes() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "signatures.py"), "--check"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_keyword_is_in_the_docstring_in_words_of_python(name: str) -> None:
    function, _, _ = FUNCTIONS[name]
    text = inspect.getdoc(function) or ""
    lines = text.splitlines()
    for one in inspect.signature(function).parameters.keys() - {"sources", "index"}:
        assert any(line.startswith(f"    {one}: ") for line in lines), one
    assert "--" not in text
    assert max(map(len, lines)) <= 116
    assert lines[0].endswith(".")
    assert "`sources`" in text
    assert function.__module__.startswith("cyborg_ingest.api")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_its_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    function, _, _ = FUNCTIONS[name]
    named: dict[str, Any] = {one: found for one, (found, _, _) in FUNCTIONS.items()}
    (test,) = doctest.DocTestFinder(recurse=False).find(function, name, globs=named)
    assert len(test.examples) > 1
    told: list[str] = []
    result = doctest.DocTestRunner().run(test, out=told.append)
    assert result.failed == 0, "".join(told)


PUBLIC = [name for name in cyborg_ingest.__all__ if name != "__version__"]


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_public_says_what_it_is_and_has_typed_arguments(name: str) -> None:
    found = getattr(cyborg_ingest, name)
    assert len((inspect.getdoc(found) or "").split()) > 3
    members = (
        [found]
        if inspect.isfunction(found)
        else [one for own, one in vars(found).items() if not own.startswith("_") and inspect.isfunction(one)]
    )
    for one in members:
        text = inspect.getdoc(one) or ""
        assert len(text.split()) > 3, one.__qualname__
        assert "See `" not in text, f"{one.__qualname__} sends its reader elsewhere"
        signature = inspect.signature(one)
        assert signature.return_annotation is not inspect.Signature.empty
        for parameter in [*signature.parameters.values()][0 if inspect.isfunction(found) else 1 :]:
            assert parameter.annotation is not inspect.Parameter.empty, (one.__qualname__, parameter.name)
            assert parameter.annotation != "Any", (one.__qualname__, parameter.name)


USER = """
from datetime import timedelta
from pathlib import Path
import numpy as np
import cyborg_ingest
from cyborg_ingest import Client, Index, IngestError, Match, RunReport, StoredRow

def rows():
    yield {"id": "a", "vector": np.ones(4, np.float32), "n": 1}

report: RunReport = cyborg_ingest.load(
    [Path("a.parquet"), "b.jsonl"], index="docs", target="disk:data", create=True, metric="cosine", max_errors=3,
    metadata_columns=["a", "b"], key_out=Path("docs.key"), max_duration=timedelta(hours=1), batch_bytes="8M",
    timeout=timedelta(seconds=30), set={"lang": "en"}, rename={"a": "b"}, verify="sample", progress=True,
)
cyborg_ingest.load(rows(), index="docs", index_key=bytes(32), api_key=Path("k"), max_errors="1%", metadata_columns="*")
cyborg_ingest.load({"id": ["a"], "vector": np.ones((1, 4))}, index="docs", progress=lambda fact: print(fact))
print(report.rows["acknowledged"] + 1, report.columns["id"], report.not_loaded, report.created, report.key_file)
found = cyborg_ingest.inspect(rows(), limit=5)
print(found.findings[0].text, cyborg_ingest.verify("a.npy", index="docs", mode="count")["differences"])
with cyborg_ingest.connect("disk:data", api_key=Path("k")) as client, client.index("docs", "00" * 32) as index:
    kept: Index = index
    matches: list[Match] = index.query([1.0, 2.0], top_k=3)
    got: list[StoredRow] = index.get([one.id for one in matches])
    index.upsert_binary(["a"], np.ones((1, 2), np.float32), [{"a": 1}], ["text", ])
    print(matches[0].distance, got[0].metadata)
try:
    pass
except IngestError as error:
    print(error.report.rows if error.report else None)
"""
WRONG = {
    'cyborg_ingest.load("a.npy", index="d", metric="dot")': "arg-type",
    'cyborg_ingest.load("a.npy", index="d", metrik="cosine")': "call-arg",
    'cyborg_ingest.load("a.npy")': "call-arg",
    'cyborg_ingest.load(5, index="d")': "arg-type",
    'cyborg_ingest.load("a.npy", index="d", limit="5")': "arg-type",
    'cyborg_ingest.load("a.npy", index="d", create="yes")': "arg-type",
    'cyborg_ingest.load("a.npy", index="d", max_duration=60)': "arg-type",
    'cyborg_ingest.load("a.npy", index="d", index_key=5)': "arg-type",
    'cyborg_ingest.load("a.npy", "d")': "call-arg",
    'cyborg_ingest.load("a.npy", index="d").row': "attr-defined",
    'cyborg_ingest.verify("a.npy", index="d", mode="none")': "arg-type",
    'cyborg_ingest.inspect("a.npy", create=True)': "call-arg",
    'cyborg_ingest.connect("disk:x").index("d").query("text")': "arg-type",
}


def test_programs_are_checked_against_the_signatures(tmp_path: Path) -> None:
    """By mypy, from outside of the package: it is typed, and says so."""
    pytest.importorskip("mypy")
    (tmp_path / "right.py").write_text(USER)
    (tmp_path / "wrong.py").write_text("import cyborg_ingest\n" + "\n".join(WRONG) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", "--hide-error-context", "--cache-dir", str(tmp_path / "c"),
         "--allow-untyped-calls", "right.py", "wrong.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    faults = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert [line for line in faults if line.startswith("right.py")] == []
    at = {int(line.split(":")[1]): line.rsplit("[", 1)[1].rstrip("]") for line in faults if line.startswith("wrong.py")}
    assert at == dict(enumerate(WRONG.values(), 2)), done.stdout
