"""What a resumed load skips stands: nothing lies over it that has left the sources, and nothing older comes over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_only_new import Cut, CutError, cut, folder, jobs, jsonl, listed, stored

from cyborg_ingest.errors import BadRowError
from cyborg_ingest.state.lines import line_of
from cyborg_ingest.targets.embedded import EmbeddedIndex

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from test_only_new import Rows

    import cyborg_ingest

__all__ = ["cut", "folder"]


def stops(folder: Path, found: dict[str, Rows]) -> None:
    """A load of these files, and of one at their end that stops it."""
    for name, rows in found.items():
        jsonl(folder / "rows" / name, rows)
    (folder / "rows" / "z.jsonl").write_text('{"id": "z", "vector": [1, "bad"]}\n')
    with pytest.raises(BadRowError):
        listed([*found, "z.jsonl"], only_new=False)
    jsonl(folder / "rows" / "z.jsonl", [("z", 9.0)])


def resumes(names: list[str], *, only_new: bool, **options: object) -> cyborg_ingest.RunReport:
    return listed([*names, "z.jsonl"], only_new=only_new, **options)


both_ways = pytest.mark.parametrize("only_new", [False, True])


@both_ways
def test_what_lay_under_rows_of_a_source_that_left_is_loaded_again_and_nothing_else(
    folder: Path, *, only_new: bool
) -> None:
    stops(
        folder,
        {
            "a.jsonl": [("x", 1.0), ("y", 1.0)],
            "b.jsonl": [("o", 2.0)],
            "c.jsonl": [("x", 3.0)],
            "d.jsonl": [("p", 4.0)],
        },
    )
    report = resumes(["a.jsonl", "b.jsonl", "d.jsonl"], only_new=only_new)
    assert stored(["x", "y", "o", "p", "z"]) == {"x": 1, "y": 1, "o": 2, "p": 4, "z": 9}
    assert report.rows == {"read": 5, "acknowledged": 3, "rejected": 0, "skipped": 2, "unsent": 0}
    if not only_new:
        assert [one for one in report.notes if one.endswith("left the sources: they may lie over others.")]
        assert [one for one in report.notes if one.startswith("2 rows that were loaded before are loaded again")]


@both_ways
def test_what_lay_under_rows_that_a_file_had_before_it_changed_is_loaded_again(folder: Path, *, only_new: bool) -> None:
    stops(folder, {"a.jsonl": [("x", 1.0)], "b.jsonl": [("o", 2.0)], "c.jsonl": [("x", 3.0), ("y", 3.0)]})
    jsonl(folder / "rows" / "c.jsonl", [("y", 5.0)])
    report = resumes(["a.jsonl", "b.jsonl", "c.jsonl"], only_new=only_new)
    assert stored(["x", "y", "o"]) == {"x": 1, "y": 5, "o": 2}
    assert report.rows["skipped"] == 1


@both_ways
def test_what_is_loaded_again_brings_down_later_rows_of_its_ids(folder: Path, *, only_new: bool) -> None:
    stops(
        folder,
        {"a.jsonl": [("x", 1.0), ("y", 1.0)], "b.jsonl": [("y", 2.0), ("w", 2.0)], "c.jsonl": [("x", 3.0)],
         "d.jsonl": [("w", 4.0)], "e.jsonl": [("o", 5.0)]},
    )  # fmt: skip
    report = resumes(["a.jsonl", "b.jsonl", "d.jsonl", "e.jsonl"], only_new=only_new)
    assert stored(["x", "y", "w", "o"]) == {"x": 1, "y": 2, "w": 4, "o": 5}
    assert report.rows["skipped"] == 1


def changed(name: str, folder: Path) -> None:
    jsonl(folder / "rows" / name, [("q", 7.0)])


def left(name: str, folder: Path) -> None:
    (folder / "rows" / name).unlink()


@both_ways
@pytest.mark.parametrize("then", [changed, left])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_was_to_be_loaded_again_still_lies_over_others_when_it_leaves_before_that(
    folder: Path, cut: Cut, then: Callable[[str, Path], None], *, only_new: bool
) -> None:
    """A file that came in between brought d down; the run broke off before d was loaded again; then d is another."""
    stops(folder, {"b.jsonl": [("x", 1.0)], "d.jsonl": [("x", 3.0), ("w", 3.0)]})
    jsonl(folder / "rows" / "c.jsonl", [("w", 2.0)])
    cut.left = 1
    with pytest.raises(CutError):
        resumes(["b.jsonl", "c.jsonl", "d.jsonl"], only_new=only_new, workers=1)
    assert stored(["x", "w"]) == {"x": 3, "w": 3}
    then("d.jsonl", folder)
    cut.left = 0
    resumes(
        [name for name in ("b.jsonl", "c.jsonl", "d.jsonl") if (folder / "rows" / name).exists()], only_new=only_new
    )
    assert stored(["x", "w"]) == {"x": 1, "w": 2}


@both_ways
def test_a_source_that_left_and_shares_no_id_with_what_came_before_it_brings_nothing_down(
    folder: Path, *, only_new: bool
) -> None:
    stops(folder, {"a.jsonl": [("x", 1.0)], "b.jsonl": [("o", 2.0), ("p", 2.0)], "c.jsonl": [("p", 3.0)]})
    report = resumes(["a.jsonl", "c.jsonl"], only_new=only_new)
    assert report.rows["skipped"] == 2
    assert not [one for one in report.notes if "left the sources" in one]
    assert stored(["x", "p"]) == {"x": 1, "p": 3}


@both_ways
def test_where_its_ids_are_not_known_all_that_came_before_it_is_loaded_again(folder: Path, *, only_new: bool) -> None:
    stops(folder, {"a.jsonl": [("x", 1.0)], "b.jsonl": [("o", 2.0)], "c.jsonl": [("x", 3.0)], "d.jsonl": [("p", 4.0)]})
    (job,) = jobs()
    (job / "ids").unlink()  # which older releases did not keep
    report = resumes(["a.jsonl", "b.jsonl", "d.jsonl"], only_new=only_new)
    assert stored(["x", "o", "p"]) == {"x": 1, "o": 2, "p": 4}
    assert report.rows["acknowledged"] >= 3


def test_of_a_source_that_left_while_its_notes_were_lost_the_ids_are_known(folder: Path) -> None:
    stops(folder, {"a.jsonl": [("x", 1.0)], "b.jsonl": [("o", 2.0)], "c.jsonl": [("x", 3.0)]})
    (job,) = jobs()
    journal = job / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    kept = [line if b"c.jsonl" not in line else b"00000000 " + line[9:] for line in lines]
    journal.write_bytes(b"".join([*kept, line_of({"facts": {}})]))
    report = resumes(["a.jsonl", "b.jsonl"], only_new=False)
    assert stored(["x", "o"]) == {"x": 1, "o": 2}
    assert report.rows["skipped"] == 1


def test_a_lowered_limit_loads_again_what_lies_under_rows_past_it(folder: Path) -> None:
    stops(folder, {"a.jsonl": [("x", 1.0), ("y", 1.0)], "b.jsonl": [("o", 2.0), ("p", 2.0)], "c.jsonl": [("x", 3.0)]})
    report = resumes(["a.jsonl", "b.jsonl", "c.jsonl"], only_new=False, limit=4)
    assert stored(["x", "y", "o", "p"]) == {"x": 1, "y": 1, "o": 2, "p": 2}
    assert report.rows["read"] == 4


def test_a_limit_that_is_lowered_within_a_file_does_so_where_its_ids_occur_again(folder: Path) -> None:
    stops(folder, {"a.jsonl": [("x", 1.0), ("y", 1.0), ("x", 2.0)]})
    assert resumes(["a.jsonl"], only_new=False, limit=2).rows["acknowledged"] == 2
    assert stored(["x", "y"]) == {"x": 1, "y": 1}


def test_a_limit_that_is_lowered_where_no_id_occurs_again_loads_nothing_again(folder: Path) -> None:
    stops(folder, {"a.jsonl": [("x", 1.0), ("y", 1.0), ("w", 2.0)]})
    assert resumes(["a.jsonl"], only_new=False, limit=2).rows["acknowledged"] == 0


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_rows_past_a_limit_stand_no_more_once_older_ones_of_their_ids_are_loaded_again(folder: Path) -> None:
    stops(folder, {"a.jsonl": [("x", 1.0)], "b.jsonl": [("x", 2.0)], "c.jsonl": [("o", 3.0)]})
    (folder / "rows" / "a.jsonl").write_text('{"id": "x", "vector": [4, 1]}\n{"id": "bad", "vector": [4, "bad"]}\n')
    with pytest.raises(BadRowError):
        resumes(["a.jsonl", "b.jsonl", "c.jsonl"], only_new=False, limit=2)
    resumes(["a.jsonl", "b.jsonl", "c.jsonl"], only_new=False, max_errors=1)
    assert stored(["x"]) == {"x": 2}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("how", ["given up", "given up twice", "damaged"])
def test_what_was_sent_since_the_last_load_and_is_not_known_any_more_lies_over_all_of_it(
    folder: Path, cut: Cut, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A load of everything with a newer file is stopped; its journal is lost; and the file has left the list."""
    jsonl(folder / "rows" / "a.jsonl", [("x", 1.0)])
    jsonl(folder / "rows" / "c.jsonl", [("x", 3.0)])
    listed(["a.jsonl"])
    cut.left = 2
    with pytest.raises(CutError):
        listed(["c.jsonl", "a.jsonl"], only_new=False, workers=1)
    assert stored(["x"]) == {"x": 3}
    if how == "damaged":
        (job,) = jobs()
        data = (job / "journal.jsonl").read_bytes()
        at = data.index(b'"part"')
        (job / "journal.jsonl").write_bytes(data[:at] + b"!" + data[at + 1 :])
    for _ in range({"given up": 1, "given up twice": 2, "damaged": 0}[how]):
        with monkeypatch.context() as patch:
            patch.setattr(EmbeddedIndex, "count", gone)
            with pytest.raises(CutError):
                listed(["a.jsonl"], restart=True)
    cut.left = 0
    for dry_run in (True, False):
        report = listed(["a.jsonl"], dry_run=dry_run)
        assert report.rows["skipped"] == 0
        assert how == "damaged" or [
            one for one in report.notes if one.startswith("Since the job's last load ended, rows were sent ")
        ]
    assert stored(["x"]) == {"x": 1}
    assert listed(["a.jsonl"]).rows["skipped"] == 1


def gone(_index: object) -> int:
    raise CutError("the target is gone")
