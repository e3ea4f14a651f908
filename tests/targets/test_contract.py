"""`upsert_binary` is CyborgDB's own method of that name: the same arguments, the same request, the same errors."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import cyborgdb
import numpy as np
import pytest
from conftest import KEY
from cyborgdb_service.api.schemas.vectors import BinaryUpsertRequest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from proxy import Proxy

import cyborg_ingest
from cyborg_ingest.errors import IngestError, RefusedError
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.targets.body import Body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Engine
    from service import Service

    from cyborg_ingest.targets.base import Index

Upsert = tuple[list[str], Any, Any, Any]

BASE = np.random.default_rng(3).standard_normal((6, 4))
IDS = ["a", "é\n\x00", " b ", "💧", "x" * 5000, "0"]
PARIS = datetime.timezone(datetime.timedelta(hours=2))
MOMENT = datetime.datetime(2024, 5, 17, 12, 30, 15, 999_999)  # noqa: DTZ001 - a naive one is what is tested
METADATA = [
    None,
    {},
    {"n": 2**63 + 5, "f": 0.1, "t": True, "none": None, "deep": [{"list": [1, [2.5]]}]},
    {"naive": MOMENT, "aware": MOMENT.replace(tzinfo=PARIS), "day": datetime.date(1969, 12, 31), "list": [MOMENT]},
    {"": "empty key", "$gt": 1, "a.b": "é"},
    {"text": '"quoted" \\ \u2028 </script>'},
]
CONTENTS = [None, "", "plain é", b"\x00\xff\xfe", b"", '"quoted"\n']

SAME: dict[str, Upsert] = {
    "ids and vectors": (IDS, BASE.astype("<f4"), None, None),
    "metadata and contents": (IDS, BASE.astype("<f4"), METADATA, CONTENTS),
    "only metadata": (IDS, BASE.astype("<f4"), METADATA, None),
    "only contents": (IDS, BASE.astype("<f4"), None, CONTENTS),
    "nothing in the lists": (IDS, BASE.astype("<f4"), [None] * 6, [None] * 6),
    "float64": (IDS, BASE, None, None),
    "float16": (IDS, BASE.astype(np.float16), None, None),
    "integers": (IDS, (BASE * 100).astype(np.int16), None, None),
    "big-endian": (IDS, BASE.astype(">f4"), None, None),
    "Fortran order": (IDS, np.asfortranarray(BASE.astype("<f4")), None, None),
    "not contiguous": (IDS[:3], np.repeat(BASE, 2, axis=1).astype("<f4")[::2, ::2], None, None),
    "reversed": (IDS, BASE.astype("<f4")[::-1], METADATA[::-1], CONTENTS[::-1]),
    "one row": (["only"], BASE[:1].astype("<f4"), [{"k": "v"}], ["c"]),
}


class Recorder:
    """Bodies on their way to the real service."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def __call__(self, _upsert: int, body: bytes) -> None:
        self.bodies.append(body)


@pytest.fixture(scope="module")
def recorded(service: Service) -> Iterator[tuple[Proxy, Recorder]]:
    with cyborg_ingest.connect(service.url) as client:
        client.create("contract", KEY, CreateOptions(dimension=4)).close()
    recorder = Recorder()
    with Proxy(service.port, recorder).running() as proxy:
        yield proxy, recorder


def decoded(body: bytes) -> tuple[str, str | None, list[dict[str, Any]]]:
    """What the service itself makes of a body."""
    request = BinaryUpsertRequest.model_validate_json(body)
    return request.index_name, request.index_key, request.batch.to_items()


@pytest.mark.parametrize("name", SAME)
def test_the_request_is_that_of_the_official_sdk(recorded: tuple[Proxy, Recorder], name: str) -> None:
    proxy, recorder = recorded
    recorder.bodies.clear()
    with cyborg_ingest.connect(proxy.url) as client:
        client.index("contract", KEY).upsert_binary(*SAME[name])
    cyborgdb.Client(proxy.url).load_index("contract", KEY).upsert_binary(*SAME[name])
    ours, theirs = recorder.bodies
    assert decoded(ours) == decoded(theirs)
    assert len(decoded(ours)[2]) == len(SAME[name][0])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.data())
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_what_is_encoded_is_decoded_to_the_same(data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 5))
    vectors = data.draw(st_np.arrays("<f4", (rows, data.draw(st.integers(1, 4)))))
    ids = data.draw(st.lists(st.text(), min_size=rows, max_size=rows))
    metadata = data.draw(
        st.lists(st.none() | st.dictionaries(st.text(), json_values, max_size=3), min_size=rows, max_size=rows)
    )
    contents = data.draw(st.lists(st.none() | st.text() | st.binary(), min_size=rows, max_size=rows))
    body = bytes(Body({"index_name": "i", "index_key": KEY.hex()}, ids, vectors, metadata, contents))
    request = BinaryUpsertRequest.model_validate_json(body)
    assert request.batch.ids == ids
    assert request.batch.decode_vectors().tobytes() == vectors.tobytes()
    assert [one or None for one in request.batch.metadata or [None] * rows] == [one or None for one in metadata]
    texts = [cyborg_ingest.rows.values.contents_text(one) for one in contents]
    assert [one or "" for one in request.batch.contents or [""] * rows] == texts


F4 = BASE.astype("<f4")
WIDE: Any = BASE * 1e300
WRONG: dict[str, tuple[Callable[[Index], None], type[Exception]]] = {
    "vectors are a list": (lambda index: index.upsert_binary(["a"], [[1.0, 2, 3, 4]]), TypeError),  # type: ignore[arg-type]
    "vectors are 1-D": (lambda index: index.upsert_binary(["a"], F4[0]), ValueError),
    "vectors are 3-D": (lambda index: index.upsert_binary(["a"], F4[None]), ValueError),
    "fewer ids": (lambda index: index.upsert_binary(["a"], F4), ValueError),
    "more ids": (lambda index: index.upsert_binary([*IDS, "more"], F4), ValueError),
    "fewer metadata": (lambda index: index.upsert_binary(IDS, F4, [{}]), ValueError),
    "more contents": (lambda index: index.upsert_binary(IDS, F4, None, ["c"] * 7), ValueError),
    "an id is a number": (lambda index: index.upsert_binary([1, *IDS[1:]], F4), ValueError),  # type: ignore[list-item]
    "beyond float32": (lambda index: index.upsert_binary(IDS, WIDE), ValueError),
    "metadata holds NaN": (lambda index: index.upsert_binary(["a"], F4[:1], [{"n": float("nan")}]), ValueError),
    "metadata is not an object": (lambda index: index.upsert_binary(["a"], F4[:1], [[1]]), ValueError),  # type: ignore[list-item]
    "a value is not JSON": (lambda index: index.upsert_binary(["a"], F4[:1], [{"n": object()}]), ValueError),
    "contents are a number": (lambda index: index.upsert_binary(["a"], F4[:1], None, [7]), ValueError),  # type: ignore[list-item]
    "a lone surrogate": (lambda index: index.upsert_binary(["\ud800"], F4[:1]), ValueError),
    "another dimension": (lambda index: index.upsert_binary(["a"], F4[:1, :3]), ValueError),
}


@pytest.fixture(scope="module")
def index(engine: Engine) -> Iterator[Index]:
    with engine.connect() as client, engine.make(client) as one:
        one.upsert_binary(["good"], F4[:1])
        yield one


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_an_error_of_its_type_and_changes_nothing(index: Index, name: str) -> None:
    call, kind = WRONG[name]
    with pytest.raises(kind) as caught:
        call(index)
    assert isinstance(caught.value, IngestError)
    assert index.count() == 1


def test_a_refused_upsert_is_a_value_error_with_the_engines_own_words(index: Index) -> None:
    with pytest.raises(RefusedError, match=r"dimension") as caught:
        index.upsert_binary(["a"], F4[:1, :3])
    assert isinstance(caught.value, ValueError)


def test_nothing_to_send_is_nothing_sent(index: Index) -> None:
    before = index.traffic.requests
    index.upsert_binary([], np.empty((0, 4), np.float32))
    assert index.traffic.requests == before


def test_both_engines_leave_the_same_rows_behind(engine: Engine) -> None:
    with engine.connect() as client, engine.make(client) as one:
        one.upsert_binary(*SAME["metadata and contents"])
        name = one.name
    found = engine.read(name, IDS, KEY)
    expected = decoded(bytes(Body({"index_name": name}, *SAME["metadata and contents"])))[2]
    assert {row: (one.metadata, one.contents) for row, one in found.items()} == {
        item["id"]: (item.get("metadata"), item.get("contents")) for item in expected
    }
    assert [found[one].vector for one in IDS] == [row.tobytes() for row in F4]
