"""Nothing is silent: a program hears of what is not loaded, where a key is, how far it is, and what was done."""

from __future__ import annotations

import html.parser
import io
import logging
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import KEY

import cyborg_ingest
from cyborg_ingest import facts
from cyborg_ingest.errors import BadRowError

if TYPE_CHECKING:
    from pathlib import Path

TABLE = pa.table(
    {
        "id": ["a", "b", "c"], "vector": [[1.0, 2.0]] * 3, "other": [[1.0, 2.0, 3.0]] * 3,
        "span": pa.array([1, 2, 3], pa.duration("s")), "n": [1, 2, 3],
    }
)  # fmt: skip


def loaded(tmp_path: Path, source: Any = TABLE, **options: Any) -> cyborg_ingest.RunReport:
    given: dict[str, Any] = {"index": "i", "target": f"disk:{tmp_path / 'data'}", "create": True, **options}
    return cyborg_ingest.load(source, **given, state_dir=tmp_path / "state")


def test_columns_that_are_not_loaded_and_a_new_key_are_warnings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report = loaded(tmp_path, key_out=tmp_path / "i.key")
    warned = [one.message for one in caplog.records if one.name == "cyborg_ingest" and one.levelno == logging.WARNING]
    (one,) = [one for one in warned if "'span'" in one]
    assert one.startswith("column 'span' is not loaded: duration[s], which metadata cannot hold (arrow://Table-")
    assert any(f"A new key for index 'i' is kept in {tmp_path / 'i.key'}" in one for one in warned), warned
    assert not any("'n'" in one for one in warned)
    assert "--" not in "".join(warned)
    assert report.not_loaded.keys() == {"span"}
    assert (report.created, report.key_file) == (True, str(tmp_path / "i.key"))
    assert any("A new key" in one for one in report.notes)


def test_what_the_caller_leaves_out_is_no_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    report = loaded(tmp_path, metadata_columns=["n"])
    assert [one.message for one in caplog.records if one.levelno >= logging.WARNING] == []
    assert report.not_loaded.keys() >= {"other", "span"}


def test_files_that_are_not_read_and_rows_that_are_rejected_are_warnings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    folder = tmp_path / "rows"
    folder.mkdir()
    vectors = np.ones((30, 4), np.float32)
    vectors[:14, 1] = np.nan
    np.save(folder / "rows.npy", vectors)
    (folder / "notes.docx").write_text("x")
    loaded(tmp_path, folder, max_errors=20)
    warned = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert any("notes.docx" in one and one.startswith("not read: ") for one in warned), warned
    assert len([one for one in warned if "the vector holds nan" in one]) == 10
    assert "4 more rows are rejected; the report has them." in warned


def test_without_any_logging_of_the_hosts_a_warning_is_seen_and_nothing_else_is_printed(tmp_path: Path) -> None:
    program = f"""
import cyborg_ingest
rows = [{{"id": "a", "vector": [1.0, 2.0]}}]
target, key = 'disk:' + {str(tmp_path / "data")!r}, {str(tmp_path / "k")!r}
cyborg_ingest.load(rows, index="i", target=target, create=True, key_out=key)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"A new key for index 'i' is kept in {tmp_path / 'k'}.")


def test_a_function_gets_the_facts_and_its_own_error_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    rows = [{"id": str(row), "vector": [1.0, float(row)]} for row in range(2500)]
    heard: list[facts.Event] = []
    threads: set[str] = set()

    def hear(fact: facts.Event) -> None:
        heard.append(fact)
        threads.add(threading.current_thread().name)

    report = loaded(tmp_path, rows, progress=hear, batch_rows=1000)
    assert sum(one.rows for one in heard if isinstance(one, facts.Landed)) == 2500
    assert isinstance(heard[-1], facts.Ended)
    assert heard[-1].report.rows == report.rows
    assert threads == {threading.current_thread().name}

    def fail(_fact: facts.Event) -> None:
        raise ZeroDivisionError("mine")

    caplog.clear()
    assert loaded(tmp_path, rows, progress=fail).rows["acknowledged"] == 2500
    (warned,) = [one for one in caplog.records if "progress is told no more" in one.message]
    assert warned.exc_info is not None
    assert warned.exc_info[0] is ZeroDivisionError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    rows = [{"id": str(row), "vector": [1.0, float(row)]} for row in range(100)]
    for stream, seen in ((Terminal(), "100%"), (io.StringIO(), "")):
        monkeypatch.setattr(sys, "stderr", stream)
        loaded(tmp_path, rows, progress=True)
        assert seen in stream.getvalue()
        assert "target " not in stream.getvalue()
        assert sys.stderr is stream


class Cells(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:  # noqa: ARG002 - the parser's
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


def test_a_report_can_be_read_and_its_html_holds_no_markup_of_others(tmp_path: Path) -> None:
    table = TABLE.rename_columns(["id", "vector", "other", "<script>alert(1)</script>", "n\x1b[31m"])
    report = loaded(tmp_path, table, key_out=tmp_path / "i.key")
    shown = repr(report)
    lines = shown.splitlines()
    assert lines[0] == "RunReport: ok"
    assert "3 of 3 acknowledged, 0 rejected, 0 skipped, 0 unsent" in lines[1]
    for part in (f"i in disk:{tmp_path / 'data'}, created by this run", f"key         {tmp_path / 'i.key'}",
                 "not loaded  <script>alert(1)</script>: ", "id <- id", "n\\x1b[31m"):  # fmt: skip
        assert part in shown, shown
    assert "\x1b" not in shown
    parsed = Cells()
    parsed.feed(report._repr_html_())
    assert set(parsed.tags) == {"table", "caption", "tr", "th", "td"}
    assert "<script>alert(1)</script>" in parsed.text
    assert "\x1b" not in parsed.text


def test_the_report_of_an_error_speaks_python_too(tmp_path: Path) -> None:
    rows = [{"id": "a", "vector": [1.0, 2.0]}, {"id": "b", "vector": [1.0]}]
    with pytest.raises(
        BadRowError, match="continue after bad rows with max_errors=N; then run the same call again"
    ) as caught:
        loaded(tmp_path, rows, key_out=tmp_path / "i.key")
    assert caught.value.report is not None
    assert caught.value.report.error == str(caught.value)
    assert caught.value.report.rows["read"] == 2
    assert "error" in repr(caught.value.report)


INTERRUPTED = """
import os, signal, sys, threading, time
import cyborg_ingest
folder = sys.argv[1]

def rows():
    for row in range(100_000):
        if row == 3000:
            os.kill(os.getpid(), signal.SIGINT)
        if row > 3000:
            time.sleep(0.01)
        yield {"id": str(row), "vector": [1.0, float(row)]}

def load():
    try:
        target, key = f"disk:{folder}/data", f"{folder}/k"
        cyborg_ingest.load(rows(), index="i", target=target, create=True, key_out=key, batch_rows=500)
    except KeyboardInterrupt as error:
        report = error.report
        print(report.status, report.rows["acknowledged"] > 0, report.rows["read"] == sum(
            report.rows[one] for one in ("acknowledged", "rejected", "skipped", "unsent")), report.error)

load()
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, *[one.name for one in threading.enumerate()])
"""


def test_who_interrupts_a_load_learns_how_far_it_was(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["interrupted True True KeyboardInterrupt", "True MainThread"]


def test_a_load_works_in_a_thread_that_is_not_the_main_one(tmp_path: Path) -> None:
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    done: list[Any] = []

    def work() -> None:
        rows = ({"id": str(row), "vector": [1.0, float(row)]} for row in range(1000))
        done.append(
            loaded(tmp_path, rows, key_out=tmp_path / "k", max_duration="1h", progress=True).rows["acknowledged"]
        )

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert done == [1000]
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)] == before
