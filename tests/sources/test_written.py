"""What is written is never what is read, whatever it is called; and it appears whole, or not at all."""

from __future__ import annotations

import json
import os
import pathlib
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import KEY
from typer.testing import CliRunner

import cyborg_ingest
from cyborg_ingest import cli, sources
from cyborg_ingest.errors import StateError, UsageError
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.plan import written

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 12


def lines(first: int = 0, rows: int = ROWS) -> str:
    return "".join(json.dumps({"id": f"r{row}", "vector": [row + 1.0, 2.0]}) + "\n" for row in range(first, rows))


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An index "docs" that holds the rows of `lines`, and whose key is KEY."""
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    target = f"disk:{tmp_path / 'engine'}"
    with cyborg_ingest.connect(target) as client, client.create("docs", KEY, CreateOptions(dimension=2)) as index:
        vectors = np.array([[row + 1.0, 2.0] for row in range(ROWS)], np.float32)
        index.upsert_binary([f"r{row}" for row in range(ROWS)], vectors)
    return target


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(cli.app, [str(one) for one in arguments], catch_exceptions=False)
    return done.exit_code, done.output


def verify(target: str, *arguments: object) -> tuple[int, str]:
    return run("verify", *arguments, "--index", "docs", "--target", target)


def everything(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, as it is; links by where they lead."""
    return {
        str(path.relative_to(folder)): str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


@pytest.mark.parametrize("how", ["itself", "symlink", "hard link", "another spelling", "relative", "through a folder"])
def test_the_source_is_never_written_over(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    source = folder / "src.jsonl"
    source.write_text(lines())
    output = source
    if how == "symlink":
        output = tmp_path / "link.out"
        output.symlink_to(source)
    elif how == "hard link":
        output = tmp_path / "hard.out"
        output.hardlink_to(source)
    elif how == "another spelling":
        output = folder / ".." / "data" / "src.jsonl"
    elif how == "relative":
        monkeypatch.chdir(folder)
        output = type(source)("src.jsonl")
    elif how == "through a folder":
        (tmp_path / "elsewhere").symlink_to(folder)
        output = tmp_path / "elsewhere" / "src.jsonl"
    before = everything(folder)
    code, text = verify(target, source, "--differences", output)
    assert (code, everything(folder)) == (2, before)
    assert "is the same file as" in text
    assert str(source) in text


@pytest.mark.parametrize("what", ["list", "ids", "metadata", "contents", "index key", "certificate", "shard", "stdin"])
def test_nor_is_anything_else_that_is_read(target: str, tmp_path: Path, what: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    np.save(folder / "rows.npy", np.ones((ROWS, 2), np.float32))
    (folder / "ids.txt").write_text("\n".join(f"r{row}" for row in range(ROWS)))
    (folder / "metadata.jsonl").write_text("{}\n" * ROWS)
    (folder / "contents.txt").write_text("a\n" * ROWS)
    (folder / "list.txt").write_text(str(folder / "rows.npy"))
    (folder / "key").write_text(KEY.hex())
    if what == "certificate":
        from test_border import certificate  # noqa: PLC0415

        (tmp_path / "made").mkdir()
        (folder / "ca.pem").write_text(pathlib.Path(certificate(tmp_path / "made")[0]).read_text())
    (folder / "rows.jsonl").write_text(lines())
    arguments: dict[str, list[Any]] = {
        "list": [f"@{folder / 'list.txt'}", "--differences", folder / "list.txt"],
        "ids": [folder / "rows.npy", "--ids", folder / "ids.txt", "--differences", folder / "ids.txt"],
        "metadata": [folder / "rows.npy", "--metadata", folder / "metadata.jsonl", "--differences",
                     folder / "metadata.jsonl"],
        "contents": [folder / "rows.npy", "--contents", folder / "contents.txt", "--differences",
                     folder / "contents.txt"],
        "index key": [folder / "rows.npy", "--index-key-file", folder / "key", "--differences", folder / "key"],
        "certificate": [folder / "rows.npy", "--ca-cert", folder / "ca.pem", "--differences", folder / "ca.pem"],
        "shard": [folder / "*.npy", "--differences", folder / "rows.npy"],
        "stdin": ["-", "--format", "jsonl", "--differences", folder / "rows.jsonl"],
    }  # fmt: skip
    before = everything(folder)
    environment = {**os.environ}
    if what == "index key":
        del environment["CYBORG_INGEST_INDEX_KEY"]
    command = [sys.executable, "-m", "cyborg_ingest", "verify", *map(str, arguments[what])]
    target = "https://127.0.0.1:1" if what == "certificate" else target
    with (folder / "rows.jsonl").open("rb") as stdin:
        done = subprocess.run(
            [*command, "--index", "docs", "--target", target],
            stdin=stdin, capture_output=True, text=True, check=False, env=environment, timeout=60,
        )  # fmt: skip
    assert (done.returncode, everything(folder)) == (2, before), done.stderr
    assert "which is read" in done.stderr


def test_a_key_that_is_kept_is_not_written_over(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CYBORG_INGEST_INDEX_KEY")
    source = tmp_path / "src.jsonl"
    source.write_text(lines())
    cyborg_ingest.load(source, index="own", target=target, create=True)
    (key,) = _kept_keys()
    before = key.read_bytes()
    code, _ = run("verify", source, "--index", "own", "--target", target, "--differences", key)
    assert (code, key.read_bytes()) == (2, before)


def _kept_keys() -> list[Path]:
    from pathlib import Path as Place  # noqa: PLC0415

    return list(Place(os.environ["CYBORG_INGEST_CONFIG_DIR"]).rglob("*.key"))


FOUND = {
    "a folder": ("data", "data/found.jsonl", True),
    "a folder below it": ("data", "data/sub/found.jsonl", True),
    "a link into it": ("data", "link/found.jsonl", True),
    "a link to the folder": ("link", "data/found.jsonl", True),
    "a pattern": ("data/*.jsonl", "data/found.jsonl", True),
    "a pattern of another suffix": ("data/*.jsonl", "data/found.json", False),
    "a pattern of folders": ("da*", "data/found.jsonl", True),
    "a deep pattern": ("data/**/*.jsonl", "data/sub/found.jsonl", True),
    "a shallow pattern": ("data/*.jsonl", "data/sub/found.jsonl", False),
    "a hidden name": ("data", "data/.found.jsonl", False),
    "a hidden folder": ("data", "data/_state/found.jsonl", False),
    "an unknown suffix": ("data", "data/found.txt", False),
    "beside it": ("data", "found.jsonl", False),
    "a name that begins alike": ("data", "data2/found.jsonl", False),
}


@pytest.mark.parametrize("name", FOUND)
def test_differences_are_not_written_where_the_next_run_would_load_them(target: str, tmp_path: Path, name: str) -> None:
    """Whether it would is what discovery itself says once the file is there."""
    source, output, is_refused = FOUND[name]
    for folder in ("data/sub", "data/_state", "data2"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "src.jsonl").write_text(lines())
    code, text = verify(target, tmp_path / source, "--differences", tmp_path / output)
    assert code == (2 if is_refused else 0), text
    assert (tmp_path / output).exists() == (not is_refused)
    (tmp_path / output).write_text("")
    listings = sources.find([str(tmp_path / source)])
    found = {os.path.realpath(one.uri) for listing in listings for one in listing.found}
    known = output.endswith((".jsonl", ".json"))
    assert (os.path.realpath(tmp_path / output) in found and known) == is_refused


@pytest.mark.parametrize("source", ["data", "data/**/*.jsonl", "@list.txt"])
def test_a_state_directory_inside_of_a_source_is_refused_before_it_is_made(
    target: str, tmp_path: Path, source: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "src.jsonl").write_text(lines())
    (tmp_path / "list.txt").write_text(str(tmp_path / "data"))
    state = tmp_path / "data" / "state"
    typed = f"@{tmp_path / 'list.txt'}" if source.startswith("@") else str(tmp_path / source)
    with pytest.raises(UsageError, match="the next run would load it.*state_dir"):
        cyborg_ingest.load(typed, index="docs", target=target, state_dir=state)
    assert not state.exists()
    hidden = tmp_path / "data" / ".state"
    assert cyborg_ingest.load(typed, index="docs", target=target, state_dir=hidden).rows["acknowledged"] == ROWS


def test_the_engine_does_not_write_where_every_file_is_a_source(tmp_path: Path) -> None:
    """By their suffix its files are never taken; by `--format` every file is."""
    (tmp_path / "src.jsonl").write_text(lines())
    target = f"disk:{tmp_path / 'engine'}"
    with pytest.raises(UsageError, match="where the engine keeps its files, lies where .* finds its files"):
        cyborg_ingest.load(tmp_path, index="docs", target=target, create=True, format="jsonl")
    assert not (tmp_path / "engine").exists()
    assert cyborg_ingest.load(tmp_path, index="docs", target=target, create=True).rows["acknowledged"] == ROWS


def test_a_new_key_is_not_kept_where_every_file_is_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "src.jsonl").write_text(lines())
    monkeypatch.setenv("CYBORG_INGEST_CONFIG_DIR", str(tmp_path / "data" / "config"))
    with pytest.raises(UsageError, match="where a new key is kept, lies where .*CYBORG_INGEST_CONFIG_DIR"):
        cyborg_ingest.load(
            tmp_path / "data", index="docs", target=f"disk:{tmp_path / 'engine'}", create=True, format="jsonl"
        )
    assert not (tmp_path / "data" / "config").exists()


def test_a_source_that_is_a_hard_link_to_a_file_of_the_job_is_refused(target: str, tmp_path: Path) -> None:
    """Rejected rows are appended to their file: a load of it by another name, by the same command, feeds on itself."""
    source = tmp_path / "src.jsonl"
    source.write_text(lines() + '{"id": "bad", "vector": [0, 0]}\n')
    report = cyborg_ingest.load(source, index="docs", target=target, max_errors="1")
    assert report.rejected_file is not None
    source.unlink()
    source.hardlink_to(report.rejected_file)
    before = source.read_bytes()
    with pytest.raises(UsageError, match="is the same file as"):
        cyborg_ingest.load(source, index="docs", target=target, max_errors="1")
    assert source.read_bytes() == before


def test_rejected_rows_are_loaded_from_where_they_are_kept(target: str, tmp_path: Path) -> None:
    source = tmp_path / "src.jsonl"
    source.write_text(lines() + '{"id": "bad", "vector": [0, 0]}\n')
    report = cyborg_ingest.load(source, index="docs", target=target, max_errors="1")
    assert report.rejected_file is not None
    rejected = type(tmp_path)(report.rejected_file)
    row = json.loads(rejected.read_text("utf-8"))
    rejected.write_text(json.dumps({**row, "vector": [1, 0]}), "utf-8")
    assert cyborg_ingest.load(rejected, index="docs", target=target).rows["acknowledged"] == 1


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("missing/found.jsonl", "no directory"),
        ("src.jsonl/found.jsonl", "no directory"),
        ("data", "is a directory"),
        ("engine/MANIFEST", "the engine's own"),
        (f"{'x' * 300}.out", "name too long"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_anything_is_read(
    target: str, tmp_path: Path, output: str, words: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "src.jsonl").write_text(lines())
    code, text = verify(target, tmp_path / "src.jsonl", "--differences", tmp_path / output)
    assert code == 2
    assert words in text
    assert "Traceback" not in text


def test_the_differences_appear_whole_and_for_their_owner_alone(target: str, tmp_path: Path) -> None:
    source, output = tmp_path / "src.jsonl", tmp_path / "out" / "found.jsonl"
    output.parent.mkdir()
    output.write_text("those of an earlier run\n")
    output.chmod(0o644)
    source.write_text(lines().replace("[3.0,", "[4.0,"))
    code, _ = verify(target, source, "--differences", output)
    assert code == 5
    assert [json.loads(line) for line in output.read_text().splitlines()] == [
        {"file": str(source), "row": 2, "id": "r2", "differs": ["vector"]}
    ]
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    output.write_text("those of an earlier run\n")
    (tmp_path / "cut.npy").write_bytes(b"no array")
    broken = tmp_path / "broken.jsonl"
    broken.write_text(lines())
    code, text = verify("http://127.0.0.1:1", broken, "--differences", output, "--retries", 0)
    assert code == 3, text
    assert (output.read_text(), list(output.parent.iterdir())) == ("those of an earlier run\n", [output])


def test_a_link_is_followed_to_what_it_names_and_stays(target: str, tmp_path: Path) -> None:
    source, real, link = tmp_path / "src.jsonl", tmp_path / "real.out", tmp_path / "link.out"
    source.write_text(lines())
    real.write_text("old")
    link.symlink_to(real)
    assert verify(target, source, "--differences", link)[0] == 0
    assert link.is_symlink()
    assert real.read_text() == ""


def test_differences_can_go_to_a_pipe(target: str, tmp_path: Path) -> None:
    source = tmp_path / "src.jsonl"
    source.write_text(lines().replace("[3.0,", "[4.0,"))
    command = [sys.executable, "-m", "cyborg_ingest", "verify", str(source), "--index", "docs", "--target", target]
    done = subprocess.run(
        [*command, "--differences", "/dev/stdout"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 5, done.stderr
    assert json.loads(done.stdout.splitlines()[0])["id"] == "r2"


def test_a_disk_that_is_full_is_no_bug_and_leaves_nothing(tmp_path: Path) -> None:
    output = written.differences_output(tmp_path / "found.jsonl")

    def break_off(output: written.Output) -> None:
        with written.whole(output) as put:
            put("half")
            raise KeyboardInterrupt

    def write(length: int) -> None:
        with written.whole(written.Output("--differences /dev/full", type(tmp_path)("/dev/full"), "")) as full:
            full("x" * length)

    for length in (1, 100_000):  # what is written at once, and what is when the file is closed
        with pytest.raises(StateError, match="cannot be written: No space left"):
            write(length)
    with pytest.raises(KeyboardInterrupt):
        break_off(output)
    assert list(tmp_path.iterdir()) == []


def test_objects_of_this_process_have_no_file(target: str) -> None:
    table = pa.table({"id": ["r0"], "vector": pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2))})
    assert cyborg_ingest.load(table, index="docs", target=target).rows["acknowledged"] == 1
