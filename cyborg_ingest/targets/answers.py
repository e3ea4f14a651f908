"""What a service's answers mean: every status and every failure on the way becomes one of our errors."""

from __future__ import annotations

import datetime
import email.utils
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import orjson

from cyborg_ingest.errors import (
    AccessError,
    CapReachedError,
    IndexExistsError,
    IndexKeyError,
    MiscountError,
    NoIndexError,
    NoIndexOrKeyError,
    RefusedError,
    TargetError,
    ThrottledError,
    TooLargeError,
    UnavailableError,
)
from cyborg_ingest.targets.terms import index_in, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.settings.scrubbing import Secrets
    from cyborg_ingest.targets.wire import Answer

_SHOWN = 500
_UNKNOWN_OUTCOME = {408, 500, 502, 504}
_RETRYABLE = {408, 500, 502, 503, 504}
_UPSERTED = re.compile(r"Upserted (\d{1,15}) vectors?\b", re.ASCII)

_KMS = (
    "Its key is kept by a KMS: give none (no CYBORG_INGEST_INDEX_KEY, no --index-key-file, no key file that an earlier "
    "index of this name has left)."
)
_INDEX_KEY = "Set CYBORG_INGEST_INDEX_KEY or --index-key-file to the index's own key"


class _Meaning(NamedTuple):
    """Words in an answer -> the error, and the next step. Text sharpens a message here; it never decides on a retry.

    `plain` is said in place of the service's own words, where these are of its inside; {index} and {target} in it.
    """

    words: str
    kind: type[TargetError]
    advice: str
    plain: str = ""


_MISSING = "There is no {index} at {target}."
_OTHER_KEY = "{target}: this is not the key of {index}."

_MEANINGS = tuple(_Meaning(*one) for one in (
    ("Item limit reached", CapReachedError, "Load into another index, or give the service a licence."),
    ("KMS blob already exists", IndexExistsError, "", "{target}: {index} is there already."),
    ("already exists", IndexExistsError, ""),
    ("do not supply index_key", IndexKeyError, _KMS, "{target}: a key is given for {index}, which takes none."),
    ("provider=none; client_kek required", IndexKeyError, f"{_INDEX_KEY}.", "{target}: {index} needs its key."),
    ("Wrong encryption key", IndexKeyError, f"{_INDEX_KEY}.", _OTHER_KEY),
    ("does not authenticate", IndexKeyError, f"{_INDEX_KEY}.", _OTHER_KEY),
    ("API Key is required", AccessError, "Set CYBORG_INGEST_API_KEY or give --api-key-file."),
    ("Invalid API Key", AccessError, "Look at CYBORG_INGEST_API_KEY or --api-key-file: the service knows another."),
    ("Invalid user API key", AccessError, "Look at CYBORG_INGEST_API_KEY or --api-key-file: the token is malformed."),
    ("No KMS envelope", NoIndexError, "", _MISSING),
    ("does not exist at the configured storage target", NoIndexError, "", _MISSING),
    ("requires an admin (root) API key", AccessError, "This needs the service's root key, not a cdbk_ token."),
    ("permission denied", AccessError, "A cdbk_ token needs the permissions read and write, on this index."),
))  # fmt: skip


def error_of_answer(target: str, answer: Answer, secrets: Secrets, *, is_proxied: bool = False) -> TargetError:
    """The error that a status other than 200 means. `is_proxied`: a proxy may be the one that says it."""
    status, detail = answer.status, secrets.scrub(_detail(answer))[:_SHOWN]
    said = f"{target}: HTTP {status}" + (f": {plain(detail).rstrip('.')}." if detail else ".")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return ThrottledError(said, cause="429", retry_after=retry_after(answer))
    if status in _RETRYABLE:
        return UnavailableError(
            said,
            cause=str(status),
            retry_after=retry_after(answer),
            outcome_unknown=status in _UNKNOWN_OUTCOME,
        )
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return TooLargeError(said)
    for one in _MEANINGS:
        if one.words in detail and status < HTTPStatus.INTERNAL_SERVER_ERROR:
            told = one.plain.format(index=index_in(detail), target=target) if one.plain else said
            return one.kind(f"{told} {one.advice}".rstrip())
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return TargetError(f"{said} {_elsewhere(target, secrets.scrub(answer.headers.get('Location', '')))}")
    return _by_status(status, said, is_own=bool(detail), is_proxied=is_proxied)


def _by_status(status: int, said: str, *, is_own: bool, is_proxied: bool) -> TargetError:  # noqa: PLR0911 - a table
    """`is_own`: the answer has the shape of the service's own; else something between may have given it."""
    between = "a proxy (see HTTP_PROXY and NO_PROXY)" if is_proxied else "a gateway, firewall or other service"
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return AccessError(f"{said} A proxy on the way asks for a user and a password: HTTP_PROXY holds them.")
    if status == HTTPStatus.UNAUTHORIZED:
        hint = "Look at the API key and at the index's key."
        return AccessError(f"{said} {hint}" if is_own else f"{said} {hint} Or it is {between} that asks for a login.")
    if status == HTTPStatus.FORBIDDEN:
        if is_own:
            return AccessError(f"{said} The API key does not permit this.")
        return AccessError(
            f"{said} The service would give a reason, so it is {between} that forbids this, whatever the API key."
        )
    if status == HTTPStatus.NOT_FOUND:
        if is_own:
            return NoIndexOrKeyError(f"{said} Either there is no such index, or this is not its key.")
        return TargetError(f"{said} Is it a CyborgDB service?")
    if status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}:
        return RefusedError(said)
    return TargetError(f"{said} Is it a CyborgDB service?")


def _elsewhere(target: str, location: str) -> str:
    """Where a redirect leads. It is never followed: the keys would go there too."""
    try:
        there = urlsplit(urljoin(target, location))
    except ValueError:
        there = urlsplit("")
    here, host = urlsplit(target), there.netloc.rpartition("@")[2]
    if not host:
        return "It redirects to nowhere. Is it a CyborgDB service?"
    address = f"{there.scheme}://{host}"
    if here.scheme == "https" and there.scheme != "https":
        return f"It redirects to {address}, without https: the keys are not sent there."
    if (here.scheme, here.netloc) == (there.scheme, host):
        return "It redirects to another path of its own. Is it a CyborgDB service?"
    return f"It redirects to {address}; the keys are not sent there. If that is the service, name it as --target."


def _detail(answer: Answer) -> str:
    """The service's own words. A 422 echoes the request, keys and all, so only what it says of it is taken."""
    try:
        detail = orjson.loads(answer.content)["detail"]
    except (ValueError, KeyError, TypeError, IndexError):
        return ""
    if isinstance(detail, list):
        return "; ".join(_complaints(detail))
    return str(detail)


def _complaints(detail: list[Any]) -> Iterator[str]:
    for one in detail[:5]:
        if isinstance(one, dict):
            steps, said = one.get("loc"), one.get("msg") or one.get("type")
            place = ".".join(map(str, steps)) if isinstance(steps, list) else steps
            yield ": ".join(str(part) for part in (place, said) if part)


def check_count(target: str, message: Any, rows: int) -> None:
    """Compare the number of rows that an answer speaks of, if any, with those that were sent. Raises MiscountError."""
    found = _UPSERTED.match(message) if isinstance(message, str) else None
    if found is not None and int(found[1]) != rows:
        raise MiscountError(
            f"{target} says that it took {int(found[1]):,} rows of a request with {rows:,}. What it has of them is not "
            "known: send them again, or compare what it holds."
        )


def retry_after(answer: Answer) -> float | None:
    """Seconds that the service asks to wait, given as seconds or as a date."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():  # other scripts' digits, and superscripts, are digits to Python too
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.timezone.utc)
        return max(0.0, (moment - datetime.datetime.now(datetime.timezone.utc)).total_seconds())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
