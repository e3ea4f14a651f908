"""One request and its answer over HTTP, within bounds: a time for the whole answer, and a largest size.

`requests` and `urllib3` bound neither: their time-out is one for each piece that arrives, so a byte a second is never
late, and an answer without an end is read until the memory is full. Here the socket itself is read through `_Bounds`.
"""

from __future__ import annotations

import http.client
import io
import math
import time
import zlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from cyborg_ingest.targets.hosts import is_loopback

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from cyborg_ingest.targets.body import Pieces

FOREIGN = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,  # of ssl, socket and `requests` where it finds no certificates
    ValueError,  # of addresses, headers and encodings
    Warning,  # of both libraries, where Python is told to raise them
)
"""All that the libraries raise; whoever asks turns it into one of our errors."""

BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables that name the certificates that are trusted, as `requests` has it."""

_IDLE_SECONDS = 4.0
"""The service closes a kept-alive connection after 5 s; one older than this is not used again."""

_HEAD_BYTES = 1_000_000
_ERROR_BYTES = 1_000_000
_PIECE = 65_536


class TooMuchError(Exception):
    """An answer is larger than it may be."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that has been read; an error that is too large has no content."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class _Bounds(io.RawIOBase):
    """What one answer is read through: `left` bytes, until `deadline`."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self.left = _HEAD_BYTES
        seconds = sock.gettimeout()
        self._deadline = math.inf if seconds is None else time.monotonic() + seconds
        self._sock = sock
        self._raw: Any = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._deadline < math.inf:
            seconds = self._deadline - time.monotonic()
            if seconds <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(seconds)
        count: int | None = self._raw.readinto(buffer)
        self.left -= count or 0
        if self.left < 0:
            raise TooMuchError
        return count

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What `http.client` asks a socket for."""
        return io.BufferedReader(self)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """Reads through bounds, its status line and headers too."""

    def __init__(self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: Any = None) -> None:
        self.bounds = _Bounds(sock)
        super().__init__(self.bounds, debuglevel, method, url)  # type: ignore[arg-type] # all it uses is `makefile`


class _Sending:
    """A connection that gives a body the time of an answer: `urllib3` gives it the time for connecting."""

    response_class = _Response
    sending_seconds = 0.0
    sock: socket.socket | None

    def send(self, data: Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(self.sending_seconds)
        super().send(data)  # type: ignore[misc] # of the connection that this is mixed into


_UNVERIFIED: dict[str, Any] = {"is_verified": property(lambda _: True, lambda _, __: None)}
"""What `urllib3` warns by with each request, where verification was switched off by name: it helps nobody.

Warnings themselves are those of the whole process.
"""


class _Adapter(HTTPAdapter):
    """One connection at a time, of our own classes; nothing is tried again in here."""

    def __init__(self, seconds: float, *, warns: bool) -> None:
        bounds = {"sending_seconds": seconds}
        plain = type("PlainConnection", (_Sending, HTTPConnection), bounds)
        secure = type("SecureConnection", (_Sending, HTTPSConnection), bounds if warns else bounds | _UNVERIFIED)
        self._pools: dict[str, Any] = {
            "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *arguments: Any, **named: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **named)
        if type(manager) is urllib3.ProxyManager:  # one for SOCKS has connections of its own
            manager.pool_classes_by_scheme = self._pools
        return manager


class _Session(requests.Session):
    """Never looks where a redirect leads: to do so it reads all of the answer."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - its name, too, is theirs
        return None


class Line:
    """One thread's connection, made anew when it has been idle for too long."""

    def __init__(self, target: str, verify: bool | str, headers: dict[str, str], timeout: tuple[float, float]) -> None:
        self._target = target
        self._verify = verify
        self._headers = headers
        self._timeout = timeout
        self._used = 0.0
        self._session: requests.Session | None = None

    def ask(self, method: str, path: str, body: Pieces | bytes | None, largest: int) -> Answer:
        """Send one request, and read its answer of at most so many bytes. Raises TooMuchError and the FOREIGN."""
        try:
            answer = self._fresh().request(
                method, self._target + path, data=body, timeout=self._timeout, allow_redirects=False, stream=True
            )
            with answer:
                content = self._content(answer, largest)
        except BaseException as error:
            self.close()  # what is left of the connection may hold half an answer
            if isinstance(error, FOREIGN):
                raise
            raise error.with_traceback(None)  # noqa: B904 - itself, without the libraries' frames, which hold the keys
        finally:
            self._used = time.monotonic()
        if answer.status_code >= HTTPStatus.BAD_REQUEST:
            self.close()  # after an unhandled 500 the service hangs up without saying so
        return Answer(answer.status_code, answer.headers, content)

    def _content(self, answer: requests.Response, largest: int) -> bytes:
        if answer.status_code == HTTPStatus.OK:
            return _read(answer, largest)
        try:
            return _read(answer, _ERROR_BYTES)
        except TooMuchError:  # the status says enough; words that broke off may come whole another time
            self.close()
            return b""

    def _fresh(self) -> requests.Session:
        if self._session is not None and time.monotonic() - self._used > _IDLE_SECONDS:
            self.close()
        if self._session is None:
            session = self._session = _Session()
            session.headers.update(self._headers)
            # The environment is asked once: with each request it takes a third of the request's time. `.netrc`,
            # which would be sent as authentication, is not read at all
            session.trust_env = False
            session.proxies.update(proxies_for(self._target))
            session.verify = self._verify
            for scheme in ("http://", "https://"):
                session.mount(scheme, _Adapter(self._timeout[1], warns=self._verify is not False))
        return self._session

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._session is not None:
            self._session.close()
            self._session = None


def proxies_for(target: str) -> dict[str, str]:
    """The proxies that the environment names for a target. What stays on this machine never goes through one."""
    return {} if is_loopback(target) else get_environ_proxies(target)


def _read(answer: requests.Response, largest: int) -> bytes:
    bounds = getattr(answer.raw._original_response, "bounds", None)  # noqa: SLF001 - `requests` does so for cookies
    if bounds is not None:  # twice: what a chunk is framed in counts too
        bounds.left = 2 * largest + _HEAD_BYTES
    content = bytearray()
    while piece := answer.raw.read(_PIECE, decode_content=False):
        content += piece
        if len(content) > largest:
            raise TooMuchError
    return _decoded(bytes(content), answer.headers.get("Content-Encoding", ""), largest)


def _decoded(content: bytes, coding: str, largest: int) -> bytes:
    """What a proxy has compressed although nobody asked for it, as far as it stays within the size."""
    coding = coding.strip().lower()
    if coding in {"", "identity"} or not content:
        return content
    if coding not in {"gzip", "x-gzip", "deflate"}:
        raise http.client.HTTPException("an encoding that was not asked for")
    decoder = zlib.decompressobj(wbits=47 if "gzip" in coding else 15)  # 47: gzip or zlib, by its first bytes
    found = decoder.decompress(content, largest + 1)
    if len(found) > largest:
        raise TooMuchError
    if not decoder.eof:
        raise http.client.HTTPException("a compressed answer that broke off")
    return found
