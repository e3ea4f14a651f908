"""Columns are found by name and type, or named; what is unclear is asked, never guessed."""

from __future__ import annotations

import pyarrow as pa
import pytest

from cyborg_ingest.errors import MappingError
from cyborg_ingest.model import ColumnMap
from cyborg_ingest.rows.mapping import ColumnChoice, map_columns

VECTOR = pa.list_(pa.float32(), 4)
SIMPLE = {"id": pa.string(), "vector": VECTOR}


def schema(**kinds: pa.DataType) -> pa.Schema:
    return pa.schema(list(kinds.items()))


@pytest.mark.parametrize("name", ["id", "_id", "doc_id", "uuid", "key", "ID"])
def test_an_id_is_found_by_its_usual_names(name: str) -> None:
    assert map_columns("f", schema(**{name: pa.int64()}, vector=VECTOR), ColumnChoice()).id == name


@pytest.mark.parametrize("name", ["vector", "embedding", "embeddings", "values", "emb", "Embedding"])
@pytest.mark.parametrize("kind", [VECTOR, pa.list_(pa.float64()), pa.large_list(pa.float16()), pa.list_(pa.int8())])
def test_a_vector_is_found_by_its_usual_names(name: str, kind: pa.DataType) -> None:
    assert map_columns("f", schema(**{name: kind}, id=pa.string()), ColumnChoice()).vector == name


def test_metadata_and_contents_are_found_and_the_rest_is_metadata_or_left_out() -> None:
    kinds = schema(**SIMPLE, payload=pa.string(), body=pa.large_string(), n=pa.int8())
    found = map_columns("f", kinds, ColumnChoice())
    assert found == ColumnMap("vector", "id", "payload", ("n",), "body", (), takes_all=True, own_first=True)
    found = map_columns("f", kinds, ColumnChoice(metadata_columns=("none",)))
    reasons = (("n", "not asked for"),)
    assert found == ColumnMap("vector", "id", "payload", (), "body", ("n",), reasons=reasons)


def test_a_name_with_a_type_that_does_not_fit_is_no_candidate() -> None:
    found = map_columns("f", schema(**SIMPLE, values=pa.float64(), text=pa.int64(), key=pa.float64()), ColumnChoice())
    assert (found.vector, found.contents, found.id) == ("vector", None, "id")


@pytest.mark.parametrize(
    ("more", "options"),
    [
        ({"uuid": pa.string()}, "--id-column id or --id-column uuid"),
        ({"embedding": VECTOR}, "--vector-column vector or --vector-column embedding"),
        ({"body": pa.string(), "chunk": pa.string()}, "--contents-column body or --contents-column chunk"),
        (
            {"meta": pa.string(), "payload": pa.string()},
            "--metadata-column meta or --metadata-column payload",
        ),
    ],
)
def test_two_candidates_are_an_error_that_names_the_options(more: dict[str, pa.DataType], options: str) -> None:
    with pytest.raises(MappingError, match=options):
        map_columns("f", schema(**SIMPLE, **more), ColumnChoice())


def test_naming_one_of_two_candidates_decides() -> None:
    both = schema(**SIMPLE, uuid=pa.string())
    assert map_columns("f", both, ColumnChoice(id="uuid")).id == "uuid"


def test_a_missing_vector_is_an_error_that_lists_the_columns_and_suggests_one() -> None:
    with pytest.raises(MappingError, match=r"Columns: id \(string\), v \(.*\)\. Try --vector-column v\."):
        map_columns("f.parquet", schema(id=pa.string(), v=pa.list_(pa.float32())), ColumnChoice())


def test_a_name_that_is_not_there_gets_a_suggestion() -> None:
    with pytest.raises(MappingError, match="Did you mean 'vector'"):
        map_columns("f", schema(**SIMPLE), ColumnChoice(vector="vectro"))


def test_a_named_column_of_the_wrong_type_is_an_error() -> None:
    with pytest.raises(MappingError, match="column 'n' is double, and id takes strings"):
        map_columns("f", schema(**SIMPLE, n=pa.float64()), ColumnChoice(id="n"))


def test_a_star_takes_all_columns_that_are_left_but_not_the_mark_of_a_reject() -> None:
    everything = schema(**SIMPLE, a=pa.int8(), text=pa.string(), _rejected=pa.string())
    assert map_columns("f", everything, ColumnChoice(metadata_columns=("*",))).metadata_columns == ("a",)


def test_a_column_named_for_metadata_is_not_taken_for_contents() -> None:
    found = map_columns("f", schema(**SIMPLE, text=pa.string()), ColumnChoice(metadata_columns=("text",)))
    assert (found.metadata_columns, found.contents) == (("text",), None)


@pytest.mark.parametrize("kind", [pa.time64("us"), pa.duration("s"), pa.list_(pa.time32("s"))])
def test_times_and_durations_in_metadata_are_an_error_that_names_the_column(kind: pa.DataType) -> None:
    with pytest.raises(MappingError, match="'when' is"):
        map_columns("f", schema(**SIMPLE, when=kind), ColumnChoice(metadata_columns=("when",)))
    nested = schema(**SIMPLE, metadata=pa.struct([("when", kind)]))
    with pytest.raises(MappingError, match=r"'metadata\.when' is"):
        map_columns("f", nested, ColumnChoice())


def test_a_column_that_has_a_roles_name_and_not_its_type_is_told_where_nothing_has_the_role() -> None:
    odd, none = schema(**SIMPLE, body=pa.int64(), meta=pa.list_(pa.int8())), ColumnChoice(metadata_columns=("none",))
    assert [name for name, _ in map_columns("f", odd, none).refused] == ["meta", "body"]
    assert dict(map_columns("f", odd, none).refused)["body"] == "'body' is int64, and contents takes strings or bytes"
    for more in ({"text": pa.string()}, {"chunk": pa.binary()}):
        assert map_columns("f", schema(**SIMPLE, body=pa.int64(), **more), none).refused == ()
    found = map_columns("f", odd, ColumnChoice())  # they are fields then
    assert (found.metadata_columns, found.refused) == (("body", "meta"), ())


def test_a_column_that_could_have_a_role_is_no_word_worth_where_the_user_wants_none_in_it() -> None:
    fitting = schema(**SIMPLE, body=pa.string(), meta=pa.string())
    found = map_columns("f", fitting, ColumnChoice(contents="", metadata=""))
    assert (found.contents, found.metadata, found.refused) == (None, None, ())
    assert found.left_out == ("body", "meta")
