"""`cyborg_ingest.connect`: the client behind the command line, for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest import targets
from cyborg_ingest.targets.base import Connection

if TYPE_CHECKING:
    from pathlib import Path

    from cyborg_ingest.targets.base import Client


def connect(
    target: str,
    api_key: str | None = None,
    *,
    ca_cert: Path | None = None,
    insecure: bool = False,
    timeout: float = 300.0,
    connect_timeout: float = 10.0,
) -> Client:
    """A client for `http(s)://host:port`, or embedded for `disk:PATH` and `s3://bucket/prefix`.

    `api_key` is the service's; embedded, the engine's licence (none: the free tier). The timeouts are in
    seconds. Use the client, and every index from it, as a context manager: closing an embedded index frees
    its lock. Raises UsageError for a target of no known form, TargetError where it cannot be reached::

        with cyborg_ingest.connect("disk:./data") as client, client.index("docs", key) as index:
            index.upsert_binary(["a"], np.ones((1, 384), np.float32))
    """
    embedded = targets.is_embedded(target)
    connection = Connection(
        api_key=None if embedded else api_key,
        licence=api_key if embedded else None,
        ca_cert=ca_cert,
        insecure=insecure,
        timeout=timeout,
        connect_timeout=connect_timeout,
    )
    return targets.connect(target, connection)
