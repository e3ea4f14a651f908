"""What has started a load hears how it ended, in its own way: GitHub Actions, Dagster."""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from commands import BAD, ROWS, load, ran

from cyborg_ingest.output.github import annotation
from cyborg_ingest.output.page import plain
from cyborg_ingest.output.summary import text

if TYPE_CHECKING:
    from pathlib import Path


def on_github(here: Path) -> dict[str, str]:
    return {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(here / "summary.md")}


def commands(told: str) -> list[str]:
    return [one for one in told.splitlines() if one.startswith("::")]


def test_a_job_on_github_has_a_summary_and_few_annotations(here: Path) -> None:
    (here / "summary.md").write_text("before\n")
    done = load("--max-errors", "20", "--json", file="worse.jsonl", **on_github(here))
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    found = commands(done.stderr)
    assert [one.split("::")[1] for one in found] == [
        *(f"warning file=worse.jsonl,line={n}" for n in range(6, 15)), "warning",
    ]  # fmt: skip
    assert found[-1].endswith("::and 3 more rejected rows: see the summary")
    summary = (here / "summary.md").read_text()
    assert summary.startswith("before\n### cyborg-ingest: load into i\n")
    head = "| read | acknowledged | rejected | skipped | unsent |\n| --- | --- | --- | --- | --- |"
    assert f"{head}\n| 17 | 5 | 12 | 0 | 0 |" in summary
    assert "| vector&#95;zero | 12 |" in summary


@pytest.mark.parametrize(("file", "code"), [("none.jsonl", 2), ("worse.jsonl", 4)])
def test_an_error_is_an_annotation_and_the_summary_says_what_comes_next(file: str, code: int, here: Path) -> None:
    done = load(file=file, **on_github(here))
    assert done.returncode == code
    found = commands(done.stderr)
    assert found[0].startswith("::error title=load into i::")
    assert len(found) <= 10
    summary = (here / "summary.md").read_text()
    assert f"exit code {code}" in summary
    assert "Next:" in summary


def test_elsewhere_nothing_is_annotated(here: Path) -> None:
    done = load(file="worse.jsonl", GITHUB_STEP_SUMMARY=str(here / "summary.md"))
    assert commands(done.stderr) == []
    assert not (here / "summary.md").exists()


def test_a_summary_never_becomes_larger_than_github_shows_and_never_fails(here: Path) -> None:
    (here / "summary.md").write_bytes(b"x" * 999_990)
    done = load(**on_github(here))
    assert done.returncode == 0
    assert (
        "note      The summary of the job on GitHub lacks this run: it would be larger than GitHub shows."
        in done.stderr
    )
    assert (here / "summary.md").stat().st_size == 999_990
    for place in (here / "none/summary.md", here, "/dev/full"):
        done = load("--restart", **{**on_github(here), "GITHUB_STEP_SUMMARY": str(place)})
        assert done.returncode == 0
        assert "note      The summary of the job on GitHub lacks this run: " in done.stderr


HOSTILE = "a<script>|`x`\n::error::%0A*b*[c](d)&e"


def test_foreign_words_are_text_in_a_summary_and_in_an_annotation(here: Path) -> None:
    (here / (name := "<b>|`%,:\n::error::x\u202e.jsonl").replace("/", "")).write_text(ROWS + BAD)
    done = load("--max-errors", "1", file=name, **on_github(here))
    assert done.returncode == 1, done.stderr
    [found] = commands(done.stderr)
    properties = found.split("::")[1].removeprefix("warning ")
    assert properties == "file=<b>|`%25%2C%3A\\n%3A%3Aerror%3A%3Ax\\u202e.jsonl,line=6"
    summary = (here / "summary.md").read_text()
    assert not set("<`\u202e") & set(summary.replace("<pre>", "").replace("</pre>", ""))
    line = next(one for one in summary.splitlines() if one.startswith("| &#60;b"))
    assert len(re.findall(r"(?<!\\)\|", line)) == 6


def test_signs_that_mean_something_are_escaped() -> None:
    assert not re.search(r"[<>|`*\[\]()_!@\n]", text(HOSTILE))
    assert text("1. www.x WWW.y a.b http://x - 2.") == ("1&#46; www&#46;x WWW&#46;y a.b http&#58;//x - 2.")
    assert len(plain("x" * 1_000_000)) == 200
    assert len(plain("\u202e" * 1_000_000)) == 200
    assert annotation("warning", "50% \r\n", file="a,b:c").startswith("::warning file=a%2Cb%3Ac::50%25 ")
    assert "\n" not in annotation("error", HOSTILE)


def params(value: dict[str, Any]) -> str:
    """As Dagster puts them into a variable."""
    return base64.b64encode(zlib.compress(json.dumps(value).encode())).decode()


def context(**more: Any) -> dict[str, Any]:
    return {
        "asset_keys": ["vectors"], "code_version_by_asset_key": {"vectors": None}, "run_id": "r", "job_name": "j",
        "provenance_by_asset_key": {"vectors": None}, "partition_key": None, "partition_key_range": None,
        "partition_time_window": None, "retry_number": 0, "extras": {}, **more,
    }  # fmt: skip


def by_dagster(here: Path, **more: Any) -> dict[str, str]:
    return {
        "DAGSTER_PIPES_CONTEXT": params({"data": context(**more)}),
        "DAGSTER_PIPES_MESSAGES": params({"path": str(here / "messages")}),
    }


def messages(here: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (here / "messages").read_text().splitlines()]


def test_dagster_hears_of_an_asset_that_is_materialized(here: Path) -> None:
    done = load("--max-errors", "20", "--json", file="worse.jsonl", **by_dagster(here))
    assert done.returncode == 1
    opened, made, closed = messages(here)
    assert (opened["method"], made["method"], closed["method"]) == ("opened", "report_asset_materialization", "closed")
    report = json.loads(done.stdout)
    values = {name: value["raw_value"] for name, value in made["params"]["metadata"].items()}
    assert made["params"]["asset_key"] == "vectors"
    assert {state: values[f"rows_{state}"] for state in report["rows"]} == report["rows"]
    assert (values["exit_code"], values["rejected_vector_zero"], values["seconds"] > 0) == (1, 12, True)
    assert values["report"] == os.path.join(report["run_folder"], "report.json")  # noqa: PTH118
    assert closed["params"] == {}


def test_a_load_that_fails_materializes_nothing(here: Path) -> None:
    assert load(file="none.jsonl", **by_dagster(here)).returncode == 2
    methods = [one["method"] for one in messages(here)]
    assert methods == ["opened", "report_custom_message", "closed"]
    failed = messages(here)[-1]["params"]["exception"]
    assert failed["name"] == "usage_error"
    assert "none.jsonl" in failed["message"]


def test_each_job_and_a_step_without_an_asset_tell_dagster(here: Path) -> None:
    (here / "cyborg-ingest.toml").write_text(
        "".join(f'[job.{one}]\nsources = "rows.jsonl"\nindex = "{one}"\n' for one in "ab")
    )
    assert ran("run", "a", "b", **by_dagster(here)).returncode == 0
    assert [one["method"] for one in messages(here)] == ["opened", "report_asset_materialization", "closed"] * 2
    (here / "messages").unlink()
    assert load(**by_dagster(here, asset_keys=None)).returncode == 0
    assert [one["method"] for one in messages(here)] == ["opened", "report_custom_message", "closed"]
    (here / "messages").unlink()
    assert load("--dry-run", **by_dagster(here)).returncode == 0
    assert not (here / "messages").exists()


def test_a_dagster_that_cannot_be_told_is_a_note(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ways = [
        by_dagster(here, asset_keys=["a", "b"]),
        {**by_dagster(here), "DAGSTER_PIPES_MESSAGES": params({"path": str(here / "none/messages")})},
        {**by_dagster(here), "DAGSTER_PIPES_CONTEXT": "nonsense"},
    ]
    for way in ways:
        done = load("--restart", **way)
        assert done.returncode == 0, done.stderr
        assert "note      Dagster was not told how the load ended: " in done.stderr
    monkeypatch.setitem(sys.modules, "dagster_pipes", None)
    done = load("--restart", **by_dagster(here))
    assert done.returncode == 0
    assert "dagster-pipes is not installed (pip install dagster-pipes)." in done.stderr
