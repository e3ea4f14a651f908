"""The command line: what goes to which stream, how it exits, and that every option is explained."""

# ruff: noqa: E501 - commands are long
from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import every_command, ran
from conftest import KEY
from typer.testing import CliRunner

import cyborg_ingest
from cyborg_ingest import cli
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.settings.declaring import declarations
from cyborg_ingest.settings.options import (
    CreateIndexSettings,
    InspectSettings,
    LoadSettings,
    OutputSettings,
    ProgressSettings,
    TargetSettings,
    VerifySettings,
)

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine

VECTORS = np.random.default_rng(2).standard_normal((2000, 8)).astype(np.float32)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A Parquet of 2,000 rows."""
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(VECTORS.reshape(-1)), 8)
    table = {"id": [f"r{row}" for row in range(2000)], "vector": vectors, "lang": ["en"] * 2000, "year": [1900] * 2000}
    pq.write_table(pa.table(table), tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


def command(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "cyborg_ingest", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL, env={**os.environ, **environment},
    )  # fmt: skip


def on_terminal(*arguments: object, answer: str = "", **environment: str) -> tuple[int, str]:
    """The exit code and all that a terminal showed."""
    main, worker = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "cyborg_ingest", *map(str, arguments)],
        stdin=worker, stdout=worker, stderr=worker, close_fds=True,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **environment},
    ) as process:  # fmt: skip
        os.close(worker)
        shown, deadline = b"", time.monotonic() + 60
        if answer:
            os.write(main, answer.encode())
        while time.monotonic() < deadline:
            if select.select([main], [], [], 0.1)[0]:
                try:
                    data = os.read(main, 65536)
                except OSError:  # Linux says so when the other side is closed
                    break
                if not data:
                    break
                shown += data
            elif process.poll() is not None:
                break
        code = process.wait(30)
    os.close(main)
    return code, shown.decode()


# Streams


def test_stdout_holds_the_report_alone_and_stderr_the_talk(engine: Engine, source: Path) -> None:
    done = command("upsert", source, "--index", engine.name(), "--target", engine.target, "--create", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["rows"] == {"read": 2000, "acknowledged": 2000, "rejected": 0, "skipped": 0, "unsent": 0}
    assert engine.target in done.stderr
    assert "metadata <- lang + year" in done.stderr
    assert "left out" not in done.stderr
    assert "\x1b" not in done.stderr
    quiet = command("upsert", source, "--index", engine.name(), "--target", engine.target, "--create")
    assert quiet.stdout == ""


NAMES = {
    "schema_version", "status", "exit_code", "started", "ended", "target", "index", "sources", "rows", "bytes",
    "load_seconds", "rows_per_second", "latency_ms", "requests", "retries", "rejects", "index_count", "verify",
    "resume_command",
}  # fmt: skip


def test_the_report_has_the_names_that_were_promised_and_is_kept_in_the_jobs_folder(
    engine: Engine, source: Path, tmp_path: Path
) -> None:
    done = command(
        "upsert",
        source,
        "--index",
        engine.name(),
        "--target",
        engine.target,
        "--create",
        "--json",
        "--state-dir",
        tmp_path,
    )
    report = json.loads(done.stdout)
    assert report.keys() >= NAMES
    kept = list(tmp_path.glob("**/report.json"))
    assert [json.loads(one.read_text("utf-8")) for one in kept] == [report]
    assert (report["bytes"]["wire"] > 4 * 8 * 2000) is (engine.kind == "rest")


def test_events_come_as_json_lines_where_a_program_asks(engine: Engine, source: Path) -> None:
    done = command(
        "upsert", source, "--index", engine.name(), "--target", engine.target, "--create", "--progress", "json"
    )
    events = [json.loads(line) for line in done.stderr.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[:6] == ["began", "began", "planned", "locked", "began", "creating"]
    assert kinds[-1] == "ended"
    columns = events[2]["sources"][0]["columns"]
    assert (columns["metadata_columns"], columns["left_out"]) == (["lang", "year"], [])
    assert events[-1]["rows"]["acknowledged"] == 2000


def test_a_terminal_sees_a_bar_and_a_pipe_does_not(source: Path, tmp_path: Path) -> None:
    arguments = ("upsert", source, "--index", "i", "--target", f"disk:{tmp_path / 'data'}", "--create")
    code, shown = on_terminal(*arguments, "--batch-rows", 20)
    assert code == 0, shown
    assert re.search(r"\d+%.* \d:\d\d.* rows .*rows/s.*MB/s", shown)
    assert "\x1b[1mtarget" in shown
    for unwanted in ({"NO_COLOR": "1"}, {"CI": "true"}, {"TERM": "dumb"}):
        code, shown = on_terminal(*arguments, **unwanted)
        assert code == 0
        assert not re.search(r"\x1b\[[\d;]*3\dm", shown)  # no colours
        if "NO_COLOR" not in unwanted:
            assert "\x1b" not in shown


def test_on_a_terminal_the_users_own_directory_is_the_default(source: Path, tmp_path: Path) -> None:
    code, shown = on_terminal("upsert", source, "--index", "i", "--create", "--limit", 5, HOME=str(tmp_path))
    assert code == 0, shown
    assert "disk:~/.cyborgdb/data" in shown.replace("\r\n", "")
    assert (tmp_path / ".cyborgdb" / "data").is_dir()


def test_a_plain_line_comes_every_few_seconds(source: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from cyborg_ingest.output import display; display.INTERVAL = 0.02; sys.argv[0] = 'cyborg-ingest';"
        "from cyborg_ingest.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "upsert", source, "--index", "i", "--target", f"disk:{tmp_path}", "--create",
         "--batch-rows", "2"],
        capture_output=True, text=True, timeout=120, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    lines = [line for line in done.stderr.splitlines() if line.startswith("loading")]
    assert len(lines) > 2
    assert all(re.fullmatch(r"loading   [\dTZ:-]+  \d+%  \d:\d\d( left)?(  [\d,]+ rows.*)?", line) for line in lines), (
        lines
    )


# Help


def test_the_commands_are_these() -> None:
    names = {"upsert", "run", "verify", "inspect", "get", "query", "head", "doctor", "report", "schedule", "keygen"}
    names |= {f"key {one}" for one in ("path", "export")}
    names |= {f"jobs {one}" for one in ("list", "show", "clean", "forget")}
    names |= {f"runs {one}" for one in ("list", "show")}
    names |= {f"index {one}" for one in ("create", "info", "list", "train", "delete")}
    names |= {f"config {one}" for one in ("show", "validate", "schema")}
    assert set(every_command()) == names


@pytest.mark.parametrize("name", every_command())
def test_every_option_is_explained(name: str) -> None:
    shown = CliRunner().invoke(cli.app, [*name.split(), "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for parameter in every_command()[name].params:
        if parameter.name == "help":
            continue
        assert parameter.help, parameter.name
        for flag in parameter.opts if parameter.param_type_name == "option" else ():
            assert flag in shown.stdout


def test_every_declared_option_is_on_the_command_line_and_no_other_takes_a_key() -> None:
    known = {
        name: {flag for one in each.params for flag in (*one.opts, *one.secondary_opts)}
        for name, each in every_command().items()
    }
    for name, settings in (
        ("upsert", (LoadSettings, OutputSettings)), ("verify", (VerifySettings, ProgressSettings)), ("inspect", (InspectSettings, ProgressSettings)),
        ("index create", (CreateIndexSettings,)),
        ("index info", (TargetSettings,)),
    ):  # fmt: skip
        for one in settings:
            for declared in declarations(one).values():
                assert set(declared.flag.split("/")) <= known[name]
    for flags in known.values():
        assert not {flag for flag in flags if "key" in flag} - {
            "--api-key-file",
            "--api-key-command",
            "--index-key-file",
            "--index-key-command",
            "--key-out",
            "--metadata-key",  # a column by which rows are joined
            "--contents-key",
        }  # of files


@pytest.mark.parametrize("arguments", [["--version"], ["-h"], ["--help"], ["upsert", "-h"], ["index", "--help"]])
def test_help_and_version_are_the_asked_for_result(arguments: list[str]) -> None:
    done = command(*arguments)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "cyborg-ingest" in done.stdout


def test_the_version_is_that_of_the_package() -> None:
    assert command("--version").stdout == f"cyborg-ingest {cyborg_ingest.__version__}\n"


def test_every_option_is_an_environment_variable_too(engine: Engine, source: Path) -> None:
    done = command(
        "upsert", source, CYBORG_INGEST_TARGET=engine.target, CYBORG_INGEST_INDEX=engine.name(), CYBORG_INGEST_CREATE="1",
        CYBORG_INGEST_LIMIT="7", CYBORG_INGEST_METADATA_COLUMNS="lang,year", CYBORG_INGEST_JSON="1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"]["acknowledged"] == 7


def test_a_shell_can_complete() -> None:
    script = command(_CYBORG_INGEST_COMPLETE="source_bash")
    assert "cyborg-ingest" in script.stdout
    asked = {"COMP_WORDS": "cyborg-ingest ups", "COMP_CWORD": "1", "_CYBORG_INGEST_COMPLETE": "complete_bash"}
    assert command(**asked).stdout.split() == ["upsert"]


# index ...


def test_an_index_is_created_shown_listed_trained_and_deleted(engine: Engine) -> None:
    name, at = engine.name(), ("--target", engine.target)
    key = {"CYBORG_INGEST_INDEX_KEY": KEY.hex()}
    made = command("index", "create", name, *at, "--dimension", 8, "--metric", "cosine", **key)
    assert made.returncode == 0, made.stderr
    assert name in made.stdout
    with engine.connect() as client, client.index(name, KEY) as index:
        index.upsert_binary([f"r{row}" for row in range(2000)], VECTORS)
    info = json.loads(ran("index", "info", name, *at, "--json", **key).stdout)
    assert (info["dimension"], info["metric"], info["rows"], info["trained"]) == (8, "cosine", 2000, False)
    assert "cosine" in ran("index", "info", name, *at, **key).stdout
    assert name in ran("index", "list", *at).stdout.splitlines()
    trained = ran("index", "train", name, *at, **key)
    assert (trained.returncode, "is not trained" in trained.stdout) == (0, True), trained.stderr
    again = ran("index", "create", name, *at, "--dimension", 8, **key)
    assert (again.returncode, "already" in again.stderr) == (2, True)
    unasked = ran("index", "delete", name, *at, **key)
    assert (unasked.returncode, "--yes" in unasked.stderr) == (2, True)
    code, shown = on_terminal("index", "delete", name, *at, answer="n\n", **key)
    assert (code, "2,000 rows" in shown) == (130, True)
    assert name in ran("index", "list", *at).stdout.splitlines()
    code, shown = on_terminal("index", "delete", name, *at, answer="y\n", **key)
    assert code == 0, shown
    assert name not in ran("index", "list", *at).stdout.splitlines()
    gone = ran("index", "delete", name, *at, "--yes", **key)
    assert gone.returncode == 2


def test_a_large_index_is_trained(tmp_path: Path) -> None:
    name, target = "large", f"disk:{tmp_path / 'data'}"
    with cyborg_ingest.connect(target) as client, client.create(name, KEY, CreateOptions(dimension=32)) as index:
        rows = np.random.default_rng(4).random((10_001, 32), np.float32)
        index.upsert_binary([str(row) for row in range(len(rows))], rows)
    key = {"CYBORG_INGEST_INDEX_KEY": KEY.hex()}
    trained = ran("index", "train", name, "--target", target, **key)
    assert trained.stdout.startswith("Trained index 'large': "), trained.stderr
    assert json.loads(ran("index", "info", name, "--target", target, "--json", **key).stdout)["trained"] is True


def test_a_new_index_without_a_key_gets_one_that_is_named_and_not_shown(engine: Engine) -> None:
    name = engine.name()
    made = command("index", "create", name, "--target", engine.target, "--dimension", 8)
    assert made.returncode == 0, made.stderr
    key = engine.key(name)
    assert key != KEY
    path = re.search(r"/\S+\.key", made.stderr)
    assert path is not None
    assert os.stat(path[0]).st_mode & 0o777 == 0o600  # noqa: PTH116
    assert key.hex() not in made.stdout + made.stderr
    assert ran("index", "delete", name, "--target", engine.target, "--yes").returncode == 0


def test_a_bug_ends_with_its_traceback_and_its_own_exit_code(source: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from cyborg_ingest.loading import loader; loader.cut = None; sys.argv[0] = 'cyborg-ingest';"
        "from cyborg_ingest.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "upsert", source, "--index", "i", "--target", f"disk:{tmp_path}", "--create"],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "CYBORG_INGEST_INDEX_KEY": KEY.hex()},
    )  # fmt: skip
    assert done.returncode == 70
    assert "Traceback" in done.stderr
    assert "report it" in done.stderr
    assert KEY.hex() not in done.stderr
