"""A command that makes the rows: its failure is the load's, and it ends with the load, with all that it has started."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from advised import says
from commands import ran
from conftest import KEY, Engine

import cyborg_ingest
from cyborg_ingest.errors import IngestError, SourceError, UsageError
from cyborg_ingest.sources import producer

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS, DIMENSION = 3000, 256
"""Of which the first look at a stream sees a part: more than a megabyte in every format."""
PROGRAM = (sys.executable, "-m", "cyborg_ingest")
UPSERT = (*PROGRAM, "upsert", "--index", "x", "--create")


def vector(row: int) -> list[float]:
    return [row + 1.0, *([0.25] * (DIMENSION - 1))]


def jsonl(rows: int = ROWS) -> bytes:
    return b"".join(json.dumps({"id": str(row), "vector": vector(row)}).encode() + b"\n" for row in range(rows))


def csv(rows: int = ROWS) -> bytes:
    return b"id,vector\n" + b"".join(f'{row},"{vector(row)}"\n'.encode() for row in range(rows))


def document(rows: int = ROWS) -> bytes:
    return json.dumps([{"id": str(row), "vector": vector(row)} for row in range(rows)]).encode()


def arrow(rows: int = ROWS) -> bytes:
    table = pa.table({
        "id": [str(row) for row in range(rows)],
        "vector": pa.array([vector(row) for row in range(rows)], pa.list_(pa.float32(), DIMENSION)),
    })  # fmt: skip
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table, max_chunksize=500)
    return out.getvalue()


def npy(rows: int = ROWS) -> bytes:
    out = io.BytesIO()
    np.save(out, np.array([vector(row) for row in range(rows)], np.float32))
    return out.getvalue()


MAKERS: dict[str, Callable[..., bytes]] = {"jsonl": jsonl, "csv": csv, "json": document, "arrow": arrow, "npy": npy}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`rows.jsonl`, and the options that every command here needs in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    monkeypatch.setenv("CYBORG_INGEST_TARGET", f"disk:{tmp_path / 'data'}")
    monkeypatch.setattr("cyborg_ingest.plan.cutting._CACHE_BYTES", 100_000)  # some chunks come before the end
    (tmp_path / "rows.jsonl").write_bytes(jsonl())
    return tmp_path


def upsert(*command: object, options: tuple[object, ...] = ()) -> tuple[int, dict[str, Any], str]:
    """The exit code, the result and what was said of a load of what a command prints."""
    done = ran("upsert", "--index", "x", "--create", "--json", *options, "--from-command", "--", *command)
    return done.returncode, json.loads(done.stdout), done.stderr


def sh(script: str, *options: object) -> tuple[int, dict[str, Any], str]:
    return upsert("sh", "-c", script, options=options)


def stored(rows: int = ROWS) -> dict[str, Any]:
    """What the engine itself says of the rows."""
    engine = Engine("embedded", os.environ["CYBORG_INGEST_TARGET"], iter(()))
    return engine.read("x", [str(row) for row in range(rows)], KEY)


def is_running(pid: int) -> bool:
    """Whether a process is there, and not merely waits for somebody to hear that it has ended."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # it has just ended, or there is no /proc, and nobody who waits
        return not Path("/proc").exists()


def awaited(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def number_in(path: Path) -> int:
    awaited(lambda: path.exists() and path.read_text().strip())
    return int(path.read_text())


@pytest.mark.parametrize("kind", MAKERS)
def test_what_a_command_prints_is_loaded_if_it_ends_well_and_not_complete_if_it_does_not(
    folder: Path, kind: str
) -> None:
    (folder / "rows").write_bytes(MAKERS[kind]())
    (folder / "code").write_text("7")
    script = "cat rows; echo the disk is gone >&2; exit $(cat code)"
    code, report, said = sh(script, "--batch-rows", 100, "--format", kind)
    assert (code, report["status"], report["retry"]) == (3, "failed", "same-command")
    assert "The command sh ended with exit code 7 (the disk is gone): not all of its rows came." in report["error"]
    assert "command   the disk is gone" in said
    rows = report["rows"]
    assert rows["read"] == rows["acknowledged"] + rows["rejected"] + rows["skipped"] + rows["unsent"]
    (folder / "code").write_text("0")
    code, again, said = sh(script, "--format", kind)
    assert code == 0, said
    assert again["rows"]["skipped"] == rows["acknowledged"]
    assert again["rows"]["read"] == ROWS
    found = stored()
    assert {int(row): np.frombuffer(one.vector, "<f4").tolist() for row, one in found.items()} == {
        row: vector(row) for row in range(ROWS)
    }


def test_rows_that_were_loaded_before_a_command_failed_are_skipped_when_it_prints_them_again(folder: Path) -> None:
    """As for a pipe, but that somebody notices: `zcat cut.gz | upsert -`, cut at the end of a line, exits with 0."""
    (folder / "begin.jsonl").write_bytes(b"".join(jsonl().splitlines(keepends=True)[:2000]))
    (folder / "export").write_text("#!/bin/sh\ncat begin.jsonl; exit 1\n")
    (folder / "export").chmod(0o755)
    code, report, _ = upsert("./export", options=("--batch-rows", 100))
    assert code == 3
    assert 0 < report["rows"]["acknowledged"] <= 2000
    (folder / "export").write_text("#!/bin/sh\ncat rows.jsonl\n")
    code, again, _ = upsert("./export")
    assert (code, again["rows"]["skipped"]) == (0, report["rows"]["acknowledged"])
    assert again["rows"]["acknowledged"] == ROWS - again["rows"]["skipped"]
    assert len(stored()) == ROWS


def test_the_command_that_is_printed_resumes_it_and_none_of_its_options_is_taken_for_ours(folder: Path) -> None:
    (folder / "it's here").write_text("#!/bin/sh\ncat rows.jsonl; test -e ok\n")
    (folder / "it's here").chmod(0o755)
    code, report, _ = upsert("./it's here", "--restart", "--index", "$HOME", options=("--restart", "--batch-rows", 100))
    assert code == 3
    words = shlex.split(report["resume_command"])
    assert words[words.index("--from-command") :] == [
        "--from-command", "--", "./it's here", "--restart", "--index", "$HOME",
    ]  # fmt: skip
    assert "--restart" not in words[: words.index("--")]
    (folder / "ok").touch()
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m {report["resume_command"].replace("cyborg-ingest", "cyborg_ingest", 1)}'],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f" now, {report['rows']['acknowledged']:,} before)" in done.stderr


def test_another_command_is_another_job() -> None:
    assert sh("cat rows.jsonl; exit 1", "--batch-rows", 100)[0] == 3
    code, report, _ = sh("cat rows.jsonl; exit 0")
    assert (code, report["rows"]["skipped"]) == (0, 0)


def test_rows_cut_within_a_line_are_as_in_a_file_where_the_command_says_that_all_is_well(folder: Path) -> None:
    (folder / "cut.jsonl").write_bytes(jsonl()[:-10])
    code, report, _ = sh("cat cut.jsonl")
    assert (code, report["rejects"]) == (4, {"unparsable": 1})
    code, report, _ = sh("cat cut.jsonl; exit 1")
    assert (code, report["rejects"]) == (3, {})


def test_a_command_that_was_killed_or_whose_own_command_was_is_told_by_the_signal() -> None:
    for script, words in (
        ("cat rows.jsonl; kill -9 $$", "was ended by the signal SIGKILL"),
        ("cat rows.jsonl; exit 137", "ended with exit code 137 (as by SIGKILL)"),
    ):
        code, report, _ = sh(script)
        assert code == 3
        assert words in report["error"]


def test_a_command_that_fails_and_prints_no_rows_but_words_has_failed_all_the_same() -> None:
    code, report, _ = sh("echo '<html>503 Service Unavailable</html>'; echo 'error: 503' >&2; exit 22")
    assert code == 3
    assert "exit code 22 (error: 503)" in report["error"]
    code, report, _ = sh("echo '<html>503 Service Unavailable</html>'")
    assert (code, "do not tell its format" in report["error"]) == (2, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("zcatt", "rows"), "zcatt: there is no such program in PATH. Is it zcat?"),
        (("./nothing",), "./nothing: there is no such program, or what its first line names is not there."),
        (("./rows.jsonl",), "./rows.jsonl is a folder, or a file that may not be run: chmod +x makes"),
        (("./script",), "./script cannot be run: Exec format error. A script begins with #!, as in #!/bin/sh."),
    ],
)
def test_a_command_that_cannot_be_started_is_an_error_before_anything_is_sent(
    folder: Path, words: tuple[str, ...], told: str
) -> None:
    (folder / "script").write_text("cat rows.jsonl\n")
    (folder / "script").chmod(0o755)
    code, result, _ = upsert(*words)
    assert code == 2
    assert told in result["error"]


def test_a_command_that_prints_nothing_is_empty_if_it_ends_well_and_that_may_be() -> None:
    code, result, _ = sh("true")
    assert code == 2
    assert "nothing came in" in result["error"]
    assert "--allow-empty" in result["error"]
    assert sh("true", "--allow-empty")[0] == 0
    code, result, _ = sh("exit 3", "--allow-empty")
    assert (code, "exit code 3" in result["error"]) == (3, True)


def test_a_command_that_prints_more_than_is_asked_for_is_ended_and_has_not_failed(folder: Path) -> None:
    script = "echo $$ > pid; while :; do cat rows.jsonl || exit 9; done"
    code, report, _ = sh(script, "--limit", 10)
    assert (code, report["rows"]["acknowledged"]) == (0, 10)
    assert not is_running(number_in(folder / "pid"))


def test_a_command_may_go_on_when_its_output_has_ended_and_still_say_that_it_failed() -> None:
    assert sh("cat rows.jsonl; exec >&-; sleep 0.3; exit 0")[0] == 0
    code, report, _ = sh("cat rows.jsonl; exec >&-; sleep 0.3; echo too late >&2; exit 4")
    assert code == 3
    assert "exit code 4 (too late)" in report["error"]


def test_a_command_that_does_not_end_when_its_output_has_is_ended_and_has_failed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producer, "END_SECONDS", 0.2)
    code, report, _ = sh("echo $$ > pid; cat rows.jsonl; exec >&-; while :; do sleep 1; done")
    assert code == 3
    assert "The command sh has closed its output and does not end" in report["error"]
    assert not is_running(number_in(folder / "pid"))


def test_what_a_command_has_left_behind_with_its_output_open_is_not_waited_for_without_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producer, "END_SECONDS", 0.2)
    script = "cat rows.jsonl; sleep 1000 & echo $! > pid"
    code, report, _ = sh(script)
    assert code == 3
    assert "something that it has started holds its output open" in report["error"]
    assert not is_running(number_in(folder / "pid"))
    code, report, _ = sh(f"{script}; exit 5")
    assert (code, "exit code 5" in report["error"]) == (3, True)


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="this system tells how a process ended only by forgetting it")
def test_the_number_of_a_command_that_has_ended_is_no_other_process_until_nothing_is_sent_to_it(folder: Path) -> None:
    said: list[str] = []
    ended = producer.Producer("it", ["sh", "-c", "echo $$ > pid; echo done >&2"], dict(os.environ), said.append)
    assert ended.read(10) == b""
    number = number_in(folder / "pid")
    os.kill(number, 0)  # nobody else can have it
    ended.end()
    assert not is_running(number)
    assert said == ["done"]


def test_a_load_that_another_run_keeps_out_does_not_start_its_command(folder: Path) -> None:
    os.mkfifo(folder / "go")
    words = [*UPSERT, "--from-command", "--", "sh", "-c", "echo x >> started; echo waits >&2; cat go; cat rows.jsonl"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "command   waits\n"
        assert subprocess.run(words, capture_output=True, check=False, timeout=60).returncode == 75
        (folder / "go").write_text("")
        process.stderr.read()
    assert process.returncode == 0
    assert (folder / "started").read_text() == "x\n"


def test_what_a_command_has_started_ends_with_it_when_all_is_well_too(folder: Path) -> None:
    script = "sleep 1000 > /dev/null 2>&1 & echo $! > pid; cat rows.jsonl"
    assert sh(script)[0] == 0
    assert not is_running(number_in(folder / "pid"))


def test_what_a_command_has_left_behind_and_speaks_without_end_is_not_heard_to_its_end(folder: Path) -> None:
    code, report, said = sh("cat rows.jsonl; echo well >&2; yes >&2 & echo $! > pid")
    assert (code, report["rows"]["acknowledged"]) == (0, ROWS), said
    assert "command   well" in said
    assert not is_running(number_in(folder / "pid"))


def test_what_comes_after_the_last_rows_and_late_is_waited_for() -> None:
    """Whoever has started it has ended; what it started still writes."""
    script = "(head -n 1000 rows.jsonl; sleep 0.5; tail -n +1001 rows.jsonl) & exit 0"
    code, report, _ = sh(script)
    assert (code, report["rows"]["acknowledged"]) == (0, ROWS)


def test_a_command_that_ignores_what_it_is_told_is_killed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producer, "GRACE_SECONDS", 0.2)
    script = "trap '' TERM INT PIPE; echo $$ > pid; while :; do cat rows.jsonl; done"
    assert sh(script, "--limit", 10)[0] == 0
    assert not is_running(number_in(folder / "pid"))


def test_what_a_command_says_is_shown_line_by_line_without_keys_and_never_obeyed() -> None:
    script = f"printf '\\033[31mred\\n10%%\\r100%%\\n' >&2; cat rows.jsonl; echo the key is {KEY.hex()} >&2; exit 0"
    code, report, said = sh(script, "--batch-rows", 100)
    lines = [line for line in said.splitlines() if line.startswith("command")]
    assert code == 0, said
    assert lines[:2] == ["command   \\x1b[31mred", "command   100%"]
    assert KEY.hex() not in said
    assert KEY.hex() not in json.dumps(report)
    log = Path(report["run_folder"], "log.jsonl").read_text()
    assert [json.loads(line)["text"] for line in log.splitlines() if '"said"' in line][1] == "100%"


def test_a_command_that_says_much_is_cut_short_but_for_its_last_words() -> None:
    code, report, said = sh("i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i+1)); done >&2; cat rows.jsonl; exit 1")
    lines = [line for line in said.splitlines() if line.startswith("command")]
    assert code == 3
    assert (len(lines), lines[-2:]) == (201, ["command   line 199", "command   (what else it says is not shown)"])
    assert "(line 995; line 996; line 997; line 998; line 999)" in report["error"]


def test_what_a_command_says_is_shown_before_it_prints_a_row(folder: Path) -> None:
    os.mkfifo(folder / "go")
    with subprocess.Popen(
        [*UPSERT, "--from-command", "--", "sh", "-c", "echo waiting for the database >&2; cat go; cat rows.jsonl"],
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert process.stderr.readline() == "command   waiting for the database\n"
        (folder / "go").write_text("")
        process.stderr.read()
    assert process.returncode == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_reaches_the_command_and_all_that_it_has_started(
    folder: Path, number: signal.Signals, code: int
) -> None:
    name = number.name.removeprefix("SIG")
    script = (
        f"trap 'echo {name} > got; exit 1' {name}; cat rows.jsonl; sleep 1000 & echo $! > below; echo $$ > pid; wait"
    )
    with subprocess.Popen(
        [*UPSERT, "--json", "--from-command", "--", "sh", "-c", script],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        pids = [number_in(folder / one) for one in ("pid", "below")]
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == code
    assert json.loads(out)["retry"] == "same-command"
    assert (folder / "got").read_text() == f"{name}\n"
    assert not any(map(is_running, pids))


@pytest.mark.parametrize("command", [UPSERT, (*PROGRAM, "inspect"), (*PROGRAM, "verify", "--index", "x")])
def test_a_second_signal_leaves_no_process_behind(folder: Path, command: tuple[str, ...]) -> None:
    script = "trap '' TERM; echo $$ > pid; while :; do sleep 1; done"
    with subprocess.Popen(
        [*command, "--from-command", "--", "sh", "-c", script],
        stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        pid = number_in(folder / "pid")
        process.terminate()
        with contextlib.suppress(ProcessLookupError):
            while process.poll() is None:
                process.terminate()
                time.sleep(0.1)
    assert process.returncode == 143
    awaited(lambda: not is_running(pid))


def test_a_command_that_ignores_a_signal_is_killed_in_time_for_the_load_to_say_how_it_ended(folder: Path) -> None:
    program = (
        "from cyborg_ingest import cli, signals; from cyborg_ingest.sources import producer\n"
        "producer.GRACE_SECONDS, signals._GRACE_SECONDS = 2.0, 3.9; cli.main()"  # 5 and 10, but for the test's time
    )
    options = (*UPSERT[3:], "--json", "--drain-timeout", "0")
    script = "trap '' TERM INT; echo $$ > pid; while :; do sleep 1; done"
    with subprocess.Popen(
        [sys.executable, "-c", program, *options, "--from-command", "--", "sh", "-c", script],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        pid = number_in(folder / "pid")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, json.loads(out)["status"]) == (130, "interrupted")
    assert not is_running(pid)


def test_a_load_whose_time_is_over_ends_the_command_and_says_so(folder: Path) -> None:
    script = "echo $$ > pid; cat rows.jsonl; exec sleep 1000"
    code, report, _ = sh(script, "--max-duration", "2s", "--batch-rows", 100)
    assert (code, report["status"]) == (6, "stopped")
    assert not is_running(number_in(folder / "pid"))
    code, report, _ = sh("echo $$ > pid; exec sleep 1000", "--max-duration", "1s")
    assert code == 6
    assert not is_running(number_in(folder / "pid"))


def test_keys_and_secret_addresses_are_not_in_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYBORG_INGEST_API_KEY", "5ecret" * 5)
    monkeypatch.setenv("PASSED_ON", "yes")
    script = 'test -z "$CYBORG_INGEST_INDEX_KEY$CYBORG_INGEST_API_KEY" && test "$PASSED_ON" = yes && cat rows.jsonl'
    code, _, said = sh(script)
    assert code == 0, said


def test_other_commands_read_what_a_command_prints_too() -> None:
    words = ("--from-command", "--", "cat", "rows.jsonl")
    assert sh("cat rows.jsonl")[0] == 0
    assert ran("inspect", *words).returncode == 0
    done = ran("verify", "--index", "x", *words)
    assert (done.returncode, f"{ROWS:,} rows compared" in done.stdout) == (0, True)
    code, report, _ = upsert("cat", "rows.jsonl", options=("--dry-run",))
    assert (code, report["status"], report["rows"]["read"]) == (0, "dry_run", ROWS)
    for command in (("inspect", "--full"), ("verify", "--index", "x"), ("upsert", "--dry-run", "--index", "x")):
        done = ran(*command, "--from-command", "--", "sh", "-c", "cat rows.jsonl; exit 1")
        assert done.returncode == 3, done.stderr
        assert "exit code 1" in done.stderr


def test_rows_that_differ_are_looked_for_with_the_command_again(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    from cyborg_ingest.targets.embedded import EmbeddedIndex  # noqa: PLC0415 - as the engine alone is changed

    monkeypatch.setattr(EmbeddedIndex, "count", lambda _: 0)
    code, report, _ = upsert("cat", "rows.jsonl")
    assert code == 5
    command = shlex.split(report["error"].partition("To see which rows differ: ")[2])
    assert command[:2] == ["cyborg-ingest", "verify"]
    assert command[-4:] == ["--from-command", "--", "cat", "rows.jsonl"]
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    done = ran(*command[1:], CYBORG_INGEST_INDEX_KEY=KEY.hex())
    assert done.returncode == 0, done.stderr


def test_the_words_of_the_command_come_last_and_behind_two_dashes() -> None:
    done = ran("upsert", "--index", "x", "--from-command", "cat", "rows.jsonl")
    assert done.returncode == 2
    says(
        done.stderr, "takes the words behind --, and there is none: the command comes last, as in --from-command -- {}"
    )
    assert ran("upsert", "--index", "x", "--create", "--from-command", "--", "cat", "rows.jsonl").returncode == 0
    done = ran("upsert", "rows.jsonl", "--index", "x", "--from-command", "--", "cat", "rows.jsonl")
    assert done.returncode == 2
    says(done.stderr, "With --from-command what the command prints is the only source. Name no other beside it.")
    done = ran("upsert", "--index", "x", "--where", "--", "--from-command", "--", "cat", "rows.jsonl")
    assert "With --from-command" not in done.stderr


def test_no_source_can_be_named_as_a_command_is(folder: Path) -> None:
    (folder / "list").write_text("command://cat\n")
    for name in ("command://cat", "@list"):
        done = ran("upsert", name, "--index", "x", "--create")
        assert (done.returncode, "'command' is not known" in done.stderr) == (2, True)
    with pytest.raises(UsageError, match="'command' is not known"):
        cyborg_ingest.load("command://cat", index="x")


def test_programs_give_the_words_of_a_command() -> None:
    report = cyborg_ingest.load(index="x", create=True, target="disk:data", from_command=["cat", "rows.jsonl"])
    assert report.rows["acknowledged"] == ROWS
    assert report.sources[0]["uri"] == "command://cat"
    with pytest.raises(SourceError, match="exit code 1") as caught:
        cyborg_ingest.load(index="x", target="disk:data", from_command=["sh", "-c", "cat rows.jsonl; exit 1"])
    assert isinstance(caught.value, IngestError)
    assert caught.value.report is not None
    with pytest.raises(UsageError, match="only source"):
        cyborg_ingest.load("rows.jsonl", index="x", target="disk:data", from_command=["cat", "rows.jsonl"])


def test_a_job_names_the_command_in_place_of_sources(folder: Path) -> None:
    file = folder / "cyborg-ingest.toml"
    for value in ('["sh", "-c", "cat rows.jsonl; test -e ok"]', "\"sh -c 'cat rows.jsonl; test -e ok'\""):
        file.write_text(f'[job.night]\nindex = "x"\ncreate = true\nfrom-command = {value}\n')
        assert ran("config", "validate").returncode == 0
        shown = json.loads(ran("config", "show", "night", "--json").stdout)
        assert shown["from-command"] == {"value": ["sh", "-c", "cat rows.jsonl; test -e ok"], "from": "[job.night]"}
        (folder / "ok").unlink(missing_ok=True)
        done = ran("run", "night", "--json")
        assert done.returncode == 3, done.stderr
        command = json.loads(done.stdout)["resume_command"]
        (folder / "ok").touch()
        done = ran(*shlex.split(command)[1:])
        assert done.returncode == 0, done.stderr
    file.write_text('[job.night]\nindex = "x"\n')
    assert ran("config", "validate").returncode == 2
    assert "no sources, and no from-command" in ran("run", "night").stderr
    file.write_text('from-command = ["cat", "rows.jsonl"]\n')
    assert "there is no such option" in ran("config", "validate").stderr
