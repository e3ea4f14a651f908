"""An index in a bucket: its job goes on, others are asked for a word, and each failure has its own next step.

The engine keeps Python from running while it waits for a bucket, and the store of these tests is in this process: so
commands run in one of their own.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from typing import TYPE_CHECKING

import cyborgdb_core
import numpy as np
import pytest
from advised import says
from conftest import BUCKET, KEY

import cyborg_ingest
from cyborg_ingest.errors import AccessError, ExitCode

if TYPE_CHECKING:
    from pathlib import Path

TARGET = f"s3://{BUCKET}/indexes"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    vectors = np.arange(1, 121, dtype=np.float32).reshape(30, 4)
    vectors[20] = np.nan
    np.save(tmp_path / "rows.npy", vectors)
    return tmp_path / "rows.npy"


def run(*arguments: object, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "cyborg_ingest", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **environment},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.usefixtures("bucket")
def test_the_job_that_made_an_index_in_a_bucket_goes_on_and_runs_again(rows: Path) -> None:
    command = ["upsert", rows, "--index", "x", "--target", TARGET, "--create", "--batch-rows", 10]
    code, told = run(*command)
    assert code == ExitCode.BAD_ROWS, told
    code, told = run(*command, "--max-errors", 1)  # what the message says
    assert code == ExitCode.REJECTED, told
    assert " now, 20 before)" in told
    assert ", 0 not sent" in told
    assert "sole-writer" not in told
    code, told = run(*command, "--max-errors", 1)  # as from cron
    assert code == ExitCode.REJECTED, told


@pytest.mark.usefixtures("bucket")
def test_another_job_is_refused_without_a_word_and_told_so_by_a_dry_run(rows: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY.hex())
    (tmp_path / "key").chmod(0o600)
    run("index", "create", "x", "--target", TARGET, "--index-key-file", tmp_path / "key", "--dimension", 4)
    command = ["upsert", rows, "--index", "x", "--target", TARGET, "--index-key-file", tmp_path / "key", "--limit", 10]
    code, told = run(*command)
    assert code == ExitCode.USAGE
    says(told, "If this is the only one that writes to index {}, say so with --sole-writer.")
    code, told = run(*command, "--dry-run")
    assert code == ExitCode.OK
    assert "say so with --sole-writer. The job that made the index need not." in told
    code, told = run(*command, "--sole-writer")
    assert code == ExitCode.OK, told


def test_a_dry_run_says_that_the_metric_is_another(rows: Path, tmp_path: Path) -> None:
    target = f"disk:{tmp_path / 'data'}"
    run("index", "create", "x", "--target", target, "--dimension", 4, "--metric", "cosine")
    command = ["upsert", rows, "--index", "x", "--target", target, "--metric", "euclidean", "--limit", 10]
    code, told = run(*command, "--dry-run")
    assert code == ExitCode.REJECTED
    assert "is there already with metric cosine" in told
    code, told = run(*command)
    assert code == ExitCode.USAGE
    assert "is there already with metric cosine" in told


FAILURES: dict[str, tuple[str, dict[str, str], int, str]] = {
    "no bucket": ("s3://no-such-bucket/x", {}, 3, "Create the bucket, or name another"),
    "nobody there": (TARGET, {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, 3, "look at AWS_ENDPOINT_URL"),
    "no address": (TARGET, {"AWS_ENDPOINT_URL": "nonsense"}, 2, "AWS_ENDPOINT_URL is the address"),
    "no credentials": (TARGET, {"AWS_ACCESS_KEY_ID": ""}, 2, "AWS_SECRET_ACCESS_KEY"),
}


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("failure", FAILURES)
def test_a_store_that_fails_is_told_by_its_cause_and_never_as_a_disk(failure: str) -> None:
    target, environment, expected, words = FAILURES[failure]
    if failure == "no credentials":  # an empty bucket gives nothing that could be refused
        run("index", "create", "x", "--target", target)
    code, told = run("index", "info", "x", "--target", target, **environment)
    assert code == expected, told
    assert words in told
    assert "disk" not in told


def test_an_index_whose_key_a_kms_keeps_says_so_whatever_key_is_given(tmp_path: Path) -> None:
    storage = cyborgdb_core.StorageConfig.disk(str(tmp_path))
    name = secrets.token_hex(4)
    envelope = cyborgdb_core.KMSBlob(provider="aws-kms", version=1, created_at=1)
    cyborgdb_core.create_index_kms(storage, name, envelope)
    cyborgdb_core.Client(storage_config=storage).create_index(name, KEY, dimension=4)
    for key in (None, KEY, bytes(range(1, 33))):
        with cyborg_ingest.connect(f"disk:{tmp_path}") as client, pytest.raises(AccessError) as caught:
            client.index(name, key).count()
        assert "kept by a KMS (aws-kms): only a service can open it" in str(caught.value)
