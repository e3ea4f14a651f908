"""What a failure without an answer means: everything that the HTTP libraries raise becomes one of our errors."""

from __future__ import annotations

import http.client
import socket
import ssl
import zlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
import urllib3

from cyborg_ingest.errors import AccessError, ConnectionLostError, TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CAUSES = 10
"""How deep the libraries wrap each other's errors, at most."""

_NOT_YET_VALID, _EXPIRED, _REVOKED = 9, 10, 23
_OTHER_NAMES = {62, 64}
"""OpenSSL's X509_V_ERR_*: other host, other address."""

_NO_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidHeader,
    urllib3.exceptions.LocationValueError,
    UnicodeError,
)
_NO_CONNECTION = (urllib3.exceptions.NewConnectionError, ConnectionRefusedError, socket.gaierror, socket.herror)
_SLOW_CONNECTION = (requests.exceptions.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError)
_SLOW_ANSWER = (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
_NO_PROXY = (
    requests.exceptions.InvalidProxyURL,
    urllib3.exceptions.ProxySchemeUnknown,
    urllib3.exceptions.ProxySchemeUnsupported,
)
_BROKEN_ENCODING = (requests.exceptions.ContentDecodingError, urllib3.exceptions.DecodeError, zlib.error)


def error_of_transport(target: str, error: BaseException) -> TargetError:  # noqa: PLR0911 - a table
    """The error that a failure without an answer means: by the types of it and of what caused it."""
    causes = list(_causes(error))

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(one, kinds) for one in causes)

    if has(*_NO_PROXY):
        return TargetError(
            f"The proxy before {target} has no address that can be used; see HTTP_PROXY and HTTPS_PROXY."
        )
    if has(requests.exceptions.ProxyError, urllib3.exceptions.ProxyError):
        return _proxy_error(target, causes)
    if has(ssl.SSLError, ssl.CertificateError, requests.exceptions.SSLError, urllib3.exceptions.SSLError):
        return _tls_error(target, causes)
    if has(*_NO_CONNECTION):
        return ConnectionLostError(
            f"Nothing answers at {target}{_why(causes)}. Is the service running, and the port right?", cause="connect"
        )
    if has(*_SLOW_CONNECTION):
        return ConnectionLostError(f"{target} does not answer: connecting timed out.", cause="timeout")
    if has(*_SLOW_ANSWER):
        return ConnectionLostError(
            f"{target} did not give its answer in time (--timeout sets how long to wait).",
            cause="timeout",
            outcome_unknown=True,
        )
    if has(*_NO_ADDRESS):
        return TargetError(f"{target} is not an address that can be asked ({_innermost(causes)}).")
    if has(*_BROKEN_ENCODING):
        return ConnectionLostError(
            f"{target} answered in an encoding that cannot be read.", cause="garbage", outcome_unknown=True
        )
    return _broken(target, causes)


def _broken(target: str, causes: list[BaseException]) -> ConnectionLostError:
    hint = " If it speaks https, name it so." if urlsplit(target).scheme == "http" else ""
    return ConnectionLostError(
        f"{target} broke the connection ({_innermost(causes)}).{hint}", cause="reset", outcome_unknown=True
    )


def _proxy_error(target: str, causes: list[BaseException]) -> TargetError:
    """What a proxy said is in a text alone; it sharpens the message."""
    words = " ".join(str(one) for one in causes)
    if "407" in words:
        return AccessError(
            f"The proxy before {target} asks for a user and a password (407): HTTPS_PROXY holds them, as in "
            "http://user:password@proxy:port. NO_PROXY names hosts that need no proxy."
        )
    if "Tunnel connection failed: 403" in words:
        return AccessError(
            f"The proxy before {target} does not let it be reached (403), whatever the API key. NO_PROXY names hosts "
            "that need no proxy."
        )
    return ConnectionLostError(f"The proxy before {target} fails; see HTTP_PROXY and NO_PROXY.", cause="proxy")


def _tls_error(target: str, causes: list[BaseException]) -> TargetError:
    unverified = next((one for one in causes if isinstance(one, ssl.SSLCertVerificationError)), None)
    if unverified is not None or any(isinstance(one, ssl.CertificateError) for one in causes):
        return TargetError(_unverified(target, getattr(unverified, "verify_code", 0)))
    reasons = " ".join(str(getattr(one, "reason", "") or one) for one in causes)
    if "WRONG_VERSION_NUMBER" in reasons or "RECORD_LAYER_FAILURE" in reasons or "HTTP_REQUEST" in reasons:
        return TargetError(f"{target} does not speak https. Name it as http://{target.partition('//')[2]}.")
    return ConnectionLostError(f"{target}: TLS failed ({_innermost(causes)}).", cause="tls", outcome_unknown=True)


def _unverified(target: str, code: int) -> str:
    """One cause, one next step: a certificate that has expired is not fixed by trusting it."""
    host = urlsplit(target).hostname
    if code == _EXPIRED:
        return f"{target}: its certificate has expired. Whoever runs the service has to renew it."
    if code == _NOT_YET_VALID:
        return f"{target}: its certificate is not valid yet. Is this machine's clock right?"
    if code == _REVOKED:
        return f"{target}: its certificate was revoked. Whoever runs the service has to replace it."
    if code in _OTHER_NAMES:
        return (
            f"{target}: its certificate is for another name than {host!r}. Name the service as the certificate does, "
            "or have one made for this name."
        )
    return (
        f"{target}: its certificate cannot be verified. Trust its authority with --ca-cert FILE "
        "(or, at your own risk, --insecure)."
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and all that it was made of: what it wraps, what it was raised from, what it names as its reason."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting and len(seen) < _CAUSES:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [getattr(one, "reason", None), *one.args, one.__cause__, one.__context__]


def _why(causes: list[BaseException]) -> str:
    """What the system says of it, as " (connection refused)"."""
    said = next((one.strerror for one in causes if isinstance(one, OSError) and one.strerror and one.errno), "")
    return f" ({said[:1].lower()}{said[1:]})" if said else ""


def _innermost(causes: list[BaseException]) -> str:
    """The last cause, by its name: texts repeat addresses of objects, and may echo what was sent."""
    plain = [one for one in causes if not isinstance(one, http.client.HTTPException | requests.RequestException)]
    return type((plain or causes)[-1]).__name__
