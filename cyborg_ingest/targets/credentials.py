"""The keys of a connection, from wherever they are given: the service's, and the engine's licence."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cyborg_ingest.settings import keys
from cyborg_ingest.settings.hidden import Hidden, hidden, revealed
from cyborg_ingest.settings.scrubbing import KNOWN

if TYPE_CHECKING:
    from cyborg_ingest.settings.options import TargetSettings
    from cyborg_ingest.targets.base import Connection

_TOKEN = "cdbk_"  # noqa: S105 - how those of users begin


def api_key_of(settings: TargetSettings) -> Hidden[str] | None:
    """The service's key. What a program passes wins over the environment."""
    if settings.api_key is None:
        return hidden(keys.api_key(os.environ, settings.api_key_file, settings.api_key_command))
    keys.refuse_several(
        {"api_key": True, "--api-key-file": settings.api_key_file, "--api-key-command": settings.api_key_command}
    )
    return hidden(keys.given_api_key("api_key", settings.api_key))


def licence_of(settings: TargetSettings) -> Hidden[str] | None:
    """The engine's licence, in the place of a service's key."""
    if settings.api_key is None:
        return hidden(os.environ.get(keys.LICENCE_VARIABLE))
    return hidden(keys.given_api_key("api_key", settings.api_key))


def is_token(settings: TargetSettings) -> bool:
    """Whether the API key is a token that the root key has made for somebody."""
    found = api_key_of(settings)
    return found is not None and found.reveal().startswith(_TOKEN)


def know(connection: Connection) -> None:
    """Let nothing that is printed show the secrets of a connection."""
    for secret in (connection.api_key, connection.licence):
        KNOWN.add(revealed(secret))
    for name in keys.BUCKET_SECRETS:
        KNOWN.add(os.environ.get(name))
