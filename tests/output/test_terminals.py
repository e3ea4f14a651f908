"""What a terminal shows, at any width: each thing on its line, the most important first, and what goes on."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from advised import says
from commands import load, ran
from conftest import KEY
from proxy import UPSERT, Fault, Proxy, status
from terminal import on_terminal

from cyborg_ingest import signals
from cyborg_ingest.facts import Began, Landed, Planned, PlannedSource, Read, Sending
from cyborg_ingest.output import display, howfar
from cyborg_ingest.output.labels import folded
from cyborg_ingest.stop import Stop
from cyborg_ingest.tally import STALLED_SECONDS, Step, Tally

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from proxy import Answer
    from service import Service

WIDTHS = [40, 60, 80, 120, 200]


@pytest.fixture
def vectors(here: Path) -> Path:
    """Rows enough for a load that is watched."""
    np.save(here / "rows.npy", np.random.default_rng(1).standard_normal((20_000, 8), np.float32))
    return here / "rows.npy"


@pytest.mark.parametrize("width", WIDTHS)
def test_a_load_shows_on_one_line_its_percentage_bar_and_time_left_then_rows_then_speed(
    width: int, vectors: Path
) -> None:
    """Whatever the width: what does not fit is left out from the end."""
    slow = ("--batch-rows", 500, "--max-rows-per-second", 4000)
    with on_terminal("upsert", vectors, "--index", "i", *slow, width=width) as terminal:
        bar = re.compile(r"(\d+)% [\u2501\u2578\u257a ]{8,} \d:\d\d left  ([\d,]+) rows(  [\d,]+ rows/s)?")
        lines = terminal.until(lambda lines: [one for one in lines if bar.match(one)])
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.ended() == 130
    found = next(one for one in lines if bar.match(one))
    assert len(found) <= width
    match = bar.match(found)
    assert match is not None
    assert (match[3] is not None) == (width > 40)
    assert round(int(match[2].replace(",", "")) / 200) == pytest.approx(int(match[1]), abs=1)
    assert "0 rejected" not in found
    assert "0 retried" not in found


@pytest.mark.parametrize("width", WIDTHS)
def test_lines_are_wrapped_at_words_beside_their_label_and_nothing_is_lost(
    width: int, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(here))
    whole = load("--dry-run").stderr.splitlines()
    with on_terminal("upsert", "rows.jsonl", "--index", "i", "--dry-run", width=width) as terminal:
        assert terminal.ended() == 0
    shown = [line for line in terminal.lines if "reading" not in line]
    for line in shown:
        assert len(line) <= width or " " not in line.strip(), line  # a word alone may be longer
        assert re.match(r"([a-z ]{8}|  | {8})", line), line  # and what is wrapped stands beside its label
    assert " ".join(" ".join(shown).split()) == " ".join(" ".join(whole).replace(f"{here}/", "~/").split())


def test_a_command_to_copy_is_not_cut_and_a_long_path_loses_its_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    path = "/home/ada/a/very/long/way/to/a/folder/of/many/files/part-00017.parquet"
    command = f"cyborg-ingest upsert {path} --index documents --target disk:/home/ada/data"
    lines = [f"sources   {path}  parquet, 10 rows", f"resume    {command}", f"note      A key is kept in {path}."]
    found = ["".join(one) for one in folded(lines, 50)]
    assert f"resume    {command}" in found
    assert f"          {path.replace('/home/ada', '~')}." in found
    first = found[0].removeprefix("sources   ")
    assert len(found[0]) <= 50
    assert re.fullmatch(r"~/a/very/.*\.\.\..*part-00017\.parquet", first)
    assert found[1] == "          parquet, 10 rows"


def test_nothing_that_a_person_lays_out_is_wrapped() -> None:
    lines = ["  File rows.py, line 3, in a function with quite a long name", "x" * 50, ""]
    assert ["".join(one) for one in folded(lines, 30)] == lines


def test_labels_of_errors_look_the_same_whoever_finds_them(here: Path) -> None:
    for words in (["--nonsense"], ["--max-errors", "many"], ["nowhere.parquet"]):
        with on_terminal("upsert", "rows.jsonl", "--index", "i", *words) as terminal:
            assert terminal.ended() == 2
        assert terminal.colour_of("error     ") == "red", terminal.lines
        assert not any("Error:" in one for one in terminal.lines)
    assert here.exists()


# What goes on


class Gate:
    """Holds requests until it is opened."""

    def __init__(self) -> None:
        self.arrived, self.opened = threading.Event(), threading.Event()

    def handle(self, connection: socket.socket, forward: Callable[[], Answer]) -> bool:
        """Forward when it is open."""
        self.arrived.set()
        assert self.opened.wait(60)
        answer = forward()
        head = f"HTTP/1.1 {answer[0]} X\r\nContent-Length: {len(answer[2])}\r\nContent-Type: application/json\r\n\r\n"
        connection.sendall(head.encode() + answer[2])
        return True


def test_who_stops_a_load_is_told_what_is_waited_for_and_what_to_do(
    service: Service, vectors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    monkeypatch.delenv("CYBORG_INGEST_INDEX_KEY_FILE")
    gate = Gate()
    proxy = Proxy(service.port, lambda number, _body: Fault("held", gate.handle) if number > 2 else None)
    with proxy.running() as between:
        words = ["upsert", vectors, "-i", "stopped", "-t", between.url, "--create", "--batch-rows", "1000"]
        with on_terminal(*words, width=70) as terminal:
            terminal.until(lambda lines: gate.arrived.is_set() and any("2,000 rows" in one for one in lines))
            terminal.process.send_signal(signal.SIGINT)
            told = re.compile(
                r"stopping waiting up to (1\d|20) s for \d requests?\. "
                r"Ctrl-C again quits at once; run the same command to resume\."
            )
            terminal.until(lambda lines: told.search(" ".join(" ".join(lines).split())))
            gate.opened.set()
            assert terminal.ended() == 130
        assert "stopped   by a signal" in terminal.lines
        assert not any(one.startswith("error") for one in terminal.lines)
        done = ran(*words)
    assert done.returncode == 0, done.stderr
    assert " now, 0 before)" not in done.stderr


def test_a_failure_that_is_waited_out_is_on_the_screen_with_its_reason_and_number(
    service: Service, vectors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    monkeypatch.delenv("CYBORG_INGEST_INDEX_KEY_FILE")
    ill = Fault("503", status(503, Retry_After="2"))
    proxy = Proxy(service.port, lambda number, _body: ill if number < 7 else None)
    with proxy.running() as between:
        words = ["upsert", vectors, "-i", "waited", "-t", between.url, "--create", "--retry-max-wait", "2"]
        with on_terminal(*words, width=60) as terminal:
            said = re.compile(r"127\.0\.0\.1:\d+.*503.* Retry [12] of 8 (in [12] s|now)\.")
            terminal.until(lambda lines: said.search(" ".join(lines)))
            assert terminal.ended() == 0
    assert not any("Retry" in one for one in terminal.lines)  # it is over, and its line is gone
    assert any(one.startswith("done") for one in terminal.lines)


def test_a_pipe_that_gives_nothing_is_waited_for_and_said_to_be(here: Path) -> None:
    reader, writer = os.pipe()
    with on_terminal("upsert", "-", "--format", "jsonl", "-i", "i", stdin=reader) as terminal:
        os.close(reader)
        os.write(writer, (here / "rows.jsonl").read_bytes())
        terminal.until(lambda lines: re.search(r"looking .*waiting \d+ s", " ".join(lines)))
        os.close(writer)
        assert terminal.ended() == 0
    assert any(one.startswith("done      5 of 5 rows") for one in terminal.lines)


def test_a_pipe_whose_first_rows_take_long_has_its_line_before_an_index_is_made(here: Path) -> None:
    reader, writer = os.pipe()
    rows = (here / "rows.jsonl").read_bytes()
    head = b"".join(
        b'{"id": "h%d", "vector": [1.0, %d]}\n' % (row, row) for row in range(3000)
    )  # more than is surveyed
    with on_terminal("upsert", "-", "--format", "jsonl", "-i", "i", stdin=reader) as terminal:
        os.close(reader)
        os.write(writer, head[: 1 << 16])
        threading.Thread(target=os.write, args=(writer, head[1 << 16 :])).start()
        terminal.until(lambda lines: any(one.startswith(("reading", "looking")) for one in lines))
        assert not (here / "data").exists()
        os.write(writer, rows)
        os.close(writer)
        assert terminal.ended() == 0
    assert any(one.startswith("done ") for one in terminal.lines)


def planned(rows: int | None, *, once: bool = False) -> Planned:
    source = PlannedSource("a", "jsonl", rows, 0, rows, 0, True, once, 2, {}, {})
    return Planned("disk:x", "i", rows, 2, (), (source,))


def test_a_time_left_is_not_told_where_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    tally = Tally()
    for fact in (planned(100), Read("a", 20), Landed("a", 10, 80, 0.1, 1, 0)):
        tally(fact)
    now += 1
    assert howfar.how_far(tally).startswith("0:")
    now += STALLED_SECONDS + 6
    assert howfar.how_far(tally).startswith("stalled 12 s")
    tally(Landed("a", 10, 80, 7.0, 0, 0))
    now += STALLED_SECONDS + 6
    assert "stalled" not in howfar.how_far(tally)  # its requests take as long
    pipe = Tally()
    for fact in (planned(None, once=True), Read("a", 10), Landed("a", 10, 80, 0.1, 0, 0)):
        pipe(fact)
    now += STALLED_SECONDS + 6
    assert howfar.how_far(pipe).startswith("waiting for input 11 s")
    assert howfar.percent(pipe) == ""


def test_the_time_that_an_index_takes_to_be_made_is_none_of_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    tally = Tally()
    for fact in (planned(100), Read("a", 20)):
        tally(fact)
    now += 30  # the index is made
    tally(Sending())
    now += 2
    tally(Landed("a", 20, 160, 0.1, 0, 0))
    assert tally.seconds == 2


def test_what_does_not_move_is_said_of_other_work_too(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    step = Step(Began("verify", 100), begun_at=now, last_move=now)
    assert howfar.how_far(step) == "0:00"
    step.done = 50
    now += 4
    assert howfar.how_far(step) == "0:04 left  50 rows  0 differ  12 rows/s"
    now += 8
    assert howfar.how_far(step).startswith("stalled 12 s  50 rows")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.4, "0:59"), (59.6, "1:00"), (3599.6, "1:00:00"), (90_061, "25:01:01")]
)
def test_durations_are_read_as_clocks_are(seconds: float, text: str) -> None:
    assert howfar.clock(seconds) == text


def test_one_signal_asks_how_far_it_is_and_ends_nothing(vectors: Path) -> None:
    words = ["upsert", vectors, "-i", "i", "--batch-rows", 500, "--max-rows-per-second", 10_000, "--progress", "none"]
    with on_terminal(*words) as terminal:
        terminal.until(lambda lines: any(one.startswith("columns") for one in lines))
        said: list[str] = []
        while not said:
            terminal.process.send_signal(signal.SIGUSR1)
            said = [one for one in terminal.until(lambda lines: "loading" in str(lines)) if one.startswith("loading")]
        assert re.match(r"loading   \d+%  ", said[0])
        assert terminal.ended() == 0
    assert Counter(one.split()[0] for one in terminal.lines)["done"] == 1


def test_a_bug_in_who_says_how_far_it_is_leaves_no_signal_unheard() -> None:
    def broken() -> None:
        raise RuntimeError("dictionary changed size during iteration")

    stop = Stop()
    with signals.listening(stop):
        signals.asked.append(broken)
        try:
            stop.is_draining = True
            os.kill(os.getpid(), signal.SIGUSR1)
            os.kill(os.getpid(), signal.SIGINT)
            stop.wake.result(timeout=20)
        finally:
            signals.asked.remove(broken)
    assert stop.is_asked()


def test_who_stops_a_comparison_learns_how_far_it_was(
    service: Service, vectors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    monkeypatch.delenv("CYBORG_INGEST_INDEX_KEY_FILE")
    assert ran("upsert", vectors, "-i", "compared", "-t", service.url, "--create").returncode == 0
    gate = Gate()
    held = Fault("held", gate.handle)
    proxy = Proxy(service.port, lambda _n, _b: None, others=lambda path, n: held if "get" in path and n > 3 else None)
    with proxy.running() as between:
        with on_terminal("verify", vectors, "-i", "compared", "-t", between.url) as terminal:
            terminal.until(lambda _: gate.arrived.is_set())
            terminal.process.send_signal(signal.SIGINT)
            assert terminal.ended() == 130
        gate.opened.set()
    said = " ".join(" ".join(terminal.lines).split())
    assert "stopped by a signal; 1,500 rows were compared by then: all equal" in said
    assert UPSERT  # the other path of the proxy


# Little is said, or with its time


def test_quietly_only_the_end_is_said_and_errors(here: Path) -> None:
    assert re.fullmatch(r"done      5 of 5 rows loaded in .*\n", load("-q").stderr)
    assert load("--quiet", file="bad.jsonl").stderr.splitlines()[-1].startswith("error     bad.jsonl, line 6")
    assert re.fullmatch(
        r"stopped .*\nresume    cyborg-ingest upsert .* --quiet.*\nerror .*\n", load("-q", file="bad.jsonl").stderr
    )
    done = ran("verify", "rows.jsonl", "-i", "i", "-q")
    assert (done.returncode, done.stderr) == (0, "")
    assert "5 rows compared" in done.stdout
    refused = load("-q", "--progress", "plain")
    assert refused.returncode == 2
    says(refused.stderr, "--quiet says nothing of progress, and --progress {} asks for it: give one.")
    assert load("-q").returncode == load("--progress", "plain").returncode == 0
    assert here.exists()


def test_quietly_too_it_is_said_where_a_new_key_is(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CYBORG_INGEST_INDEX_KEY_FILE")
    told = load("-q", "--key-out", "made.key").stderr.splitlines()
    assert [one.split()[0] for one in told] == ["done", "note"]
    assert (here / "made.key").is_file()
    assert "made.key. Back it up." in told[1]


def test_short_options_are_the_long_ones(here: Path) -> None:
    long = ran("upsert", "rows.jsonl", "--index", "i", "--target", "disk:other", "--dry-run", "--verbose")
    short = ran("upsert", "rows.jsonl", "-i", "i", "-t", "disk:other", "-n", "-v")
    assert short.stderr == long.stderr
    assert not (here / "other").exists()


def test_a_line_that_nobody_saw_being_printed_has_its_time(vectors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "INTERVAL", 0.05)
    done = ran("upsert", vectors, "-i", "i", "--max-rows-per-second", "40000", "--batch-rows", "500")
    lines = [one for one in done.stderr.splitlines() if one.startswith("loading")]
    assert lines
    for one in lines:
        assert re.match(r"loading   \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  (\d+%  )?\d:\d\d", one), one
