"""`cyborg_ingest.connect`: the client behind the command line, for programs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cyborg_ingest import targets
from cyborg_ingest.errors import ArgumentTypeError
from cyborg_ingest.targets.arguments import LONGEST_WAIT, SHORTEST_WAIT, check_number
from cyborg_ingest.targets.base import Connection

if TYPE_CHECKING:
    from cyborg_ingest.targets.base import Client


def connect(
    target: str,
    api_key: str | None = None,
    *,
    ca_cert: str | os.PathLike[str] | None = None,
    insecure: bool = False,
    timeout: float = 300.0,
    connect_timeout: float = 10.0,
) -> Client:
    """A client for `http(s)://host:port`, or embedded for `disk:PATH` and `s3://bucket/prefix`.

    `api_key` is the service's; embedded, the engine's licence (none: the free tier). The timeouts are in
    seconds. Use the client, and every index from it, as a context manager: closing an embedded index frees
    its lock. Raises UsageError for a target of no known form, ArgumentError for another wrong argument, TargetError
    where it cannot be reached::

        with cyborg_ingest.connect("disk:./data") as client, client.index("docs", key) as index:
            index.upsert_binary(["a"], np.ones((1, 384), np.float32))
    """
    for name, value, kinds in (
        ("target", target, (str,)),
        ("api_key", api_key, (str, type(None))),
        ("ca_cert", ca_cert, (str, os.PathLike, type(None))),
        ("insecure", insecure, (bool,)),
    ):
        if not isinstance(value, kinds):
            raise ArgumentTypeError(f"{name} cannot be {type(value).__name__}")
    check_number("timeout", timeout, SHORTEST_WAIT, LONGEST_WAIT)
    check_number("connect_timeout", connect_timeout, SHORTEST_WAIT, LONGEST_WAIT)
    embedded = targets.is_embedded(target)
    connection = Connection(
        api_key=None if embedded else api_key,
        licence=api_key if embedded else None,
        ca_cert=None if ca_cert is None else Path(ca_cert),
        insecure=insecure,
        timeout=timeout,
        connect_timeout=connect_timeout,
    )
    return targets.connect(target, connection)
