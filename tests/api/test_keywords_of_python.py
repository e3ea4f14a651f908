"""What a program passes naturally is taken, and what is wrong is told in words of Python, before anything is read."""

from __future__ import annotations

import base64
import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cyborgdb_core
import numpy as np
import pytest

import cyborg_ingest
from cyborg_ingest.api.values import settings_of
from cyborg_ingest.errors import ArgumentTypeError, IngestError, KeyFileError, UsageError
from cyborg_ingest.settings.options import LoadSettings

if TYPE_CHECKING:
    from conftest import Engine

KEY = bytes(range(2, 34))
ROWS = [{"id": f"r{row}", "vector": [1.0, float(row)], "n": row, "old": "x"} for row in range(5)]

PASSED: dict[str, tuple[str, Any, Any]] = {
    "a number of bad rows": ("max_errors", 3, "3"),
    "a share of them": ("max_errors", "1%", "1%"),
    "all columns": ("metadata_columns", "*", ("*",)),
    "columns with commas": ("metadata_columns", "a,b", ("a", "b")),
    "columns": ("metadata_columns", ["a,b", "c"], ("a,b", "c")),
    "no column": ("metadata_columns", "none", ("none",)),
    "a duration": ("max_duration", "5h50m", "5h50m"),
    "a timedelta": ("max_duration", datetime.timedelta(hours=1, seconds=0.5), "3601s"),
    "a day": ("max_age", datetime.timedelta(days=1), "86400s"),
    "seconds": ("timeout", datetime.timedelta(minutes=1), 60.0),
    "whole seconds": ("drain_timeout", 5, 5),
    "bytes": ("batch_bytes", 8_000_000, 8_000_000),
    "bytes as text": ("batch_bytes", "8M", 8_000_000),
    "the bytes of a row": ("max_row_bytes", "500K", 500_000),
    "bytes a second": ("max_bytes_per_second", 20_000_000, "20000000"),
    "a number of numpy": ("limit", np.int64(7), 7),
    "a path": ("ids", Path("ids.txt"), Path("ids.txt")),
    "a path as text": ("key_out", "docs.key", Path("docs.key")),
    "fields": ("set", {"lang": "en", "n": 5, "deep": {"a": [None]}}, ('lang="en"', "n=5", 'deep={"a": [null]}')),
    "a field with a comma": ("set", "tags=a,b", ("tags=a,b",)),
    "names": ("rename", {"old": "new"}, ("old=new",)),
    "types": ("column_types", {"score": "float"}, ("score=float",)),
    "a command": ("from_command", "zcat 'a b.gz'", ("zcat", "a b.gz")),
    "nothing": ("limit", None, None),
}  # fmt: skip


@pytest.mark.parametrize("name", PASSED)
def test_what_a_program_has_becomes_the_option(name: str) -> None:
    keyword, value, wanted = PASSED[name]
    settings = settings_of(LoadSettings, {"sources": (), "index": "i", keyword: value})
    assert getattr(settings, keyword) == wanted


WRONG: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "a metric": ({"metric": "dot"}, UsageError, r"^metric='dot'; it takes cosine, euclidean, squared_euclidean\.$"),
    "a bound": ({"batch_rows": 0}, UsageError, r"^batch_rows is 0; it must be at least 1\.$"),
    "a duration": ({"max_duration": "soon"}, UsageError, "^max_duration='soon'; it takes a duration like 90s"),
    "seconds that may be minutes": ({"max_age": 60}, ArgumentTypeError, "max_age is int"),
    "no time at all": ({"max_duration": datetime.timedelta(0)}, UsageError, "max_duration='0s'; it takes a duration"),
    "bytes": ({"batch_bytes": "8X"}, UsageError, "batch_bytes='8X'; it takes bytes like 500000, 500K"),
    "text for a number": ({"limit": "5"}, ArgumentTypeError, "^limit is str, not int$"),
    "a truth for a number": ({"limit": True}, ArgumentTypeError, "^limit is bool, not int$"),
    "a number for columns": ({"metadata_columns": 5}, ArgumentTypeError, "metadata_columns is int, not text or a list"),
    "columns of numbers": ({"metadata_columns": [1]}, ArgumentTypeError, "metadata_columns is a list with int"),
    "a field of a set": ({"set": {"a": {1}}}, ArgumentTypeError, r"set\['a'\]: .*set is not JSON"),
    "a target": ({"target": None}, UsageError, r"^No target\. Give target='http://HOST:PORT' .* in this process\.$"),
    "a key": ({"index_key": "x.key"}, UsageError, "^index_key is not a key.*A file is named by a pathlib.Path"),
    "two keys": ({"index_key": KEY, "index_key_file": "k"}, UsageError, "Both index_key and index_key_file are given"),
    "a key that is a number": ({"index_key": 5}, ArgumentTypeError, "index_key is int; it takes bytes, hex or base64"),
    "a file of a key": ({"index_key": Path("none.key")}, KeyFileError, "index_key none.key: No such file"),
    "progress": ({"progress": "yes"}, ArgumentTypeError, "progress is str; it takes True, False or a function"),
    "no index": ({}, IngestError, r"so there is no index in it\. To create it, pass create=True\.$"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_by_its_keyword(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options, kind, said = WRONG[name]
    with pytest.raises(kind, match=said) as caught:
        cyborg_ingest.load(ROWS, **{"index": "i", "target": f"disk:{tmp_path / 'data'}", **options})
    assert "--" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({"metrik": "cosine"}, "load() got an unexpected keyword argument 'metrik'; did you mean 'metric'?"),
        ({"max_error": 3}, "load() got an unexpected keyword argument 'max_error'; did you mean 'max_errors'?"),
        ({"zzz": 3}, "load() got an unexpected keyword argument 'zzz'; help(cyborg_ingest.load) shows all of them"),
    ],
)
def test_a_misspelled_keyword_is_a_type_error_with_the_nearest_name(call: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError) as caught:
        cyborg_ingest.load("rows.npy", index="i", index_key=KEY, **call)
    assert str(caught.value) == said
    assert not isinstance(caught.value, IngestError)
    with pytest.raises(TypeError, match="missing a required .*argument: 'index'"):
        cyborg_ingest.load("rows.npy")  # type: ignore[call-arg]


FORMS: dict[str, Any] = {
    "bytes": KEY, "hex": KEY.hex(), "base64": base64.b64encode(KEY).decode(), "a path": Path("index.key"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_load_takes_a_key_in_each_form_and_creates_the_index_with_it(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", bytes(range(32)).hex())  # what is passed wins
    Path("index.key").write_text(KEY.hex())
    report = cyborg_ingest.load(ROWS, index="i", target="disk:data", create=True, index_key=FORMS[form])
    assert (report.created, report.key_file) == (True, None)
    storage = cyborgdb_core.StorageConfig.disk(str(tmp_path / "data"))
    handle = cyborgdb_core.Client(storage_config=storage).load_index("i", KEY)
    assert handle.get_num_vectors(index_key=KEY) == 5
    del handle
    assert cyborg_ingest.verify(ROWS, index="i", target="disk:data", index_key=FORMS[form])["differences"] == 0


def test_a_wrong_key_is_told_by_its_keyword(engine: Engine) -> None:
    name = engine.name()
    cyborg_ingest.load(ROWS, index=name, target=engine.target, create=True, index_key=KEY)
    with pytest.raises(IngestError, match="The key that was tried is that of index_key") as caught:
        cyborg_ingest.load(ROWS, index=name, target=engine.target, index_key=bytes(range(9, 41)))
    assert "--" not in str(caught.value)


def test_fields_are_set_and_renamed_from_dicts(engine: Engine) -> None:
    name = engine.name()
    cyborg_ingest.load(
        ROWS[:1], index=name, target=engine.target, create=True, index_key=KEY, set={"lang": "en"},
        rename={"old": "new"}, metadata_columns=["n", "old"],
    )  # fmt: skip
    assert engine.read(name, ["r0"], KEY)["r0"].metadata == {"lang": "en", "n": 0, "new": "x"}


def test_verify_and_inspect_speak_python_too(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="^mode='none'; it takes count, sample, full"):
        cyborg_ingest.verify(ROWS, index="i", target=f"disk:{tmp_path}", mode="none")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"verify\(\) got an unexpected keyword argument 'modus'; did you mean 'mode'"):
        cyborg_ingest.verify(ROWS, index="i", modus="count")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"inspect\(\) got an unexpected keyword argument 'ful'; did you mean 'full'"):
        cyborg_ingest.inspect(ROWS, ful=True)  # type: ignore[call-arg]
    found = cyborg_ingest.inspect([*ROWS, {"id": None, "vector": [1.0, 2.0]}], full=True)
    assert [one.kind for one in found.findings] == ["id_missing"]
