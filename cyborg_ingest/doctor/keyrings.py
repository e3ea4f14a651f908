"""Keys: where each is found, whether it is one, and who can read it. None is ever shown."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from cyborg_ingest.doctor.finding import looked_at, ok, skip, warn
from cyborg_ingest.settings import keys
from cyborg_ingest.targets.keyring import NOWHERE, possible_key_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.doctor.finding import Finding
    from cyborg_ingest.settings.options import DoctorSettings

API_KEY, INDEX_KEY = "api key", "index key"


def api_key(settings: DoctorSettings) -> Iterator[Finding]:
    """The service's key."""
    yield from looked_at(API_KEY, lambda: _api_key(settings))


def _api_key(settings: DoctorSettings) -> Iterator[Finding]:
    file, command = settings.api_key_file, settings.api_key_command
    found = keys.api_key(os.environ, file, command)
    origin = keys.origin_of(os.environ, keys.API_KEY_VARIABLE, file, command)
    if found is None or origin is None:
        yield ok(API_KEY, "none is given")
        return
    yield ok(API_KEY, f"from {origin.text}, {len(found)} characters")
    yield from _readers(API_KEY, origin)


def index_key(settings: DoctorSettings, target: str | None) -> Iterator[Finding]:
    """The key of the index, or the one that is given though no index is named."""
    yield from looked_at(INDEX_KEY, lambda: _index_key(settings, target))


def _index_key(settings: DoctorSettings, target: str | None) -> Iterator[Finding]:
    file, command = settings.index_key_file, settings.index_key_command
    found = keys.index_key(os.environ, file, command)
    origin = keys.origin_of(os.environ, keys.INDEX_KEY_VARIABLE, file, command)
    if found is not None and origin is not None:
        yield ok(INDEX_KEY, f"from {origin.text}, {len(found)} bytes")
        yield from _readers(INDEX_KEY, origin)
    elif settings.index is None or target is None:
        yield skip(INDEX_KEY, "none is given")
    else:
        kept = possible_key_files(settings, target, settings.index)
        there = next((one for one in kept if one.find() is not None), None)
        if there is None:
            why = f"none is kept in {kept[0].path}" if kept else NOWHERE
            yield ok(INDEX_KEY, f"none is given, and {why}: a KMS may have it")
        else:
            yield ok(INDEX_KEY, f"kept in {there.path} since the index was made")


def _readers(subject: str, origin: keys.Origin) -> Iterator[Finding]:
    if keys.readable_by_others(origin.file):
        text = f"every user of this machine can read {origin.file}"
        yield warn(subject, text, f"chmod 600 {shlex.quote(str(origin.file))}")
