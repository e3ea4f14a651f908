"""`cyborg_ingest.connect`: the client behind the command line, for programs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cyborg_ingest import targets
from cyborg_ingest.errors import ArgumentTypeError
from cyborg_ingest.settings.hidden import hidden
from cyborg_ingest.stop import Stop
from cyborg_ingest.targets.arguments import LONGEST_WAIT, MOST_RETRIES, SHORTEST_WAIT, check_number
from cyborg_ingest.targets.base import Connection
from cyborg_ingest.targets.retry import RetryPolicy
from cyborg_ingest.targets.retrying import Patience, RetryingClient

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
    retries: int = 0,
    retry_max_wait: float = 60.0,
) -> Client:
    """A client for `http(s)://host:port`, or embedded for `disk:PATH` and `s3://bucket/prefix`.

    `api_key` is the service's; embedded, the engine's licence (none: the free tier). The timeouts are in
    seconds; `timeout` is for the whole of an answer. `retries` says how often a request is tried again whose
    failure may pass, with pauses of at most `retry_max_wait` seconds; by itself never. Use the client, and every
    index from it, as a context manager: closing an embedded index frees its lock. Raises UsageError for a target
    of no known form, ArgumentError for another wrong argument. Whether a service is there shows with the first request,
    which raises TargetError where it is not::

        with cyborg_ingest.connect("disk:./data") as client, client.index("docs", key) as index:
            index.upsert_binary(["a"], np.ones((1, 384), np.float32))
    """
    secret = hidden(api_key)
    api_key = None  # no frame of ours has it as text from here on
    if secret is not None and not isinstance(secret.reveal(), str):
        raise ArgumentTypeError(f"api_key cannot be {type(secret.reveal()).__name__}")
    for name, value, kinds in (
        ("target", target, (str,)),
        ("ca_cert", ca_cert, (str, os.PathLike, type(None))),
        ("insecure", insecure, (bool,)),
    ):
        if not isinstance(value, kinds):
            raise ArgumentTypeError(f"{name} cannot be {type(value).__name__}")
    check_number("timeout", timeout, SHORTEST_WAIT, LONGEST_WAIT)
    check_number("connect_timeout", connect_timeout, SHORTEST_WAIT, LONGEST_WAIT)
    check_number("retries", retries, 0, MOST_RETRIES)
    check_number("retry_max_wait", retry_max_wait, 0, LONGEST_WAIT)
    embedded = targets.is_embedded(target)
    connection = Connection(
        api_key=None if embedded else secret,
        licence=secret if embedded else None,
        ca_cert=None if ca_cert is None else Path(ca_cert),
        insecure=insecure,
        timeout=timeout,
        connect_timeout=connect_timeout,
    )
    client = targets.connect(target, connection)
    if not retries:
        return client
    patience = Patience(RetryPolicy(retries, retry_max_wait), Stop(), lambda _error, _pause: None)
    return RetryingClient(client, patience)
