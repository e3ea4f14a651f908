"""Reach the target and open, or create, the index: keys, dimension, cap."""

from __future__ import annotations

import contextlib
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cyborg_ingest.errors import (
    AccessError,
    CapReachedError,
    IndexExistsError,
    IndexKeyError,
    IngestError,
    MappingError,
    NoIndexError,
    NoIndexOrKeyError,
    Unmapped,
    UsageError,
)
from cyborg_ingest.facts import Creating, Noted, ignore
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.settings import keys
from cyborg_ingest.settings.commands import with_options
from cyborg_ingest.stop import Stop
from cyborg_ingest.targets import connect, is_embedded
from cyborg_ingest.targets.base import FREE_TIER_ROWS, Connection
from cyborg_ingest.targets.credentials import api_key_of, is_token, know, licence_of
from cyborg_ingest.targets.hosts import is_loopback
from cyborg_ingest.targets.keyring import find_key, make_key, origin, where_kept
from cyborg_ingest.targets.retry import RetryPolicy
from cyborg_ingest.targets.retrying import Patience, RetryingClient
from cyborg_ingest.targets.terms import missing, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cyborg_ingest.facts import Emit
    from cyborg_ingest.model import IndexInfo
    from cyborg_ingest.settings.hidden import Hidden
    from cyborg_ingest.settings.options import CreateSettings, LoadSettings, TargetSettings
    from cyborg_ingest.targets.base import Client
    from cyborg_ingest.targets.keyring import KeyFile
    from cyborg_ingest.targets.retrying import RetryingIndex

_READABLE = (
    "keys and rows can be read by whoever is on the way. Name it as https://..., or say that the network is your own "
    "with --allow-plain-http."
)

_HINT_SECONDS = 5.0
"""The longest that a name is looked for which a message might name."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An index, and what it said of itself when it was opened."""

    index: RetryingIndex
    info: IndexInfo
    created: bool
    key_file: Path | None = None
    """Where the key is kept that was made for it."""


def open_client(settings: TargetSettings, emit: Emit = ignore, stop: Stop | None = None) -> RetryingClient:
    """A client of the target that the settings name. Raises UsageError, KeyFileError, TargetError.

    Each of its requests is tried again as the settings say; `emit` hears of that from any thread, and the stop
    ends the pauses.
    """
    client = client_of(settings)
    for option, file in (("--api-key-file", settings.api_key_file), ("--index-key-file", settings.index_key_file)):
        if keys.readable_by_others(file):
            emit(Noted(f"Every user of this machine can read the key of {option}: chmod 600 {shlex.quote(str(file))}"))
    is_plain = client.target.startswith("http://") and not is_loopback(client.target)
    if is_plain and not settings.allow_plain_http:
        emit(Noted(f"{client.target} is not encrypted: {_READABLE}"))
    patience = Patience(
        RetryPolicy(settings.retries, settings.retry_max_wait),
        stop or Stop(),
        lambda retry: emit(retry.fact),
    )
    return RetryingClient(client, patience)


def target_of(settings: TargetSettings) -> str:
    """The target that the settings name. Raises UsageError."""
    if settings.target:
        return settings.target
    raise UsageError(
        "No target. Give --target http://HOST:PORT for a service or --target disk:PATH for the engine in "
        "this process (or set CYBORG_INGEST_TARGET); without a terminal none is assumed."
    )


def client_of(settings: TargetSettings) -> Client:
    """The same, each of whose requests is tried once."""
    target = target_of(settings)
    embedded = is_embedded(target)
    connection = Connection(
        api_key=None if embedded else api_key_of(settings),
        licence=licence_of(settings) if embedded else None,
        ca_cert=settings.ca_cert,
        insecure=settings.insecure,
        timeout=settings.timeout,
    )
    know(connection)
    if embedded and (settings.api_key_file or settings.api_key_command is not None):
        option = "--api-key-file" if settings.api_key_file else "--api-key-command"
        raise UsageError(f"{option} is for a service; {target} needs no API key.")
    return connect(target, connection)


def open_index(client: RetryingClient, settings: TargetSettings, name: str) -> Opened:
    """An index that exists. Raises NoIndexError, which names the nearest one, and AccessError."""
    try:
        return find_index(client, settings, name)
    except NoIndexError as error:
        names = _names(client, settings)
        if name in names:  # so it is the key, or it is not whole
            raise
        if isinstance(error, NoIndexOrKeyError) and not names:
            raise
        raise NoIndexError(f"{_said_of(error, client, name)}{nearest(name, names)}") from None


def _said_of(error: NoIndexError, client: Client, name: str) -> str:
    """What is said of an index that is not there. Where an error leaves open what it is, the list has decided it."""
    return missing(name, client.target) if isinstance(error, NoIndexOrKeyError) else str(error)


def _names(client: RetryingClient, settings: TargetSettings) -> list[str]:
    """The names of all indexes, for a message; none where that is not for this key, or takes long."""
    try:
        if client.is_embedded:
            return client.list_indexes()
        with client_of(replace(settings, timeout=min(settings.timeout, _HINT_SECONDS))) as once:
            return once.list_indexes()
    except IngestError:
        return []


def find_index(client: RetryingClient, settings: TargetSettings, name: str) -> Opened:
    """The same, whose errors name no other index."""
    key = find_key(settings, client.target, name)
    index = client.index(name, key)
    try:
        return Opened(index, index.describe(), created=False)
    except NoIndexOrKeyError as error:
        raise NoIndexOrKeyError(f"{error} {origin(settings, client.target, name)}") from None
    except AccessError as error:
        kept = find_key(settings, client.target, name)
        if key is not None or kept is None:
            if isinstance(error, IndexKeyError):
                raise IndexKeyError(f"{error} {origin(settings, client.target, name)}") from None
            raise
    index = client.index(name, kept)  # another process has made it since, and kept its key
    return Opened(index, index.describe(), created=False)


def create_index(
    client: RetryingClient,
    settings: CreateSettings,
    name: str,
    options: CreateOptions,
    emit: Emit,
    command: str | None = None,
) -> Opened:
    """Create an index. Its key is on disk before the index exists. Raises IndexExistsError, UsageError.

    `command` is the command line, where there is one.
    """
    key: Hidden[bytes] | None = None
    key_file: KeyFile | None = None
    if not options.kms_name:
        key, key_file = make_key(settings, client.target, name, command)
    elif (key := find_key(settings, client.target, name)) is not None:
        raise UsageError("--kms-name lets the service keep the key, and an index key is given too: drop one.")
    emit(Creating(name, options.dimension or None, options.metric, options.storage_precision))
    if key_file is not None:
        emit(Noted(where_kept(key_file, name)))
    index = client.create(name, key, options)
    return Opened(index, index.describe(), created=True, key_file=key_file and key_file.path)


def how_to_create(settings: TargetSettings, command: str | None) -> str:
    """The next step where an index is missing. A user's token can make none."""
    if is_token(settings) and not is_embedded(settings.target or ""):
        return "With a cdbk_ token it may also be there and not be yours; creating it takes the service's root key."
    return f"To create it: {with_options(command, '--create')}" if command else "To create it, pass create=True."


def open_or_create(
    client: RetryingClient,
    settings: CreateSettings,
    name: str,
    dimension: int | None,
    emit: Emit,
    command: str | None = None,
    before: Callable[[], object] = lambda: None,
) -> Opened:
    """The index if it is there, else a new one of this dimension; also if another process makes it at this moment.

    What `before` raises keeps it from being made.
    """
    with contextlib.suppress(NoIndexError):
        opened = find_index(client, settings, name)
        note_unused_key_out(settings, name, emit)
        return opened
    before()
    options = CreateOptions(dimension, settings.metric, settings.storage_precision, settings.kms_name)
    with contextlib.suppress(IndexExistsError):
        return create_index(client, settings, name, options, emit, command)
    index = client.index(name, find_key(settings, client.target, name))
    return Opened(index, index.until_made(), created=False)


def note_unused_key_out(settings: CreateSettings, name: str, emit: Emit) -> None:
    """Say that the file of --key-out is not written for an index that is there already."""
    if settings.key_out and not settings.key_out.exists():
        emit(Noted(f"Index {name!r} is there already, so no key is made and {settings.key_out} is not written."))


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What keeps a load from an index, or may, and the next step. `code` is the word that a finding has for it."""

    code: str
    text: str
    advice: str
    is_sure: bool = True
    """Whether the load cannot but fail on it."""

    def __str__(self) -> str:
        return f"{self.text} {self.advice}"


def check_index(
    opened: Opened, client: Client, create: LoadSettings, dimension: int | None, emit: Emit, *, is_own: bool = False
) -> None:
    """Refuse a load that does not fit the index. Raises MappingError, UsageError.

    `is_own`: an earlier run of the job made it.
    """
    info = opened.info
    if other := other_dimension(info, dimension):
        raise MappingError(str(other), code=Unmapped.DIMENSIONS)
    for one in refusals(opened, client, create, is_own=is_own):
        raise UsageError(str(one))
    if create.storage_precision and not opened.created:
        emit(
            Noted(
                f"Index {info.name!r} is there already: --storage-precision does not change it, and is taken to be "
                "what it stores."
            )
        )


def other_dimension(info: IndexInfo, dimension: int | None) -> Obstacle | None:
    """Vectors of a dimension that the index does not have."""
    if not dimension or not info.dimension or dimension == info.dimension:
        return None
    return Obstacle(
        "index_dimension",
        f"The vectors have {dimension} dimensions, index {info.name!r} has {info.dimension}: another model or column?",
        "Name another index, or another --vector-column.",
    )


def refusals(opened: Opened, client: Client, create: LoadSettings, *, is_own: bool = False) -> Iterator[Obstacle]:
    """What of its options keeps a load from an index that is there."""
    info = opened.info
    if client.target.startswith("s3://") and not (opened.created or is_own or create.sole_writer):
        yield Obstacle(
            "sole_writer",
            f"{client.target} has no lock, and two processes that write to one index lose rows silently.",
            f"If this is the only one that writes to index {info.name!r}, say so with --sole-writer.",
        )
    if create.metric and create.metric != info.metric:
        yield Obstacle(
            "index_metric",
            f"Index {info.name!r} is there already with metric {info.metric}, and --metric says {create.metric}.",
            "The metric of an index cannot be changed: drop the option, or name another index.",
        )


def check_cap(client: Client, count: int, rows: int | None, emit: Emit) -> None:
    """Compare the rows to load with the free tier's cap. Raises CapReachedError where it must be hit."""
    found = over_cap(client, count, rows)
    if found is not None and found.is_sure:
        raise CapReachedError(str(found))
    if found is not None:
        emit(Noted(str(found)))


def over_cap(client: Client, count: int, rows: int | None) -> Obstacle | None:
    """More rows than the free tier lets an index have that holds `count`; of `rows` None nobody can tell.

    It may still be well: rows whose ids are there already add none, and a service may have a licence.
    """
    if rows is None or count + rows <= FREE_TIER_ROWS:
        return None
    numbers = f"{count:,} rows are in the index and {rows:,} are to be loaded"
    if client.is_embedded and client.has_licence:
        return None
    if client.is_embedded and not count:
        return Obstacle(
            "cap",
            f"The free tier holds {FREE_TIER_ROWS:,} rows per index; {numbers}.",
            f"Split them over several indexes, load fewer with --limit, or set {keys.LICENCE_VARIABLE} to a licence.",
        )
    text = f"{numbers}. Without a licence an index holds {FREE_TIER_ROWS:,} rows: this load may end there."
    return Obstacle("cap", text, "Load fewer with --limit, or into several indexes.", is_sure=False)
