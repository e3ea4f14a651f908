"""`get` and `query` give whole rows, over REST and embedded alike, as the official SDK and the engine have them."""

from __future__ import annotations

import base64
import pickle
from typing import TYPE_CHECKING, Any

import cyborgdb_core
import numpy as np
import pytest
from conftest import KEY
from cyborgdb import Client as SdkClient

import cyborg_ingest
from cyborg_ingest import CreateOptions, Match, StoredRow
from cyborg_ingest.errors import (
    ArgumentError,
    ArgumentTypeError,
    IndexKeyError,
    KeyFileError,
    NoIndexError,
    TargetError,
)
from cyborg_ingest.targets import base

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Engine

ROWS = 40
VECTORS = np.random.default_rng(7).standard_normal((ROWS, 4)).astype(np.float32)
IDS = [f"row-{row}" for row in range(ROWS)]
METADATA: list[dict[str, Any] | None] = [{"row": row, "deep": {"list": [1, None, "é"]}} for row in range(ROWS)]
METADATA[3] = None
CONTENTS: list[str | bytes | None] = [f"text {row} é" for row in range(ROWS)]
CONTENTS[3] = None
CONTENTS[4] = b"\x00\xff"


@pytest.fixture(scope="module")
def filled(engine: Engine) -> Iterator[tuple[Engine, cyborg_ingest.Index]]:
    with engine.connect() as client, client.create(engine.name(), KEY, CreateOptions(dimension=4)) as index:
        index.upsert_binary(IDS, VECTORS, METADATA, CONTENTS)
        yield engine, index


def test_get_gives_whole_rows_as_others_read_them(filled: tuple[Engine, cyborg_ingest.Index]) -> None:
    engine, index = filled
    asked = [IDS[5], "nobody", IDS[3], IDS[4], IDS[5]]
    rows = index.get(asked)
    assert [row.id for row in rows] == [IDS[5], IDS[3], IDS[4]]  # each once, in their order, without those not there
    theirs = engine.read(index.name, asked)
    for row in rows:
        assert row.vector is not None
        assert (row.vector.dtype, row.vector.tobytes()) == (np.float32, theirs[row.id].vector)
        assert (row.metadata, row.contents) == (theirs[row.id].metadata, theirs[row.id].contents)
    assert [row.contents for row in rows] == ["text 5 é", None, base64.b64encode(b"\x00\xff").decode()]
    assert index.get([]) == []


def nearest_by_others(engine: Engine, name: str, vector: Any, count: int) -> list[tuple[str, float]]:
    """Through the official SDK, and through the engine itself."""
    if engine.kind == "rest":
        found: Any = SdkClient(engine.target).load_index(name, KEY).query(
            query_vectors=list(map(float, vector)), top_k=count, include=["distance"]
        )  # fmt: skip
    else:
        storage = cyborgdb_core.StorageConfig.disk(engine.target.removeprefix("disk:"))
        handle = cyborgdb_core.Client(storage_config=storage).load_index(name, KEY)
        found = handle.query(vector, top_k=count, include=["distance"], index_key=KEY)
    return [(one["id"], one["distance"]) for one in found]


def test_query_gives_the_nearest_rows_whole_with_their_distance(filled: tuple[Engine, cyborg_ingest.Index]) -> None:
    engine, index = filled
    vector = VECTORS[17]
    found = index.query(vector)
    assert len(found) == 10
    assert found[0].id == IDS[17]
    theirs = nearest_by_others(engine, index.name, vector, 10)
    assert [row.id for row in found] == [identity for identity, _ in theirs]
    assert np.allclose([row.distance for row in found], [distance for _, distance in theirs])
    assert [row.distance for row in found] == sorted(row.distance for row in found)
    for match in found:
        row = IDS.index(match.id)
        assert isinstance(match, Match)
        assert match.vector is not None
        assert match.vector.tobytes() == VECTORS[row].tobytes()
        assert (match.metadata, match.contents) == (METADATA[row], CONTENTS[row] if row != 4 else "AP8=")
    assert [row.id for row in index.query(vector.tolist(), top_k=3)] == [row.id for row in found[:3]]
    assert [row.id for row in index.query(vector.astype(np.float64), 1)] == [IDS[17]]
    assert len(index.query(vector, top_k=1000)) == ROWS


def test_more_rows_than_are_asked_for_at_once_are_found_in_their_order(
    filled: tuple[Engine, cyborg_ingest.Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, index = filled
    whole = index.query(VECTORS[0], top_k=ROWS)
    monkeypatch.setattr(base, "_AT_ONCE", 7)
    assert index.query(VECTORS[0], top_k=ROWS) == whole
    assert len(whole) == ROWS


def test_a_row_that_has_nothing_but_its_id_is_found_all_the_same(engine: Engine) -> None:
    with engine.connect() as client, client.create(engine.name(), KEY, CreateOptions(dimension=4)) as index:
        index.upsert_binary(["zero", "one"], np.array([[0, 0, 0, 0], [1, 1, 1, 1]], np.float32))
        assert [(row.id, row.vector is None, row.metadata) for row in index.query([0.0, 0, 0, 0.1])] == [
            ("zero", True, None), ("one", False, None),
        ]  # fmt: skip


def test_what_is_no_vector_says_what_to_pass(filled: tuple[Engine, cyborg_ingest.Index]) -> None:
    _, index = filled
    with pytest.raises(ArgumentError, match=r"not \(1, 4\); query takes one at a time: vector\[0\]"):
        index.query(VECTORS[:1])
    with pytest.raises(ArgumentTypeError, match="a numpy array or a list of numbers, not str"):
        index.query("row-1")  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="ids must be a list, not str"):
        index.get("row-1")
    with pytest.raises(TargetError):
        index.query(VECTORS[0][:3])


def test_rows_are_compared_and_shown_as_a_person_would(filled: tuple[Engine, cyborg_ingest.Index]) -> None:
    _, index = filled
    first, again, other = *index.get([IDS[0]]), *index.get([IDS[0]]), *index.get([IDS[1]])
    assert first == again
    assert first != other
    assert first != first.id
    assert StoredRow("a", None, None, "x") != StoredRow("a", VECTORS[0], None, "x")
    assert pickle.loads(pickle.dumps(first)) == first  # noqa: S301 - our own
    assert repr(first) == (
        "StoredRow(id='row-0', vector=<4 x float32>, metadata={'row': 0, 'deep': {'list': [1, None, 'é']}}, "
        "contents='text 0 é')"
    )
    (match,) = index.query(VECTORS[3], top_k=1)
    assert (
        repr(match)
        == f"Match(id='row-3', vector=<4 x float32>, metadata=None, contents=None, distance={match.distance})"
    )
    with pytest.raises(TypeError):
        hash(first)


FORMS: dict[str, Any] = {
    "bytes": KEY,
    "hex": KEY.hex(),
    "uppercase hex": KEY.hex().upper(),
    "hex as bytes": KEY.hex().encode(),
    "base64": base64.b64encode(KEY).decode(),
    "base64 for addresses": base64.urlsafe_b64encode(KEY).decode().rstrip("="),
}


@pytest.mark.parametrize("form", [*FORMS, "a path"])
def test_a_key_is_taken_in_each_of_its_forms(
    filled: tuple[Engine, cyborg_ingest.Index], form: str, tmp_path: Path
) -> None:
    _, index = filled
    (tmp_path / "index.key").write_text(KEY.hex() + "\n")
    key = FORMS.get(form, tmp_path / "index.key")
    with filled[0].connect() as client:  # of an embedded index all handles of a process are one
        assert client.index(index.name, key).count() == ROWS


@pytest.mark.parametrize(
    ("key", "said"),
    [("index.key", "A file is named by a pathlib.Path"), (KEY[:31], "32 raw bytes"), ("00" * 32, "all zeros")],
)
def test_what_is_no_key_is_refused_without_being_shown(engine: Engine, key: Any, said: str) -> None:
    with engine.connect() as client, pytest.raises(ArgumentError, match=said) as caught:
        client.index("some", key)
    assert "index.key" not in str(caught.value)


def test_a_file_of_a_key_that_is_not_there_is_named(engine: Engine, tmp_path: Path) -> None:
    with engine.connect() as client, pytest.raises(KeyFileError, match=r"^key .*none\.key: No such file"):
        client.index("some", tmp_path / "none.key")


def test_the_key_is_found_where_a_load_finds_it(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYBORG_INGEST_CONFIG_DIR", str(tmp_path))
    np.save(tmp_path / "rows.npy", VECTORS)
    kept, given = engine.name(), engine.name()
    cyborg_ingest.load(tmp_path / "rows.npy", index=kept, target=engine.target, create=True, state_dir=tmp_path / "s")
    with engine.connect() as client:
        assert client.index(kept).count() == ROWS  # where a key is kept that was made
        client.create(given, KEY, CreateOptions(dimension=4)).upsert_binary(IDS, VECTORS)
        with pytest.raises((IndexKeyError, NoIndexError)) as caught:
            client.index(given).count()
        assert "--" not in str(caught.value)
        monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
        assert client.index(given).count() == ROWS  # in the environment
    monkeypatch.delenv("CYBORG_INGEST_INDEX_KEY")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "cyborg_ingest_index_key").write_bytes(KEY)
    with engine.connect() as client:
        assert client.index(given).get([IDS[0]])[0].id == IDS[0]  # where systemd delivers it
