"""Rules of a few lines, each of which decides what is stored, shown or kept: tried where they stand."""

from __future__ import annotations

import datetime
import json
import resource
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from test_journal import DESCRIPTION, batch, part

from cyborg_ingest.errors import KeyFileError, RefusedError, StateError
from cyborg_ingest.rows.values import with_plain_dates
from cyborg_ingest.settings import keys
from cyborg_ingest.settings.scrubbing import Secrets
from cyborg_ingest.state.journal import Journal
from cyborg_ingest.targets.answers import error_of_answer
from cyborg_ingest.targets.embedded import _items, _text
from cyborg_ingest.targets.wire import Answer

if TYPE_CHECKING:
    from pathlib import Path

BODIES: dict[bytes, str] = {
    b"[1]": "u: HTTP 400.",
    b"3": "u: HTTP 400.",
    b"null": "u: HTTP 400.",
    b'"text"': "u: HTTP 400.",
    b"{}": "u: HTTP 400.",
    b"<html>": "u: HTTP 400.",
    b'{"detail": "no such thing."}': "u: HTTP 400: no such thing.",
    b'{"detail": [1, {"loc": ["body", 0, "id"], "msg": "too odd"}, {"loc": ["query"], "type": "kind"}]}': (
        "u: HTTP 400: body.0.id: too odd; query: kind."
    ),
}


@pytest.mark.parametrize("body", BODIES)
def test_whatever_the_body_of_a_refusal_is_it_is_one(body: bytes) -> None:
    error = error_of_answer("u", Answer(400, {}, body), Secrets())
    assert type(error) is RefusedError
    assert str(error) == BODIES[body]


def test_dates_in_metadata_are_milliseconds_at_any_depth() -> None:
    noon = datetime.datetime(1970, 1, 1, 12, tzinfo=datetime.timezone.utc)
    value = {"a": [noon, {"b": (noon.date(), "x")}], "c": noon, "d": [1, None, True]}
    assert with_plain_dates(value) == {"a": [43_200_000, {"b": [0, "x"]}], "c": 43_200_000, "d": [1, None, True]}


def test_the_engine_gets_what_a_row_has_and_nothing_for_what_it_has_not() -> None:
    vectors = np.ones((3, 2), np.float32)
    found = _items(["a", "b", "c"], vectors, [{"n": 1}, None, {}], ["text", b"\xff", ""])
    assert [{name: value for name, value in one.items() if name != "vector"} for one in found] == [
        {"id": "a", "metadata": {"n": 1}, "contents": "text"},
        {"id": "b", "contents": "/w=="},
        {"id": "c"},
    ]
    assert [set(one) for one in _items(["a"], vectors[:1], None, None)] == [{"id", "vector"}]


def test_contents_that_are_no_text_come_back_as_the_bytes_that_they_are() -> None:
    assert [_text(one) for one in (b"", "", None, "a", b"\xc3\xa9", b"\xff\x00")] == [
        None, None, None, "a", "é", b"\xff\x00",
    ]  # fmt: skip


def test_a_file_without_a_key_in_it_is_none(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for text in (b"", b" \n", b"\n\n"):
        path.write_bytes(text)
        with pytest.raises(KeyFileError, match="is empty"):
            keys.api_key({}, path)
        with pytest.raises(KeyFileError):
            keys.index_key({}, path)


def test_a_line_that_does_not_fit_on_the_disk_is_cut_off_and_the_next_one_is_whole(tmp_path: Path) -> None:
    """The limit stands for a disk that is full after some bytes of a line."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(tmp_path, DESCRIPTION) as journal:
        journal.sending(batch(0, 10))
        journal.acknowledged(batch(0, 10))
        path = tmp_path / "journal.jsonl"
        whole = path.read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 10, before[1]))
        try:
            with pytest.raises(StateError, match=r"cannot be written: No space left.*--state-dir"):
                journal.acknowledged(batch(10, 20))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert path.read_bytes() == whole
        journal.acknowledged(batch(20, 30))
    with Journal(tmp_path, DESCRIPTION) as journal:
        assert list(journal.part(part()).done) == [(0, 10), (20, 30)]
        assert not journal.state.has_lost_lines


def test_a_journal_is_lines_of_json_behind_their_sums(tmp_path: Path) -> None:
    with Journal(tmp_path, DESCRIPTION) as journal:
        journal.acknowledged(batch(0, 10))
    lines = (tmp_path / "journal.jsonl").read_bytes().splitlines()
    records: list[Any] = [json.loads(line[9:]) for line in lines]
    assert [next(iter(one)) for one in records] == ["begin", "facts", "part", "ack"]
