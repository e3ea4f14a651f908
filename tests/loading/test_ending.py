"""A load ends well only where the index holds, counts and says what was sent."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import KEY, Engine
from cyborgdb import Client as SdkClient
from proxy import Fault, Proxy, _answer

import cyborg_ingest
from cyborg_ingest.check.distinct import Count
from cyborg_ingest.errors import DifferenceError, MiscountError
from cyborg_ingest.loading import ending
from cyborg_ingest.loading.ending import Evidence, check_count, shortage
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.state.probes import PROBES, ProbeSample
from cyborg_ingest.targets import embedded, rest

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt
    from proxy import Answer
    from service import Service

    from cyborg_ingest.loading.report import RunReport

ROWS, DIMENSION = 1000, 4
VECTORS = np.random.default_rng(11).standard_normal((ROWS, DIMENSION)).astype(np.float32)
IDS = [f"r{row}" for row in range(ROWS)]


@pytest.fixture(autouse=True)
def known_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())


def table(ids: list[str] = IDS, vectors: npt.NDArray[np.float32] = VECTORS) -> pa.Table:
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIMENSION)
    metadata = [{"row": row} for row in range(len(ids))]
    return pa.table({"id": ids, "vector": column, "metadata": metadata, "contents": [f"text of {one}" for one in ids]})


def parquet(folder: Path, *arguments: Any) -> Path:
    pq.write_table(table(*arguments), folder / "rows.parquet")
    return folder / "rows.parquet"


def made(service: Service) -> str:
    """An index of the official SDK's, whose key is KEY."""
    name = Engine("rest", service.url, itertools.count()).name()
    SdkClient(service.url).create_index(name, KEY, dimension=DIMENSION)
    return name


def count(service: Service, index: str) -> int:
    """By the official SDK."""
    return len(SdkClient(service.url).load_index(index, KEY).list_ids())


def says(number: int) -> Callable[[socket.socket, Callable[[], Answer]], bool]:
    """Answer as the service does, without forwarding."""

    def handle(connection: socket.socket, _forward: Callable[[], Answer]) -> bool:
        body = json.dumps({"status": "success", "message": f"Upserted {number} vectors"}).encode()
        return _answer(connection, (200, {"Content-Type": "application/json"}, body))

    return handle


def miscounts(number: int) -> Callable[[socket.socket, Callable[[], Answer]], bool]:
    """Forward, and say another number."""

    def handle(connection: socket.socket, forward: Callable[[], Answer]) -> bool:
        forward()
        return says(number)(connection, forward)

    return handle


def lies(is_due: Callable[[int], bool]) -> Callable[[int, bytes], Fault | None]:
    """Success without a row stored, for the upserts that are due."""

    def choose(upsert: int, body: bytes) -> Fault | None:
        return Fault("lie", says(len(json.loads(body)["batch"]["ids"]))) if is_due(upsert) else None

    return choose


def failed(source: Any, index: str, target: str, **options: Any) -> tuple[str, RunReport]:
    """A load that ends with 5: what it says, and its report."""
    with pytest.raises(DifferenceError) as caught:
        cyborg_ingest.load(source, index=index, target=target, **{"batch_rows": 100, "workers": 2, **options})
    report = caught.value.report
    assert report is not None
    assert (report.exit_code, report.status, report.rows["unsent"]) == (5, "different", 0)
    assert report.resume_command is None
    return str(caught.value), report


@pytest.mark.parametrize("options", [{}, {"checkpoint": False}, {"verify": "count"}], ids=str)
def test_a_success_that_stored_nothing_is_found(service: Service, tmp_path: Path, options: dict[str, Any]) -> None:
    index = made(service)
    with Proxy(service.port, lies(lambda _upsert: True)).running() as proxy:
        text, report = failed(parquet(tmp_path), index, proxy.url, **options)
    assert report.index_count == {"before": 0, "after": 0}
    assert "counts 0 rows, and at least 1,000 must be there" in text
    assert re.search(r"(6[234]) of \1 rows that it has acknowledged are missing", text)
    assert "the same call loads everything again" in text
    assert count(service, index) == 0
    report = cyborg_ingest.load(parquet(tmp_path), index=index, target=service.url)
    assert (report.rows["acknowledged"], count(service, index)) == (1000, 1000)


def test_one_batch_of_ten_that_is_not_stored_is_found_by_the_count(service: Service, tmp_path: Path) -> None:
    index = made(service)
    with Proxy(service.port, lies(lambda upsert: upsert == 4)).running() as proxy:
        text, _ = failed(parquet(tmp_path), index, proxy.url)
    assert "counts 900 rows, and at least 1,000" in text
    assert count(service, index) == 900


def test_rows_that_were_to_be_replaced_and_are_not_are_found_by_reading_some_back(
    service: Service, tmp_path: Path
) -> None:
    """No count can tell: the ids are there, with their older rows. The newest row is always looked at."""
    index = made(service)
    cyborg_ingest.load(table(vectors=-VECTORS), index=index, target=service.url)
    with Proxy(service.port, lies(lambda upsert: upsert == 10)).running() as proxy:
        text, report = failed(parquet(tmp_path), index, proxy.url, workers=1)
    assert report.index_count == {"before": 1000, "after": 1000}
    assert "not in the index as they were sent" in text
    stored = SdkClient(service.url).load_index(index, KEY).get(["r999"])[0]
    assert np.array_equal(np.array(stored["vector"], np.float32), -VECTORS[999])


@pytest.mark.parametrize("number", [0, 99, 101])
def test_the_service_saying_another_number_of_rows_is_found(service: Service, tmp_path: Path, number: int) -> None:
    index = made(service)
    fault = Fault("miscounts", miscounts(number))
    with Proxy(service.port, lambda upsert, _body: fault if upsert == 3 else None).running() as proxy:
        text, report = failed(parquet(tmp_path), index, proxy.url)
        with cyborg_ingest.connect(proxy.url) as client, client.index(index, KEY) as one:
            proxy.upserts = 2
            with pytest.raises(MiscountError, match=f"it took {number} rows of a request with 2"):
                one.upsert_binary(["a", "b"], VECTORS[:2])
    assert f"it took {number} rows of a request with 100" in text
    assert report.rows["acknowledged"] == 1000


def test_what_the_service_said_is_not_forgotten_by_a_run_that_goes_on(service: Service, tmp_path: Path) -> None:
    index, path = made(service), tmp_path / "rows.jsonl"
    rows = [{"id": IDS[row], "vector": VECTORS[row].tolist()} for row in range(60)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"id": "bad", "vector": [0, 0, 0, 0]}\n')
    options: dict[str, Any] = {"index": index, "batch_rows": 10}
    fault = Fault("miscounts", miscounts(7))
    with Proxy(service.port, lambda upsert, _body: fault if upsert == 2 else None).running() as proxy:
        with pytest.raises(cyborg_ingest.errors.BadRowError):
            cyborg_ingest.load(path, target=proxy.url, **options)
        text, report = failed(path, index, proxy.url, batch_rows=10, max_errors="1")
    assert report.rows["skipped"] == 60
    assert "it took 7 rows of a request with 10" in text


@pytest.mark.parametrize("options", [{}, {"checkpoint": False}, {"verify": "count"}, {"verify": "full"}], ids=str)
@pytest.mark.parametrize("kind", ["file", "object"])
def test_an_index_that_is_deleted_and_made_anew_in_mid_load_is_found(
    service: Service, tmp_path: Path, options: dict[str, Any], kind: str
) -> None:
    index = made(service)
    sdk = SdkClient(service.url)

    def choose(upsert: int, _body: bytes) -> None:
        if upsert == 6:
            sdk.load_index(index, KEY).delete_index()
            sdk.create_index(index, KEY, dimension=DIMENSION)

    with Proxy(service.port, choose).running() as proxy:
        source = parquet(tmp_path) if kind == "file" else table()
        text, report = failed(source, index, proxy.url, workers=1, **options)
    assert 0 < count(service, index) < ROWS
    assert report.index_count["after"] == count(service, index)
    assert "missing from the index" in text
    assert "Was the index deleted, recreated" in text


def test_it_is_found_where_the_count_is_higher_than_before(service: Service, tmp_path: Path) -> None:
    """The new index is filled by somebody else: only the rows themselves tell."""
    index = made(service)
    sdk = SdkClient(service.url)

    def choose(upsert: int, _body: bytes) -> None:
        if upsert == 6:
            sdk.load_index(index, KEY).delete_index()
            sdk.create_index(index, KEY, dimension=DIMENSION)
            with cyborg_ingest.connect(service.url) as client, client.index(index, KEY) as one:
                one.upsert_binary([f"other {row}" for row in range(ROWS)], VECTORS)

    with Proxy(service.port, choose).running() as proxy:
        text, report = failed(parquet(tmp_path), index, proxy.url, workers=1)
    assert report.index_count["after"] == 1500
    assert "counts" not in text
    assert "missing from the index" in text


FAULTS: dict[str, Any] = {
    "drops the last row": lambda ids, vectors, metadata, contents: (
        ids[:-1], vectors[:-1], metadata[:-1], contents[:-1],
    ),
    "drops the first row": lambda ids, vectors, metadata, contents: (
        ids[1:], vectors[1:], metadata[1:], contents[1:],
    ),
    "changes metadata": lambda ids, vectors, metadata, contents: (
        ids, vectors, [{**one, "row": -1} for one in metadata], contents,
    ),
    "drops metadata": lambda ids, vectors, _metadata, contents: (ids, vectors, None, contents),
    "changes contents": lambda ids, vectors, metadata, contents: (
        ids, vectors, metadata, [f"{one}!" for one in contents],
    ),
    "drops contents": lambda ids, vectors, metadata, _contents: (ids, vectors, metadata, None),
    "rounds vectors": lambda ids, vectors, metadata, contents: (
        ids, vectors.astype(np.float16).astype(np.float32), metadata, contents,
    ),
    "changes the last bit": lambda ids, vectors, metadata, contents: (
        ids, np.nextafter(vectors, np.float32(9)), metadata, contents,
    ),
    "mixes rows up": lambda ids, vectors, metadata, contents: (ids[::-1], vectors, metadata, contents),
}  # fmt: skip


def wrap(monkeypatch: pytest.MonkeyPatch, change: Any, is_due: Callable[[int], bool] = lambda _call: True) -> None:
    """The real engine and the real client of a service, which lose or change rows on their way."""
    for kind in (embedded.EmbeddedIndex, rest.RestIndex):
        calls = itertools.count()
        real: Any = kind.upsert_binary

        def upsert_binary(self: Any, *batch: Any, real: Any = real, calls: Any = calls) -> None:
            real(self, *(change(*batch) if is_due(next(calls)) else batch))

        monkeypatch.setattr(kind, "upsert_binary", upsert_binary)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("verify", ["none", "full"])
def test_rows_that_are_lost_or_changed_on_their_way_are_found(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, fault: str, verify: str
) -> None:
    wrap(monkeypatch, FAULTS[fault])
    text, report = failed(table(), engine.name(), engine.target, create=True, verify=verify)
    assert report.rows["acknowledged"] == ROWS
    assert report.verify is None or report.verify["differences"]
    assert "rows that it has acknowledged" in text or "counts 990 rows" in text


@pytest.mark.parametrize("row", [0, ROWS - 1])
@pytest.mark.parametrize("share", [0.3, 1e-3])
def test_the_oldest_and_the_newest_row_are_always_looked_at(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, row: int, share: float
) -> None:
    """Also where the very first row is off by so much that it looks like another precision: it is not a measure."""

    def change(ids: Any, vectors: Any, *rest: Any) -> Any:
        if IDS[row] in ids:
            vectors = vectors.copy()
            vectors[ids.index(IDS[row]), np.abs(VECTORS[row]).argmax()] *= 1 + share
        return (ids, vectors, *rest)

    wrap(monkeypatch, change)
    for options in ({"create": True}, {"verify": "full"}, {"checkpoint": False}):
        index = engine.name()
        with engine.connect() as client:
            client.create(index, KEY, CreateOptions(dimension=DIMENSION))
        text, report = failed(table(), index, engine.target, workers=1, **options)
        assert report.verify is None or report.verify["kinds"] == {"vector": 1}
        assert f"id '{IDS[row]}'" in text
    found = engine.read(index, [IDS[row]], KEY)[IDS[row]]
    assert found.vector != VECTORS[row].tobytes()


def test_ids_that_occur_again_are_no_contradiction(engine: Engine, tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    ids = [f"r{number}" for number in chance.integers(0, 40, ROWS)]
    for source in (parquet(tmp_path, ids), table(ids)):
        index = engine.name()
        report = cyborg_ingest.load(
            source, index=index, target=engine.target, create=True, batch_rows=7, workers=3, verify="count"
        )
        assert report.exit_code == 0
        last = {identity: row for row, identity in enumerate(ids)}
        found = engine.read(index, list(last), KEY)
        assert {one: found[one].vector for one in last} == {one: VECTORS[row].tobytes() for one, row in last.items()}


def test_it_costs_one_request_for_at_most_64_rows(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    for kind in (embedded.EmbeddedIndex, rest.RestIndex):
        real: Any = kind.get

        def get(self: Any, ids: Any, real: Any = real) -> Any:
            asked.append(len(ids))
            return real(self, ids)

        monkeypatch.setattr(kind, "get", get)
    cyborg_ingest.load(table(), index=engine.name(), target=engine.target, create=True, batch_rows=10)
    assert len(asked) == 1
    assert PROBES - 2 <= asked[0] <= PROBES  # the oldest and the newest row may be among the others


def test_rows_that_are_large_are_asked_for_a_few_at_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(ending, "ANSWER_BYTES", 100_000)
    for kind in (embedded.EmbeddedIndex, rest.RestIndex):
        real: Any = kind.get

        def get(self: Any, ids: Any, real: Any = real) -> Any:
            asked.append(len(ids))
            return real(self, ids)

        monkeypatch.setattr(kind, "get", get)
    source = pa.table({**dict(zip(["id", "vector"], table(IDS[:60], VECTORS[:60]).columns, strict=False)),
                       "contents": ["x" * 20_000] * 60})  # fmt: skip
    cyborg_ingest.load(source, index=engine.name(), target=engine.target, create=True)
    assert sum(asked) == 60
    assert max(asked) <= 5


def test_a_sample_holds_every_row_with_the_same_chance_and_the_ends_always() -> None:
    from test_journal import batch  # noqa: PLC0415

    hits = np.zeros(600)
    for _ in range(60):
        sample = ProbeSample()
        for start in range(0, 600, 20):
            sample.add(batch(start, start + 20))
        ids = [probe.id for probe in sample.probes()]
        assert len(ids) == len(set(ids)) <= PROBES
        assert {"0-0", "0-599"} <= set(ids)
        hits[[int(one.removeprefix("0-")) for one in ids]] += 1
    assert abs(hits[1:300].sum() - hits[300:599].sum()) < 6 * np.sqrt(60 * PROBES)
    sample.add(batch(600, 602, ids=["0-0", ids[5]]))
    left = {probe.id: probe for probe in sample.probes()}
    assert len(left) >= PROBES - 3
    again = ProbeSample()
    again.add(batch(600, 602, ids=["0-0", ids[5]]))
    assert all(left[one.id] == one for one in again.probes() if one.id in left)


def test_a_small_load_is_looked_at_whole() -> None:
    from test_journal import batch  # noqa: PLC0415

    sample = ProbeSample()
    sample.add(batch(0, 60))
    assert {probe.id for probe in sample.probes()} == {f"0-{row}" for row in range(60)}


@pytest.mark.parametrize(
    ("before", "after", "ids", "is_possible"),
    [
        (0, 1000, 1000, True),
        (0, 1, 1000, False),
        (0, 999, 1000, False),
        (0, 1001, 1000, False),
        (500, 1000, 1000, True),  # half of them were there
        (500, 1500, 1000, True),
        (500, 999, 1000, False),
        (500, 1501, 1000, False),
        (2000, 2000, 1000, True),
        (2000, 1999, 1000, False),  # an upsert takes no row away
        (2000, 3001, 1000, False),
        (7, 7, 0, True),
    ],
)
def test_a_count_has_to_lie_between_what_must_and_what_can_be_there(
    before: int, after: int, ids: int, is_possible: bool
) -> None:
    found = check_count(before, after, ids, Count(ids, ids))
    assert (found["differences"] == 0) == is_possible
    assert ("some were there already" in found["text"]) == (is_possible and after < before + ids)
    too_few = after < max(before, ids)
    assert (shortage(before, after, Count(ids, ids)) is not None) == too_few


def test_verify_count_wants_every_id(service: Service, tmp_path: Path) -> None:
    """One row of a thousand is stored, and the index had as many before."""
    index = made(service)
    with Proxy(service.port, lies(lambda upsert: upsert > 1)).running() as proxy:
        text, report = failed(parquet(tmp_path), index, proxy.url, verify="count", batch_rows=1, limit=200)
    assert report.verify is not None
    assert report.verify["differences"] == 199
    assert "1 now: 199 too few" in text
    assert count(service, index) == 1


def test_verify_count_of_a_run_that_goes_on_counts_the_ids_of_all(engine: Engine, tmp_path: Path) -> None:
    index, path = engine.name(), tmp_path / "rows.jsonl"
    rows = [{"id": IDS[row % 50], "vector": VECTORS[row].tolist()} for row in range(80)]
    rows.append({"id": "bad", "vector": [0.0] * DIMENSION})
    rows += [{"id": f"late-{row}", "vector": VECTORS[row].tolist()} for row in range(20)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    options: dict[str, Any] = {"index": index, "target": engine.target, "batch_rows": 10, "verify": "count"}
    with pytest.raises(cyborg_ingest.errors.BadRowError):
        cyborg_ingest.load(path, create=True, **options)
    report = cyborg_ingest.load(path, create=True, max_errors="1", **options)
    assert (report.rows["skipped"], report.rows["acknowledged"]) == (80, 20)
    assert report.verify is not None
    assert "50 rows before, 100 loaded with 70 ids (told apart by 64 bits of each), 70 now" in report.verify["text"]
    assert engine.count(index) == 70


def test_ids_are_counted_where_rows_are_fewer_than_were_sent() -> None:
    from test_journal import batch  # noqa: PLC0415

    evidence = Evidence()
    evidence.landed(batch(0, 10, ids=["a", "b", "a"]))
    evidence.landed(batch(10, 12, ids=["a"]))
    assert str(evidence.ids) == "2"
    assert evidence.shortage(0, 2) is None
    assert "at least 2 must be there" in (evidence.shortage(0, 1) or "")
    assert evidence.shortage(3, 3) is None
    assert "at least 5 must be there" in (evidence.shortage(5, 4) or "")
