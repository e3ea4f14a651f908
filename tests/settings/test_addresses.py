"""Addresses of a state in an object store; those that are refused are in loading/test_state_elsewhere."""

from __future__ import annotations

import pytest

from cyborg_ingest.settings.addresses import state_address


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("s3://b", "s3://b"),
        ("S3://b/x/", "s3://b/x"),
        ("gcs://b/x/y", "gs://b/x/y"),
        ("abfss://c@a.dfs.core.windows.net/x/", "abfs://c@a.dfs.core.windows.net/x"),
    ],
)
def test_an_address_has_one_spelling(typed: str, address: str) -> None:
    assert state_address(typed) == address
