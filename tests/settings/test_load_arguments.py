"""Options of `load` that are of another type are told by their names, before anything is read."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cyborg_ingest
from cyborg_ingest.errors import ArgumentTypeError
from cyborg_ingest.settings.options import InspectSettings, LoadSettings, VerifySettings

NAN = float("nan")
ODD: list[Any] = [5, 2.5, NAN, True, "text", b"bytes", ["a"], [1], {"a": 1}, object(), Path("x"), np.int64(3)]
TAKEN: dict[str, set[Any]] = {  # by name of the annotation -> what of ODD it takes, beside None where it says so
    "str": {"text"}, "int": {5}, "float": {5, 2.5}, "bool": {True}, "Path": {"text", Path("x")},
}  # fmt: skip


def is_taken(name: str, kind: str, value: Any) -> bool:
    if kind.startswith("tuple"):
        return bool(value == ["a"])
    if name in {"max_errors", "max_shrink", "max_delete", "max_bytes_per_second", "max_memory"} and type(value) is int:
        return True
    return any(type(value) is type(one) and value == one for one in TAKEN[kind] if value is not None) or (
        kind == "Path" and isinstance(value, Path)
    )


@pytest.mark.parametrize("settings", [LoadSettings, VerifySettings, InspectSettings])
def test_every_option_takes_its_own_type_alone(settings: type[Any]) -> None:
    given: dict[str, Any] = {"sources": ("a.npy",), "index": "x"}
    for item in fields(settings):
        if "Hidden" in str(item.type):  # what a program passes as a key: see tests/api
            continue
        kind = str(getattr(item.type, "__name__", item.type)).split(" | ")[0].rpartition(".")[2]
        kind = "tuple" if "tuple" in str(item.type) else kind
        for value in ODD:
            if is_taken(item.name, kind, value) or value is NAN:  # a number, whose bounds are looked at
                continue
            with pytest.raises(ArgumentTypeError, match=rf"^{item.name} is "):
                settings(**{**given, item.name: value})


def test_what_a_program_passes_naturally_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    np.save(tmp_path / "rows.npy", np.ones((3, 4), np.float32))
    (tmp_path / "ids.txt").write_text("a\nb\nc\n")
    report = cyborg_ingest.load(
        str(tmp_path / "rows.npy"), index="x", target=f"disk:{tmp_path / 'data'}", create=True,
        ids="~/ids.txt", max_errors=3, timeout=5, set=["lang=en"], state_dir="~/state",
    )  # fmt: skip
    assert report.rows["acknowledged"] == 3
    assert (tmp_path / "state").is_dir()
