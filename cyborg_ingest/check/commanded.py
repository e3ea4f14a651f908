"""The sources of a command's settings; where a program makes the rows, it runs meanwhile and is ended with it."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from cyborg_ingest import sources as places
from cyborg_ingest.facts import Said
from cyborg_ingest.settings.environment import for_others

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyborg_ingest.facts import Event
    from cyborg_ingest.settings.options import InspectSettings, LoadSettings, VerifySettings
    from cyborg_ingest.stop import Stop


@contextlib.contextmanager
def sources_of(
    settings: LoadSettings | VerifySettings | InspectSettings, tell: Callable[[Event], object], stop: Stop | None = None
) -> Iterator[tuple[str, ...]]:
    """The sources by the names that a plan takes. `tell` hears what the program says, from whichever thread reads.

    Keys and secret addresses are not in its environment. Raises UsageError where it cannot be started.
    """

    def said(text: str) -> None:
        tell(Said(text))

    with places.printed_by(settings.from_command, for_others(os.environ, {}), said, stop) as printed:
        yield printed or settings.sources
