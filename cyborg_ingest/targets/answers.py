"""What a service's answers mean: every status and every failure on the way becomes one of our errors."""

from __future__ import annotations

import datetime
import email.utils
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson
import requests

from cyborg_ingest.errors import (
    AccessError,
    CapReachedError,
    ConnectionLostError,
    IndexExistsError,
    MiscountError,
    NoIndexError,
    RefusedError,
    TargetError,
    ThrottledError,
    TooLargeError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN = 500
_UNKNOWN_OUTCOME = {408, 500, 502, 504}
_RETRYABLE = {408, 500, 502, 503, 504}
_UPSERTED = re.compile(r"Upserted (\d{1,15}) vectors?\b", re.ASCII)

_INDEX_KEY = "Set CYBORG_INGEST_INDEX_KEY or --index-key-file to the index's own key"

# Words in an answer -> the error, and the next step. Text sharpens a message here; it never decides on a retry
_MEANINGS: tuple[tuple[str, type[TargetError], str], ...] = (
    ("Item limit reached", CapReachedError, "Load into another index, or give the service a licence."),
    ("KMS blob already exists", IndexExistsError, ""),
    ("already exists", IndexExistsError, ""),
    ("do not supply index_key", AccessError, "Its key is kept by a KMS: give none."),
    ("provider=none; client_kek required", AccessError, f"{_INDEX_KEY}."),
    ("Wrong encryption key", AccessError, f"{_INDEX_KEY}."),
    ("does not authenticate", AccessError, f"The index is there, and this is not its key. {_INDEX_KEY}."),
    ("API Key is required", AccessError, "Set CYBORG_INGEST_API_KEY or give --api-key-file."),
    ("Invalid API Key", AccessError, "Look at CYBORG_INGEST_API_KEY or --api-key-file: the service knows another."),
    ("Invalid user API key", AccessError, "Look at CYBORG_INGEST_API_KEY or --api-key-file: the token is malformed."),
    ("No KMS envelope", NoIndexError, ""),
    ("requires an admin (root) API key", AccessError, "This needs the service's root key, not a cdbk_ token."),
    ("permission denied", AccessError, "A cdbk_ token needs the permissions read and write, on this index."),
)  # fmt: skip


class Secrets:
    """Keys that no message may show, in every form that an answer could echo them in."""

    def __init__(self, api_key: str | None = None, index_key: bytes | None = None) -> None:
        self._forms = [api_key] if api_key else []
        if index_key:
            self._forms += [index_key.hex(), index_key.hex().upper()]

    def scrub(self, text: str) -> str:
        """The text without them."""
        for form in self._forms:
            text = text.replace(form, "***")
        return text

    def __repr__(self) -> str:
        return "Secrets(***)"


def error_of_answer(target: str, answer: requests.Response, secrets: Secrets) -> TargetError:
    """The error that a status other than 200 means."""
    status, detail = answer.status_code, secrets.scrub(_detail(answer))[:_SHOWN]
    said = f"{target}: HTTP {status}" + (f": {detail.rstrip('.')}." if detail else ".")
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
    for mark, kind, advice in _MEANINGS:
        if mark in detail and status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return kind(f"{said} {advice}".rstrip())
    return _by_status(status, said, answer)


def _by_status(status: int, said: str, answer: requests.Response) -> TargetError:
    if status == HTTPStatus.UNAUTHORIZED:
        return AccessError(f"{said} Look at the API key and at the index's key.")
    if status == HTTPStatus.FORBIDDEN:
        return AccessError(f"{said} The API key does not permit this.")
    if status == HTTPStatus.NOT_FOUND:
        return NoIndexError(f"{said} Either there is no such index, or this is not its key.")
    if status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}:
        return RefusedError(said)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        host = urlsplit(answer.headers.get("Location", "")).netloc.rpartition("@")[2]
        return TargetError(f"{said} It sends elsewhere ({host or 'nowhere'}): name that address as --target.")
    return TargetError(f"{said} Is it a CyborgDB service?")


def _detail(answer: requests.Response) -> str:
    """The service's own words. A 422 echoes the request, keys and all, so only what it says of it is taken."""
    try:
        detail = orjson.loads(answer.content)["detail"]
    except (ValueError, KeyError, TypeError):
        return ""
    if isinstance(detail, list):
        return "; ".join(_complaints(detail))
    return str(detail)


def _complaints(detail: list[Any]) -> Iterator[str]:
    for one in detail[:5]:
        if isinstance(one, dict):
            place = ".".join(str(step) for step in one.get("loc", ()))
            yield f"{place}: {one.get('msg') or one.get('type')}"


def check_count(target: str, message: Any, rows: int) -> None:
    """Compare the number of rows that an answer speaks of, if any, with those that were sent. Raises MiscountError."""
    found = _UPSERTED.match(message) if isinstance(message, str) else None
    if found is not None and int(found[1]) != rows:
        raise MiscountError(
            f"{target} says that it took {int(found[1]):,} rows of a request with {rows:,}. What it has of them is not "
            "known: compare the index with cyborg-ingest verify."
        )


def retry_after(answer: requests.Response) -> float | None:
    """Seconds that the service asks to wait, given as seconds or as a date."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return max(0.0, (moment - datetime.datetime.now(datetime.timezone.utc)).total_seconds())


def error_of_transport(target: str, error: requests.RequestException) -> TargetError:  # noqa: PLR0911 - a table
    """The error that a failure without an answer means."""
    words = str(error)
    if isinstance(error, requests.exceptions.SSLError):
        return _tls_error(target, words)
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return ConnectionLostError(f"{target} does not answer: connecting timed out.", cause="timeout")
    if isinstance(error, requests.exceptions.ReadTimeout):
        return ConnectionLostError(
            f"{target} did not answer in time (--timeout sets how long to wait).",
            cause="timeout",
            outcome_unknown=True,
        )
    if isinstance(error, requests.exceptions.ProxyError):
        return ConnectionLostError(f"The proxy before {target} fails; see HTTP_PROXY and NO_PROXY.", cause="proxy")
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidHeader):
        return TargetError(f"{target}: {type(error).__name__}.")
    if "refused" in words or "Errno 111" in words or "NewConnectionError" in words or "NameResolution" in words:
        return ConnectionLostError(f"Nothing answers at {target}. Is the service running, and the port right?",
                                   cause="connect")  # fmt: skip
    return ConnectionLostError(
        f"{target} broke the connection ({_shortly(error)}). Does it speak https?",
        cause="reset",
        outcome_unknown=True,
    )


def _tls_error(target: str, words: str) -> TargetError:
    if "WRONG_VERSION_NUMBER" in words or "record layer failure" in words:
        return TargetError(f"{target} does not speak https. Name it as http://{target.partition('//')[2]}.")
    if "CERTIFICATE_VERIFY_FAILED" in words:
        return TargetError(
            f"{target}: its certificate cannot be verified. Trust its authority with --ca-cert FILE "
            "(or, at your own risk, --insecure)."
        )
    return ConnectionLostError(f"{target}: TLS failed ({words[:200]}).", cause="tls", outcome_unknown=True)


def _shortly(error: BaseException) -> str:
    """The innermost cause, by its name: its text repeats addresses of objects."""
    while error.args and isinstance(error.args[-1], BaseException):
        error = error.args[-1]
    return type(error).__name__
