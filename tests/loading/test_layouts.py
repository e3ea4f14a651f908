"""Each layout of the corpus is loaded as it is, or refused with the options that decide: see layouts/make/entry.py.

What an index has to hold was written by the script that wrote the files, of the same rows, and by no reader.
"""

from __future__ import annotations

import csv
import json
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from commands import ran
from conftest import Engine
from where import TESTS

import cyborg_ingest
from cyborg_ingest.errors import UsageError
from cyborg_ingest.facts import Planned
from cyborg_ingest.loading.loader import run
from cyborg_ingest.settings.options import LoadSettings

if TYPE_CHECKING:
    from pathlib import Path

LAYOUTS = TESTS / "layouts"
NOT_YET = {line for line in (LAYOUTS / "not_yet.txt").read_text("utf-8").splitlines() if line and line[0] != "#"}
"""Entries that do not load yet: one that does fails the test, so that the list can only shrink.

`plan:` before a name: it loads, and the plan does not tell all yet.
"""

FOLDERS = {path.parent.name: path.parent for path in sorted(LAYOUTS.glob("*/expected.json"))}


@dataclass(frozen=True)
class Layout:
    """An entry, and what `expected.json` says of it."""

    folder: Path
    said: dict[str, Any]

    @property
    def source(self) -> Path:
        return self.folder / str(self.said["load"])

    @property
    def options(self) -> list[str]:
        return [word.replace("{folder}", str(self.folder)) for word in self.said.get("options", ())]

    @property
    def rows(self) -> dict[str, tuple[bytes, Any, str | None]]:
        return {
            one["id"]: (struct.pack(f"<{len(one['vector'])}f", *one["vector"]), one["metadata"], one["contents"])
            for one in self.said["rows"]
        }

    def held(self, engine: Engine, index: str) -> dict[str, tuple[bytes, Any, str | None]]:
        """What the index has of the rows."""
        found = engine.read(index, [one["id"] for one in self.said["rows"]])
        return {identity: (one.vector, one.metadata or None, one.contents) for identity, one in found.items()}


def layout_of(entry: str) -> Layout:
    return Layout(FOLDERS[entry], json.loads((FOLDERS[entry] / "expected.json").read_text("utf-8")))


def layouts(*, refused: bool) -> list[Any]:
    found = []
    for name in FOLDERS:
        layout = layout_of(name)
        if layout.said.get("refused", False) == refused:
            marks = [pytest.mark.xfail(strict=True)] if name in NOT_YET else []
            found.append(pytest.param(layout, id=name, marks=marks))
    return found


def tables() -> list[Any]:
    """Entries that are one table, loaded without an option: they say by themselves which columns there are."""
    found = []
    for name in FOLDERS:
        layout = layout_of(name)
        is_plain = not (layout.options or layout.said.get("refused"))
        if is_plain and layout.source.suffix in {".parquet", ".csv"} and name not in NOT_YET:
            marks = [pytest.mark.xfail(strict=True)] if f"plan:{name}" in NOT_YET else []
            found.append(pytest.param(layout.source, id=name, marks=marks))
    return found


def columns_in(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return list(pq.read_schema(path).names)
    with path.open(newline="", encoding="utf-8-sig") as lines:
        return [name or "__index_level_0__" for name in next(csv.reader(lines))]  # as pandas calls it in Parquet


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The engine in this process: the same rows reach both, as test_load shows."""
    return Engine("embedded", f"disk:{tmp_path_factory.mktemp('layouts')}", iter(range(1_000_000)))


def check(layout: Layout, disk: Engine, index: str) -> None:
    assert layout.held(disk, index) == layout.rows
    assert disk.count(index) == len(layout.rows)


@pytest.mark.parametrize("layout", layouts(refused=False))
def test_a_layout_is_loaded_as_it_is(layout: Layout, disk: Engine) -> None:
    index = disk.name()
    if layout.options:
        done = ran("upsert", layout.source, "--index", index, "--target", disk.target, "--create", *layout.options)
        rejected = layout.said.get("rejected", [])
        assert (done.returncode, [why for why in rejected if why not in done.stderr]) == (1 if rejected else 0, []), (
            done.stderr
        )
    else:
        report = cyborg_ingest.load(layout.source, index=index, target=disk.target, create=True)
        assert (report.exit_code, report.rows["rejected"]) == (0, 0)
    check(layout, disk, index)


@pytest.mark.parametrize("layout", layouts(refused=True))
def test_a_layout_that_is_not_clear_is_refused_with_the_options_that_decide(layout: Layout, disk: Engine) -> None:
    index = disk.name()
    with pytest.raises(UsageError) as refused:
        run(LoadSettings(sources=(str(layout.source),), index=index, target=disk.target, create=True))
    assert refused.value.exit_code == 2
    assert [word for word in layout.said["named"] if word not in str(refused.value)] == []
    if layout.options:
        done = ran("upsert", layout.source, "--index", index, "--target", disk.target, "--create", *layout.options)
        assert done.returncode == 0, done.stderr
        check(layout, disk, index)


@pytest.mark.parametrize("source", tables())
def test_the_plan_tells_what_becomes_of_every_column(source: Path, disk: Engine) -> None:
    facts: list[Any] = []
    run(LoadSettings(sources=(str(source),), index="none", target=disk.target, create=True, dry_run=True), facts.append)
    (planned,) = [one for fact in facts if isinstance(fact, Planned) for one in fact.sources]
    told = [words for role in planned.roles.values() for words in role] + list(planned.left_out)
    names = {name: re.compile(re.escape(name) + r"(?!\w)") for name in columns_in(source)}  # more may stand behind it
    assert [name for name, begins in names.items() if not any(map(begins.match, told))] == []


def test_the_list_of_those_that_do_not_load_yet_names_nothing_else() -> None:
    assert {name.removeprefix("plan:") for name in NOT_YET} <= set(FOLDERS)
