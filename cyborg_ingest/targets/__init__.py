"""Where rows go: a table of engines by the scheme of the target.

Start with `base`, which says what an engine has to offer; `opening` reaches one, `retrying` asks again by one policy.
Nothing here knows where rows come from.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cyborg_ingest.errors import UsageError, masked

if TYPE_CHECKING:
    from cyborg_ingest.targets.base import Client, Connection

_HOST_AND_PORT = re.compile(r"[A-Za-z0-9.-]+:\d{1,5}", re.ASCII)
_FORMS = (
    "A target is http://HOST:PORT or https://HOST:PORT (a service), disk:PATH or s3://BUCKET/PREFIX (the engine in "
    "this process)."
)


def is_embedded(target: str) -> bool:
    """Whether the target is the engine in this process. Raises UsageError for a target of no known form."""
    scheme = target.partition(":")[0].lower()
    if scheme in {"http", "https"}:
        return False
    if scheme in {"disk", "s3"} and ":" in target:
        return True
    shown = masked(target)
    hint = f" Did you mean http://{shown}?" if _HOST_AND_PORT.fullmatch(target) else ""
    hint = hint or (f" Did you mean disk:{shown}?" if target.startswith((".", "/", "~")) else "")
    raise UsageError(f"Target {shown!r} has no scheme that is known.{hint} {_FORMS}")


def one_spelling(target: str) -> str:
    """The target as a client of it names it, however it was typed. Raises UsageError."""
    return _place(target) if is_embedded(target) else _service(target)


def connect(target: str, connection: Connection) -> Client:
    """A client for the target. Raises UsageError; nothing is sent yet."""
    if not is_embedded(target):
        from cyborg_ingest.targets.rest import RestClient  # noqa: PLC0415 - one engine need not import the other

        return RestClient(_service(target), connection)
    from cyborg_ingest.targets.embedded import EmbeddedClient  # noqa: PLC0415

    for option, value in (("--ca-cert", connection.ca_cert), ("--insecure", connection.insecure)):
        if value:
            raise UsageError(f"{option} is for a service over https; {target} is embedded.")
    return EmbeddedClient(_place(target), connection)


def _service(target: str) -> str:
    """The address of a service, checked: what is shown and logged must hold no secret."""
    from cyborg_ingest.targets import hosts  # noqa: PLC0415 - `--help` does not need it

    if any(one.isspace() or not one.isprintable() for one in target):  # some of them would be left out in silence
        raise UsageError(f"Target {masked(target)!r} holds blanks or control characters. {_FORMS}")
    try:
        parts = urlsplit(target)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"Target {masked(target)!r} is not an address: {masked(str(error))}. {_FORMS}") from None
    if parts.username or parts.password:
        raise UsageError("The target holds a user or password. Keys come from CYBORG_INGEST_API_KEY or --api-key-file.")
    if not host:
        raise UsageError(f"Target {masked(target)!r} names no host. {_FORMS}")
    fault = "0 is not a port" if port == 0 else hosts.fault_of(host)
    if fault:
        raise UsageError(f"Target {masked(target)!r} cannot be reached: {fault}.")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError(f"Target {masked(target)!r} has more than host and port; the paths are the service's own.")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else "")


def _place(target: str) -> str:
    """The directory or bucket, in one spelling: absolute, with ~ expanded."""
    scheme, _, place = target.partition(":")
    if scheme.lower() == "s3":
        bucket, _, prefix = place.removeprefix("//").partition("/")
        if not place.startswith("//") or not bucket:
            raise UsageError(f"Target {masked(target)!r} names no bucket. {_FORMS}")
        if "@" in bucket or "?" in place:
            raise UsageError(
                f"Target {masked(target)!r} holds credentials or options. A bucket's keys come from "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            )
        return f"s3://{bucket}/{prefix.strip('/')}".rstrip("/")
    path = place.removeprefix("//") if place.startswith("//") else place
    if not path:
        raise UsageError(f"Target {target!r} names no directory. {_FORMS}")
    found = os.path.realpath(os.path.expanduser(path))  # noqa: PTH111 - a Path raises another error for ~nobody
    if path.startswith("~") and os.path.expanduser(path) == path:  # noqa: PTH111 - the same
        raise UsageError(f"Target {target!r}: there is no such user, or no home directory. Name the whole path.")
    return f"disk:{found}"


def as_spelled(target: str) -> str:
    """A directory as it was spelled, links and all; any other target as it is."""
    scheme, _, place = target.partition(":")
    if scheme.lower() != "disk":
        return target
    return f"disk:{Path(os.path.expanduser(place.removeprefix('//'))).absolute()}"  # noqa: PTH111 - as in `_place`
