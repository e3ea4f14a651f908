"""The rows that an index is asked for: a bounded sample, and whether what it gives back is what was sent."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import KEY
from test_journal import DESCRIPTION, batch

import cyborg_ingest
from cyborg_ingest.errors import BadRowError, TargetError
from cyborg_ingest.model import StoredRow
from cyborg_ingest.state.journal import Journal
from cyborg_ingest.state.probes import PROBES, Probes, ProbeSample, contradicted, probe_of

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine


def vector(*numbers: float) -> np.ndarray[Any, Any]:
    return np.array(numbers, "<f4")


def test_of_many_acknowledgements_as_many_rows_are_kept_as_may_be(tmp_path: Path) -> None:
    for start in (0, 300):
        with Journal(tmp_path, DESCRIPTION) as journal:
            assert len(journal.state.probes.sample()) in ({0} if not start else range(PROBES - 2, PROBES + 1))
            for number in range(start, start + 300):
                journal.acknowledged(batch(number * 2, number * 2 + 2))
            assert PROBES - 2 <= len(journal.state.probes.sample()) <= PROBES
    with Journal(tmp_path, DESCRIPTION) as journal:
        kept = [int(one.id.rpartition("-")[2]) for one in journal.state.probes.sample()]
        assert PROBES - 2 <= len(kept) <= PROBES
        assert {1, 1199} <= set(kept)


def test_a_few_rows_are_all_kept() -> None:
    sample = ProbeSample()
    for row in range(PROBES - 2):
        sample.add(batch(row, row + 1))
    assert {one.id for one in sample.probes()} == {f"0-{row}" for row in range(PROBES - 2)}


@pytest.mark.parametrize("rows", [1, 7])
def test_each_row_has_the_same_chance_to_be_kept(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 310 rows, 62 and the two ends: each is kept once in five times."""
    monkeypatch.setattr(random, "random", random.Random(rows).random)
    counts: Counter[str] = Counter()
    for _ in range(400):
        sample = ProbeSample()
        for start in range(0, 310, rows):
            sample.add(batch(start, min(310, start + rows)))
        kept = {one.id for one in sample.probes()}
        assert PROBES - 2 <= len(kept) <= PROBES
        counts.update(kept)
    inner = [counts[f"0-{row}"] for row in range(1, 309)]
    assert counts["0-0"] == counts["0-309"] == 400
    assert 74 < sum(inner) / len(inner) < 86
    assert min(inner) > 45
    assert max(inner) < 120


def test_a_row_that_a_later_one_replaces_leaves_the_sample_and_the_later_one_is_known() -> None:
    sample = ProbeSample()
    sample.add(batch(0, 3))
    newer = batch(10, 12, ids=["0-0", "0-1"])
    sample.add(newer)
    found = {one.id: one for one in sample.probes()}
    assert set(found) == {"0-0", "0-1", "0-2"}
    for place, name in enumerate(newer.ids):
        assert found[name] == probe_of(name, newer.vectors[place].tobytes(), None, None)


def test_of_an_id_that_stands_twice_in_a_batch_the_last_row_is_known() -> None:
    sample, one = ProbeSample(), batch(0, 3, ids=["a", "b", "a"])
    sample.add(one)
    found = {probe.id: probe for probe in sample.probes()}
    assert found["a"] == probe_of("a", one.vectors[2].tobytes(), None, None)
    assert found["b"] == probe_of("b", one.vectors[1].tobytes(), None, None)


def test_rows_of_earlier_runs_are_part_of_the_sample() -> None:
    earlier = Probes()
    for row in range(5):
        probe, _ = earlier.pick(batch(row, row + 1))
        earlier.add(probe, keep=True)
    sample = ProbeSample(earlier, 5)
    sample.add(batch(100, 101))
    assert {one.id for one in sample.probes()} == {"0-0", "0-1", "0-2", "0-3", "0-4", "0-100"}


def test_what_is_dropped_is_asked_for_no_more_and_its_neighbour_is_the_oldest() -> None:
    probes = Probes()
    for row in range(4):
        probe, _ = probes.pick(batch(row, row + 1))
        probes.add(probe, keep=True)
    assert probes.replaced(["0-1", "other"]) == ["0-1"]
    assert probes.replaced(["other"]) == []
    probes.drop(["0-0", "0-3"])
    assert [one.id for one in probes.sample()] == ["0-1", "0-2"]
    assert (probes.oldest and probes.oldest.id, probes.newest and probes.newest.id) == ("0-1", "0-2")
    probes.drop(["0-1", "0-2"])
    assert probes.sample() == []


STORED = StoredRow("a", vector(1, 2), {"k": 1, "l": [2]}, "text")


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    ("sent", "metadata", "contents", "fits"),
    [
        (vector(1, 2), {"l": [2], "k": 1}, "text", True),
        (vector(1, 2.0000005), {"k": 1, "l": [2]}, "text", False),
        (vector(2, 1), {"k": 1, "l": [2]}, "text", False),
        (vector(1, 2), {"k": 1.0, "l": [2]}, "text", False),
        (vector(1, 2), {"k": 1}, "text", False),
        (vector(1, 2), {"k": 1, "l": [2]}, None, False),
    ],
)
def test_a_row_fits_if_all_of_it_is_the_same(
    sent: np.ndarray[Any, Any], metadata: dict[str, Any], contents: str | None, *, exact: bool, fits: bool
) -> None:
    probe = probe_of("a", sent.tobytes(), metadata, contents, exact=exact)
    assert probe.fits(STORED, 0.0) is fits
    assert contradicted([probe], [STORED], 0.0) == ([], [] if fits else ["a"])
    assert contradicted([probe], [], 0.0) == (["a"], [])


def test_a_rounded_vector_fits_to_within_the_tolerance_where_it_is_known_whole() -> None:
    whole = probe_of("a", vector(1, 2.01).tobytes(), {"k": 1, "l": [2]}, "text", exact=False)
    assert whole.fits(STORED, 0.01)
    assert not whole.fits(STORED, 0.001)
    digest = probe_of("a", vector(1, 2.01).tobytes(), {"k": 1, "l": [2]}, "text")
    assert digest.fits(STORED, 0.001)  # nobody can tell
    assert not digest.fits(STORED, 0.0)
    assert not digest.fits(StoredRow("a", None, {"k": 1, "l": [2]}, "text"), 0.0)


CHANGES: dict[str, tuple[list[float], dict[str, Any] | None, str | None]] = {
    "metadata": ([1.0, 1.0], {"n": 2}, "text"),
    "vector": ([1.0, 1.5], {"n": 1}, "text"),
    "contents": ([1.0, 1.0], {"n": 1}, "other"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_resumed_load_stops_where_a_row_is_not_the_same_any_more(
    engine: Engine, tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    path, index = tmp_path / "rows.jsonl", engine.name()
    good = '{"id": "a", "vector": [1, 1], "metadata": {"n": 1}, "contents": "text"}\n'
    path.write_text(good + '{"id": "bad", "vector": [1]}\n')
    options: dict[str, Any] = {"index": index, "target": engine.target, "create": True, "batch_rows": 1, "workers": 1}
    with pytest.raises(BadRowError):
        cyborg_ingest.load(path, **options)
    numbers, metadata, contents = CHANGES[change]
    with engine.connect() as client, client.index(index, KEY) as one:
        one.upsert_binary(["a"], np.array([numbers], np.float32), [metadata], [contents])
    with pytest.raises(TargetError, match=r"1 of 1 rows .* no longer the same in the index \(id 'a' is one\)"):
        cyborg_ingest.load(path, max_errors="1", **options)
