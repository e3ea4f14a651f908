"""A command that is printed to be run does the same from another directory, and in an environment without options."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cyborg_ingest import cli
from cyborg_ingest.cli import options, upsert
from cyborg_ingest.cli.printed import command_line
from cyborg_ingest.settings import spelled
from cyborg_ingest.settings.declaring import declarations
from cyborg_ingest.settings.options import CreateIndexSettings, LoadSettings, OutputSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ROWS = [{"id": f"r{row}", "vector": [1.0, row], "metadata": {"title": "a b"}} for row in range(20)]
COMMAND = "import sys; sys.argv[0] = 'cyborg-ingest'; from cyborg_ingest.cli import main; main()"

VALUES: dict[str, Any] = {
    "target": "disk:some where", "format": "csv", "metric": "cosine", "storage_precision": "tq8", "max_errors": "2.5%",
    "max_delete": "7",
    "reject_content": "ids", "verify": "full", "delimiter": ";", "where": "a = 'it''s' AND b > 1", "progress": "json",
    "nothing_new_exit": 99,
}  # fmt: skip


def other(name: str, default: Any, kind: type[Any]) -> Any:
    """A value of an option that is not its default."""
    if name in VALUES:
        return VALUES[name]
    if isinstance(default, bool):
        return not default
    if isinstance(default, tuple):
        return ("a=b c", "-x=,") if declarations(kind)[name].repeats else ("a", "b c")
    if isinstance(default, int | float):
        return int(default) + 2
    if choices := declarations(kind)[name].choices:
        return choices[-1]
    return {
        "header": False, "limit": 5, "sample": 7, "batch_rows": 3, "batch_bytes": 4000, "workers": 2, "min_rows": 6,
        "max_age": "5h50m", "max_duration": "6h", "max_rows_per_second": 9, "max_bytes_per_second": "20M",
        "lock_wait": "10m", "state_uri": "s3://bucket/a prefix", "log_file_bytes": "20M", "max_memory": "1G",
    }.get(name, "some thing")  # fmt: skip


def parsed(words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The settings that the command line makes of these words."""
    found: list[Any] = []
    real = options.settings_of

    def settings(kind: Any, arguments: dict[str, Any]) -> Any:
        found.append(real(kind, arguments))
        if len(found) == 2:
            raise KeyboardInterrupt
        return found[-1]

    monkeypatch.setattr(upsert, "settings_of", settings)
    with pytest.raises(SystemExit):
        cli.app(list(words))
    return found


def test_every_option_that_counts_is_in_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    # which go with no --key-out, with no --no-checkpoint, with no --skip, or with no --progress
    left_out = {"kms_name", "quiet", "state_uri", "max_shrink", "skip_bad_files", "only_new", "delete_missing"}
    given: list[Any] = []
    kinds: list[tuple[Any, dict[str, Any]]] = [(LoadSettings, {"sources": (), "index": "i"}), (OutputSettings, {})]
    for kind, more in kinds:
        plain = kind(**more)
        values = {
            name: other(name, getattr(plain, name), kind) for name in declarations(kind) if name not in left_out
        } | ({"checkpoint": False, "max_errors": "0"} if kind is LoadSettings else {})
        given.append(kind(**more, **values))
    words = command_line("upsert", "--index", "i", of=given)
    assert words[-4:] == ["--from-command", "--", "a", "b c"]
    monkeypatch.chdir("/")
    output, load = parsed(words[1:], monkeypatch)
    for kind, one, again in ((LoadSettings, given[0], load), (OutputSettings, given[1], output)):
        for name in declarations(kind):
            wanted = getattr(one, name)
            if hasattr(wanted, "absolute"):
                wanted = tmp_path / wanted
            if name == "target":
                wanted = f"disk:{tmp_path}/some where"
            assert getattr(again, name) == wanted, name


def test_what_is_left_at_its_default_is_not_in_the_command() -> None:
    assert spelled.words(LoadSettings(sources=("x",), index="i"), OutputSettings(), CreateIndexSettings()) == []


def test_sources_are_named_from_the_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")
    for typed, wanted in {
        "-": "-", "a b.npy": f"{tmp_path}/a b.npy", "@list": f"@{tmp_path}/list", "s3://b/k*": "s3://b/k*",
        "x/*.npy": f"{tmp_path}/x/*.npy", "/x": "/x", "~/x": "/home/ada/x", "file:///x": "file:///x",
    }.items():  # fmt: skip
        assert spelled.source(typed) == wanted


def run(folder: Path, words: Sequence[str], **environment: str) -> tuple[int, dict[str, Any], str]:
    env = {name: value for name, value in os.environ.items() if name != "CYBORG_INGEST_STATE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *words],
        cwd=folder, env={**env, **environment}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout), done.stderr


def test_a_load_goes_on_from_another_directory_by_the_command_that_was_printed(tmp_path: Path) -> None:
    rows = [*ROWS[:15], {"id": "bad", "vector": [1.0]}, *ROWS[15:]]
    (tmp_path / "my rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    ended, report, told = run(
        tmp_path, ["upsert", "my rows.jsonl", "--index", "i", "--create", "--key-out", "i.key", "--json"],
        CYBORG_INGEST_TARGET="disk:data", CYBORG_INGEST_STATE_DIR=str(tmp_path / "state"), CYBORG_INGEST_BATCH_ROWS="5",
        CYBORG_INGEST_SET="lang=e n\nkind=[1, 2]",
    )  # fmt: skip
    assert ended == 4, told
    assert report["rows"] == {"read": 16, "acknowledged": 15, "rejected": 1, "skipped": 0, "unsent": 0} | {
        name: report["rows"][name] for name in ("read", "unsent")
    }
    words = shlex.split(report["resume_command"])
    assert report["resume_command"] in told
    assert str(tmp_path / "i.key") in words
    ended, again, told = run(
        tmp_path.parent, [*words[1:], "--max-errors", "1"], CYBORG_INGEST_STATE_DIR=str(tmp_path / "state")
    )
    assert ended == 1, told
    assert again["rows"] == {"read": 21, "acknowledged": 5, "rejected": 1, "skipped": 15, "unsent": 0}
    assert again["run_folder"].rpartition("/")[0] == report["run_folder"].rpartition("/")[0]  # the same job
    assert again["index_count"]["after"] == 20
    assert not (tmp_path.parent / "data").exists()


def test_a_job_whose_journal_has_names_as_they_were_typed_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As journals did before."""
    from cyborg_ingest.state.lines import line_of  # noqa: PLC0415
    from cyborg_ingest.state.replay import replay  # noqa: PLC0415

    monkeypatch.chdir(tmp_path)
    lines = [
        line_of(one).strip() for one in ({"begin": 2}, {"part": [0, "rows.npy", 0, 0, 10, "f"]}, {"ack": [0, 0, 5]})
    ]
    assert [key[0] for key in replay(lines).parts] == [f"{tmp_path}/rows.npy"]
