"""What `cyborg-ingest index` does: create, look at, list, train and delete indexes."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import UsageError
from cyborg_ingest.facts import Began, ignore
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.smallfiles import read_small
from cyborg_ingest.targets.opening import create_index, open_client, open_index

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cyborg_ingest.facts import Emit
    from cyborg_ingest.settings.options import CreateIndexSettings, TargetSettings


_LARGEST_SCHEMA = 10_000_000


def create(settings: CreateIndexSettings, name: str, emit: Emit, *, command: Sequence[str] = ()) -> str:
    """Create an index and say what it is. `command` is the command line. Raises IndexExistsError."""
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
        opened = create_index(client, settings, name, options, emit, shlex.join(command) or None)
        with opened.index:
            dimension = opened.info.dimension or "set by the first row"
            return f"Created index {name!r} in {client.target}: dimension {dimension}, metric {opened.info.metric}."


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


def names(settings: TargetSettings, emit: Emit = ignore) -> list[str]:
    """All indexes of a target."""
    with open_client(settings, emit) as client:
        return sorted(client.list_indexes())


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
