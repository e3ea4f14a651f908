"""A Part is read alike by whoever has its task: in another process, alone, and after the Parts behind it."""

from __future__ import annotations

import gzip
import itertools
import json
import pickle
import struct
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import BUCKET
from reading_formats import FORMATS
from reading_table import DIMENSION, ROWS
from stranger import said

from cyborg_ingest import sources as places
from cyborg_ingest.errors import SourceChangedError
from cyborg_ingest.formats import READERS, arrow, base, jsonl
from cyborg_ingest.formats.base import Kept
from cyborg_ingest.plan.done import Done
from cyborg_ingest.plan.parts import PartEnd, cut_part, read_part
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.rows.columns import usual_dimension
from cyborg_ingest.rows.ranges import RangeSet
from cyborg_ingest.settings.options import SourceSettings
from cyborg_ingest.sources import stores
from cyborg_ingest.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyborg_ingest.model import Part
    from cyborg_ingest.plan.parts import PartTask
    from cyborg_ingest.plan.reading import Plan

CUTTING = Cutting(rows=3, size=100_000, encoded=True)
AT_ONCE = 4
STRANGER = Path(__file__).parent.parent / "stranger.py"


@dataclass
class Job:
    """What is read in order, and the tasks of which it is read; each made when those before it had been read."""

    rows: list[tuple[Any, ...]]
    tasks: list[PartTask]
    ahead: list[PartTask] = field(default_factory=list)
    """Tasks that were made before any was read."""


def job(plan: Plan, done: Callable[[Part], Done] = lambda _: Done(RangeSet(), None)) -> Job:
    in_order = list(plan.read(AT_ONCE, done))
    first = next((one for one in in_order if not isinstance(one, PartEnd)), None)
    dimension = plan.dimension or (None if first is None else usual_dimension(first))
    batches = cut((one for one in in_order if not isinstance(one, PartEnd)), dimension, CUTTING)
    ends = [one for one in in_order if isinstance(one, PartEnd)]
    tasks, found = plan.tasks(AT_ONCE, done, dimension=dimension, cutting=CUTTING), []
    for task in tasks:
        found.append(task)
        for one in read_part(task):
            if isinstance(one, PartEnd):
                tasks.tell(one)
    return Job(said([*batches, *ends]), found)


def told(answers: list[Any]) -> list[tuple[Any, ...]]:
    """What strangers said of Parts, in the order of these, as one list."""
    lists = [one if isinstance(one, list) else [("error", one)] for one in answers]
    return [*(one for some in lists for one in some if one[0] != "end"),
            *(one for some in lists for one in some if one[0] == "end")]  # fmt: skip


def by_strangers(folder: Path, tasks: list[PartTask]) -> list[Any]:
    """What a fresh process makes of the tasks, from the last to the first."""
    (folder / "tasks").write_bytes(pickle.dumps([pickle.dumps(one) for one in tasks]))
    command = [sys.executable, "-I", str(STRANGER), str(folder / "tasks"), str(folder / "answers")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd="/")
    assert done.returncode == 0, done.stderr
    answers: list[Any] = pickle.loads((folder / "answers").read_bytes())  # noqa: S301 - of the process just above
    return answers


def settings(**options: Any) -> SourceSettings:
    return SourceSettings(**options)


# Every format, every type


@pytest.fixture(scope="module")
def formats(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Job, list[Any]]]:
    """Of each format's files: what is read in order, and what a stranger reads. One process for all."""
    folder = tmp_path_factory.mktemp("formats")
    jobs: dict[str, Job] = {}
    with pytest.MonkeyPatch.context() as patch:
        for module in (base, arrow, jsonl):
            patch.setattr(module, "PART_BYTES", 60)
        for name, one in FORMATS.items():
            own = folder / f"{len(jobs):02}"
            own.mkdir()
            cases = [case for case in itertools.islice(one.cases(own), 2) if isinstance(case.source, Path)]
            found = [[case] for case in cases] if one.sidecars else [cases] if cases else []
            plans = [
                make_plan(
                    tuple(str(case.source) for case in some),
                    settings(metadata_columns=() if one.sidecars else ("*",), **some[0].options),
                )
                for some in found
            ]
            several = [job(plan) for plan in plans]
            jobs[name] = Job(
                list(itertools.chain(*(one.rows for one in several))), [task for one in several for task in one.tasks]
            )
    answers = by_strangers(folder, [task for one in jobs.values() for task in one.tasks])
    given = iter(answers)
    return {name: (one, list(itertools.islice(given, len(one.tasks)))) for name, one in jobs.items()}


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if one.suffix])
def test_a_stranger_reads_the_parts_of_every_format_as_they_are_read_in_order(
    formats: dict[str, tuple[Job, list[Any]]], name: str
) -> None:
    one, answers = formats[name]
    rows = [row for row in one.rows if row[0] == "row"]
    assert len(rows) >= ROWS
    assert len(rows[0][6]) == 4 * DIMENSION
    assert sorted(map(repr, told(answers))) == sorted(map(repr, one.rows))
    assert [row for row in told(answers) if row[0] == "row"] == rows


def test_formats_that_are_cut_are_cut_in_it(formats: dict[str, tuple[Job, list[Any]]]) -> None:
    """Else nothing above is about Parts in the middle of a file."""
    most = {name: max(task.part.number for task in one.tasks) for name, (one, _) in formats.items() if one.tasks}
    for name in (
        "Parquet by pyarrow",
        "Arrow file by pyarrow",
        "JSONL",
        "HDF5",
        "npy, lines beside it",
        "npy, a file a column",
        "fvecs",
        "fbin",
    ):
        assert most[name] > 0, name


@pytest.mark.parametrize("name", READERS)
def test_a_reader_remembers_nothing(name: str) -> None:
    """It is one for all files of a process: what it knew of one would be of no use to another process."""
    held = {
        place: value for place, value in vars(READERS[name]).items() if not isinstance(value, str | tuple | np.dtype)
    }
    assert held == {}


# Many Parts, bad rows and chosen ones


COUNT = 24
IDS = [f"r{row:02}" for row in range(COUNT)]
VECTORS = np.arange(1, 2 * COUNT + 1, dtype=np.float32).reshape(COUNT, 2)
VECTORS[[5, 17]] = np.nan
LANGS = ["de" if row % 3 == 0 else "en" for row in range(COUNT)]


def _table() -> pa.Table:
    vectors = pa.array([None if row == 9 else one for row, one in enumerate(VECTORS.tolist())], pa.list_(pa.float32()))
    return pa.table({"id": IDS, "vector": vectors, "lang": LANGS, "n": range(COUNT)})


def _parquet(path: Path) -> dict[str, Any]:
    pq.write_table(_table(), path, row_group_size=5)
    return {}


def _arrow(path: Path) -> dict[str, Any]:
    with pa.ipc.new_file(path, _table().schema) as out:
        out.write_table(_table(), max_chunksize=4)
    return {}


def _jsonl(path: Path) -> dict[str, Any]:
    """With a blank line after each row, a row that is not JSON, and blank lines at the end."""
    lines = [json.dumps({"id": IDS[row], "vector": VECTORS[row].tolist(), "lang": LANGS[row]}) for row in range(COUNT)]
    lines[9] = "{nothing"
    path.write_text("\n\n".join(line.replace("NaN", "null") for line in lines) + "\n\n\n\n")
    return {}


def _csv(path: Path) -> dict[str, Any]:
    rows = [f'{IDS[row]},"[{VECTORS[row][0]}, {VECTORS[row][1]}]",{LANGS[row]}' for row in range(COUNT)]
    rows[9] = "r09,none,de"
    path.write_text("\n".join(["id,vector,lang", *rows]) + "\n")
    return {"column_types": ("vector=vector",)}


def _packed(path: Path) -> dict[str, Any]:
    _jsonl(path)
    path.write_bytes(gzip.compress(path.read_bytes()))
    return {}


def _rows() -> list[Any]:
    """Objects, and one row that is none."""
    vectors = [[None if np.isnan(one) else one for one in row] for row in VECTORS.tolist()]
    rows: list[Any] = [{"id": IDS[row], "vector": vectors[row], "lang": LANGS[row]} for row in range(COUNT)]
    return [*rows[:9], 9, *rows[10:]]


def _json(path: Path) -> dict[str, Any]:
    path.write_text(json.dumps(_rows()))
    return {}


def _document(path: Path) -> dict[str, Any]:
    path.write_text(json.dumps({"about": "rows", "data": {"rows": _rows()}}))
    return {}


def _columns(path: Path) -> dict[str, Any]:
    rows = [row if isinstance(row, dict) else {"id": IDS[9], "vector": None, "lang": LANGS[9]} for row in _rows()]
    path.write_text(json.dumps({name: [row[name] for row in rows] for name in rows[0]}))
    return {}


def _encoded(path: Path) -> dict[str, Any]:
    """Vectors as bytes, one of them of another length."""
    texts = [one.astype("<f4").tobytes() for one in VECTORS]
    texts[9] = texts[9][:5]
    pq.write_table(pa.table({"id": IDS, "vector": texts, "lang": LANGS}), path, row_group_size=5)
    return {"vector_encoding": "f32le"}


def _bare(write: Callable[[Path], None]) -> Callable[[Path], dict[str, Any]]:
    def written(path: Path) -> dict[str, Any]:
        write(path)
        ids, metadata = path.with_name(f"{path.name}.txt"), path.with_name(f"{path.name}.parquet")
        ids.write_text("".join(f"{one}\n" for one in IDS))
        pq.write_table(_table().select(["lang", "n"]), metadata, row_group_size=7)
        return {"ids": ids, "metadata": metadata}

    return written


def _keyed(path: Path) -> dict[str, Any]:
    """What goes with the vectors stands in another order, found by their ids."""
    options = _bare(lambda own: np.save(own, VECTORS))(path)
    found = path.with_name(f"{path.name}.csv")
    found.write_text("id,lang\n" + "".join(f"{IDS[row]},{LANGS[row]}\n" for row in reversed(range(COUNT))))
    return {**options, "metadata": found, "metadata_key": "id"}


def _hdf5(path: Path) -> dict[str, Any]:
    with h5py.File(path, "w") as out:
        out["id"], out["vector"] = np.array(IDS, "S"), VECTORS
        out["lang"] = np.array(LANGS, "S")
    return {"metadata_columns": ("lang",)}


def _npz(path: Path) -> dict[str, Any]:
    np.savez(path, id=np.array(IDS), vector=VECTORS, lang=np.array(LANGS))
    return {"metadata_columns": ("lang",)}


def _npy_columns(path: Path) -> dict[str, Any]:
    path.mkdir()
    for name, values in {"id": np.array(IDS), "vector": VECTORS, "lang": np.array(LANGS)}.items():
        np.save(path / f"{name}.npy", values)
    return {"metadata_columns": ("lang",)}


def _fvecs(path: Path) -> None:
    path.write_bytes(b"".join(struct.pack("<i", 2) + one.tobytes() for one in VECTORS))


def _fbin(path: Path) -> None:
    path.write_bytes(struct.pack("<II", COUNT, 2) + VECTORS.tobytes())


MANY: dict[str, Callable[[Path], dict[str, Any]]] = {
    ".parquet": _parquet,
    ".arrow": _arrow,
    ".jsonl": _jsonl,
    ".csv": _csv,
    ".jsonl.gz": _packed,
    ".json": _json,
    ".document.json": _document,
    ".columns.json": _columns,
    ".bytes.parquet": _encoded,
    ".npy": _bare(lambda path: np.save(path, VECTORS)),
    ".keyed.npy": _keyed,
    ".fvecs": _bare(_fvecs),
    ".fbin": _bare(_fbin),
    ".h5": _hdf5,
    ".npz": _npz,
    ".columns": _npy_columns,
}
BARE = {".npy", ".keyed.npy", ".fvecs", ".fbin"}
"""What stands beside vectors are not columns that a condition could look at."""
WITHOUT_NULLS = {*BARE, ".h5", ".npz", ".columns"}
CHOICES: dict[str, dict[str, Any]] = {
    "all": {},
    "skip": {"skip": 7},
    "limit": {"limit": 11},
    "sample": {"sample": 9},
    "where": {"where": "lang = 'de'"},
    "all of these": {"skip": 4, "limit": 3, "sample": 6, "where": "lang = 'de'"},
}


def _done(part: Part) -> Done:
    """As if a run before had loaded the Part's second and third row, and held its fourth."""
    return Done(RangeSet([(1, 3), (3, 4)]), part.rows, held=RangeSet([(3, 4)]), choice=part.choice)


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple[Job, list[Any], list[Any]]]:
    """Of each format and choice: what is read in order, what strangers read, and of tasks that were made ahead."""
    folder = tmp_path_factory.mktemp("chosen")
    jobs: dict[tuple[str, str], Job] = {}
    with pytest.MonkeyPatch.context() as patch:
        for module in (base, arrow, jsonl):
            patch.setattr(module, "PART_BYTES", 60)
        for suffix, write in MANY.items():
            path = folder / f"rows{suffix}"
            options = write(path)
            for name, choice in CHOICES.items():
                if "where" in choice and suffix in BARE:
                    continue
                plan = make_plan((str(path),), settings(**options, **choice))
                one = jobs[suffix, name] = job(plan)
                if name == "all":
                    one.ahead = list(plan.tasks(AT_ONCE, dimension=2, cutting=CUTTING))
                    jobs[suffix, "resumed"] = job(plan, _done)
    answers = iter(by_strangers(folder, [task for one in jobs.values() for task in (*one.tasks, *one.ahead)]))

    def some(tasks: list[PartTask]) -> list[Any]:
        return list(itertools.islice(answers, len(tasks)))

    return {name: (one, some(one.tasks), some(one.ahead)) for name, one in jobs.items()}


@pytest.mark.parametrize(
    ("suffix", "choice"),
    [
        (suffix, name)
        for suffix in MANY
        for name in (*CHOICES, "resumed")
        if suffix not in BARE or "where" not in CHOICES.get(name, {})
    ],
)
def test_so_he_does_where_rows_are_bad_and_only_some_are_asked_for(
    chosen: dict[tuple[str, str], tuple[Job, list[Any], list[Any]]], suffix: str, choice: str
) -> None:
    one, answers, ahead = chosen[suffix, choice]
    rows = [row for row in one.rows if row[0] == "row"]
    assert rows
    assert told(answers) == one.rows
    if ahead:
        assert told(ahead) == one.rows
        bad = {5, 17} | (set() if suffix in WITHOUT_NULLS else {9})
        assert [row[5] for row in rows] == [identity for row, identity in enumerate(IDS) if row not in bad]


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".jsonl", ".npy", ".fvecs", ".fbin", ".h5"])
def test_these_files_have_several_parts(chosen: dict[tuple[str, str], Any], suffix: str) -> None:
    assert len(chosen[suffix, "all"][0].tasks) > 2
    assert len(chosen[suffix, "all"][0].ahead) > 2


def test_places_and_lines_are_those_of_the_file_whoever_counts_them(chosen: dict[tuple[str, str], Any]) -> None:
    """As `_jsonl` writes them: a row on every second line."""
    for answers in chosen[".jsonl", "all"][1:]:
        found = [one for one in told(answers) if one[0] in {"row", "bad"}]
        assert [(one[3], one[4]) for one in sorted(found, key=lambda one: one[3])] == [
            (row, 2 * row + 1) for row in range(COUNT)
        ]


def test_who_made_the_tasks_ahead_counts_and_who_was_told_does_not(chosen: dict[tuple[str, str], Any]) -> None:
    for suffix in (".jsonl", ".arrow"):
        one = chosen[suffix, "all"][0]
        assert all(task.part.first_row is not None for task in one.tasks)
        assert all(task.part.first_row is None for task in one.ahead[1:])
    assert [task.part.lines_before is None for task in chosen[".jsonl", "all"][0].tasks] == [False] * len(
        chosen[".jsonl", "all"][0].tasks
    )


@pytest.mark.parametrize(
    ("choice", "taken"),
    [("all", COUNT), ("skip", COUNT - 7), ("limit", 11), ("sample", 9), ("where", 8), ("all of these", 3)],
)
def test_each_part_says_how_many_of_its_rows_were_asked_for(
    chosen: dict[tuple[str, str], Any], choice: str, taken: int
) -> None:
    ends = [one for one in told(chosen[".parquet", choice][1]) if one[0] == "end"]
    assert sum(one[4] for one in ends) == taken


# What cannot be made ahead, what ends early, what is kept open


def test_a_task_that_waits_for_another_is_not_made_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of JSONL are counted when they are read, and so are those that a condition takes."""
    monkeypatch.setattr(jsonl, "PART_BYTES", 60)
    _jsonl(tmp_path / "rows.jsonl")
    _parquet(tmp_path / "rows.parquet")

    def made(name: str, **options: Any) -> int:
        return len(list(make_plan((str(tmp_path / name),), settings(**options)).tasks(AT_ONCE)))

    for name, options in (
        ("rows.jsonl", {"skip": 3}),
        ("rows.jsonl", {"limit": 20}),
        ("rows.jsonl", {"sample": 20}),
        ("rows.parquet", {"limit": 5, "where": "lang = 'de'"}),
    ):
        with pytest.raises(RuntimeError, match="was read, and not before"):
            made(name, **options)
    assert made("rows.parquet", skip=6, limit=9) == 2  # of 5 groups: rows 6 to 14
    assert made("rows.parquet", where="lang = 'de'") == 5
    assert made("rows.jsonl", where="lang = 'de'") > 5


def test_a_stop_ends_a_part_between_two_chunks_and_it_says_no_end(tmp_path: Path) -> None:
    options = _csv(tmp_path / "rows.csv")
    (task,) = make_plan((str(tmp_path / "rows.csv"),), settings(**options)).tasks(AT_ONCE)
    stop, found = Stop(), []
    for one in read_part(task, stop):
        found.append(one)
        stop.ask()
    assert [len(one.batch) for one in found if not isinstance(one, PartEnd)] == [AT_ONCE]
    assert len(found) == 1


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".jsonl", ".npy", ".fvecs", ".h5"])
def test_a_worker_opens_a_file_once_for_all_of_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    for module in (base, arrow, jsonl):
        monkeypatch.setattr(module, "PART_BYTES", 60)
    path = tmp_path / f"rows{suffix}"
    options = MANY[suffix](path)
    plan = make_plan((str(path),), settings(**options))
    opened: list[str] = []
    get: Callable[..., Any] = Kept.get

    def counting(self: Kept, key: Any, new: Callable[[], Any]) -> Any:
        def opening() -> Any:
            opened.append(key[0])
            return new()

        return get(self, key, opening)

    monkeypatch.setattr(Kept, "get", counting)
    tasks = list(plan.tasks(AT_ONCE))
    assert len(tasks) > 2
    with Kept() as kept:
        for task in reversed(tasks):
            assert list(cut_part(task, None, kept))
    assert opened == [str(path)]
    opened.clear()
    assert list(plan.chunks(AT_ONCE))
    assert opened == [str(path)]


# Objects: what is secret stays in the environment, and what has changed is not read


SECRET = "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY"


@pytest.fixture
def task_of_object(bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, bytes]:
    """The bucket, and the pickled task of an object in it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, f"{SECRET}-{name}")
    monkeypatch.setattr(stores, "by_scheme", {**stores.by_scheme})
    stores.by_scheme.pop("s3", None)
    _parquet(tmp_path / "rows.parquet")
    bucket.put_object(Bucket=BUCKET, Key="rows.parquet", Body=(tmp_path / "rows.parquet").read_bytes())
    task, *_ = make_plan((f"s3://{BUCKET}/rows.parquet",), settings()).tasks(AT_ONCE)
    return bucket, pickle.dumps(task)


def test_no_secret_is_in_a_task_and_a_stranger_with_the_environment_reads_it(
    task_of_object: tuple[Any, bytes], tmp_path: Path
) -> None:
    _, pickled = task_of_object
    assert f"s3://{BUCKET}".encode() in pickled
    for text in (SECRET, SECRET[:20], SECRET[::-1], SECRET.lower()):
        assert text.encode() not in pickled
        assert text.encode().hex().encode() not in pickled
    task = pickle.loads(pickled)  # noqa: S301 - our own
    assert "EXAMPLEKEY" not in repr(task)
    command = [sys.executable, str(STRANGER), str(tmp_path / "tasks"), str(tmp_path / "answers")]
    (tmp_path / "tasks").write_bytes(pickle.dumps([pickled]))
    subprocess.run(command, check=True, timeout=120)
    (answer,) = pickle.loads((tmp_path / "answers").read_bytes())  # noqa: S301 - of the process just above
    assert answer == said(cut_part(task))
    assert [one[5] for one in answer if one[0] == "row"] == IDS[:5]


def test_a_stranger_reads_no_object_that_is_another_since_it_was_planned(
    task_of_object: tuple[Any, bytes], tmp_path: Path
) -> None:
    """It has never looked at the one that was planned, and the new one is a good file."""
    bucket, pickled = task_of_object
    pq.write_table(_table().slice(1), tmp_path / "other.parquet", row_group_size=5)
    bucket.put_object(Bucket=BUCKET, Key="rows.parquet", Body=(tmp_path / "other.parquet").read_bytes())
    (answer,) = by_strangers(tmp_path, [pickle.loads(pickled)])  # noqa: S301 - our own
    assert isinstance(answer, str)
    assert "rows.parquet changed while it was read: it was replaced by another" in answer


def test_a_worker_that_has_read_an_object_reads_the_one_that_came_in_its_place(
    task_of_object: tuple[Any, bytes], tmp_path: Path
) -> None:
    """It remembers the older one, and its bytes: another process has planned the newer."""
    bucket, pickled = task_of_object
    assert [one[5] for one in said(cut_part(pickle.loads(pickled))) if one[0] == "row"] == IDS[:5]  # noqa: S301 - ours
    worker = stores.by_scheme["s3"]
    pq.write_table(_table().slice(10), tmp_path / "other.parquet", row_group_size=5)
    bucket.put_object(Bucket=BUCKET, Key="rows.parquet", Body=(tmp_path / "other.parquet").read_bytes())
    del stores.by_scheme["s3"]  # as in the process that plans
    task, *_ = make_plan((f"s3://{BUCKET}/rows.parquet",), settings()).tasks(AT_ONCE)
    stores.by_scheme["s3"] = worker
    assert [one[5] for one in said(cut_part(task)) if one[0] == "row"] == IDS[10:15]
    with pytest.raises(SourceChangedError, match="replaced"):
        said(cut_part(pickle.loads(pickled)))  # noqa: S301 - ours


def test_nor_a_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    _parquet(path)
    tasks = list(make_plan((str(path),), settings()).tasks(AT_ONCE))
    pq.write_table(_table().slice(1), path, row_group_size=5)
    for answer in by_strangers(tmp_path, tasks):
        assert "rows.parquet changed while it was read" in answer


def test_an_object_of_a_process_is_read_there_from_a_pickled_task_and_nowhere_else(tmp_path: Path) -> None:
    with places.holding([_table()]) as names:
        plan = make_plan(tuple(names), settings())
        (task,) = plan.tasks(AT_ONCE)
        copy = pickle.loads(pickle.dumps(task))  # noqa: S301 - our own
        assert said(cut_part(copy)) == said(cut_part(task))
        (answer,) = by_strangers(tmp_path, [task])
        assert "names an object of another process" in answer


def test_a_task_is_read_twice_alike(tmp_path: Path) -> None:
    _jsonl(tmp_path / "rows.jsonl")
    (task,) = make_plan((str(tmp_path / "rows.jsonl"),), settings(limit=7)).tasks(AT_ONCE)
    assert said(cut_part(task)) == said(cut_part(task))
    assert said(cut_part(replace(task, rows=1)))[-1] == said(cut_part(task))[-1]
