"""Who hears of a load beside those who watch: a monitor that waits for it, a webhook, a command.

None of them changes how the load ends. Requests are sent by threads of their own and are given a few seconds; what did
not arrive is said. The start is told while the load goes on already.
"""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cyborg_ingest import __version__
from cyborg_ingest.errors import ExitCode
from cyborg_ingest.output.onend import run_on_end
from cyborg_ingest.settings.hidden import hidden
from cyborg_ingest.settings.scrubbing import KNOWN
from cyborg_ingest.targets.transport import error_of_transport
from cyborg_ingest.targets.wire import BUNDLES, FOREIGN, Line, TooMuchError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cyborg_ingest.settings.hidden import Hidden
    from cyborg_ingest.settings.options import NotifySettings

SECONDS = 5.0
"""How long whoever is told may take to answer, all tries together."""

_TRIES, _PAUSE = 3, 0.5
_LARGEST = 100_000
_SECRET = 12
"""Characters of a part of an address that is secret by itself; shorter ones are words, as in `/services/`."""

_MAY_PASS = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
_COUNTS = ("status", "exit_code", "rows", "load_seconds", "rows_per_second", "requests", "retries", "rejects")
"""What of a report a ping says: numbers and codes."""

_WHY = {
    "connect": "nothing answers there",
    "timeout": "it gave no answer in time",
    "reset": "it broke the connection",
    "tls": "TLS failed",
    "proxy": "the proxy before it fails",
    "garbage": "its answer cannot be read",
}


class Notifier:
    """Tells of one load."""

    def __init__(self, settings: NotifySettings, *, is_dry: bool) -> None:
        for address in filter(None, (settings.ping_url, settings.webhook)):
            _keep_secret(address)
        # a monitor would take a dry run for a load
        self._ping = None if is_dry else hidden(settings.ping_url)
        self._webhook = hidden(settings.webhook)
        self._on_end = settings.on_end
        self._id = str(uuid.uuid4())
        self._begun: _Message | None = None

    def begin(self) -> None:
        """Tell that the load begins; nothing is waited for."""
        if self._ping is not None:
            self._begun = _Message("--ping-url", self._ping, {}, more="/start", run=self._id)
            self._begun.start()

    def end(self, result: dict[str, Any], report: Path | None) -> Iterator[str]:
        """Tell how it ended; what could not be told, in words. `report`: where the result is kept, if it is.

        A monitor hears nothing of a load that never began, since another process was at it: that one is heard of.
        """
        if self._begun is None and result["exit_code"] == ExitCode.BUSY:
            self._ping = None
        if self._begun is None:
            self.begin()
        told = [self._begun] if self._begun is not None else []
        code, sent = f"/{result['exit_code']}", len(told)
        if self._ping is not None:
            counts = {name: result[name] for name in _COUNTS if name in result}
            told.append(_Message("--ping-url", self._ping, counts, more=code, run=self._id, after=self._begun))
        if self._webhook is not None:
            told.append(_Message("--webhook", self._webhook, result))
        for message in told[sent:]:
            message.start()
        until = time.monotonic() + SECONDS
        for message in told:
            message.join(max(0.0, until - time.monotonic()))
            if message.fault is not None:
                yield message.fault
        if self._on_end is not None:
            fault = run_on_end(self._on_end, result, report)
            if fault is not None:
                yield fault


class _Message(threading.Thread):
    """A POST of JSON. `fault` says why it has not arrived, as long as it has not."""

    def __init__(
        self,
        option: str,
        address: Hidden[str],
        body: dict[str, Any],
        *,
        more: str = "",
        run: str | None = None,
        after: _Message | None = None,
    ) -> None:
        super().__init__(name="notifier", daemon=True)  # the resolver may take half a minute, and nobody waits for it
        self._option, self._address, self._more, self._run, self._after = option, address, more, run, after
        self._body = json.dumps(KNOWN.scrubbed(body)).encode()
        self.fault: str | None = self._words(_WHY["timeout"])

    def _words(self, why: str) -> str:
        parts = urlsplit(self._address.reveal())
        what = {"": "the report", "/start": "that the load began"}.get(self._more, "how the load ended")
        return f"{self._option} was not told {what}: {parts.scheme}://{parts.hostname}: {why}."

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
        headers = {"Content-Type": "application/json", "User-Agent": f"cyborg-ingest/{__version__}"}
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


def _parted(address: str, more: str, run: str | None) -> tuple[str, str]:
    """An address as host, and as path with all that is added to it."""
    parts = urlsplit(address)
    path = (parts.path.rstrip("/") if more else parts.path or "/") + more
    query = "&".join(filter(None, (parts.query, f"rid={run}" if run else "")))
    return f"{parts.scheme}://{parts.netloc}", path + (f"?{query}" if query else "")


def _keep_secret(address: str) -> None:
    """Let nothing that is printed show an address: as a whole, without its host, and each part that is telling."""
    parts = urlsplit(address)
    if not (parts.path.strip("/") or parts.query):
        return  # a host alone is nothing that others do not know
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    values = [one.partition("=")[2] for one in parts.query.split("&")]
    long = [one for one in (target, *parts.path.split("/"), *values) if len(one) >= _SECRET]
    for one in (address, *long):
        KNOWN.add(one)
