"""Load vectors into CyborgDB: every row accounted for.

`load` is the command `cyborg-ingest upsert` as a function, `verify` and `inspect` are those of their names; `connect`
gives the client behind them, whose indexes have `upsert_binary`, `get` and `query`, over REST and embedded alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "Client",
    "CreateOptions",
    "Index",
    "IndexInfo",
    "IngestError",
    "Match",
    "RunReport",
    "StoredRow",
    "__version__",
    "connect",
    "inspect",
    "load",
    "verify",
]

if TYPE_CHECKING:
    from cyborg_ingest.api.inspect import inspect
    from cyborg_ingest.api.load import load
    from cyborg_ingest.api.verify import verify
    from cyborg_ingest.errors import IngestError
    from cyborg_ingest.loading.report import RunReport
    from cyborg_ingest.model import CreateOptions, IndexInfo, Match, StoredRow
    from cyborg_ingest.targets.client import Client, Index, connect

_HOMES = {
    "Client": "cyborg_ingest.targets.client",
    "CreateOptions": "cyborg_ingest.model",
    "Index": "cyborg_ingest.targets.client",
    "IndexInfo": "cyborg_ingest.model",
    "IngestError": "cyborg_ingest.errors",
    "Match": "cyborg_ingest.model",
    "RunReport": "cyborg_ingest.loading.report",
    "StoredRow": "cyborg_ingest.model",
    "connect": "cyborg_ingest.targets.client",
    "inspect": "cyborg_ingest.api.inspect",
    "load": "cyborg_ingest.api.load",
    "verify": "cyborg_ingest.api.verify",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: `--help` needs neither pyarrow nor requests."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(_HOMES[name]), name)
