"""Standard input: the pipe that this process reads from."""

from __future__ import annotations

import os
import sys

from cyborg_ingest.errors import SourceError
from cyborg_ingest.sources.base import Found, Listing
from cyborg_ingest.sources.names import STDIN
from cyborg_ingest.sources.streams import Stream


class StandardInput(Stream):
    """See `streams.Stream`."""

    uri = STDIN
    title = "Standard input"
    advice = "Feed it with the same bytes"

    def find(self, source: str) -> Listing:
        """See `base.Store`."""
        if sys.stdin is None or sys.stdin.closed:
            raise SourceError("- is standard input, and there is none.")
        return Listing((Found(source),))

    def more(self, size: int) -> bytes:
        """See `Stream`."""
        return os.read(sys.stdin.fileno(), size)

    def finish(self) -> None:
        """See `Stream`: whoever feeds a pipe does not say how it ended."""
