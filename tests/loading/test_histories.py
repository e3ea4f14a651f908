"""Whatever becomes of the sources between runs that break off, a load that ends well leaves the last row of each id.

A history is made by chance: files come, change, shrink, move in their list, leave it and come back, rows of them are
bad or refused for a time, and runs break off at any request, with every option that goes by what earlier runs have
left. What has to be there at the end is known by the one who wrote the files; it is read by the engine itself.
"""

from __future__ import annotations

import gc
import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cyborgdb_core
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import KEY

import cyborg_ingest
from cyborg_ingest.errors import DifferenceError, LostRowsError, RefusedError, TargetError
from cyborg_ingest.targets.embedded import EmbeddedIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IDS = "abcdefgh"
GOOD, BAD, REFUSED = 0.0, 1.0, 2.0
"""What becomes of a row: the second component of its vector says so to the engine's double."""


@dataclass(frozen=True)
class Row:
    """`number` is what its vector begins with; `kind` what becomes of it."""

    id: str
    number: float
    kind: float = GOOD

    @property
    def vector(self) -> list[float | None]:
        return [None if self.kind == BAD else self.number, 1.0 + self.kind]


Files = dict[str, list[Row]]


def write(path: Path, rows: list[Row]) -> None:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({"id": one.id, "vector": one.vector}) + "\n" for one in rows))
        return
    table = pa.table(
        {"id": [one.id for one in rows], "vector": pa.array([one.vector for one in rows], pa.list_(pa.float32()))}
    )
    pq.write_table(table, path, row_group_size=2)


class BrokenOffError(TargetError):
    """The run ends here."""


@dataclass
class Fate:
    """What befalls the requests of a run: after so many it breaks off, the last one applied or not (0: never)."""

    left: int = 0
    is_applied: bool = False

    def befalls(self, action: Callable[[], None]) -> None:
        self.left -= 1
        if self.left == 0:
            if self.is_applied:
                action()
            raise BrokenOffError("here")
        action()


@pytest.fixture
def fate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fate]:
    found = Fate()
    with_fate(found, monkeypatch)
    yield found
    gc.collect()  # what reads a file is left to it


def with_fate(found: Fate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine, with requests that break off and rows that it refuses."""
    upsert, delete = EmbeddedIndex.upsert_binary, EmbeddedIndex.delete_rows

    def upsert_binary(index: Any, ids: list[str], vectors: Any, *more: Any) -> None:
        if (vectors[:, 1] == 1 + REFUSED).any():
            raise RefusedError("a row is not to its taste")
        found.befalls(lambda: upsert(index, ids, vectors, *more))

    monkeypatch.setattr(EmbeddedIndex, "upsert_binary", upsert_binary)
    monkeypatch.setattr(EmbeddedIndex, "delete_rows", lambda index, ids: found.befalls(lambda: delete(index, ids)))
    monkeypatch.setattr("cyborg_ingest.loading.missing._AT_ONCE", 2)


@dataclass
class History:
    """The files, their order, and what was ever sent of them."""

    chance: random.Random
    suffix: str
    folder: Path
    is_listed: bool
    files: Files = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    number: int = 0
    story: list[str] = field(default_factory=list)
    others: set[str] = field(default_factory=set)
    """Ids of rows that need not be deleted: of strangers, and of what was brought before a load began anew."""

    def row(self) -> Row:
        self.number += 1
        kind = self.chance.choices([GOOD, BAD, REFUSED], [30, 1, 1])[0]
        return Row(self.chance.choice(IDS), float(self.number), kind)

    def rows(self, most: int = 6) -> list[Row]:
        return [self.row() for _ in range(self.chance.randint(1, most))]

    def changes(self) -> None:
        """Somebody works on the files and on their list."""
        for name in "12345":
            rows = self.files.get(name)
            kind = self.chance.choices(
                ["same", "other", "appended", "cut", "less", "gone"],
                [10, 2, 1, 1, 1, 2] if rows else [3, 3, 0, 0, 0, 0],
            )[0]
            if kind == "other":
                self._put(name, self.rows())
            elif kind == "gone":
                del self.files[name]
                self._path(name).unlink()
            elif rows and kind == "appended":
                self._put(name, [*rows, *self.rows(2)])
            elif rows and kind == "cut" and len(rows) > 1:
                self._put(name, rows[: self.chance.randint(1, len(rows) - 1)])
            elif rows and kind == "less" and len(rows) > 1:
                gone = self.chance.randrange(len(rows))
                self._put(name, [*rows[:gone], *rows[gone + 1 :]])
        if not self.files:
            self._put("1", self.rows())
        if self.is_listed:
            self._list()

    def _list(self) -> None:
        left = [one for one in self.order if one in self.files]
        self.order = left + [one for one in self.files if one not in left]
        if self.chance.random() < 0.3:
            self.chance.shuffle(self.order)
        if self.chance.random() < 0.3 and len(self.order) > 1:
            self.order.pop(self.chance.randrange(len(self.order)))  # its file stays, and may come back

    def _path(self, name: str) -> Path:
        return self.folder / "rows" / f"{name}.{self.suffix}"

    def _put(self, name: str, rows: list[Row]) -> None:
        self.files[name] = rows
        write(self._path(name), rows)

    def sources(self) -> list[Row]:
        """The rows, as the list or the folder has them."""
        names = self.order if self.is_listed else sorted(self.files)
        if self.is_listed:
            (self.folder / "list").write_text("".join(f"rows/{name}.{self.suffix}\n" for name in names))
        self.story.append(str({name: [(r.id, r.number, r.kind) for r in self.files[name]] for name in names}))
        return [row for name in names for row in self.files[name]]


def options(chance: random.Random) -> dict[str, Any]:
    """How a run goes by what earlier ones have left."""
    kind = chance.choices(["plain", "new", "limit"], [5, 5, 1])[0]
    found: dict[str, Any] = {
        "only_new": kind == "new", "restart": chance.random() < 0.08, "workers": chance.choice([1, 2]),
        "batch_rows": chance.choice([1, 2, 4]), "verify": chance.choice(["none", "none", "none", "full"])
    }  # fmt: skip
    if kind == "limit":
        found["limit"] = chance.randint(1, 12)
    elif chance.random() < 0.3:
        found |= {"delete_missing": True, "max_delete": "100%"}
    return found


def last_good(rows: list[Row]) -> dict[str, float]:
    return {one.id: one.number for one in rows if one.kind == GOOD}


def in_index() -> dict[str, float]:
    """All that the index has, as the engine itself gives it."""
    storage = cyborgdb_core.StorageConfig.disk("data")
    index = cyborgdb_core.Client(storage_config=storage).load_index("x", KEY)
    ids = index.list_ids(index_key=KEY)
    found = index.get(ids, index_key=KEY) if ids else []
    return {one["id"]: float(one["vector"][0]) for one in found}


def judge(history: History, rows: list[Row], given: dict[str, Any], report: cyborg_ingest.RunReport) -> None:
    """The index holds the last good row of each id; and nothing that left the sources, where that is deleted."""
    found, expected = in_index(), last_good(rows)
    story = "\n".join(history.story[-12:])
    assert {one: found.get(one) for one in expected} == expected, story
    assert report.rows["unsent"] == 0, story
    assert report.rows["rejected"] == sum(one.kind != GOOD for one in rows), story
    if given.get("delete_missing") and report.missing is not None and report.missing["why_none"] is None:
        assert found.keys() <= {one.id for one in rows} | history.others, story
    history.others -= expected.keys()


def play(history: History, fate: Fate, runs: int) -> int:
    """So many runs; how many of them ended well."""
    chance, well = history.chance, 0
    for _ in range(runs):
        if not history.files or chance.random() < 0.7:
            history.changes()
        rows, given = history.sources(), options(chance)
        if any(one.kind == REFUSED for one in rows):
            given["verify"] = "none"
        fate.left, fate.is_applied = chance.choice([0, 0, 1, 2, 3, 4, 6, 8]), chance.random() < 0.5
        history.story.append(f"{given} {fate}")
        if given["restart"] and Path("data").exists():
            history.others |= in_index().keys()
        target = "@list" if history.is_listed else "rows"
        try:
            report = cyborg_ingest.load(
                target, index="x", target="disk:data", create=True, max_errors="100%", retries=0, **given
            )
        except (BrokenOffError, RefusedError):  # that where it has taken no row yet which speaks for it
            continue
        except (LostRowsError, DifferenceError) as error:
            raise AssertionError("\n".join([*history.story[-14:], str(error)])) from None
        well += 1
        judge(history, rows[: given.get("limit")], given, report)
    return well


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    (tmp_path / "rows").mkdir()
    return tmp_path


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("seed", [*range(10), *(pytest.param(n, marks=pytest.mark.soak) for n in range(10, 300))])
def test_whatever_becomes_of_files_and_runs_each_id_has_its_last_row(
    folder: Path, fate: Fate, seed: int, suffix: str
) -> None:
    history = History(random.Random(seed), suffix, folder, is_listed=seed % 3 != 0)
    assert play(history, fate, 12)
