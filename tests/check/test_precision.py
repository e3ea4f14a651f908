"""How exactly an index stores vectors is known, or guessed from many rows and said; one row never decides."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import KEY, Engine
from cyborgdb import Client as SdkClient
from proxy import Proxy
from test_faults import Late

import cyborg_ingest
from cyborg_ingest.check.precision import rounding
from cyborg_ingest.check.verifier import verify
from cyborg_ingest.errors import BadRowError, DifferenceError, TargetError
from cyborg_ingest.facts import Ended, Noted
from cyborg_ingest.loading.loader import run
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.settings.options import PRECISIONS, LoadSettings, VerifySettings

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

ROUNDING = [one for one in PRECISIONS if one != "float32"]
ROWS = 200


@pytest.fixture(autouse=True)
def known_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())


def vectors(dimension: int = 64, seed: int = 4, rows: int = ROWS) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((rows, dimension)).astype(np.float32)


def written(folder: Path, given: npt.NDArray[np.float32], name: str = "rows.npy") -> Path:
    np.save(folder / name, given)
    return folder / name


def make(engine: Engine, precision: str, dimension: int = 64) -> str:
    """An index that nobody's job has created."""
    with engine.connect() as client:
        options = CreateOptions(dimension=dimension, storage_precision=precision)
        return client.create(engine.name(), KEY, options).name


def load(source: Path, index: str, engine: Engine, **options: Any) -> tuple[Any, str]:
    """The report, and what was noted."""
    notes: list[str] = []

    def listen(event: Any) -> None:
        if isinstance(event, Noted):
            notes.append(event.text)
        elif isinstance(event, Ended):
            reports.append(event.report)

    reports: list[Any] = []
    run(LoadSettings(sources=(str(source),), index=index, target=engine.target, **options), listen)
    return reports[0], "\n".join(notes)


KINDS: dict[str, Any] = {
    "normal": lambda chance, shape: chance.standard_normal(shape),
    "positive": lambda chance, shape: chance.random(shape),
    "integers": lambda chance, shape: chance.integers(1, 256, shape),
    "heavy tails": lambda chance, shape: chance.standard_t(2, shape),
    "of low rank": lambda chance, shape: chance.standard_normal((shape[0], 3)) @ chance.standard_normal((3, shape[1])),
}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("dimension", [16, 96, 384])
def test_each_precision_is_known_by_how_it_rounds(tmp_path: Path, precision: str, dimension: int) -> None:
    """The engine itself rounds; of integers float16 loses nothing, and is taken for exact."""
    import cyborgdb_core  # noqa: PLC0415

    storage = cyborgdb_core.StorageConfig.disk(str(tmp_path))
    client = cyborgdb_core.Client(storage_config=storage)
    for number, (kind, make_rows) in enumerate(KINDS.items()):
        sent = make_rows(np.random.default_rng(number), (64, dimension)).astype(np.float32)
        client.create_index(f"i{number}", KEY, dimension=dimension, storage_precision=precision)
        index, ids = client.load_index(f"i{number}", KEY), [str(row) for row in range(64)]
        index.upsert(ids, sent, index_key=KEY)
        stored = {row["id"]: np.array(row["vector"], np.float32) for row in index.get(ids, index_key=KEY)}
        pairs = [(sent[int(one)], stored[one]) for one in ids]
        is_exact = precision == "float16" and kind == "integers"
        assert rounding(pairs) == ("float32" if is_exact else precision), kind


@pytest.mark.parametrize("change", [
    lambda rows: rows * np.float32(1.3),
    lambda rows: rows * np.float32(0.7),
    lambda rows: -rows,
    lambda rows: np.roll(rows, 1, axis=0),
    lambda rows: np.roll(rows, 1, axis=1),
    lambda rows: rows + np.float32(1),
    lambda rows: np.nextafter(rows, np.float32(9)),
    lambda rows: np.where(np.arange(64) == 3, rows * np.float32(1.3), rows),
])  # fmt: skip
def test_what_no_precision_does_is_taken_for_none(change: Any) -> None:
    rows = vectors()
    guess = rounding(list(zip(rows, change(rows), strict=True)))
    changed = np.linalg.norm(change(rows) - rows, axis=1) / np.linalg.norm(rows, axis=1)
    assert guess is None or np.median(changed) < 0.05


def test_one_row_that_is_off_among_exact_ones_is_no_precision() -> None:
    rows = vectors(rows=64)
    stored = rows.copy()
    stored[0] *= 1.1
    assert rounding(list(zip(rows, stored, strict=True))) == "float32"
    assert rounding([(rows[0], stored[0])]) is None
    assert rounding([(rows[1], stored[1])]) is None


@pytest.mark.parametrize("precision", ROUNDING)
def test_the_job_that_created_an_index_knows_in_later_runs_too(engine: Engine, tmp_path: Path, precision: str) -> None:
    source, index = written(tmp_path, vectors()), engine.name()
    created, _ = load(source, index, engine, create=True, storage_precision=precision, verify="full")
    assert created.verify["differences"] == 0
    again, notes = load(source, index, engine, create=True, verify="full")
    assert again.verify["differences"] == 0
    assert "guessed" not in notes + again.verify["text"]


def test_a_value_that_is_off_in_a_row_is_found_though_the_index_rounds(engine: Engine, tmp_path: Path) -> None:
    given = vectors()
    source, index = written(tmp_path, given), engine.name()
    load(source, index, engine, create=True, storage_precision="tq8")
    wrong = given[:1].copy()
    wrong[0, np.abs(wrong[0]).argmax()] *= 1.3
    with engine.connect() as client, client.index(index, KEY) as one:
        one.upsert_binary(["0"], wrong)
    settings = VerifySettings(
        sources=(str(source),), index=index, target=engine.target, storage_precision="tq8", mode="full"
    )
    result = verify(settings)
    assert (result["differences"], result["kinds"]) == (1, {"vector": 1})
    assert result["examples"][0]["id"] == "0"


@pytest.mark.parametrize("precision", ROUNDING)
def test_it_is_guessed_from_rows_that_were_there_before_and_said(
    engine: Engine, tmp_path: Path, precision: str
) -> None:
    index = make(engine, precision)
    source = written(tmp_path, vectors())
    with engine.connect() as client, client.index(index, KEY) as one:
        one.upsert_binary([str(row) for row in range(ROWS)], vectors())
    report, notes = load(source, index, engine, verify="full")
    assert report.verify["differences"] == 0
    for text in (notes, report.verify["text"]):
        assert f"({precision}, guessed from 64 rows that were there before; --storage-precision says it)" in text


@pytest.mark.parametrize("precision", ROUNDING)
def test_rows_that_are_judged_are_no_measure_of_their_own(engine: Engine, tmp_path: Path, precision: str) -> None:
    """A load alone takes many rows' word for it, and says so; `--verify` does not, and names the option."""
    source = written(tmp_path, vectors())
    report, notes = load(source, make(engine, precision), engine)
    assert report.exit_code == 0
    assert f"({precision}, guessed from 64 rows that were just sent; --storage-precision says it)" in notes
    with pytest.raises(DifferenceError, match=f"--storage-precision {precision}"):
        load(source, make(engine, precision), engine, verify="full")
    report, notes = load(source, make(engine, precision), engine, verify="full", storage_precision=precision)
    assert report.verify["differences"] == 0
    assert "guessed" not in notes


@pytest.mark.parametrize("mode", ["none", "full"])
def test_vectors_that_are_all_scaled_fit_no_guess(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    from cyborg_ingest.targets import embedded, rest  # noqa: PLC0415

    for kind in (embedded.EmbeddedIndex, rest.RestIndex):
        real: Any = kind.upsert_binary
        monkeypatch.setattr(
            kind, "upsert_binary", lambda self, ids, rows, *more, real=real: real(self, ids, rows * 1.3, *more)
        )
    with pytest.raises(DifferenceError):
        load(written(tmp_path, vectors()), make(engine, "float32"), engine, verify=mode)


@pytest.mark.parametrize("precision", ["float32", "float16", "tq8"])
def test_a_load_that_goes_on_compares_vectors_whatever_the_index_rounds(
    engine: Engine, tmp_path: Path, precision: str
) -> None:
    given = vectors(rows=60)
    path, index = tmp_path / "rows.jsonl", engine.name()
    rows = [json.dumps({"id": f"r{row}", "vector": given[row].tolist()}) for row in range(60)]
    path.write_text("\n".join([*rows, '{"id": "bad", "vector": null}']))
    options: dict[str, Any] = {
        "index": index, "target": engine.target, "create": True, "batch_rows": 10, "storage_precision": precision,
    }  # fmt: skip
    for _ in range(2):  # its own probes, and those of a journal that was opened again
        with pytest.raises(BadRowError):
            cyborg_ingest.load(path, **options)
    wrong = given[59:].copy()
    wrong[0, np.abs(wrong[0]).argmax()] *= 1.3
    with engine.connect() as client, client.index(index, KEY) as one:
        one.upsert_binary(["r59"], wrong)
    with pytest.raises(TargetError, match=r"1 of \d+ rows .* no longer the same in the index \(id 'r59'"):
        cyborg_ingest.load(path, **options)
    with engine.connect() as client, client.index(index, KEY) as one:
        one.upsert_binary(["r59"], given[59:])
    assert cyborg_ingest.load(path, max_errors="1", **options).rows["skipped"] == 60


def test_the_official_sdk_and_the_loader_see_the_same_rounding(service: Any, tmp_path: Path) -> None:
    given = vectors()
    index = Engine("rest", service.url, itertools.count()).name()
    sdk = SdkClient(service.url)
    sdk.create_index(index, KEY, dimension=64, storage_precision="float16")
    report, _ = load(written(tmp_path, given), index, Engine("rest", service.url, itertools.count()),
                     verify="full", storage_precision="float16")  # fmt: skip
    assert report.verify["differences"] == 0
    stored = {row["id"]: row["vector"] for row in sdk.load_index(index, KEY).get([str(row) for row in range(ROWS)])}
    expected = given.astype(np.float16).astype(np.float32)
    assert all(np.array_equal(np.array(stored[str(row)], np.float32), expected[row]) for row in range(ROWS))


def test_rows_in_doubt_are_settled_in_an_index_that_rounds(
    service: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older request is applied late; the newer row is known again though it was rounded."""
    from cyborg_ingest.loading import doubts  # noqa: PLC0415

    monkeypatch.setattr(doubts, "PAUSES", (0.5, 1.0, 1.0))
    given, rest = vectors(2, rows=20), Engine("rest", service.url, itertools.count())
    ids = ["late", *(f"other-{row}" for row in range(18)), "late"]
    (tmp_path / "ids.txt").write_text("\n".join(ids))
    late, index = Late(ids[15:], 0.5), rest.name()
    with Proxy(service.port, late).running() as proxy:
        report = cyborg_ingest.load(
            written(tmp_path, given), index=index, target=proxy.url, ids=tmp_path / "ids.txt", create=True,
            storage_precision="float16", batch_rows=5, workers=1, timeout=1.0, retry_max_wait=0.2,
        )  # fmt: skip
        assert late.applied.is_set()
    assert report.retries == {"timeout": 1}
    stored = SdkClient(service.url).load_index(index, KEY).get(["late"])[0]["vector"]
    assert np.array_equal(np.array(stored, np.float32), given[19].astype(np.float16).astype(np.float32))
