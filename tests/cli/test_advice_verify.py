"""What is advised where an index and its source differ is done: the command as printed, the option that is named."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from advised import run, says
from conftest import KEY

import cyborg_ingest
from cyborg_ingest.errors import SourceError
from cyborg_ingest.loading import ending
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.settings.options import LoadSettings
from cyborg_ingest.targets import embedded

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH = 64
ROWS = np.random.default_rng(4).standard_normal((100, WIDTH)).astype(np.float32)
IDS = [str(row) for row in range(len(ROWS))]
VERIFY = re.compile(r"To see which rows differ: (cyborg-ingest verify .*)")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_TARGET", "disk:data")
    Path("index.key").write_text(KEY.hex())
    np.save("rows.npy", ROWS)
    np.save("few.npy", ROWS[:5])


def make(index: str, precision: str, rows: int = 0) -> None:
    """An index that nobody's job has created, with so many rows."""
    with cyborg_ingest.connect("disk:data") as client:
        options = CreateOptions(dimension=WIDTH, storage_precision=precision)
        with client.create(index, KEY, options) as one:
            if rows:
                one.upsert_binary(IDS[:rows], ROWS[:rows])


def command(name: str, source: str, index: str, *more: object) -> tuple[int, str]:
    return run(name, source, "--index", index, "--index-key-file", "index.key", *more)


def printed(told: str) -> tuple[int, str]:
    """The command that a load prints at its end, as a shell takes it."""
    found = VERIFY.search(told)
    assert found is not None, told
    words = shlex.split(found[1])
    assert words[0] == "cyborg-ingest"
    return run(*words[1:])


def test_vectors_that_are_all_rounded_are_equal_once_the_precision_is_said() -> None:
    make("x", "float16", 100)
    code, told = command("verify", "rows.npy", "x")
    assert code == 5, told
    says(told, " All of it fits an index that stores {}: if it does, say so with --storage-precision {}.")
    option = re.search(r"say so with (--storage-precision) (\w+)", told)
    assert option is not None
    code, told = command("verify", "rows.npy", "x", option[1], option[2])
    assert (code, "all equal" in told) == (0, True), told


def test_a_guessed_precision_is_no_guess_once_it_is_said() -> None:
    make("x", "tq8", 100)
    code, told = command("upsert", "rows.npy", "x")
    assert code == 0, told
    says(told, " ({}, guessed from {}; --storage-precision says it)")
    code, told = command("upsert", "rows.npy", "x", "--storage-precision", "tq8", "--verify", "full", "--restart")
    assert (code, "guessed from" in told) == (0, False), told


def test_a_few_rounded_rows_are_not_taken_for_changed_ones_once_the_precision_is_said() -> None:
    """Too few to guess from."""
    make("x", "tq8")
    code, told = command("upsert", "few.npy", "x")
    assert code == 5, told
    says(told, "If the index stores vectors as less than float32, say so with --storage-precision.")
    says(told, "To see which rows differ: {}")
    code, _ = printed(told)
    assert code == 5
    code, told = command("upsert", "few.npy", "x", "--storage-precision", "tq8")
    assert code == 0, told


def meddling(monkeypatch: pytest.MonkeyPatch, meddle: Callable[[Any], object]) -> None:
    """Somebody else writes to the index before its rows are looked at, by the engine itself; once."""
    real = embedded.EmbeddedIndex.count
    done: list[object] = []

    def count(self: Any) -> int:
        if self.traffic.requests and not done:
            done.append(meddle(self))
        return real(self)

    monkeypatch.setattr(embedded.EmbeddedIndex, "count", count)


def test_rows_that_somebody_replaced_are_shown_by_the_command_that_is_printed_and_loaded_by_the_same_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make("x y", "float32")
    Path("a b.npy").write_bytes(Path("rows.npy").read_bytes())
    more = ("--id-prefix", "it's {file} ", "--limit", 90)
    with monkeypatch.context() as patch:
        meddling(patch, lambda one: one.upsert_binary(["it's a b 7", "it's a b 0"], -ROWS[:2]))
        code, told = command("upsert", "a b.npy", "x y", *more)
    assert code == 5, told
    assert "the same command loads everything again." in told
    code, shown = printed(told)
    assert (code, "2 of 90 rows differ" in shown) == (5, True), shown
    assert 'a b.npy, row 7, id "it\'s a b 7": vector' in shown
    code, again = command("upsert", "a b.npy", "x y", *more)
    assert (code, "90 of 90 rows loaded" in again) == (0, True), again
    code, shown = printed(told)
    assert (code, "90 rows compared" in shown) == (0, True), shown


def test_the_command_that_is_printed_knows_where_a_key_was_put_and_how_the_index_rounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create = ("--create", "--storage-precision", "float16", "--key-out", "own.key", "--verify", "full")
    with monkeypatch.context() as patch:
        meddling(patch, lambda one: one.upsert_binary(["0"], -ROWS[:1]))
        code, told = run("upsert", "rows.npy", "--index", "made", *create)
    assert code == 5, told
    code, shown = printed(told)
    assert (code, "1 of 100 rows differ" in shown) == (5, True), shown
    assert "own.key" in told
    make("known", "float16")
    with monkeypatch.context() as patch:
        patch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
        meddling(patch, lambda one: one.upsert_binary(["0"], -ROWS[:1]))
        code, told = run("upsert", "rows.npy", "--index", "known", "--storage-precision", "float16")
        assert (code, KEY.hex() in told) == (5, False), told
        code, shown = printed(told)
        assert (code, "1 of 100 rows differ" in shown) == (5, True), shown


def test_what_is_no_file_is_not_verified_by_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    make("x", "float32")
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    meddling(monkeypatch, lambda one: one.upsert_binary(["0"], -ROWS[:1]))
    with pytest.raises(cyborg_ingest.errors.DifferenceError) as caught:
        cyborg_ingest.load(pa.table({"id": IDS, "vector": ROWS.tolist()}), index="x", target="disk:data")
    assert "the same call loads" in str(caught.value)
    assert "cyborg-ingest verify" not in str(caught.value)


class Once:
    """What gives its rows once, as a cursor does, and does not say so. The first look is at the columns' types."""

    def __init__(self) -> None:
        self.rows = pa.table({"id": IDS, "vector": ROWS.tolist()})
        self.left = 2

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        self.left -= 1
        return (self.rows if self.left >= 0 else self.rows.slice(0, 0)).__arrow_c_stream__(requested_schema)


def test_rows_that_come_once_are_verified_by_their_count(monkeypatch: pytest.MonkeyPatch) -> None:
    make("x", "float32")
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    options: dict[str, Any] = {"index": "x", "target": "disk:data"}
    with pytest.raises(SourceError) as caught:
        cyborg_ingest.load(Once(), verify="full", **options)
    says(str(caught.value), "Were they changed, or can they be read once only? --verify count reads nothing again.")
    report = cyborg_ingest.load(Once(), verify="count", **options)
    assert (report.exit_code, report.verify and report.verify["differences"]) == (0, 0)


def test_a_file_whose_name_begins_like_an_option_is_verified_by_the_command_that_is_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make("x", "float32")
    Path("--few.npy").write_bytes(Path("few.npy").read_bytes())
    meddling(monkeypatch, lambda one: one.upsert_binary(["0"], -ROWS[:1]))
    code, told = run("upsert", "--index", "x", "--index-key-file", "index.key", "--", "--few.npy")
    assert code == 5, told
    code, shown = printed(told)
    assert (code, "1 of 5 rows differ" in shown) == (5, True), shown


def test_an_option_that_says_no_is_in_the_command_too() -> None:
    settings = LoadSettings(
        sources=("a.csv", "-"), index="x", target="disk:d", header=False, set=("a=1", "b=2"), null_values=("NA", "-"),
        create=True, batch_rows=5,
    )  # fmt: skip
    words = shlex.split(ending._verify_command(settings, "float32"))
    assert words == [
        "cyborg-ingest", "verify", str(Path("a.csv").absolute()), "-", "--index", "x", "--target",
        f"disk:{Path('d').absolute()}", "--no-header", "--null-values",
        "NA,-", "--set", "a=1", "--set", "b=2",
    ]  # fmt: skip
