"""What can be said of a host by its name alone: whether it can be one, and whether it is this machine."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

_LONGEST_LABEL, _LONGEST_NAME = 63, 253
_IMPOSSIBLE = re.compile(r"[\s\x00-\x20\x7f\"<>\\^`{|}%,;()\[\]*!$&'+=]")


def fault_of(host: str) -> str | None:  # noqa: PLR0911 - a table
    """Why a name cannot be that of a host; None if it can."""
    if ":" in host:
        try:
            ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return "it is not an IPv6 address"
        return None
    found = _IMPOSSIBLE.search(host)
    if found is not None:
        return f"a name of a host has no {found[0]!r}"
    name = host.removesuffix(".")
    if not all(name.split(".")):
        return "a part of it between two dots is empty"
    try:
        labels = [_ascii(label) for label in name.split(".")]
    except UnicodeError:
        return "it has characters that no host has, or a part that is too long"
    if max(map(len, labels)) > _LONGEST_LABEL or len(".".join(labels)) > _LONGEST_NAME:
        return f"a part between two dots has at most {_LONGEST_LABEL} characters, and a name {_LONGEST_NAME}"
    return None


def _ascii(label: str) -> str:
    return label if label.isascii() else label.encode("idna").decode("ascii")


def is_loopback(target: str) -> bool:
    """Whether an address like `http://host:port` stays on this machine, as far as its name says so."""
    host = (urlsplit(target).hostname or "").removesuffix(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return _is_short_loopback(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback or address.is_unspecified


def _is_short_loopback(host: str) -> bool:
    """Spellings like 127.1, which a system takes for 127.0.0.1."""
    try:
        return host[:1].isdigit() and socket.inet_aton(host)[0] == 127  # noqa: PLR2004 - 127.0.0.0/8
    except OSError:
        return False
