"""The target: whether it answers, is what it says, agrees about the time, and lets this key load."""

from __future__ import annotations

import datetime
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cyborg_ingest.doctor.finding import Level, fail, looked_at, of_error, ok, skip, warn
from cyborg_ingest.doctor.machine import room
from cyborg_ingest.errors import AccessError, IngestError, NoIndexError
from cyborg_ingest.settings import keys
from cyborg_ingest.settings.commands import index_command
from cyborg_ingest.settings.hidden import revealed
from cyborg_ingest.targets.base import AUTO_TRAIN_ROWS, FREE_TIER_ROWS
from cyborg_ingest.targets.credentials import is_token
from cyborg_ingest.targets.health import health_of
from cyborg_ingest.targets.hosts import is_loopback
from cyborg_ingest.targets.keyring import as_options
from cyborg_ingest.targets.opening import open_client, open_index
from cyborg_ingest.targets.rest import RestClient
from cyborg_ingest.targets.trust import certificate_of
from cyborg_ingest.targets.wire import proxies_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyborg_ingest.doctor.finding import Finding
    from cyborg_ingest.settings.options import DoctorSettings
    from cyborg_ingest.targets.base import Client
    from cyborg_ingest.targets.opening import Opened

_LARGEST_SKEW = 30.0
"""Seconds: logs can still be compared, and no store refuses a signature for it."""
_RENEWED_DAYS = 14
_TARGET, _INDEX, _PERMISSIONS, _CERTIFICATE, _CLOCK = "target", "index", "permissions", "certificate", "clock"


def embedded(client: Client) -> Iterator[Finding]:
    """The engine in this process, and the place that it works on."""
    place = Path(client.target.removeprefix("disk:")) if client.target.startswith("disk:") else None
    if place is not None and not place.exists():
        yield ok(_TARGET, f"{client.target} is not there yet: the first index makes it")
    else:
        yield from looked_at(_TARGET, lambda: _listed(client))
    if place is not None:
        yield from room("target disk", place)
    name = keys.LICENCE_VARIABLE
    limit = "" if os.environ.get(name) else f"not set: an index has {FREE_TIER_ROWS:,} rows at most"
    yield ok("licence", f"{name} is {limit or 'set'}")


def _listed(client: Client) -> Iterator[Finding]:
    count = len(client.list_indexes())
    yield ok(_TARGET, f"{client.target}, {count:,} {'index' if count == 1 else 'indexes'}")


def service(client: RestClient) -> Iterator[Finding]:
    """A service: its answer, its certificate, its clock. No key is needed for that."""
    try:
        health = health_of(client)
    except IngestError as error:
        yield of_error(_TARGET, error)
        yield from _certificate(client)
        yield skip(_CLOCK, "the target does not answer")
        return
    said = f"version {health.version}" if health.version else "which does not say its version"
    yield ok(_TARGET, f"{client.target} answers in {health.seconds * 1000:,.0f} ms: a service, {said}")
    if client.target.startswith("http://") and not is_loopback(client.target):
        yield warn(_TARGET, "keys and rows can be read by whoever is on the way", "Name it as https://...")
    yield from _certificate(client)
    yield _clock(health.skew)


def _clock(skew: float | None) -> Finding:
    if skew is None:
        return skip(_CLOCK, "the service does not say what time it is")
    which = "ahead of" if skew < 0 else "behind"
    text = f"this machine is {abs(skew):,.0f} s {which} the service"
    return warn(_CLOCK, text, "Set the clock of both by NTP.") if abs(skew) > _LARGEST_SKEW else ok(_CLOCK, text)


def _certificate(client: RestClient) -> Iterator[Finding]:
    if not client.target.startswith("https://"):
        return
    if client.connection.insecure:
        yield warn(_CERTIFICATE, "it is not verified: anybody may be the service", "Give --ca-cert, not --insecure.")
    elif proxies_for(client.target):
        yield skip(_CERTIFICATE, "a proxy is between")
    else:
        yield from looked_at(_CERTIFICATE, lambda: _shown(client))


def _shown(client: RestClient) -> Iterator[Finding]:
    found = certificate_of(client.target, client.connection)
    days = (found.until - datetime.datetime.now(datetime.timezone.utc)).days
    text = f"valid until {found.until:%Y-%m-%d} ({days} days), for {', '.join(found.names) or 'no name'}"
    yield warn(_CERTIFICATE, text, "Have it renewed.") if days < _RENEWED_DAYS else ok(_CERTIFICATE, text)


def permissions(client: RestClient, settings: DoctorSettings) -> Iterator[Finding]:
    """What the API key lets a load do."""
    yield from looked_at(_PERMISSIONS, lambda: _permissions(client, settings))


def _permissions(client: RestClient, settings: DoctorSettings) -> Iterator[Finding]:
    if is_token(settings):
        yield from _of_token(client, settings)
        return
    client.list_indexes()
    if revealed(client.connection.api_key) is None:
        yield ok(_PERMISSIONS, "everything: the service asks for no key")
        return
    with RestClient(client.target, replace(client.connection, api_key=None)) as nobody:
        try:
            nobody.list_indexes()
        except AccessError:
            yield ok(_PERMISSIONS, "everything: it is the service's root key")
            return
    yield warn(_PERMISSIONS, "everything, and to everybody: the service asks for no key", "Give it a root key.")


def _of_token(client: RestClient, settings: DoctorSettings) -> Iterator[Finding]:
    if settings.index is None:
        yield skip(_PERMISSIONS, "what a token may do is known of an index alone: name it with --index")
        return
    index = client.index(settings.index)
    index.describe()  # a token that is none, or is for another index, is an error
    asked: dict[str, Callable[[], object]] = {"read": index.count, "write": index.check_writing}
    refused = [name for name, ask in asked.items() if not _may(ask)]
    if refused:
        text = f"this token may not {' or '.join(refused)} in index {settings.index!r}, and a load does both"
        yield fail(_PERMISSIONS, text, "Have one made with the permissions read and write.")
    else:
        yield ok(_PERMISSIONS, "a token that may read and write, and create no index")


def _may(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except AccessError:
        return False
    return True


def index(settings: DoctorSettings, *, creates: bool) -> Iterator[Finding]:
    """Whether the index is there, and this key opens it. `creates`: a load would make it."""
    if settings.index is None:
        yield skip(_INDEX, "none is named (--index)")
        return
    try:
        with open_client(settings) as client:
            opened = open_index(client, settings, settings.index)
            with opened.index:
                yield from _opened(opened, settings)
    except NoIndexError as error:
        command = index_command("create", settings.index, "--target", settings.target or "", *as_options(settings))
        if creates:
            yield ok(_INDEX, f"{error} A load with --create makes it.")
        else:
            yield fail(_INDEX, str(error), f"If it is to be made: {command}")
    except IngestError as error:
        yield of_error(_INDEX, error)


def _opened(opened: Opened, settings: DoctorSettings) -> Iterator[Finding]:
    info, rows = opened.info, opened.index.count()
    dimension = f"{info.dimension} dimensions" if info.dimension else "no dimension yet"
    trained = f"trained, {info.n_lists} lists" if info.is_trained else "not trained"
    text = f"{info.name!r} opens with this key: {dimension}, {info.metric}, {rows:,} rows, {trained}"
    if rows > AUTO_TRAIN_ROWS and not info.is_trained:
        options = ("--target", settings.target or "", *as_options(settings))
        yield warn(_INDEX, text, f"Queries scan all of it. Train it: {index_command('train', info.name, *options)}")
    else:
        yield ok(_INDEX, text)


def is_answering(found: list[Finding]) -> bool:
    """Whether what was found of a target lets it be asked for more."""
    return not any(one.subject == _TARGET and one.level is Level.FAIL for one in found)
