"""All that is looked at, one after another; what fails keeps none of the others from being looked at."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cyborg_ingest.doctor import keyrings, machine, reach
from cyborg_ingest.doctor.extras import extras
from cyborg_ingest.doctor.finding import looked_at, of_error, ok, skip
from cyborg_ingest.errors import IngestError, UsageError
from cyborg_ingest.state.jobs import state_directory
from cyborg_ingest.targets import is_embedded
from cyborg_ingest.targets.opening import client_of
from cyborg_ingest.targets.rest import RestClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.doctor.finding import Finding
    from cyborg_ingest.settings.configfile import Configuration
    from cyborg_ingest.settings.options import DoctorSettings
    from cyborg_ingest.targets.base import Client

_LONGEST_SECONDS = 15.0
"""For one answer; somebody waits for all of them."""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at. `creates`: a load would make the index.

    `fault`: what is wrong with the file, or that a key is given in two ways.
    """

    settings: DoctorSettings
    file: Configuration | None = None
    fault: UsageError | None = None
    creates: bool = False


def examine(patient: Patient) -> Iterator[Finding]:
    """All findings, in the order in which they are shown."""
    settings = patient.settings
    quick = replace(settings, retries=0, timeout=min(settings.timeout, _LONGEST_SECONDS), allow_plain_http=True)
    yield from machine.versions()
    yield from extras(needed=_needed(settings))
    yield from looked_at("configuration", lambda: _configuration(patient))
    yield from machine.variables()
    yield from looked_at("state", lambda: machine.state(state_directory(settings.state_dir)))
    yield from _kept_state(settings.state_uri)
    yield from _target(quick, creates=patient.creates)


def _needed(settings: DoctorSettings) -> set[str]:
    kept = {"state-uri"} if settings.state_uri else set[str]()
    return kept | ({"embedded"} if _is_embedded(settings) else set())


def _is_embedded(settings: DoctorSettings) -> bool:
    try:
        return bool(settings.target) and is_embedded(settings.target or "")
    except UsageError:  # the target itself is told of it
        return False


def _kept_state(uri: str | None) -> Iterator[Finding]:
    """Whether state can be kept elsewhere, where it is to be."""
    if uri is None:
        return
    from cyborg_ingest.state.remote.trying import check_store  # noqa: PLC0415 - few loads need it

    try:
        check_store(uri)
    except IngestError as error:
        yield of_error("state uri", error)
    else:
        yield ok("state uri", f"{uri} can be read and written, and refuses what a second holder of a lock would write")


def _configuration(patient: Patient) -> Iterator[Finding]:
    if patient.fault is not None:
        raise patient.fault
    if patient.file is None:
        yield ok("configuration", "there is no file; options come from flags and variables")
        return
    patient.file.check(os.environ)
    jobs, profiles = len(patient.file.jobs), len(patient.file.profiles)
    yield ok("configuration", f"{patient.file.path} is valid: jobs {jobs}, profiles {profiles}")


def _target(settings: DoctorSettings, *, creates: bool) -> Iterator[Finding]:
    client: Client | None = None
    found: list[Finding] = []
    try:
        client = client_of(settings)
    except IngestError as error:
        found.append(of_error("target", error))
    try:
        if isinstance(client, RestClient):
            found += reach.service(client)
            found += keyrings.api_key(settings)
        elif client is not None:
            found += reach.embedded(client)
        elif not _is_embedded(settings):
            found += keyrings.api_key(settings)
        yield from found
        yield from keyrings.index_key(settings, client.target if client is not None else None)
        if client is None or not reach.is_answering(found):
            yield skip("index", "the target cannot be asked")
            return
        if isinstance(client, RestClient):
            yield from reach.permissions(client, settings)
    finally:
        if client is not None:
            client.close()
    yield from reach.index(settings, creates=creates)
