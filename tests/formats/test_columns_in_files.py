"""A folder of one `.npy` a column is one table: every column is loaded or named, and what does not fit is refused."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from advised import says
from commands import ran
from conftest import BUCKET, KEY, Engine, upload
from generations import BATCH, ROWS, Place, ids, vectors
from test_layouts import check, layout_of
from where import TESTS

import cyborg_ingest
from cyborg_ingest.errors import FormatError, MappingError, UsageError
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.batches import Cutting, cut
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from cyborg_ingest.plan.reading import Plan

COUNT = 7
VECTORS = np.random.default_rng(5).standard_normal((COUNT, 3)).astype(np.float32)
NAMES = [f"n{row} é" for row in range(COUNT)]
TEXTS = [f"text {row} 東京" for row in range(COUNT)]
CUTTING = Cutting(rows=3, size=10_000, encoded=True)


def saved(folder: Path, **arrays: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
    return folder


def planned(*sources: Path, **options: Any) -> Plan:
    return make_plan(tuple(map(str, sources)), SourceSettings(**options))


def loaded(*sources: Path, **options: Any) -> dict[str, tuple[bytes, Any, Any]]:
    plan = planned(*sources, **options)
    found: dict[str, tuple[bytes, Any, Any]] = {}
    for one in cut(plan.chunks(2), plan.dimension, CUTTING):
        assert one.rejections == ()
        metadata, contents = one.metadata or [None] * len(one), one.contents or [None] * len(one)
        rows = zip((vector.tobytes() for vector in one.vectors), metadata, contents, strict=True)
        found |= dict(zip(one.ids, rows, strict=True))
    return found


def bare(names: list[str]) -> dict[str, tuple[bytes, None, None]]:
    return {name: (vector.tobytes(), None, None) for name, vector in zip(names, VECTORS, strict=True)}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine("embedded", f"disk:{tmp_path_factory.mktemp('columns')}", itertools.count())


# What is loaded


def test_what_milvus_writes_is_loaded_from_an_archive_of_the_same_arrays_too(tmp_path: Path, engine: Engine) -> None:
    layout, index = layout_of("milvus-bulkwriter-numpy"), engine.name()
    arrays = {path.stem: np.load(path) for path in sorted((layout.folder / "data").glob("*.npy"))}
    np.savez(tmp_path / "all.npz", **arrays)
    cyborg_ingest.load(str(tmp_path / "all.npz"), index=index, target=engine.target, create=True)
    check(layout, engine, index)


def test_files_that_are_named_are_columns_as_those_of_their_folder_are(engine: Engine) -> None:
    layout, index = layout_of("milvus-bulkwriter-numpy"), engine.name()
    files = sorted((layout.folder / "data").glob("*.npy"))
    done = ran("upsert", *files, "--index", index, "--target", engine.target, "--create")
    assert done.returncode == 0, done.stderr
    check(layout, engine, index)


def test_each_folder_that_a_writer_has_cut_its_rows_into_is_a_table_of_its_own(tmp_path: Path) -> None:
    for number, rows in enumerate((slice(0, 3), slice(3, COUNT)), 1):
        saved(tmp_path / "set" / str(number), pk=np.arange(COUNT)[rows], dense=VECTORS[rows])
    assert loaded(tmp_path / "set") == bare([str(row) for row in range(COUNT)])


@pytest.mark.parametrize("kind", ["<U10", ">U10", "S20", "<i8", ">i4", "<u2"])
def test_ids_beside_vectors_are_their_ids_whatever_they_are_made_of(tmp_path: Path, kind: str) -> None:
    texts = [name.encode() for name in NAMES] if kind[0] == "S" else NAMES if "U" in kind else np.arange(COUNT)
    names = NAMES if kind[0] == "S" or "U" in kind else [str(row) for row in range(COUNT)]
    folder = saved(tmp_path, embeddings=VECTORS, ids=np.array(texts, kind))
    assert loaded(folder) == bare(names)


def test_ids_in_one_column_of_two_dimensions_are_no_vectors(tmp_path: Path) -> None:
    folder = saved(tmp_path, embeddings=VECTORS, ids=np.arange(COUNT).reshape(-1, 1))
    assert loaded(folder) == bare([str(row) for row in range(COUNT)])


def test_arrays_stored_column_by_column_are_the_same_rows(tmp_path: Path) -> None:
    folder = saved(tmp_path, vector=np.asfortranarray(VECTORS), id=np.array(NAMES))
    assert np.load(folder / "vector.npy").flags.f_contiguous
    assert loaded(folder) == bare(NAMES)


def test_columns_by_other_names_are_fields_and_rows_without_ids_have_their_numbers(tmp_path: Path) -> None:
    truths = np.arange(COUNT) % 2 == 0
    folder = saved(tmp_path, emb=VECTORS.astype(np.float64), contents=np.array(TEXTS), n=np.arange(COUNT), yes=truths)
    assert loaded(folder, id_prefix="{file}-") == {
        f"{tmp_path.name}-{row}": (VECTORS[row].tobytes(), {"n": row, "yes": bool(truths[row])}, TEXTS[row])
        for row in range(COUNT)
    }


def test_texts_that_are_all_empty_are_none(tmp_path: Path) -> None:
    folder = saved(tmp_path, vector=VECTORS, id=np.array(NAMES), text=np.array([""] * COUNT, "S0"))
    assert [one[2] for one in loaded(folder).values()] == [""] * COUNT


def test_files_of_vectors_alone_are_sources_by_themselves(tmp_path: Path) -> None:
    folder = saved(tmp_path, **{"part-0": VECTORS[:3], "part-1": VECTORS[3:]})
    plan = planned(folder, id_template="{file}-{row}")
    assert [(source.layout.format, source.layout.rows) for source in plan.sources] == [("npy", 3), ("npy", 4)]
    assert loaded(folder, id_template="{file}-{row}") == bare(
        [f"part-{number}-{row}" for number, rows in enumerate((3, 4)) for row in range(rows)]
    )


def test_conditions_and_folders_of_hive_are_for_such_tables_too(tmp_path: Path) -> None:
    saved(tmp_path / "lang=de", vector=VECTORS, id=np.array(NAMES), n=np.arange(COUNT))
    found = loaded(tmp_path, where="n >= 5 AND lang = 'de'")
    assert found == {NAMES[row]: (VECTORS[row].tobytes(), {"n": row, "lang": "de"}, None) for row in (5, 6)}


@pytest.mark.parametrize("lies", ["in its folder", "elsewhere"])
def test_files_that_options_name_go_with_the_vectors_and_are_no_sources(tmp_path: Path, lies: str) -> None:
    folder = saved(tmp_path / "set", embeddings=VECTORS)
    beside = folder if lies == "in its folder" else saved(tmp_path / "elsewhere")
    saved(beside, numbers=np.arange(COUNT))
    (beside / "texts.csv").write_text("contents\n" + "".join(f"{text}\n" for text in TEXTS), "utf-8")
    options = {"ids": beside / "numbers.npy", "contents": beside / "texts.csv"}
    assert loaded(folder, **options) == {str(row): (VECTORS[row].tobytes(), None, TEXTS[row]) for row in range(COUNT)}
    plan = planned(folder, **options)
    assert (plan.not_read, plan.notes) == ((), ())


def test_the_folder_that_a_command_is_run_in_has_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(saved(tmp_path / "here", vector=VECTORS, n=np.arange(COUNT)))
    assert list(loaded(Path(), id_prefix="{file}-")) == [f"here-{row}" for row in range(COUNT)]


# What is told


def test_the_plan_and_inspect_tell_what_becomes_of_every_column(tmp_path: Path) -> None:
    folder = saved(
        tmp_path / "set", pk=np.arange(COUNT), dense=VECTORS, text=np.array(TEXTS), n=np.arange(COUNT),
        title_vector=np.ones((COUNT, 9)), binary_vector=np.ones((COUNT, 2), np.uint8),
    )  # fmt: skip
    told = ran("upsert", folder, "--index", "i", "--target", f"disk:{tmp_path}/data", "--create", "--dry-run")
    assert told.returncode == 2
    assert "--vector-column dense or --vector-column title_vector" in told.stderr
    more = "--vector-column", "dense"
    told = ran("upsert", folder, "--index", "i", "--target", f"disk:{tmp_path}/data", "--create", "--dry-run", *more)
    assert f"{folder}  npy-columns, 7 rows x 3" in told.stderr
    assert "id <- pk, vector <- dense, metadata <- n, contents <- text" in told.stderr
    assert "binary_vector (packed bits)" in told.stderr
    assert "title_vector (other vectors)" in told.stderr
    shown = ran("inspect", folder, *more)
    assert "resuming" not in shown.stdout
    found = json.loads(ran("inspect", folder, "--json", *more).stdout)
    (schema,) = found["schemas"]
    assert schema["reasons"].keys() == {"title_vector", "binary_vector"}


def test_ids_that_were_not_named_with_the_others_are_not_read(tmp_path: Path) -> None:
    saved(tmp_path, vector=VECTORS, n=np.arange(COUNT), id=np.array(NAMES))
    found = loaded(tmp_path / "vector.npy", tmp_path / "n.npy")
    assert list(found) == [str(row) for row in range(COUNT)]
    assert loaded(tmp_path / "vector.npy", tmp_path / "id.npy") == bare(NAMES)


# What is refused


def refused(*sources: Path, kind: type[UsageError] = FormatError, **options: Any) -> str:
    with pytest.raises(kind) as error:
        planned(*sources, **options)
    return str(error.value)


def test_columns_of_different_lengths_are_refused_and_those_that_are_named_are_loaded(tmp_path: Path) -> None:
    folder = saved(tmp_path, vector=VECTORS, id=np.array(NAMES), text=np.array(TEXTS[1:]), queries=VECTORS[:2])
    told = refused(folder)
    assert "2 in queries.npy; 6 in text.npy; 7 in id.npy, vector.npy. Name the files that belong together." in told
    assert loaded(folder / "vector.npy", folder / "id.npy") == bare(NAMES)


def test_shards_of_vectors_with_the_ids_of_all_are_refused(tmp_path: Path) -> None:
    told = refused(saved(tmp_path, part0=VECTORS[:3], part1=VECTORS[3:], ids=np.array(NAMES)))
    assert "3 in part0.npy; 4 in part1.npy; 7 in ids.npy" in told


def test_of_very_many_shards_some_are_named(tmp_path: Path) -> None:
    shards = {f"part{number:02}": VECTORS[: 1 + number % 6] for number in range(60)}
    told = refused(saved(tmp_path, **shards, ids=np.array(NAMES)))
    assert "1 in part00.npy, part06.npy, part12.npy, part18.npy, part24.npy, and more; 2 in part01.npy" in told
    assert "; 5 in part04.npy, part10.npy, part16.npy, part22.npy, part28.npy, and more; and more. Name" in told


def test_objects_are_refused_by_the_name_of_their_file_and_never_unpickled(tmp_path: Path) -> None:
    folder = saved(tmp_path, vector=VECTORS, id=np.array(NAMES))
    np.save(folder / "text.npy", np.array(TEXTS, object), allow_pickle=True)
    assert f"{folder}/text.npy: it holds Python objects" in refused(folder)
    assert loaded(folder / "vector.npy", folder / "id.npy") == bare(NAMES)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.ones((COUNT, 2, 2)), "has the shape (7, 2, 2)"),
        (np.zeros(COUNT, "<M8[s]"), "has the shape (7,) of datetime64[s]"),
        (np.zeros(COUNT, [("a", "<i4"), ("b", "<f4")]), "has the shape (7,)"),
        (np.array(["x" * 1000] * COUNT), "has rows of 4,000 bytes"),
    ],
)
def test_what_is_no_column_is_refused_by_the_name_of_its_file(tmp_path: Path, values: Any, words: str) -> None:
    folder = saved(tmp_path, vector=VECTORS, id=np.array(NAMES, "<U5"), other=values)
    told = refused(folder, max_row_bytes=1000)
    assert f"{folder}/other.npy: it {words}" in told
    assert "name their files" in told


def test_columns_without_any_vectors_are_refused(tmp_path: Path) -> None:
    told = refused(saved(tmp_path, id=np.array(NAMES), n=np.arange(COUNT)))
    assert "none of its arrays holds vectors" in told
    assert "name the folder that holds them all" in refused(tmp_path / "n.npy")


def test_a_column_that_breaks_off_or_goes_on_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path, vector=VECTORS, id=np.array(NAMES))
    whole = (folder / "id.npy").read_bytes()
    (folder / "id.npy").write_bytes(whole[:-1])
    assert f"{folder}/id.npy: it should have {len(whole):,} bytes" in refused(folder)
    (folder / "id.npy").write_bytes(whole * 2)
    assert f"{folder}/id.npy: more follows behind its 7 rows" in refused(folder)


def test_a_compressed_column_is_refused_until_it_is_decompressed(tmp_path: Path) -> None:
    folder = saved(tmp_path, vector=VECTORS, id=np.array(NAMES))
    packed = folder / "packed.npy"
    packed.write_bytes(gzip.compress((folder / "id.npy").read_bytes()))
    assert f"{packed}: it is compressed" in refused(folder)


def test_a_column_whose_name_hides_it_is_refused_and_not_left_out(tmp_path: Path) -> None:
    folder = saved(tmp_path, vector=VECTORS, n=np.arange(COUNT), _id=np.array(NAMES))
    (folder / "._n.npy").write_bytes(b"what macOS leaves")
    assert f"{folder}/_id.npy: it lies among files that are columns" in refused(folder)
    found = loaded(*(folder / f"{name}.npy" for name in ("vector", "n", "_id")))
    assert {one: row[:1] for one, row in found.items()} == {one: row[:1] for one, row in bare(NAMES).items()}


def test_a_table_beside_a_file_with_as_many_rows_is_refused_until_one_is_chosen(tmp_path: Path) -> None:
    folder = saved(tmp_path / "set", vector=VECTORS, id=np.array(NAMES))
    rows = [{"id": f"other {row}", "vector": [1.0, 2.0, float(row)]} for row in range(COUNT)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    target = "--index", "i", "--target", f"disk:{tmp_path}/data", "--create", "--dry-run"
    told = ran("upsert", folder, *target)
    assert told.returncode == 2
    says(
        told.stderr,
        "{}: its .npy files are a table, and {} may hold the same rows. Choose with --format or a pattern; to load "
        "both, name all files.",
    )
    assert loaded(folder, format="npy") == bare(NAMES)
    assert list(loaded(folder, format="jsonl")) == [row["id"] for row in rows]
    assert len(loaded(*sorted(folder.iterdir()))) == 2 * COUNT
    (folder / "rows.jsonl").unlink()
    pq.write_table(pa.table({"id": ["one"], "vector": [[1.0, 2.0, 3.0]]}), folder / "other.parquet")
    assert len(loaded(folder)) == COUNT + 1


def test_a_column_that_is_a_link_to_another_is_refused_and_not_left_out(tmp_path: Path) -> None:
    """As the cache of Hugging Face's hub has files of the same bytes."""
    saved(tmp_path / "blobs", numbers=np.arange(COUNT), vectors=VECTORS)
    folder = saved(tmp_path / "set")
    for name, blob in {"pk": "numbers", "n": "numbers", "dense": "vectors"}.items():
        (folder / f"{name}.npy").symlink_to(tmp_path / "blobs" / f"{blob}.npy")
    assert f"{folder}/pk.npy: it lies among files that are columns" in refused(folder)
    shutil.copytree(folder, tmp_path / "copy")
    assert list(loaded(tmp_path / "copy")) == [str(row) for row in range(COUNT)]


def test_two_files_of_ids_and_two_of_vectors_are_asked_about(tmp_path: Path) -> None:
    folder = saved(tmp_path, pk=np.arange(COUNT), key=np.arange(COUNT), a=VECTORS, b=VECTORS)
    assert "--vector-column a or --vector-column b" in refused(folder, kind=MappingError)
    assert "--id-column key or --id-column pk" in refused(folder, kind=MappingError, vector_column="b")
    found = loaded(folder, vector_column="b", id_column="pk")
    assert found["3"] == (VECTORS[3].tobytes(), {"key": 3}, None)


def test_no_column_is_written_over(tmp_path: Path, disk: Engine) -> None:
    folder, index = saved(tmp_path / "set", vector=VECTORS, id=np.array(NAMES)), disk.name()
    cyborg_ingest.load(folder, index=index, target=disk.target, create=True)
    done = ran(
        "verify", folder, "--index", index, "--target", disk.target, "--differences", folder / ".." / "set" / "id.npy"
    )
    assert done.returncode == 2
    assert f"is the same file as {folder}/id.npy" in done.stderr


# Going on


def write(folder: Path, generation: int) -> None:
    saved(folder, vectors=vectors(generation), ids=np.array(ids()), n=np.arange(ROWS))


@pytest.mark.parametrize("where", ["a folder", "a prefix"])
def test_a_load_that_is_killed_in_a_later_part_goes_on_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: Any, where: str
) -> None:
    place = Place(tmp_path, monkeypatch)
    write(tmp_path / "rows", 1)
    upload(bucket, tmp_path / "rows", "rows/")
    source = f"{tmp_path}/rows" if where == "a folder" else f"s3://{BUCKET}/rows"
    arguments = ["upsert", source, "--index", place.index, "--target", place.engine.target]
    arguments += ["--create", "--batch-rows", str(BATCH), "--json"]
    victim = [sys.executable, str(TESTS / "victim_of_parts.py"), "1000000"]
    environment = {**os.environ, "CYBORG_INGEST_INDEX_KEY": KEY.hex()}

    def started(row: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*victim, str(row), "before", *arguments], capture_output=True, text=True, env=environment, check=False
        )

    assert started(ROWS * 2 // 3).returncode == -signal.SIGKILL
    done = started(10 * ROWS)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert rows["read"] == ROWS == rows["acknowledged"] + rows["skipped"]
    assert rows["skipped"] > ROWS // 3
    place.check_generation(ids(), 1)


def test_a_table_of_which_any_column_has_changed_is_loaded_again(tmp_path: Path, disk: Engine) -> None:
    folder, index = saved(tmp_path / "set", vector=VECTORS, id=np.array(NAMES), n=np.arange(COUNT)), disk.name()

    def load() -> dict[str, int]:
        return cyborg_ingest.load(folder, index=index, target=disk.target, create=True).rows

    assert load()["acknowledged"] == COUNT
    saved(folder, n=np.arange(COUNT) + 100)
    assert load()["acknowledged"] == COUNT
    found = disk.read(index, NAMES)
    assert [found[name].metadata for name in NAMES] == [{"n": row + 100} for row in range(COUNT)]


def test_a_table_is_verified_against_what_was_loaded_of_it(tmp_path: Path, disk: Engine) -> None:
    folder, index = saved(tmp_path / "set", vector=VECTORS, id=np.array(NAMES), text=np.array(TEXTS)), disk.name()
    cyborg_ingest.load(folder, index=index, target=disk.target, create=True)
    target = "--index", index, "--target", disk.target
    assert ran("verify", folder, *target).returncode == 0
    saved(folder, text=np.array(TEXTS[::-1]))
    assert ran("verify", folder, *target).returncode == 5
    shutil.rmtree(folder)


@pytest.mark.parametrize("lost", ["hidden", "link"])
def test_vectors_whose_only_column_is_left_out_are_refused(lost: str, tmp_path: Path) -> None:
    """Row numbers would be their ids."""
    folder = saved(tmp_path / "all" / "b", vector=VECTORS + 1)
    if lost == "hidden":
        saved(folder, _id=np.array(NAMES))
    else:
        saved(tmp_path / "all" / "a", vector=VECTORS, ids=np.array(NAMES))
        (folder / "ids.npy").symlink_to("../a/ids.npy")
    with pytest.raises(FormatError, match="it lies among files that are columns, and is left out"):
        make_plan((str(tmp_path / "all"),), SourceSettings())


def test_a_link_to_a_shard_of_vectors_is_left_out_as_before(tmp_path: Path) -> None:
    folder = saved(tmp_path / "set", part0=VECTORS, part1=VECTORS + 1)
    (folder / "latest.npy").symlink_to("part1.npy")
    plan = make_plan((str(folder),), SourceSettings(id_prefix="{file}-"))
    assert [Path(one.layout.uri).name for one in plan.sources] == ["part0.npy", "part1.npy"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names of files are text")
def test_a_column_whose_name_is_not_text_is_named(tmp_path: Path) -> None:
    folder = saved(tmp_path / "set", id=np.array(NAMES), vector=VECTORS)
    shutil.copy(folder / "id.npy", os.fsdecode(os.fsencode(folder) + b"/caf\xe9.npy"))
    with pytest.raises(FormatError, match=r"is not UTF-8\. Rename it\."):
        make_plan((str(folder),), SourceSettings())


@pytest.mark.parametrize("spelled", ["set/../set/meta.csv", "linked/meta.csv"])
def test_a_file_that_an_option_names_is_no_source_however_it_is_spelled(spelled: str, tmp_path: Path) -> None:
    folder = saved(tmp_path / "set", vector=VECTORS)
    (tmp_path / "linked").symlink_to("set")
    (folder / "ids.txt").write_text("".join(f"{name}\n" for name in NAMES))
    (folder / "meta.csv").write_text("n\n" + "".join(f"{row}\n" for row in range(COUNT)))
    plan = make_plan((str(folder),), SourceSettings(ids=folder / "ids.txt", metadata=tmp_path / spelled))
    batches = list(cut(plan.chunks(5), 3, CUTTING))
    assert [one for batch in batches for one in batch.ids] == NAMES
    assert [one for batch in batches for one in batch.metadata or ()] == [{"n": row} for row in range(COUNT)]
