"""`report`: a run as a page. Whatever is in its names, whatever it came to, whatever of it is left."""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from advised import says
from chromium import Chromium, running
from commands import ran
from conftest import KEY
from markdown_it import MarkdownIt
from readers import Read

from cyborg_ingest.loading.sampling import Sampler
from cyborg_ingest.output.page import plain
from cyborg_ingest.output.plots import plots_of
from cyborg_ingest.state.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

SVG = "{http://www.w3.org/2000/svg}"
GOOD = "".join(json.dumps({"id": f"r{n}", "vector": [1.0, float(n)]}) + "\n" for n in range(40))
BAD = GOOD.replace("[1.0, 33.0]", "[0, 0]").replace("[1.0, 7.0]", "[1.0]")
HOSTILE = (
    "<script>document.title='gone'</script><img src=x onerror=alert(1)>{{ 7*7 }}{% if %}\u202e\x1b[31m&amp;\"'`|*_#"
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with rows, a state of its own, and a job."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBORG_INGEST_TARGET", "disk:data")
    monkeypatch.setenv("CYBORG_INGEST_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    Path("rows.jsonl").write_text(GOOD)
    Path("bad.jsonl").write_text(BAD)
    Path("cyborg-ingest.toml").write_text('[job.wiki]\nsources = ["rows.jsonl"]\nindex = "wiki"\ncreate = true\n')
    return tmp_path


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with running(tmp_path_factory.mktemp("chromium")) as found:
        yield found


def loaded(*words: object) -> dict[str, Any]:
    """The report of a load, as it printed it itself."""
    done = ran(*words, "--json")
    report: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode, report["run_folder"] is None) == (report["exit_code"], False), done.stderr
    return report


def bad_load(*more: object) -> dict[str, Any]:
    return loaded("upsert", "bad.jsonl", "rows.jsonl", "--index", "i", "--create", "--max-errors", 5, *more)


def as_html(*words: object) -> Read:
    done = ran("report", *words, "--format", "html")
    assert done.returncode == 0, done.stderr
    return Read(done.stdout)


def as_markdown(*words: object) -> Read:
    """As another program draws it, with HTML within it allowed."""
    done = ran("report", *words)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.encode()) < 1_000_000
    return Read(MarkdownIt("commonmark", {"html": True}).enable("table").render(done.stdout))


def folder_of(report: dict[str, Any]) -> Path:
    return Path(report["run_folder"])


def keep(folder: Path, name: str, content: str) -> Path:
    """A file of a run, as its owner may have it."""
    path = folder / name
    path.write_text(content)
    path.chmod(0o600)
    return path


# What is shown


@pytest.mark.usefixtures("here")
def test_a_page_says_what_the_report_says_in_either_form() -> None:
    report = bad_load("--batch-rows", 7)
    assert report["exit_code"] == 1
    page, text = as_html(), as_markdown()
    for one in (page, text):
        tables = {name: lines[1:] for name, lines in one.tables.items()}
        names = ("uri", "rows", "acknowledged", "rejected", "skipped")
        assert tables["Files"] == [[str(file[name]) for name in names] for file in report["sources"]]
        assert dict(tables["Rejected rows"]) == {n: str(c) for n, c in report["rejects"].items()}
        assert [line[:4] for line in tables["The first rejected rows"]] == [
            ["r7", "bad.jsonl", "7", "8"], ["r33", "bad.jsonl", "33", "34"]
        ]  # fmt: skip
        settings = dict(tables["Settings"])
        assert (settings["batch-rows"], settings["max-errors"], settings["create"]) == ("7", "5", "true")
        assert "cyborgdb-core" in dict(tables["Versions"])
        for words in (report["run_id"], report["target"], "of 80", "ok with rejected rows", "exit code 1"):
            assert words in one.text
    of_text = {name: lines for name, lines in text.tables.items() if name in page.tables}
    of_text["Notes"].pop(0)  # one column needs no name in a browser
    assert of_text == page.tables


@pytest.mark.usefixtures("here")
def test_a_page_of_a_run_that_retried_and_of_one_that_looked_at_what_is_new(tmp_path: Path) -> None:
    first = loaded("run", "wiki")
    Path("more.jsonl").write_text(GOOD.replace('"r', '"s'))
    text = Path("cyborg-ingest.toml").read_text()
    Path("cyborg-ingest.toml").write_text(text.replace('["rows.jsonl"]', f'["{tmp_path}/*.jsonl"]\nonly-new = true'))
    Path("bad.jsonl").unlink()
    report = loaded("run", "wiki")
    assert first["exit_code"] == report["exit_code"] == 0
    keep(folder_of(report), "report.json", json.dumps({**report, "retries": {"503": 3, "timeout": 12}}))
    page = as_html("wiki")
    assert page.tables["Retries"] == [["retried because of", "requests"], ["timeout", "12"], ["503", "3"]]
    assert "15 retried" in page.text
    assert page.text.startswith("wiki: ok")


def test_throughput_is_drawn_as_it_was() -> None:
    course = [Sample(0, 2), Sample(2, 4), Sample(4, 8), Sample(12, 16)]
    for one, rows in zip(course, (100, 400, 400, 200), strict=True):
        one.landed(rows, 1, 0.5)
    throughput, latency = plots_of(course)
    assert (throughput.unit, throughput.time, latency.unit) == ("rows a second", "seconds", "milliseconds")
    root = ElementTree.fromstring(throughput.svg)  # noqa: S314 - ours
    assert not {one.tag.removeprefix(SVG) for one in root.iter()} & {"script", "style", "image", "use", "foreignObject"}
    path = next(one.get("d") for one in root.iter(f"{SVG}path") if "line reactive" in one.get("class", ""))
    found = [float(one) for one in re.findall(r"-?\d+\.\d+", str(path))]
    points = list(zip(found[::2], found[1::2], strict=True))
    places = {
        axis: {one[-1].text: float(re.findall(r"[\d.]+", str(one[0].get("d")))[axis == "y"]) for one in group}
        for axis in "xy" for group in root.iter(f"{SVG}g") if f"axis {axis}" in group.get("class", "")
    }  # fmt: skip
    x, y = places["x"], places["y"]
    across = (x["10"] - x["0"]) / 10
    up = (y["0"] - y["200"]) / 200
    drawn = [(round((px - x["0"]) / across, 1), round((y["0"] - py) / up, 1)) for px, py in points]
    assert drawn[1:-1] == [
        (0, 50), (2, 50), (2, 200), (4, 200), (4, 100), (8, 100), (8, 0), (12, 0), (12, 50), (16, 50)
    ]  # fmt: skip


def test_a_run_too_short_for_a_plot_has_none() -> None:
    assert plots_of([]) == plots_of([Sample(0, 1)]) == []
    assert len(plots_of([Sample(0, 1), Sample(1, 2)])) == 1  # nothing was acknowledged


# Hostile words


def hostile(here: Path) -> dict[str, Any]:
    """A load of a file with such a name, whose rows have such ids, one of 1 MB, and such options."""
    name = os.fsdecode(HOSTILE.replace("/", "\\")[:120].encode() + b"\xff.jsonl")
    ids = [HOSTILE, "<b>" * 400_000, "\n\r\t\x00\x07", "ok"]
    lines = [{"id": one, "vector": [0, 0]} for one in ids] + [{"id": "good", "vector": [1.0, 2.0]}]
    (here / name).write_text("".join(json.dumps(one) + "\n" for one in lines))
    return loaded("upsert", name, "--index", "i", "--create", "--max-errors", 9, "--where", "id <> '<script>{{x}}'")


def test_hostile_words_are_text_in_markdown(here: Path) -> None:
    assert hostile(here)["rejects"] == {"vector_zero": 4}
    raw = ran("report").stdout
    assert not set("<`\u202e\x1b\x00") & set(raw)
    page = as_markdown()
    assert not {tag for tag, _ in page.tags} & {"script", "img", "b", "a"}
    assert plain(HOSTILE) in page.text
    assert "\\u202e\\x1b[31m" in page.text


def test_hostile_words_are_text_in_a_browser_and_nothing_runs_or_is_asked_of_a_network(
    here: Path, chromium: Chromium
) -> None:
    report = hostile(here)
    assert ran("report", "-o", "page.html").returncode == 0
    chromium.requests.clear()
    document, console = chromium.dumped(here / "page.html")
    assert (chromium.requests, console) == ([], [])
    page = Read(document)
    assert not {tag for tag, _ in page.tags} & {"script", "img", "b", "a", "iframe", "object", "form", "base"}
    assert not {name for _, names in page.tags for name in names if name.startswith("on") or name in {"src", "srcset"}}
    assert [names["href"] for _, names in page.tags if "href" in names] == ["data:,"]
    assert page.text.startswith("load into i: ok with rejected rows - cyborg-ingest")
    [name] = [one["uri"] for one in report["sources"]]
    first = page.tables["The first rejected rows"][1:]
    assert [line[0] for line in first][:3] == [plain(HOSTILE), plain("<b>" * 400_000), "\\n\\r\\t\\x00\\x07"]
    assert page.tables["Files"][1][0] == plain(name)
    assert {line[1] for line in first} == {plain(name).replace("\\xff", "?")}  # as rejected.jsonl has it
    assert len(first[1][0]) == 200
    assert "{{ 7*7 }}{% if %}\\u202e\\x1b[31m&amp;\"'`|*_#" in page.text
    assert "id <> '<script>{{x}}'" in page.text
    assert not set("\u202e\x1b\x00") & set(document)


def test_what_a_page_must_not_do_would_be_seen(tmp_path: Path, chromium: Chromium) -> None:
    """The test above is worth something."""
    keep(tmp_path, "bad.html", "<script>console.error('x'); document.title='gone'</script><img src=http://asked.test/>")
    chromium.requests.clear()
    document, console = chromium.dumped(tmp_path / "bad.html")
    assert chromium.requests == ["http://asked.test/"]
    assert len(console) == 1
    assert "<title>gone</title>" in document


def first_pixel(picture: bytes) -> str:
    """The colour at the top left of a PNG of 8 bits a channel, whose first bytes no filter of a line changes."""
    import zlib  # noqa: PLC0415

    data, at = b"", 8
    while at < len(picture):
        size = int.from_bytes(picture[at : at + 4], "big")
        if picture[at + 4 : at + 8] == b"IDAT":
            data += picture[at + 8 : at + 8 + size]
        at += size + 12
    return "#" + zlib.decompress(data)[1:4].hex()


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.usefixtures("here")
def test_a_page_is_light_or_dark_as_its_reader_is_and_readable_in_both(tmp_path: Path, chromium: Chromium) -> None:
    bad_load()
    style = ran("report", "--format", "html").stdout.partition("</style>")[0]
    light, dark = (dict(re.findall(r"--(\w+): (#\w{6})", part)) for part in style.split("@media (prefers-color", 1))
    assert light.keys() == dark.keys()
    for colours in (light, dark):
        for text in ("text", "quiet", "good", "warn", "bad", "going"):  # WCAG: 4.5 for text, 3 for what is drawn
            for ground in ("ground", "card"):
                assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground, colours)
        for drawn in ("blue", "amber", "grey"):
            assert contrast(colours[drawn], colours["card"]) >= 3, (drawn, colours)
    assert ran("report", "-o", "page.html").returncode == 0
    for is_dark, colours in ((False, light), (True, dark)):
        for width in (1200, 400):
            picture = chromium.pictured(tmp_path / "page.html", tmp_path / "p.png", width=width, is_dark=is_dark)
            assert first_pixel(picture) == colours["ground"]


def contrast(one: str, two: str) -> float:
    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.usefixtures("here")
def test_a_page_has_an_end_whatever_there_is_of() -> None:
    report = bad_load()
    astral = "\U0001f600" * 1_000_000
    many = {f"{n}-{astral[:500]}": n for n in range(5_000)}
    files = [{"uri": f"{n}/{astral[:500]}", "rows": 9, "acknowledged": 9 - n % 2, "rejected": n % 2, "skipped": 0}
             for n in range(5_000)]  # fmt: skip
    grown = {
        **report, "sources": files, "rejects": many, "retries": many, "error": astral, "resume_command": astral,
        "notes": [astral[:5_000]] * 100, "not_loaded": dict.fromkeys(many, astral[:500]),
        "columns": {"id": [astral] * 9},
    }  # fmt: skip
    keep(folder_of(report), "report.json", json.dumps(grown))
    log = folder_of(report) / "log.jsonl"
    said = [json.loads(line) for line in log.read_text().splitlines()]
    said[0]["settings"] = {f"{n}{astral[:300]}": astral[:3000] for n in range(60)}
    log.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in said))
    page, text = as_html(), as_markdown()
    for one in (page, text):
        assert "and 4,950 more files" in one.text
        assert "and 4,950 more reasons" in one.text
        assert all(line[3] == "1" for line in one.tables["Files"][1:])  # those with rejected rows first


# Whatever it came to


def process(*words: object, fast: bool = False) -> subprocess.Popen[bytes]:
    """A load that takes its time, in a process of its own."""
    pace = () if fast else ("--batch-rows", "1", "--max-rows-per-second", "15")
    command = [sys.executable, "-m", "cyborg_ingest", "upsert", *map(str, words), "--index", "i", "--create", *pace]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for_samples(here: Path) -> Path:
    deadline = time.monotonic() + 60
    while not (found := [one for one in here.glob("state/jobs/*/runs/*/samples.jsonl") if one.stat().st_size]):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found[0].parent


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_is_shown_while_it_runs_and_once_it_was_ended(here: Path, end: signal.Signals) -> None:
    with process("rows.jsonl") as load:
        run = wait_for_samples(here)
        page = as_html()
        assert " - cyborg-ingest" in page.text
        assert "load into i: running" in page.text
        assert page.tables["Files"] == [["rows.jsonl"]] or page.tables["Files"][-1] == ["rows.jsonl"]
        assert "rows acknowledged" in page.text
        assert "max-rows-per-second" in page.text
        load.send_signal(end)
        load.wait(60)
    page = as_html(run.name)
    assert f"load into i: {'unfinished' if end is signal.SIGKILL else 'terminated'}" in page.text
    assert "This command resumes it: cyborg-ingest upsert" in page.text
    assert "rows acknowledged" in page.text
    command = page.text.partition("This command resumes it: ")[2].partition(" --max-rows")[0]
    assert "--index i" in command
    assert "load into i" in as_markdown(run).text


@pytest.mark.usefixtures("here")
def test_a_load_that_failed_says_why_and_what_comes_next() -> None:
    report = loaded("upsert", "bad.jsonl", "--index", "i", "--create")
    assert report["exit_code"] == 4
    page = as_html()
    assert "bad rows exit code 4" in page.text
    assert f"What went wrong {' '.join(report['error'].split())}" in page.text
    assert f"This command resumes it: {report['resume_command']}" in page.text


@pytest.mark.usefixtures("here")
def test_a_run_of_an_earlier_release_has_a_page_of_what_it_has() -> None:
    report = bad_load()
    folder = folder_of(report)
    (folder / "samples.jsonl").unlink()
    log = folder / "log.jsonl"
    log.write_text("".join(line for line in log.read_text().splitlines(keepends=True) if "started" not in line))
    old = {name: report[name] for name in ("status", "exit_code", "rows", "sources", "rejects", "started", "index")}
    keep(folder, "report.json", json.dumps(old))
    for page in (as_html(), as_markdown()):
        assert "of 80" in page.text
        assert page.tables.keys() & {"Files", "Rejected rows", "Settings", "Versions"} == {"Files", "Rejected rows"}


NAMES = (
    "status", "rows", "sources", "rejects", "retries", "notes", "columns", "bytes", "latency_ms", "started", "error",
    "ended", "compared", "bad_files", "not_loaded", "index_count", "resume_command", "retry", "index", "target",
)  # fmt: skip
DAMAGED: dict[str, Any] = {
    "nothing": {}, "a list": [], "numbers": dict.fromkeys(NAMES, 5),
    "nulls": dict.fromkeys(("status", "rows", "sources", "rejects", "notes", "started", "ended", "exit_code"), None),
    "texts": dict.fromkeys(("exit_code", "rows", "sources", "rejects", "load_seconds", "requests", "started"), "<b>"),
    "odd": {"rows": {"read": -1, "acknowledged": 1 << 200, "x": float("nan")}, "sources": [None, 5, {}, {"uri": 7}],
            "load_seconds": float("inf"), "latency_ms": {"p50": "x", "p99": float("nan")}, "exit_code": 1 << 70,
            "started": "9999-12-31T23:59:59+00:00", "ended": "0001-01-01T00:00:00+00:00", "notes": [{}, 5],
            "compared": {"new": 5, "same": {}}, "bad_files": [5, {}], "index_count": {"before": -5, "after": "x"}},
    "naive": {"started": "2026-01-01T00:00:00", "ended": "2026-01-01T00:00:00+00:00"},
}  # fmt: skip


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_report_has_a_page_all_the_same(kind: str) -> None:
    report = bad_load()
    keep(folder_of(report), "report.json", json.dumps(DAMAGED[kind]))
    for page in (as_html(), as_markdown()):
        assert report["run_id"] in page.text
        assert "<b>" not in page.tables
        if kind == "a list":
            assert "report.json is damaged." in page.text


@pytest.mark.usefixtures("here")
def test_a_folder_in_disorder_has_a_page_and_says_what_cannot_be_read(tmp_path: Path) -> None:
    report = bad_load()
    folder = folder_of(report)
    for name in ("samples.jsonl", "log.jsonl", "rejected.jsonl"):
        (folder / name).unlink()
    (folder / "samples.jsonl").symlink_to(tmp_path / "rows.jsonl")
    (folder / "log.jsonl").mkdir()
    keep(folder, "rejected.jsonl", 'torn\n{"id": [1], "_rejected": 5}\n{"_rejected": {"file": {"a": "<b>"}}}\n[]\n')
    page = as_html()
    [one, two] = [line[0] for line in page.tables["What is damaged"]]
    assert "log.jsonl is not a regular file" in one
    assert "samples.jsonl is a link" in two
    assert page.tables["The first rejected rows"][1][1] == "{'a': '<b>'}"
    keep(folder, "report.json", "{")
    assert f"{folder / 'report.json'} is damaged." in as_markdown(folder).text


# Which run, and where to


@pytest.mark.usefixtures("here")
def test_a_run_is_named_by_its_id_its_job_its_folder_or_its_report(tmp_path: Path) -> None:
    first, last = loaded("run", "wiki"), bad_load()
    done = ran("report")
    assert f"{last['run_id']}, the last one" in done.stderr
    assert last["run_id"] in done.stdout.replace("&#45;", "-")
    folder = folder_of(first)
    relative = folder.relative_to(tmp_path)
    for word in (first["run_id"], first["run_id"][-6:], "wiki", folder.parents[1].name, folder, relative,
                 folder / "report.json", relative / "report.json"):  # fmt: skip
        assert first["run_id"] in as_html(word).text, word
    (taken := tmp_path / "taken").mkdir()
    for one in folder.iterdir():
        keep(taken, one.name, one.read_text())
    for word in ("taken", "taken/report.json", taken):
        page = as_html(word)
        assert "40" in page.tables["Files"][1]
        assert "load into wiki: ok" in page.text


@pytest.mark.usefixtures("here")
def test_a_run_that_is_not_there_is_said_with_those_that_are(tmp_path: Path) -> None:
    done = ran("report")
    assert done.returncode == 2
    says(done.stderr, "There are no runs in {}. Where others may be is said by --state-dir.")
    assert done.stdout == ""
    reports = [bad_load("--restart")["run_id"] for _ in range(4)]
    assert ran("report", "--state-dir", tmp_path / "state").returncode == 0
    done = ran("report", "nonesuch")
    assert done.returncode == 2
    told = "There is no run 'nonesuch' here; `cyborg-ingest runs list --all` has their ids. The last: "
    assert f"{told}{', '.join(sorted(reports, reverse=True)[:3])}." in done.stderr
    assert len([one for one in ran("runs", "list", "--all").stdout.split() if one in reports]) == 4
    near = ran("report", reports[0][:-1] + ("0" if reports[0][-1] != "0" else "1")).stderr
    assert reports[0] in near.partition("Near it: ")[2]
    done = ran("report", reports[0][:8])
    assert done.returncode == 2
    assert "may be 4 runs" in done.stderr
    for word, words in (("./none", "is not there"), (tmp_path, "is not the folder of a run")):
        done = ran("report", word)
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr


@pytest.mark.usefixtures("here")
def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    bad_load()
    done = ran("report", "--output", "page.html")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.endswith("written   page.html\n")
    assert (tmp_path / "page.html").read_text() == ran("report", "--format", "html").stdout
    assert ran("report", "-o", "page.md").returncode == 0
    assert (tmp_path / "page.md").read_text() == ran("report").stdout
    assert ran("report", "-o", "page", "--format", "html").returncode == 0
    assert (tmp_path / "page").read_text().isascii()
    assert (tmp_path / "page").read_text().startswith("<!DOCTYPE html>")
    before = sorted(tmp_path.iterdir())
    for file, words in (("state", "is a directory. Name a file in it."), ("no/page.md", "Make it first.")):
        done = ran("report", "-o", file)
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert sorted(tmp_path.iterdir()) == before
    done = ran("report", "-o", "/dev/full")
    assert done.returncode == 3
    says(done.stderr, "--output {}")
    assert "--output /dev/full cannot be written: No space left on device. Name another file." in done.stderr


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("package", ["pygal", "jinja2"])
def test_without_its_packages_a_page_for_browsers_says_how_to_install_them(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad_load()
    monkeypatch.setitem(sys.modules, package, None)
    done = ran("report", "--format", "html")
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'cyborg-ingest[report]', or take --format md." in done.stderr
    says(done.stderr, "or take --format md")
    assert ran("report", "--format", "md").returncode == 0


def test_a_load_samples_at_next_to_no_cost() -> None:
    """Far below what one request costs."""
    from cyborg_ingest.facts import Landed  # noqa: PLC0415

    sampler, fact = Sampler(), Landed("f", 1000, 4096, 0.1, 1, 0)
    best = min(_timed(functools.partial(sampler, fact)) for _ in range(5))
    assert best < 0.05  # for 1,000: a request takes more than one of them


def _timed(call: Any) -> float:
    begun = time.perf_counter()
    for _ in range(1000):
        call()
    return time.perf_counter() - begun
