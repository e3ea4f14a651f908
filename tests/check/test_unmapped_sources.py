"""What keeps sources from being loaded, as an error and as a finding: which file it is, and what decides, by a code."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import ran

import cyborg_ingest
from cyborg_ingest.check.inspecting import inspect
from cyborg_ingest.check.inspection import index_findings
from cyborg_ingest.errors import CapReachedError, MappingError, Unmapped
from cyborg_ingest.facts import Noted
from cyborg_ingest.loading.loader import run
from cyborg_ingest.model import IndexInfo
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import InspectSettings, LoadSettings, SourceSettings
from cyborg_ingest.targets.opening import check_cap

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Engine

    from cyborg_ingest.check.findings import Finding
    from cyborg_ingest.facts import Event

FREE_TIER = 1_000_000


def write(path: Path, dimension: int = 2, name: str = "vector") -> Path:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array([1.0] * 2 * dimension), dimension)
    pq.write_table(pa.table({"id": ["a", "b"], name: vectors}), path)
    return path


def failed(*sources: Path, **options: Any) -> MappingError:
    with pytest.raises(MappingError) as caught:
        make_plan(tuple(map(str, sources)), SourceSettings(**options))
    return caught.value


def inspected(*sources: Path, **options: Any) -> tuple[Finding, ...]:
    return inspect(InspectSettings(sources=tuple(map(str, sources)), **options)).findings


def test_an_error_about_the_columns_of_a_file_names_it() -> None:
    error = MappingError("words", uri="/a.npy")
    assert (str(error), error.uri, error.code) == ("words", "/a.npy", Unmapped.COLUMNS)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (str(again), again.uri, again.code) == ("words", "/a.npy", Unmapped.COLUMNS)


@pytest.mark.parametrize(
    "options",
    [
        {"vector_column": "elsewhere"},
        {"id_column": "vector"},
        {"id_template": "{nothing}"},
        {"where": "nothing = 1"},
        {"metadata_columns": ("id",)},
    ],
    ids=str,
)
def test_of_several_files_it_is_the_one_that_the_error_names(tmp_path: Path, options: dict[str, Any]) -> None:
    error = failed(write(tmp_path / "a.parquet"), **options)
    assert (error.uri, error.code) == (str(tmp_path / "a.parquet"), Unmapped.COLUMNS)


def test_a_finding_has_the_file_though_another_one_has_a_name_that_its_words_begin_with(tmp_path: Path) -> None:
    """`a: b.parquet` beside `a`: the words alone do not tell which is meant."""
    (tmp_path / "a").mkdir()
    good, bad = write(tmp_path / "a" / "x.parquet"), write(tmp_path / "a: b.parquet", name="elsewhere")
    pq.write_table(pa.table({"id": ["a"], "words": ["b"]}), bad)
    done = ran("inspect", good, bad, "--json")
    (finding,) = json.loads(done.stdout)["findings"]
    assert (finding["kind"], finding["file"]) == ("mapping", str(bad))
    assert finding["option"] == "--id-column, --vector-column and the like decide"


def test_files_of_several_dimensions_are_no_fault_of_one_and_no_column_decides(tmp_path: Path) -> None:
    files = write(tmp_path / "a.parquet", 2), write(tmp_path / "b.parquet", 3)
    error = failed(*files)
    assert (error.uri, error.code) == (None, Unmapped.DIMENSIONS)
    (finding,) = inspected(*files)
    assert (finding.kind, finding.file, finding.text) == ("mapping", None, str(error))
    assert finding.option.startswith("a pattern")


def test_a_load_and_an_inspection_say_the_same_of_an_index_of_another_dimension(engine: Engine, tmp_path: Path) -> None:
    name = engine.name()
    cyborg_ingest.load(write(tmp_path / "a.parquet", 2), index=name, target=engine.target, create=True)
    other = write(tmp_path / "b.parquet", 3)
    with pytest.raises(MappingError) as caught:
        run(LoadSettings(sources=(str(other),), index=name, target=engine.target))
    assert (caught.value.uri, caught.value.code) == (None, Unmapped.DIMENSIONS)
    (finding,) = inspected(other, index=name, target=engine.target)
    assert finding.kind == "index_dimension"
    assert str(caught.value) == f"{finding.text} {finding.option}"


INFO = IndexInfo("i", 2, "euclidean", is_trained=False)


class Target:
    """What the rule asks of a client."""

    def __init__(self, *, is_embedded: bool, has_licence: bool) -> None:
        self.is_embedded = is_embedded
        self.has_licence = has_licence


@pytest.mark.parametrize(
    ("is_embedded", "licence", "count", "rows", "ends"),
    [
        (True, None, 0, FREE_TIER, None),
        (True, None, 0, FREE_TIER + 1, "error"),
        (True, None, 1, FREE_TIER, "note"),
        (True, "x", 0, FREE_TIER + 1, None),
        (False, None, 0, FREE_TIER + 1, "note"),
        (False, "x", 0, FREE_TIER + 1, "note"),
        (False, None, 5, FREE_TIER - 5, None),
        (False, None, 5, None, None),
    ],
)
def test_the_rule_about_the_free_tiers_cap_is_one_for_a_load_and_an_inspection(
    is_embedded: bool,
    licence: str | None,
    count: int,
    rows: int | None,
    ends: str | None,
) -> None:
    client: Any = Target(is_embedded=is_embedded, has_licence=bool(is_embedded and licence))
    told: list[Event] = []
    error: CapReachedError | None = None
    try:
        check_cap(client, count, rows, told.append)
    except CapReachedError as caught:
        error = caught
    assert (error is not None, len(told)) == (ends == "error", int(ends == "note"))
    found = index_findings(client, INFO, count, 2, rows)
    assert [one.kind for one in found] == (["cap"] if ends else [])
    said = [str(error)] if error else [one.text for one in told if isinstance(one, Noted)]
    assert [f"{one.text} {one.option}" for one in found] == said
