"""A command whose output is the source: read as it comes, and good only if the command ends well."""

from __future__ import annotations

import difflib
import os
import re
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cyborg_ingest.errors import FormatError, UsageError, printable
from cyborg_ingest.sources.base import Found, Listing
from cyborg_ingest.sources.names import COMMAND
from cyborg_ingest.sources.producer import Producer
from cyborg_ingest.sources.streams import Stream
from cyborg_ingest.stop import abandoned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from typing_extensions import Self

    from cyborg_ingest.stop import Stop

_MOMENT_SECONDS = 0.5
_PAUSE_SECONDS = 0.002

_ODD = re.compile(r"[^A-Za-z0-9._+-]")


class Command(Stream):
    """See `streams.Stream`. The command is started when it is looked for, and ended with the `with`.

    `said` hears what it says on standard error, a line at a time.
    """

    advice = "If it can print the same bytes, let it"

    def __init__(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        said: Callable[[str], None],
        stop: Stop | None,
    ) -> None:
        super().__init__()
        self._words, self._environment, self._said, self._stop = words, environment, said, stop
        program = Path(words[0]).name
        self.uri = f"{COMMAND}://{_ODD.sub('_', program)}"
        self.title = f"The command {printable(program)}"
        self._producer: Producer | None = None
        self._starter: threading.Thread | None = None
        self._fault: Exception | None = None

    def __enter__(self) -> Self:
        abandoned.append(self._leave_nobody)
        return self

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        self._await_start()
        try:
            if self._producer is not None and isinstance(error, FormatError):  # what fails may print what is of none
                self._producer.check_has_not_failed()
        finally:
            if self._producer is not None:
                self._producer.end()
            abandoned.remove(self._leave_nobody)

    def find(self, source: str) -> Listing:
        """See `base.Store`. Raises UsageError where the command cannot be started."""
        if self._starter is None:
            # a signal interrupts the main thread anywhere: also where a process has begun, and nobody knows it yet
            self._starter = threading.Thread(target=self._start, name="starter")
            self._starter.start()
            self._await_start()
        if self._fault is not None:
            raise self._fault
        return Listing((Found(source),))

    def more(self, size: int) -> bytes:
        """See `Stream`. Raises SourceError where the command did not end well."""
        return b"" if self._producer is None else self._producer.read(size)

    def finish(self) -> None:
        """Read what nobody wants of it any more, up to its end. Raises SourceError where that is not a good one."""
        while self.skip():
            pass

    def _start(self) -> None:
        try:
            self._producer = self._started()
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            self._fault = error

    def _await_start(self) -> None:
        """Wait until the process is known, or that there is none.

        By no lock: a signal may interrupt the main thread here, and its handler comes here again. A `join` that is
        interrupted takes the thread for ended from then on (before Python 3.13).
        """
        deadline = time.monotonic() + _MOMENT_SECONDS
        while self._starter is not None and self._producer is None and self._fault is None:
            if time.monotonic() >= deadline and not self._starter.is_alive():  # it was interrupted before it began
                return
            time.sleep(_PAUSE_SECONDS)

    def _leave_nobody(self) -> None:
        """The process ends at once: so does the command, which may just be about to be known."""
        self._await_start()
        if self._producer is not None:
            self._producer.kill()

    def _started(self) -> Producer:
        try:
            return Producer(self.title, self._words, self._environment, self._said, self._stop)
        except FileNotFoundError:
            raise UsageError(self._not_found()) from None
        except PermissionError:
            raise UsageError(
                f"{self._program} is a folder, or a file that may not be run: chmod +x makes a program of a file."
            ) from None
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise UsageError(
                f"{self._program} cannot be run: {why}. A script begins with #!, as in #!/bin/sh."
            ) from None

    @property
    def _program(self) -> str:
        return printable(self._words[0])

    def _not_found(self) -> str:
        if os.sep in self._words[0]:
            return f"{self._program}: there is no such program, or what its first line names is not there."
        near = difflib.get_close_matches(self._words[0], set(self._programs()), n=1)
        hint = f" Is it {printable(near[0])}?" if near else ""
        return f"{self._program}: there is no such program in PATH.{hint}"

    def _programs(self) -> Iterator[str]:
        for folder in self._environment.get("PATH", os.defpath).split(os.pathsep):
            try:
                yield from os.listdir(folder or ".")  # noqa: PTH208 - names alone
            except OSError:
                continue
