"""A monitor that waits for a load, a webhook, a command: they hear that it begins, and how it ended.

The start is told while the load runs already.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import ExitCode
from cyborg_ingest.output.hearers import Hearer
from cyborg_ingest.output.onend import run_on_end
from cyborg_ingest.output.posting import Post, faults_of, keep_secret
from cyborg_ingest.settings.hidden import hidden, revealed
from cyborg_ingest.settings.scrubbing import KNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.output.hearers import Ending
    from cyborg_ingest.settings.options import NotifySettings

_COUNTS = ("status", "exit_code", "rows", "load_seconds", "rows_per_second", "requests", "retries", "rejects")
"""What of a report a ping says: numbers and codes."""


class Notifier(Hearer):
    """Tells of one load."""

    name = "Who was to be notified"

    def __init__(self, settings: NotifySettings, *, is_dry: bool) -> None:
        ping, webhook = (hidden(settings.address(flag)) for flag in ("--ping-url", "--webhook"))
        for address in filter(None, (revealed(ping), revealed(webhook))):
            keep_secret(address)
        # a monitor would take a dry run for a load
        self._ping = None if is_dry else ping
        self._webhook = webhook
        self._on_end = settings.on_end
        self._id = str(uuid.uuid4())
        self._begun: Post | None = None

    def begin(self) -> None:
        """Tell that the load begins; nothing is waited for."""
        if self._ping is not None:
            self._begun = Post("--ping-url", "that the load began", self._ping, _body({}), more="/start", run=self._id)
            self._begun.start()

    def end(self, ending: Ending) -> Iterator[str]:
        """Tell how it ended; what could not be told, in words.

        A monitor hears nothing of a load that never began, since another process was at it: that one is heard of.
        """
        if self._begun is None and ending.result["exit_code"] == ExitCode.BUSY:
            self._ping = None
        if self._begun is None:
            self.begin()
        result = ending.result
        told = [self._begun] if self._begun is not None else []
        code, sent = f"/{result['exit_code']}", len(told)
        if self._ping is not None:
            body = _body({name: result[name] for name in _COUNTS if name in result})
            what = "how the load ended"
            told.append(Post("--ping-url", what, self._ping, body, more=code, run=self._id, after=self._begun))
        if self._webhook is not None:
            told.append(Post("--webhook", "the report", self._webhook, _body(result)))
        for post in told[sent:]:
            post.start()
        yield from faults_of(told)
        if self._on_end is not None:
            fault = run_on_end(self._on_end, result, ending.report)
            if fault is not None:
                yield fault


def _body(result: dict[str, Any]) -> bytes:
    return json.dumps(KNOWN.scrubbed(result)).encode()
