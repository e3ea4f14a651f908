"""POSTs to addresses that a user has named: by threads of their own, within a few seconds, and no address is shown."""

from __future__ import annotations

import base64
import os
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from cyborg_ingest import __version__
from cyborg_ingest.settings.scrubbing import KNOWN
from cyborg_ingest.targets.transport import error_of_transport
from cyborg_ingest.targets.wire import BUNDLES, FOREIGN, Line, TooMuchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cyborg_ingest.settings.hidden import Hidden

SECONDS = 5.0
"""How long whoever is told may take to answer, all tries together."""

JSON = "application/json"

_TRIES, _PAUSE = 3, 0.5
_LARGEST = 100_000
_SECRET = 12
"""Characters of a part of an address that is secret by itself; shorter ones are words, as in `/services/`."""
_SHORTEST_PASSWORD = 5
"""Characters of a password that is looked for in what is said; a shorter one is found in ordinary words."""

_MAY_PASS = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}

_WHY = {
    "connect": "nothing answers there",
    "timeout": "it gave no answer in time",
    "reset": "it broke the connection",
    "tls": "TLS failed",
    "proxy": "the proxy before it fails",
    "garbage": "its answer cannot be read",
}


class Post(threading.Thread):
    """A POST, of `what` is told. `fault` says why it has not arrived, as long as it has not."""

    def __init__(
        self,
        option: str,
        what: str,
        address: Hidden[str],
        body: bytes,
        *,
        kind: str = JSON,
        more: str = "",
        run: str | None = None,
        after: Post | None = None,
    ) -> None:
        super().__init__(name="notifier", daemon=True)  # the resolver may take half a minute, and nobody waits for it
        self._option, self._what, self._address = option, what, address
        self._more, self._run, self._after = more, run, after
        self._body, self._kind = body, kind
        self.fault: str | None = self._words(_WHY["timeout"])

    def _words(self, why: str) -> str:
        parts = urlsplit(self._address.reveal())
        return f"{self._option} was not told {self._what}: {parts.scheme}://{parts.hostname}: {why}."

    def run(self) -> None:
        """Send it, after another one, and some times where it fails in a way that may pass."""
        until = time.monotonic() + SECONDS
        if self._after is not None:
            self._after.join(SECONDS)
        for left in reversed(range(_TRIES)):
            seconds = until - time.monotonic()
            if seconds <= 0:
                return
            why, may_pass = self._sent(seconds)
            self.fault = None if why is None else self._words(why)
            if not (may_pass and left):
                return
            time.sleep(_PAUSE)

    def _sent(self, seconds: float) -> tuple[str | None, bool]:
        """Why it did not arrive, if it did not, and whether another try may help."""
        host, path = _parted(self._address.reveal(), self._more, self._run)
        headers = {"Content-Type": self._kind, "User-Agent": f"cyborg-ingest/{__version__}"}
        headers |= _authorization(self._address.reveal())
        verify = next(filter(None, map(os.environ.get, BUNDLES)), True)
        line = Line(host, verify, headers, (seconds, seconds))
        try:
            status = line.ask("POST", path, self._body, _LARGEST).status
        except TooMuchError:  # said behind a 200
            return None, False
        except FOREIGN as error:
            cause = getattr(error_of_transport(host, error), "cause", "")
            return _WHY.get(cause, "its certificate, or the way to it, cannot be used"), cause in _WHY
        finally:
            line.close()
        if status < HTTPStatus.MULTIPLE_CHOICES:
            return None, False
        is_redirect = status < HTTPStatus.BAD_REQUEST
        words = f"it answers {status}" + (", and leads elsewhere, which is not followed" if is_redirect else "")
        return words, status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _MAY_PASS


def faults_of(posts: Iterable[Post]) -> Iterator[str]:
    """Wait for them a few seconds, all together; why those have not arrived that have not."""
    until = time.monotonic() + SECONDS
    for post in posts:
        post.join(max(0.0, until - time.monotonic()))
        if post.fault is not None:
            yield post.fault


def _parted(address: str, more: str, run: str | None) -> tuple[str, str]:
    """An address as host, and as path with all that is added to it."""
    parts = urlsplit(address)
    path = (parts.path.rstrip("/") if more else parts.path or "/") + more
    query = "&".join(filter(None, (parts.query, f"rid={run}" if run else "")))
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}", path + (f"?{query}" if query else "")


def _authorization(address: str) -> dict[str, str]:
    """The header that says who we are, where the address does."""
    parts = urlsplit(address)
    if parts.username is None:
        return {}
    both = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(both.encode()).decode()}"}


def keep_secret(address: str) -> None:
    """Let nothing that is printed show an address: as a whole, without its host, and each part that is telling."""
    parts = urlsplit(address)
    if not (parts.path.strip("/") or parts.query or parts.username is not None):
        return  # a host alone is nothing that others do not know
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    values = [one.partition("=")[2] for one in parts.query.split("&")]
    telling = [one for one in (target, *parts.path.split("/"), *values) if len(one) >= _SECRET]
    for password in {parts.password or "", unquote(parts.password or "")}:
        telling += [password] if len(password) >= _SHORTEST_PASSWORD else []
    for one in (address, *telling):
        KNOWN.add(one)
