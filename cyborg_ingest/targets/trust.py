"""Whose certificates are trusted, and the one that a service shows."""

from __future__ import annotations

import datetime
import os
import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from cyborg_ingest.errors import UsageError
from cyborg_ingest.targets.transport import error_of_transport
from cyborg_ingest.targets.wire import BUNDLES, FOREIGN

if TYPE_CHECKING:
    from cyborg_ingest.targets.base import Connection

_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")
"""How OpenSSL finds a certificate in a directory."""


def verification(connection: Connection) -> bool | str:
    """Whose certificates are trusted: those asked for by option, else by the environment, else the usual.

    Raises UsageError where they cannot be read.
    """
    if connection.insecure:
        return False
    if connection.ca_cert:
        return _certificates(f"--ca-cert {connection.ca_cert}", connection.ca_cert)
    for name in BUNDLES:
        bundle = os.environ.get(name)
        if bundle:
            path = Path(bundle)
            if path.is_dir() and any(_HASHED.fullmatch(one.name) for one in path.iterdir()):
                return bundle
            return _certificates(f"{name} is {bundle}", path)
    return True


def _certificates(named: str, path: Path) -> str:
    try:
        if not path.is_file():
            raise UsageError(f"{named}: {'not a file' if path.exists() else 'no such file'}. It takes a PEM file.")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise UsageError(f"{named}: there is no certificate in it. It takes a PEM file.") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{named}: {getattr(error, 'strerror', None) or error}. It takes a PEM file.") from None
    return str(path)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a service shows of itself: the names that it is for, and until when."""

    names: tuple[str, ...]
    until: datetime.datetime


def certificate_of(target: str, connection: Connection) -> Certificate:
    """The certificate of a service, verified as each request does it. Raises TargetError, UsageError."""
    trusted, parts = verification(connection), urlsplit(target)
    try:
        context = _context(trusted)
        place = (parts.hostname or "", parts.port or 443)
        with (
            socket.create_connection(place, timeout=connection.connect_timeout) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as secure,
        ):
            shown = secure.getpeercert() or {}
        until = datetime.datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), datetime.timezone.utc)
    except (*FOREIGN, KeyError) as error:
        raise error_of_transport(target, error) from None
    names = shown.get("subjectAltName", ())
    return Certificate(tuple(str(name[1]) for name in names), until)


def _context(trusted: bool | str) -> ssl.SSLContext:
    place = trusted if isinstance(trusted, str) else DEFAULT_CA_BUNDLE_PATH  # what `requests` itself trusts
    is_folder = Path(place).is_dir()
    return ssl.create_default_context(cafile=None if is_folder else place, capath=place if is_folder else None)
