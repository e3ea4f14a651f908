"""What docstrings and the README show to programs is run; what they say of errors is tried."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cyborgdb_core
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import KEY
from where import ROOT

import cyborg_ingest
from cyborg_ingest.errors import ArgumentError, TargetError, UsageError
from cyborg_ingest.model import CreateOptions

if TYPE_CHECKING:
    from conftest import Engine
    from service import Service

README = ROOT / "README.md"
NOBODY = "http://127.0.0.1:9"


def test_the_example_of_connect_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with cyborg_ingest.connect("disk:./data") as client:
        client.create("docs", KEY, CreateOptions(dimension=384)).close()
    example = textwrap.dedent((cyborg_ingest.connect.__doc__ or "").partition("::\n")[2])
    assert "upsert_binary" in example
    exec(example, {"cyborg_ingest": cyborg_ingest, "np": np, "key": KEY})  # noqa: S102 - it is what is documented
    storage = cyborgdb_core.StorageConfig.disk(str(tmp_path / "data"))
    (row,) = cyborgdb_core.Client(storage_config=storage).load_index("docs", KEY).get(["a"], index_key=KEY)
    assert list(row["vector"]) == [1.0] * 384


def test_the_program_in_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    vectors = np.ones((1, 4), np.float32)
    pq.write_table(pa.table({"id": ["r"], "vector": vectors.tolist()}), "vectors.parquet")
    with cyborg_ingest.connect(service.url) as client:
        if "docs" in client.list_indexes():
            client.index("docs", KEY).delete()
        client.create("docs", KEY, CreateOptions(dimension=4)).close()
    (program,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert "http://127.0.0.1:8000" in program
    exec(program.replace("http://127.0.0.1:8000", service.url), {"key": KEY, "vectors": vectors})  # noqa: S102
    assert "'acknowledged': 1" in capsys.readouterr().out
    assert len(Path("docs.key").read_text().strip()) == 64
    with cyborg_ingest.connect(service.url) as client, client.index("docs", KEY) as index:
        (row,) = index.get(["a"])
        index.delete()
    assert (row.metadata, row.contents) == ({"year": 1862}, "text")


@pytest.mark.parametrize("target", ["foo:bar", "http://", "localhost:80a", ""])
def test_connect_refuses_a_target_of_no_known_form(target: str) -> None:
    with pytest.raises(UsageError):
        cyborg_ingest.connect(target)


@pytest.mark.parametrize("arguments", [{"timeout": 0}, {"retries": -1}, {"ca_cert": 5}, {"insecure": "no"}])
def test_connect_refuses_another_wrong_argument(arguments: dict[str, Any]) -> None:
    with pytest.raises((ArgumentError, TypeError)):
        cyborg_ingest.connect(NOBODY, **arguments)


def test_a_service_that_is_not_there_is_told_by_the_first_request_and_no_sooner() -> None:
    with cyborg_ingest.connect(NOBODY) as client, pytest.raises(TargetError):
        client.list_indexes()


def test_an_error_of_a_load_has_the_report_and_one_of_a_client_has_none(engine: Engine, tmp_path: Path) -> None:
    np.save(tmp_path / "bad.npy", np.array([[1, 2, 3, 4], [np.nan, 1, 1, 1]], np.float32))
    with pytest.raises(cyborg_ingest.IngestError) as of_load:
        cyborg_ingest.load(
            tmp_path / "bad.npy", index=engine.name(), target=engine.target, create=True, state_dir=tmp_path / "s"
        )
    assert of_load.value.report is not None
    assert of_load.value.report.rows["read"] == 2
    with engine.connect() as client, engine.make(client) as index, pytest.raises(ArgumentError) as of_client:
        index.upsert_binary(["a"], np.ones((1, 4), np.float32), metadata=[{"x": float("nan")}])
    assert of_client.value.report is None
