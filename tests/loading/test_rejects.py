"""Bad rows are found, named and kept; good ones beside them are loaded, with few requests more."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import KEY
from proxy import Fault, Proxy, status
from test_faults import make, rest

import cyborg_ingest
from cyborg_ingest.errors import BadRowError, RefusedError

if TYPE_CHECKING:
    from conftest import Engine
    from service import Service

DIMENSION = 4


@pytest.fixture(autouse=True)
def known_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())


def poisoned(folder: Path, rows: int, refused: set[int], broken: dict[int, str]) -> Path:
    """A JSONL in which the server refuses some rows and the checks others."""
    random_numbers = np.random.default_rng(5)
    path = folder / "rows.jsonl"
    with path.open("w", encoding="utf-8") as out:
        for row in range(rows):
            vector = random_numbers.normal(size=DIMENSION).astype(np.float32).tolist()
            one: dict[str, Any] = {"id": f"poison-{row}" if row in refused else f"r{row}", "vector": vector}
            kind = broken.get(row)
            if kind == "vector_not_finite":
                vector[1] = float("nan")
            elif kind == "vector_zero":
                one["vector"] = [0] * DIMENSION
            elif kind == "vector_dimension":
                one["vector"] = vector[:3]
            elif kind == "id_missing":
                one["id"] = ""
            elif kind == "metadata_invalid":
                one["metadata"] = [1]
            out.write(("{" if kind == "unparsable" else "") + json.dumps(one) + "\n")
    return path


KINDS = [
    "vector_not_finite",
    "vector_zero",
    "vector_dimension",
    "id_missing",
    "metadata_invalid",
    "unparsable",
]


def refuse_poison(code: int) -> Any:
    fault = Fault("refused", status(code))
    return lambda _upsert, body: fault if b'"poison-' in body else None


def poison_test(service: Service, folder: Path, index: str, rows: int, batch_rows: int, code: int) -> int:
    """37 bad rows, in every position of a batch. Returns the extra requests."""
    chance = random.Random(rows)
    places = {0, batch_rows - 1, batch_rows, 2 * batch_rows + 1, rows - 1}
    places |= set(chance.sample(sorted(set(range(rows)) - places), 37 - len(places)))
    order = sorted(places)
    broken = {row: KINDS[number % len(KINDS)] for number, row in enumerate(order) if number % 2}
    refused = set(order) - set(broken)
    path = poisoned(folder, rows, refused, broken)
    make(service, index, DIMENSION)
    with Proxy(service.port, refuse_poison(code)).running() as proxy:
        report = cyborg_ingest.load(
            path, index=index, target=proxy.url, batch_rows=batch_rows, workers=3, max_errors="37", retries=1,
            retry_max_wait=0.01,
        )  # fmt: skip
        upserts = proxy.upserts
    assert report.exit_code == 1
    assert report.rows["rejected"] == 37
    assert report.rows["acknowledged"] == rows - 37
    assert report.rejected_file is not None
    marks = [json.loads(line)["_rejected"] for line in Path(report.rejected_file).read_text("utf-8").splitlines()]
    assert {mark["row"]: mark["reason"] for mark in marks} == {**dict.fromkeys(refused, "refused"), **broken}
    assert all(mark["line"] == mark["row"] + 1 for mark in marks)
    good = [f"r{row}" for row in range(rows) if row not in places]
    assert len(rest(service).read(index, good, KEY)) == len(good) == rest(service).count(index, KEY)
    return upserts - -(-rows // batch_rows)


@pytest.mark.parametrize("code", [400, 422, 500])
def test_the_rows_at_fault_are_found_and_all_others_loaded(service: Service, tmp_path: Path, code: int) -> None:
    extra = poison_test(service, tmp_path, f"bad-{code}", 10_000, 100, code)
    assert extra <= 19 * 2 * (8 + 2) * (3 if code == 500 else 1)


@pytest.mark.soak
def test_37_among_100_000_rows_are_found(service: Service, tmp_path: Path) -> None:
    extra = poison_test(service, tmp_path, "bad-large", 100_000, 1000, 400)
    print(f"extra requests: {extra}")  # noqa: T201 - a figure that is asked for
    assert extra <= 19 * 24


def test_the_first_refused_row_stops_a_load_that_allows_none(service: Service, tmp_path: Path) -> None:
    path = poisoned(tmp_path, 300, {150, 210}, {})
    make(service, "bad-first", DIMENSION)
    with Proxy(service.port, refuse_poison(400)).running() as proxy:
        with pytest.raises(BadRowError, match=r"line 151 \(id 'poison-150'\).*max_errors") as caught:
            cyborg_ingest.load(path, index="bad-first", target=proxy.url, batch_rows=100, workers=1)
        assert caught.value.report is not None
        assert caught.value.report.rows["rejected"] == 1
        assert caught.value.report.rows["acknowledged"] == 150 == rest(service).count("bad-first", KEY)
        # the row that stopped the run is tried again; nothing that was loaded is
        report = cyborg_ingest.load(path, index="bad-first", target=proxy.url, batch_rows=70, workers=1, max_errors="2")
    assert report.rows == {"read": 300, "acknowledged": 148, "rejected": 2, "skipped": 150, "unsent": 0}
    assert rest(service).count("bad-first", KEY) == 298


def test_a_row_alone_is_not_blamed_while_the_target_takes_no_other(service: Service, tmp_path: Path) -> None:
    path = poisoned(tmp_path, 3, {0, 1, 2}, {})
    make(service, "bad-alone", DIMENSION)
    with Proxy(service.port, refuse_poison(400)).running() as proxy, pytest.raises(RefusedError) as caught:
        cyborg_ingest.load(path, index="bad-alone", target=proxy.url, max_errors="10")
    assert caught.value.report is not None
    assert caught.value.report.rows["rejected"] == 0


@pytest.mark.parametrize(("allowed", "ends"), [("0", False), ("2", False), ("3", True), ("1%", True), ("0.2%", False)])
def test_so_many_bad_rows_are_allowed_as_was_said(engine: Engine, tmp_path: Path, allowed: str, ends: bool) -> None:
    path = poisoned(tmp_path, 1000, set(), {100: KINDS[0], 500: KINDS[1], 999: KINDS[5]})
    index = engine.name()
    options: dict[str, Any] = {"target": engine.target, "create": True, "batch_rows": 50}
    if ends:
        report = cyborg_ingest.load(path, index=index, max_errors=allowed, **options)
        assert report.rows == {"read": 1000, "acknowledged": 997, "rejected": 3, "skipped": 0, "unsent": 0}
        assert engine.count(index) == 997
    else:
        with pytest.raises(BadRowError, match="max_errors"):
            cyborg_ingest.load(path, index=index, max_errors=allowed, **options)


def test_a_row_too_large_for_a_request_is_rejected_and_its_neighbours_loaded(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    make(service, "large", 2)
    rows = [
        {"id": f"r{row}", "vector": [row, 1], "contents": "x" * (11_000_000 if row == 2 else 10)} for row in range(5)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    report = cyborg_ingest.load(path, index="large", target=service.url, max_errors="1")
    assert report.rejects == {"too_large": 1}
    assert rest(service).count("large", KEY) == 4


def test_a_large_batch_is_cut_so_that_no_request_is_larger_than_allowed(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"id": f"r{row}", "vector": [row, 1], "contents": '"\n' * (row % 50)} for row in range(500)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    make(service, "large-batch", 2)
    with Proxy(service.port, lambda _upsert, _body: None).running() as proxy:
        cyborg_ingest.load(path, index="large-batch", target=proxy.url, batch_bytes=5000)
        assert 4000 < proxy.largest <= 5000
        assert proxy.upserts > 10


def test_a_rejected_row_leaves_the_older_row_of_its_id_and_the_report_names_it(engine: Engine, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"id": f"r{row}", "vector": [1.0, row]} for row in range(10)]
    rows += [{"id": "r3", "vector": [1.0]}, {"id": "unknown", "vector": [1.0]}, {"id": "r4", "vector": [9.0, 9.0]}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    index = engine.name()
    report = cyborg_ingest.load(
        tmp_path / "rows.jsonl", index=index, target=engine.target, create=True, max_errors="2", batch_rows=4
    )
    assert report.rejected_ids_present == ["r3"]
    found = engine.read(index, ["r3", "r4", "unknown"])
    assert {row: np.frombuffer(one.vector, "<f4").tolist() for row, one in found.items()} == {
        "r3": [1, 3],
        "r4": [9, 9],
    }
