"""An object that is replaced while it is read ends the run before a row of the new one is sent, and is named."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from conftest import BUCKET
from generations import ROWS, WRITERS, Place, ids, names_in

import cyborg_ingest
from cyborg_ingest.check.verifier import verify
from cyborg_ingest.errors import ExitCode, SourceChangedError, SourceError
from cyborg_ingest.facts import Planned
from cyborg_ingest.loading.loader import run
from cyborg_ingest.settings.options import LoadSettings, VerifySettings
from cyborg_ingest.sources import small
from cyborg_ingest.targets.embedded import EmbeddedIndex

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Bucket:
    """Puts rows of a generation where an object is."""

    def __init__(self, client: Any, folder: Path) -> None:
        self.client, self.folder = client, folder

    def put(self, name: str, generation: int, rows: int = ROWS) -> str:
        path = self.folder / name
        WRITERS[name](path, generation, rows)
        self.client.put_object(Bucket=BUCKET, Key=name, Body=path.read_bytes())
        return f"s3://{BUCKET}/{name}"

    def delete(self, name: str) -> None:
        self.client.delete_object(Bucket=BUCKET, Key=name)


@pytest.fixture
def objects(bucket: Any, tmp_path: Path) -> Bucket:
    (tmp_path / "objects").mkdir()
    return Bucket(bucket, tmp_path / "objects")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ["rows.parquet", "rows.jsonl", "rows.jsonl.gz", "rows.arrow", "rows.npy", "rows.npz"])
def test_an_object_that_is_replaced_in_mid_load_ends_it_before_a_row_of_the_new_one_is_sent(
    place: Place, objects: Bucket, name: str
) -> None:
    uri = objects.put(name, 1)
    place.meddle(lambda: objects.put(name, 2))
    with pytest.raises(SourceChangedError, match="replaced") as error:
        cyborg_ingest.load(uri, **place.options())
    assert uri in str(error.value)
    assert "damaged" not in str(error.value)
    assert error.value.exit_code == ExitCode.FAILED
    assert {generation for _, generation in place.stored(names_in(name)).values()} == {1.0}
    report = cyborg_ingest.load(uri, **place.options())
    assert report.rows["acknowledged"] == ROWS
    place.check_generation(names_in(name), 2)


def fates(objects: Bucket, name: str) -> dict[str, Callable[[], object]]:
    return {
        "replaced by fewer rows": lambda: objects.put(name, 2, 100),
        "replaced by more rows": lambda: objects.put(name, 2, ROWS + 900),
        "replaced by rubbish": lambda: objects.client.put_object(Bucket=BUCKET, Key=name, Body=b"rubbish" * 1000),
        "removed": lambda: objects.delete(name),
    }


@pytest.mark.parametrize("fate", ["replaced by fewer rows", "replaced by more rows", "replaced by rubbish", "removed"])
@pytest.mark.parametrize("name", ["rows.parquet", "rows.jsonl"])
def test_whatever_befalls_an_object_in_mid_load_ends_it(place: Place, objects: Bucket, name: str, fate: str) -> None:
    uri = objects.put(name, 1)
    place.meddle(fates(objects, name)[fate], batch=2)
    with pytest.raises(SourceChangedError, match=f"{re.escape(uri)} .*{fate.split(maxsplit=1)[0]}"):
        cyborg_ingest.load(uri, **place.options())
    assert {generation for _, generation in place.stored(names_in(name)).values()} == {1.0}


def test_an_object_that_is_replaced_between_the_plan_and_the_first_row_is_not_read(
    place: Place, objects: Bucket
) -> None:
    uri = objects.put("rows.parquet", 1)

    def emit(event: object) -> None:
        if isinstance(event, Planned):
            objects.put("rows.parquet", 2)

    with pytest.raises(SourceChangedError, match=re.escape(uri)):
        run(LoadSettings(sources=(uri,), **place.options()), emit)
    assert place.count() == 0


@pytest.mark.parametrize("fate", ["replaced by rubbish", "removed"])
@pytest.mark.parametrize("name", ["rows.parquet", "rows.jsonl"])
def test_whatever_befalls_an_object_between_the_plan_and_the_first_row_no_row_is_sent(
    place: Place, objects: Bucket, name: str, fate: str
) -> None:
    uri = objects.put(name, 1)

    def emit(event: object) -> None:
        if isinstance(event, Planned):
            fates(objects, name)[fate]()

    with pytest.raises(SourceChangedError, match=f"{re.escape(uri)} .*{fate.split(maxsplit=1)[0]}"):
        run(LoadSettings(sources=(uri,), **place.options()), emit)
    assert place.count() == 0


def test_an_object_that_is_replaced_after_its_last_row_was_read_ends_the_load(place: Place, objects: Bucket) -> None:
    first, second = objects.put("rows.jsonl", 1, 100), objects.put("rows.parquet", 1)
    place.meddle(lambda: objects.put("rows.jsonl", 2, 100), batch=15)
    with pytest.raises(SourceChangedError, match=re.escape(first)) as error:
        cyborg_ingest.load([first, second], **place.options())
    assert "100 rows of its earlier version are in the index" in str(error.value)


def test_the_same_bytes_put_once_more_are_no_change(place: Place, objects: Bucket) -> None:
    uri = objects.put("rows.parquet", 1)
    place.meddle(lambda: objects.put("rows.parquet", 1))
    assert cyborg_ingest.load(uri, **place.options()).rows["acknowledged"] == ROWS
    place.check_generation(ids(), 1)


def test_a_verify_of_objects_that_change_is_never_all_equal(place: Place, objects: Bucket) -> None:
    uri = objects.put("rows.npy", 1)
    cyborg_ingest.load(uri, **place.options())
    real = EmbeddedIndex.get

    def get(self: Any, *arguments: Any, **named: Any) -> Any:
        objects.put("rows.npy", 2)
        return real(self, *arguments, **named)

    place.monkeypatch.setattr(EmbeddedIndex, "get", get)
    with pytest.raises(SourceChangedError, match=re.escape(uri)):
        verify(VerifySettings(sources=(uri,), index=place.index, target=place.engine.target, mode="full"))


def asked(caplog: pytest.LogCaptureFixture, name: str) -> list[str]:
    """How the store was asked for an object so far, by its own log."""
    said = [re.search(rf"(HEAD|GET) /{BUCKET}/{name} ", one.getMessage()) for one in caplog.records]
    caplog.clear()
    return [one[1] for one in said if one]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet", "rows.npy", "rows.jsonl.gz", "rows.arrow", "rows.npz"])
def test_a_small_object_is_looked_at_read_and_looked_at_again(
    place: Place, objects: Bucket, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    uri = objects.put(name, 1, 100)
    caplog.clear()
    cyborg_ingest.load(uri, **place.options())
    first, *rest = asked(caplog, name)
    assert (first, rest) == ("HEAD", ["HEAD", "GET", "HEAD"])  # at first, to tell an object from a prefix


def test_a_large_object_is_looked_at_again_for_each_of_its_pieces(
    place: Place, objects: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    place.monkeypatch.setattr(small, "LARGEST", 1000)
    uri = objects.put("rows.parquet", 1)
    caplog.clear()
    cyborg_ingest.load(uri, **place.options())
    assert asked(caplog, "rows.parquet").count("HEAD") <= 3 + 2 * ROWS // 300


def test_small_objects_that_are_put_anew_are_never_taken_for_those_that_are_kept(place: Place, objects: Bucket) -> None:
    for generation in (1, 2, 3):
        uri = objects.put("rows.jsonl", generation, 100)
        report = cyborg_ingest.load(uri, **{**place.options(), "checkpoint": False})
        assert report.rows["acknowledged"] == 100
        told = verify(VerifySettings(sources=(uri,), index=place.index, target=place.engine.target, mode="full"))
        assert (told["checked"], told["differences"]) == (100, 0), told


def test_what_a_store_does_not_permit_is_asked_for_once(
    place: Place, objects: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    uri = objects.put("rows.jsonl", 1, 10)
    forbidden = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    objects.client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Statement": [forbidden]}))
    caplog.clear()
    try:
        with pytest.raises(SourceError, match=re.escape(uri)) as error:
            cyborg_ingest.load(uri, **place.options())
    finally:
        objects.client.delete_bucket_policy(Bucket=BUCKET)
    assert asked(caplog, "rows.jsonl") == ["HEAD", "HEAD", "GET"]
    assert "ACCESS_DENIED" in str(error.value)
