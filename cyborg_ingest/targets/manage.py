"""What `cyborg-ingest index` does: create, look at, list, train and delete indexes."""

from __future__ import annotations

import contextlib
import json
import shlex
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import NoIndexError, UsageError
from cyborg_ingest.facts import Began, Noted, ignore
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.settings.declaring import declarations
from cyborg_ingest.smallfiles import read_small
from cyborg_ingest.targets.opening import create_index, find_index, note_unused_key_out, open_client, open_index

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cyborg_ingest.facts import Emit
    from cyborg_ingest.model import IndexInfo
    from cyborg_ingest.settings.options import CreateIndexSettings, TargetSettings
    from cyborg_ingest.targets.retrying import RetryingClient


_LARGEST_SCHEMA = 10_000_000

_NOT_COMPARED = ("storage_precision", "kms_name", "metadata_schema", "text_fields", "bm25_k1", "bm25_b")
"""Options that an index which is there already does not tell, or tells in other words."""


def create(
    settings: CreateIndexSettings, name: str, emit: Emit, *, command: Sequence[str] = (), exist_ok: bool = False
) -> str:
    """Create an index and say what it is. `command` is the command line.

    `exist_ok`: one that is there already, and is as asked for, is well. Raises IndexExistsError, UsageError.
    """
    options = CreateOptions(
        dimension=settings.dimension,
        metric=settings.metric,
        storage_precision=settings.storage_precision,
        kms_name=settings.kms_name,
        metadata_schema=_schema(settings.metadata_schema),
        text_fields=settings.text_fields or None,
        bm25_k1=settings.bm25_k1,
        bm25_b=settings.bm25_b,
    )
    with open_client(settings, emit) as client:
        with contextlib.suppress(NoIndexError):
            if exist_ok:
                return _as_it_is(client, settings, name, emit)
        opened = create_index(client, settings, name, options, emit, shlex.join(command) or None)
        with opened.index:
            return f"Created index {name!r} in {client.target}: {_kind(opened.info)}."


def _kind(info: IndexInfo) -> str:
    return f"dimension {info.dimension or 'set by the first row'}, metric {info.metric}"


def _as_it_is(client: RetryingClient, settings: CreateIndexSettings, name: str, emit: Emit) -> str:
    """What is said of an index that is there already. Raises NoIndexError; UsageError where it is another."""
    opened = find_index(client, settings, name)
    with opened.index:
        info = opened.info
        for option, asked, has in (
            ("--dimension", settings.dimension, info.dimension),
            ("--metric", settings.metric, info.metric),
        ):
            if asked is not None and asked != has:
                raise UsageError(
                    f"Index {name!r} is in {client.target} already, with {_kind(info)}, and {option} says {asked}. "
                    "Neither can be changed: drop the option, or name another index."
                )
        note_unused_key_out(settings, name, emit)
        if others := [declarations(type(settings))[one].flag for one in _NOT_COMPARED if getattr(settings, one)]:
            emit(Noted(f"Index {name!r} is there already: {', '.join(others)} changes nothing, and is not compared."))
        return f"Index {name!r} is in {client.target} already: {_kind(info)}."


def _schema(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        found = json.loads(read_small(path, _LARGEST_SCHEMA))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"--metadata-schema {path}: {error}. It takes a JSON file.") from None
    if not isinstance(found, dict) or not all(isinstance(policy, dict) for policy in found.values()):
        raise UsageError(
            f'--metadata-schema {path} takes an object like {{"field": {{"filterable": true, "pattern": false}}}}.'
        )
    return found


def info(settings: TargetSettings, name: str, emit: Emit = ignore) -> dict[str, Any]:
    """What an index says of itself, and how many rows it holds."""
    with open_client(settings, emit) as client:
        opened = open_index(client, settings, name)
        with opened.index as index:
            found = opened.info
            return {
                "index": found.name,
                "target": client.target,
                "dimension": found.dimension,
                "metric": found.metric,
                "rows": index.count(),
                "trained": found.is_trained,
                "lists": found.n_lists,
                "metadata_schema": dict(found.metadata_schema),
                "bm25": None if found.bm25 is None else dict(found.bm25),
            }


def names(settings: TargetSettings, emit: Emit = ignore) -> dict[str, Any]:
    """All indexes of a target."""
    with open_client(settings, emit) as client:
        return {"target": client.target, "indexes": sorted(client.list_indexes())}


def train(settings: TargetSettings, name: str, emit: Emit = ignore) -> str:
    """Train an index, and say what came of it: the engine leaves a small one as it is, without a word."""
    with open_client(settings, emit) as client, open_index(client, settings, name).index as index:
        emit(Began("train"))
        index.train()
        found = index.describe()
        if found.is_trained:
            return f"Trained index {name!r}: {found.n_lists} lists."
        return (
            f"Index {name!r} is not trained: with {index.count():,} rows the engine sees no need. "
            "Queries search all of it."
        )


def delete(settings: TargetSettings, name: str, emit: Emit = ignore) -> str:
    """Delete an index."""
    with open_client(settings, emit) as client, open_index(client, settings, name).index as index:
        index.delete()
        return f"Deleted index {name!r} from {client.target}."
