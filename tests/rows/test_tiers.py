"""Names have tiers: a later one counts only where the earlier has none, and what is not sure is asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cyborg_ingest.errors import MappingError
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.rows.mapping import ColumnChoice, map_columns
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

    from cyborg_ingest.model import ColumnMap

RANDOM = np.random.default_rng(12)
VECTOR = pa.list_(pa.float32(), 4)
IDS = [["id", "_id", "ids", "uuid"],
       ["docid", "doc_id", "document_id", "chunk_id", "node_id", "point_id", "passage_id", "record_id", "recordId",
        "custom_id", "pk", "key", "_key"]]  # fmt: skip
VECTORS = [["vector", "embedding", "embeddings", "values", "emb", "vectors"],
           ["dense_vector", "dense", "vec", "openai", "text_embedding", "sentence_embedding", "content_vector",
            "contentVector", "embedding_vector", "ml_generate_embedding_result", "features"]]  # fmt: skip
METADATA = ["metadata", "meta", "payload", "attributes", "metadatas", "cmetadata", "metadata_", "properties", "$meta"]
CONTENTS = [["contents", "content", "text", "document", "page_content"],
            ["texts", "documents", "chunk", "chunk_text", "body", "segment", "passage", "sentence"]]  # fmt: skip


def found(kinds: dict[str, pa.DataType], **options: Any) -> ColumnMap:
    return map_columns("f", pa.schema(list(kinds.items())), ColumnChoice(**options))


def mapped(path: Path, **options: Any) -> ColumnMap:
    return make_plan((str(path),), SourceSettings(**options)).sources[0].columns


def parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def vectors(length: int, rows: int = 5) -> list[list[float]]:
    return RANDOM.standard_normal((rows, length)).tolist()


@pytest.mark.parametrize("first", IDS[0])
@pytest.mark.parametrize("second", IDS[1])
def test_an_id_of_the_second_tier_counts_only_without_one_of_the_first(first: str, second: str) -> None:
    assert found({second: pa.string(), "vector": VECTOR}).id == second
    assert found({second.upper(): pa.int64(), "vector": VECTOR}).id == second.upper()
    assert found({second: pa.string(), first: pa.string(), "vector": VECTOR}).id == first
    assert found({second: pa.string(), first: pa.float64(), "x": VECTOR}, id=second).id == second


def test_two_ids_of_one_tier_are_an_error_that_names_the_options() -> None:
    with pytest.raises(MappingError, match="--id-column uuid or --id-column _id"):
        found({"uuid": pa.string(), "_id": pa.string(), "docid": pa.string(), "vector": VECTOR})
    with pytest.raises(MappingError, match="--id-column pk or --id-column docid"):
        found({"pk": pa.string(), "docid": pa.string(), "vector": VECTOR})


@pytest.mark.parametrize("name", VECTORS[1])
def test_a_vector_of_the_second_tier_counts_where_nothing_else_looks_like_one(name: str) -> None:
    ids = {"id": pa.string(), "scores": pa.list_(pa.float32()), "tags": pa.list_(pa.string())}
    assert found({**ids, name: pa.list_(pa.float32())}).vector == name
    assert found({**ids, name: VECTOR, "emb": VECTOR}).vector == "emb"
    with pytest.raises(MappingError, match=f"--vector-column {name} or --vector-column title_vector"):
        found({**ids, name: VECTOR, "title_vector": VECTOR})
    with pytest.raises(MappingError, match=f"--vector-column {name} or --vector-column emb_int8"):
        found({**ids, name: pa.list_(pa.float32()), "emb_int8": pa.list_(pa.int8(), 64)})
    assert found({**ids, name: VECTOR, "title_vector": VECTOR}, vector="title_vector").vector == "title_vector"


def test_two_vectors_of_the_first_tier_are_an_error() -> None:
    with pytest.raises(MappingError, match="--vector-column emb or --vector-column vector"):
        found({"id": pa.string(), "emb": VECTOR, "vector": VECTOR, "dense": VECTOR})


@pytest.mark.parametrize("place", range(len(CONTENTS[0])))
def test_contents_are_the_first_of_their_names_and_that_is_said(place: int) -> None:
    names = CONTENTS[0][place:]
    columns = found({"id": pa.string(), "vector": VECTOR, **dict.fromkeys(reversed(names), pa.string())})
    assert columns.contents == names[0]
    assert dict(columns.reasons).get(names[0], "") == (f"before {', '.join(names[1:])}" if names[1:] else "")


@pytest.mark.parametrize("name", CONTENTS[1])
def test_contents_of_the_second_tier_count_only_without_one_of_the_first(name: str) -> None:
    kinds = {"id": pa.string(), "vector": VECTOR, name: pa.string()}
    assert found(kinds).contents == name
    assert found({**kinds, "page_content": pa.string()}).contents == "page_content"


@pytest.mark.parametrize("name", METADATA)
def test_metadata_are_found_by_their_usual_names(name: str) -> None:
    kinds = {"id": pa.string(), "vector": VECTOR}
    assert found({**kinds, name: pa.struct([("a", pa.int8())])}).metadata == name


def test_the_only_list_of_floats_is_the_vector_and_that_is_said() -> None:
    ids = {"_id": pa.string(), "title": pa.string(), "tags": pa.list_(pa.string()), "span": pa.list_(pa.int32(), 2)}
    columns = found({**ids, "text-embedding-3-large-1536-embedding": pa.list_(pa.float64(), 1536)})
    assert columns.vector == "text-embedding-3-large-1536-embedding"
    assert columns.reasons == (("text-embedding-3-large-1536-embedding", "the only vector"),)
    with pytest.raises(MappingError, match="--vector-column title_emb or --vector-column body_emb"):
        found({**ids, "title_emb": VECTOR, "body_emb": pa.list_(pa.float32(), 8)})
    with pytest.raises(MappingError, match="--vector-column title_emb or --vector-column emb_int8"):
        found({**ids, "title_emb": VECTOR, "emb_int8": pa.list_(pa.int8(), 64)})
    with pytest.raises(MappingError, match="Try --vector-column emb_int8"):
        found({**ids, "emb_int8": pa.list_(pa.int8(), 64)})


@pytest.mark.parametrize("form", ["parquet", "arrow", "jsonl", "csv"])
@pytest.mark.parametrize(
    ("lengths", "is_vector"), [([8] * 5, True), ([7] * 5, False), ([8, 8, 8, 9, 8], False), ([8, 0, 8, 8, 8], True)]
)
def test_lists_of_one_length_of_eight_or_more_are_vectors(
    tmp_path: Path, form: str, lengths: list[int], is_vector: bool
) -> None:
    lists: list[Any] = [vectors(length, 1)[0] or None for length in lengths]
    path, table = tmp_path / f"rows.{form}", {"id": list("abcde"), "by_model": lists}
    if form == "parquet":
        parquet(path, **table)
    elif form == "arrow":
        with pa.ipc.new_file(path, pa.table(table).schema) as writer:
            writer.write_table(pa.table(table))
    elif form == "csv":
        cells = [f'{one},"{"" if row is None else row}"' for one, row in zip(*table.values(), strict=True)]
        path.write_text("id,by_model\n" + "\n".join(cells) + "\n")
    else:
        rows = [{"id": one, "by_model": row} for one, row in zip(*table.values(), strict=True)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    if is_vector:
        columns = mapped(path)
        assert (columns.vector, columns.reasons) == ("by_model", (("by_model", "the only vector"),))
    else:
        with pytest.raises(MappingError, match="Try --vector-column by_model"):
            mapped(path)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_lists_of_whole_numbers_are_no_vectors_unasked(tmp_path: Path, form: str) -> None:
    path, row = tmp_path / f"rows.{form}", list(range(512))
    path.write_text(json.dumps({"id": "a", "token_ids": row}) + "\n" if form == "jsonl" else f'id,t\na,"{row}"\n')
    with pytest.raises(MappingError, match="Try --vector-column t"):
        mapped(path)


def test_lists_of_text_are_no_vectors(tmp_path: Path) -> None:
    row = {"id": "a", "tags": list("abcdefgh"), "features": ["x", "y"], "my_model": vectors(8)[0]}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    assert mapped(tmp_path / "rows.jsonl").vector == "my_model"


def test_columns_of_one_name_and_type_are_looked_at_in_five_files_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cyborg_ingest.formats.parquet import ParquetReader  # noqa: PLC0415

    (tmp_path / "many").mkdir()
    for place in range(30):
        table = {"id": [f"{place}"], "by_model": vectors(8, 1), "meta": ['{"a": 1}'], "note": vectors(3, 1)}
        parquet(tmp_path / f"many/{place}.parquet", **table)
    reads = []
    real = ParquetReader.read

    def counted(self: Any, part: Any, columns: Any, *rest: Any, **options: Any) -> Any:
        reads.append(columns.loaded)
        return real(self, part, columns, *rest, **options)

    monkeypatch.setattr(ParquetReader, "read", counted)
    plan = make_plan((str(tmp_path / "many"),), SourceSettings())
    assert {(one.columns.vector, one.columns.metadata) for one in plan.sources} == {("by_model", "meta")}
    assert reads == [("by_model", "meta", "note")] * 5
    reads.clear()
    parquet(tmp_path / "plain.parquet", id=["a"], vector=vectors(4, 1), title=["t"], year=[1])
    mapped(tmp_path / "plain.parquet")
    assert not reads


@pytest.mark.parametrize("name", ["emb_ubinary", "emb_binary", "ubinary_embedding"])
def test_packed_bits_are_never_read_as_numbers(tmp_path: Path, name: str) -> None:
    kinds = {"_id": pa.string(), "emb_int8": pa.list_(pa.int8()), name: pa.list_(pa.uint8())}
    with pytest.raises(MappingError, match=rf"'{name}' is named like packed bits.* Try --vector-column emb_int8"):
        found(kinds)
    assert found(kinds, vector="emb_int8").vector == "emb_int8"
    for kind in (pa.list_(pa.uint8(), 128), pa.list_(pa.int64())):
        with pytest.raises(MappingError, match=rf"'{name}' is named like packed bits"):
            found({**kinds, name: kind}, vector=name)
    (tmp_path / "rows.jsonl").write_text(json.dumps({"id": "a", name: [1, 200]}) + "\n")
    arrays: dict[str, Any] = {"ids": np.arange(2), name: np.ones((2, 16), np.uint8)}
    np.savez(tmp_path / "rows.npz", **arrays)
    for form in ("jsonl", "npz"):
        for options in ({}, {"vector_column": name}):
            with pytest.raises(MappingError, match="packed bits"):
                mapped(tmp_path / f"rows.{form}", **options)


@pytest.mark.parametrize("name", ["url", "uri", "source_url", "pageUrl"])
def test_an_address_is_suggested_as_an_id_and_never_taken(name: str) -> None:
    kinds = {name: pa.string(), "text": pa.string(), "title": pa.string(), "emb": VECTOR}
    with pytest.raises(MappingError, match=f"Try --id-column {name}"):
        found(kinds)
    with pytest.raises(MappingError, match="Try --id-column sku"):
        found({**kinds, "sku": pa.string()})
    with pytest.raises(MappingError, match=r"--id-template '\{file\}-\{row\}'"):
        found({"text": pa.string(), "emb": VECTOR})


def frame(name: str | None) -> pd.DataFrame:
    table = {"uuid": ["p", "q"], "emb": vectors(4, 2)}
    return pd.DataFrame(table, index=pd.Index(["x", "y"], name=name))


@pytest.mark.parametrize("name", ["id", "_id", "docid", "KEY"])
def test_an_index_of_pandas_that_is_named_like_an_id_is_the_id(tmp_path: Path, name: str) -> None:
    frame(name).to_parquet(tmp_path / "rows.parquet")
    columns = mapped(tmp_path / "rows.parquet")
    assert (columns.id, columns.reasons) == (name, ((name, "the index of pandas"),))


def test_an_index_of_pandas_of_another_name_is_one_only_where_that_speaks_of_ids(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    for name in ("article_id", "title", None):
        frame(name).to_parquet(path)
        assert mapped(path).id == "uuid"
    frame("article_id").drop(columns="uuid").to_parquet(path)
    assert mapped(path).id == "article_id"
    for other in ("title", None):
        frame(other).drop(columns="uuid").to_parquet(path)
        with pytest.raises(MappingError, match=f"Try --id-column {other or '__index_level_0__'}"):
            mapped(path)


ARRAYS: list[tuple[dict[str, Any], str | None]] = [
    ({"dense": np.ones((3, 4)), "ids": np.arange(3)}, "dense"),
    ({"X": np.ones((3, 4)), "ids": np.arange(3)}, "X"),
    ({"vectors": np.ones((3, 4)), "X": np.ones((3, 5)), "ids": np.arange(3)}, "vectors"),
    ({"dense": np.ones((3, 4)), "X": np.ones((3, 5)), "ids": np.arange(3)}, None),
    ({"features": np.ones((3, 4)), "emb_ubinary": np.ones((3, 16), np.uint8)}, "features"),
]


@pytest.mark.parametrize("form", ["npz", "h5"])
@pytest.mark.parametrize("place", range(len(ARRAYS)))
def test_named_arrays_follow_the_same_names(tmp_path: Path, form: str, place: int) -> None:
    arrays, vector = ARRAYS[place]
    path = tmp_path / f"rows.{form}"
    if form == "npz":
        np.savez(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                file[name] = values
    if vector is None:
        with pytest.raises(MappingError, match="--vector-column dense or --vector-column X"):
            mapped(path)
    else:
        assert mapped(path).vector == vector
