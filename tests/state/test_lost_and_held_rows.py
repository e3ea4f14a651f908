"""What a journal has lost, and what it holds back, is loaded again: these rows, no others, and the user hears of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from test_going_on import BAD, Job, last_of, rows, stored, write
from test_journal import DESCRIPTION, batch

from cyborg_ingest.facts import ignore
from cyborg_ingest.loading.mailbox import Mailbox
from cyborg_ingest.loading.transfer import Transfer
from cyborg_ingest.state.journal import Journal
from cyborg_ingest.stop import Stop
from cyborg_ingest.targets.retry import RetryPolicy

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine


@pytest.mark.parametrize("engine", ["embedded"], indirect=True)
def test_lines_that_a_journal_has_lost_are_loaded_again_and_the_user_hears_of_it(
    engine: Engine, tmp_path: Path
) -> None:
    job = Job(engine, tmp_path, state_dir=tmp_path / "state", workers=1)
    content = rows("x", 30)
    write(job.folder / "a.jsonl", [*content, BAD])
    job.stops()
    (path,) = (tmp_path / "state").rglob("journal.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    lost = next(number for number, line in enumerate(lines) if b'"ack"' in line)
    lines[lost] = lines[lost].replace(b'"ack"', b'"akk"')  # its sum tells that it was damaged
    path.write_bytes(b"".join(lines))
    report, notes = job.goes_on()
    assert stored(engine, job.index, content) == last_of(content)
    assert f"Lines of {path} cannot be read: the rows that they name are loaded again." in notes
    assert any("the later row of an id wins" in note for note in notes)
    assert report.rows["read"] == 31


def test_of_rows_that_are_held_back_those_are_sent_again_whose_id_was_in_doubt_in_that_very_place(
    tmp_path: Path,
) -> None:
    nobody: Any = None
    with Journal(tmp_path, DESCRIPTION) as journal:
        journal.acknowledged(batch(0, 5, ids=list("abcde")), held=["a", "c"], doubted=["a", "c"])
        journal.acknowledged(batch(5, 10, ids=list("cdabe")), held=["d"], doubted=["d"])
        journal.acknowledged(batch(10, 12, ids=list("ac")))
        one = Transfer(
            nobody, journal, workers=1, policy=RetryPolicy(), stop=Stop(), applies_late=True,
            mail=Mailbox(ignore),
        )  # fmt: skip
        again = batch(0, 12, ids=list("abcdecdabeac"))
        assert one._held(again).rows.tolist() == [0, 2, 6]
        assert one._held(again.picked([3, 4, 5, 7, 8, 9])).rows.tolist() == []
        part = batch(2, 7, ids=list("cdecd"))
        assert one._held(part).rows.tolist() == [2, 6]
        assert one._held(batch(10, 12, ids=list("ac"))).ids == []
