"""`inspect --report`: what it says is what was found, what is drawn is where it is, and foreign words are text."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import pytest
from advised import says
from chromium import Chromium, running
from commands import ran
from readers import Read

from cyborg_ingest.output.page import plain
from cyborg_ingest.output.plots import histogram, scatter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = (
    "<script>document.title='gone'</script><img src=x onerror=alert(1)>{{ 7*7 }}{% if %}\u202e\x1b[31m&amp;\"'`|*_#"
)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with running(tmp_path_factory.mktemp("chromium")) as found:
        yield found


def clusters(path: Path, shift: float, prefix: str, **more: Any) -> Path:
    """60 rows of 8 dimensions, around one place; the last has another dimension."""
    vectors = np.random.default_rng(3).standard_normal((60, 8)) + shift
    rows = [{"id": f"{prefix}{n}", "vector": one, **more} for n, one in enumerate(vectors.round(3).tolist())]
    rows[-1]["vector"].pop()
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def paged(*words: object) -> tuple[dict[str, Any], Read, str]:
    """The result as JSON, and the page that goes with it."""
    done = ran("inspect", *words, "--json", "--report", "page.html")
    assert done.returncode == 1, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    with open("page.html") as file:  # noqa: PTH123
        text = file.read()
    return found, Read(text), text


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_page_says_what_was_found(tmp_path: Path) -> None:
    one, other = (
        clusters(tmp_path / "a.jsonl", 0, "a"),
        clusters(tmp_path / "b.jsonl", 5, "a", metadata={"n": {"k": 'q"'}}),
    )
    found, page, text = paged(one, other)
    tables = {name: lines[1:] for name, lines in page.tables.items()}
    assert [line[:3] for line in tables["Findings"]] == [
        [finding["kind"], str(finding["count"]), finding["text"]] for finding in found["findings"]
    ]
    assert [line[-1] for line in tables["Findings"]] == [finding["option"] for finding in found["findings"]]
    assert [(line[0], line[4:]) for line in tables["Files"]] == [(str(name), ["8", "60", "1"]) for name in (one, other)]
    assert ["id", "id"] in tables["Columns"]
    assert len(tables["Duplicate ids"]) == len(found["duplicates"]["examples"])
    assert "and 39 more duplicates" in page.text
    assert [json.loads(line[1]) for line in tables["The first rows"]] == ["a0", "a1", "a2"]
    assert tables["Metadata"] == [["n", "object", "59", "1", '{"k": "q\\""}']]
    drawn = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]  # noqa: S314
    assert [len(list(svg.iter(f"{SVG}circle"))) for svg in drawn] == [0, 118]
    assert "Norms vectors" in page.text
    assert "Principal components" in page.text
    for name in (one, other):
        assert f" {name} " in page.text.partition("Findings")[0]


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314 - ours


def test_points_and_bins_are_drawn_where_they_are() -> None:
    drawn = parsed(scatter("t", {"a": [(0.0, 0.0), (10.0, -5.0)], "b": [(5.0, 5.0)]}, "", "").svg)
    circles = [(float(one.get("cx", "")), float(one.get("cy", ""))) for one in drawn.iter(f"{SVG}circle")]
    (x0, y0), (x1, y1), (x2, y2) = circles
    assert ((x2 - x0) / (x1 - x0), (y2 - y0) / (y1 - y0)) == (pytest.approx(0.5, abs=0.01), pytest.approx(-1, abs=0.01))
    drawn = parsed(histogram("t", [1.0, 2.0, 4.0], [10, 5], "").svg)
    path = next(one.get("d", "") for one in drawn.iter(f"{SVG}path") if "line reactive" in one.get("class", ""))
    numbers = [float(one) for one in re.findall(r"-?\d+\.\d+", path)]
    points = list(zip(numbers[::2], numbers[1::2], strict=True))
    (left, right), (top, bottom) = ((min(values), max(values)) for values in zip(*points, strict=True))
    across, up = (right - left) / 3, (bottom - top) / 10
    scaled = [(round(1 + (x - left) / across, 1), round((bottom - y) / up, 1)) for x, y in points]
    assert list(dict.fromkeys(scaled)) == [(1, 0), (1, 10), (2, 10), (2, 5), (4, 5), (4, 0)]


def test_nothing_is_drawn_of_what_is_all_alike(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((50, 4)))
    assert ran("inspect", "a.npy", "--report", "page.html").returncode == 0
    assert "<svg" not in (tmp_path / "page.html").read_text()


def test_hostile_words_are_text_and_nothing_is_asked_of_a_network(tmp_path: Path, chromium: Chromium) -> None:
    name = os.fsdecode(HOSTILE.replace("/", "\\")[:120].encode() + b"\xff.jsonl")
    clusters(tmp_path / name, 3, HOSTILE, metadata={HOSTILE: [HOSTILE]}, contents=HOSTILE)
    clusters(tmp_path / "other.jsonl", 0, HOSTILE)
    paged(name, "other.jsonl")
    chromium.requests.clear()
    document, console = chromium.dumped(tmp_path / "page.html")
    assert (chromium.requests, console) == ([], [])
    page = Read(document)
    assert not {tag for tag, _ in page.tags} & {"script", "img", "b", "a", "iframe", "object", "form", "base"}
    assert not {one for _, names in page.tags for one in names if one.startswith("on") or one in {"src", "srcset"}}
    assert page.tables["Files"][1][0] == plain(name)
    assert plain(HOSTILE)[:60] in page.text
    assert not set("\u202e\x1b\x00") & set(document)


def test_a_page_never_takes_the_place_of_what_is_read(tmp_path: Path) -> None:
    path = clusters(tmp_path / "a.jsonl", 0, "a")
    before = path.read_bytes()
    (tmp_path / "link.html").hardlink_to(path)
    for file in ("a.jsonl", "link.html"):
        done = ran("inspect", "a.jsonl", "--report", file)
        assert (done.returncode, "which is read. Name another file." in done.stderr) == (2, True), done.stderr
        says(done.stderr, "--report {}")
    done = ran("inspect", tmp_path, "--report", "new.jsonl")
    assert (done.returncode, "the next run would load it" in done.stderr) == (2, True), done.stderr
    assert path.read_bytes() == before


@pytest.mark.parametrize("package", ["pygal", "jinja2"])
def test_without_its_packages_nothing_is_read_and_the_rest_works(
    package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clusters(tmp_path / "a.jsonl", 0, "a")
    monkeypatch.setitem(sys.modules, package, None)
    done = ran("inspect", "a.jsonl", "--report", "page.html")
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'cyborg-ingest[report]', or leave out --report." in done.stderr
    says(done.stderr, "or leave out --report")
    assert ran("inspect", "a.jsonl").returncode == 1
