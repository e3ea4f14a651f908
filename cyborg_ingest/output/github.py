"""GitHub Actions: annotations of what is wrong, and a summary of the run on the page of the job."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from cyborg_ingest.facts import RowRejected
from cyborg_ingest.output import voice
from cyborg_ingest.output.hearers import Hearer
from cyborg_ingest.output.retelling import of_result
from cyborg_ingest.output.streams import shown
from cyborg_ingest.output.summary import markdown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cyborg_ingest.facts import Event
    from cyborg_ingest.model import Rejection
    from cyborg_ingest.output.hearers import Ending, Subject

SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"

MOST = 9
"""Annotations of a run; GitHub shows ten of a kind, and drops the others in silence."""

LARGEST = 1_000_000
"""Bytes of a summary, with what is there: of one beyond 1 MiB GitHub shows nothing."""

_LONGEST = 1_000


def is_there(environ: Mapping[str, str]) -> bool:
    """Whether this process is a step of a workflow."""
    return environ.get("GITHUB_ACTIONS") == "true"


class GitHub(Hearer):
    """Keeps the first rejected rows in mind, and tells them at the end.

    Annotations are lines of standard error, which the runner reads as it reads standard output; no log has them.
    """

    name = "GitHub"

    def __init__(self, subject: Subject, environ: Mapping[str, str]) -> None:
        self._title = subject.job or f"load into {subject.index}"
        self._summary = environ.get(SUMMARY_VARIABLE)
        self._rejections: list[Rejection] = []
        self._rejected = 0

    def hear(self, event: Event) -> None:
        """Hear of rejected rows."""
        if isinstance(event, RowRejected):
            self._rejected += 1
            if len(self._rejections) < MOST:
                self._rejections.append(event.rejection)

    def end(self, ending: Ending) -> Iterator[str]:
        """Annotate, and add to the summary."""
        voice.write(self._annotations(ending))
        if self._summary:
            try:
                _append(self._summary, markdown(of_result(ending.result, self._title, ending.seconds)).encode())
            except OSError as error:
                yield f"The summary of the job on GitHub lacks this run: {error.strerror or error}."

    def _annotations(self, ending: Ending) -> Iterator[str]:
        left = MOST
        if not ending.is_done:
            yield annotation("error", ending.result.get("error") or ending.result["status"], title=self._title)
            left -= 1
        told = self._rejections[:left]
        for one in told:
            place = {"file": one.uri, **({"line": str(one.line)} if one.line is not None else {})}
            yield annotation("warning", str(one), **place)
        if self._rejected > len(told):
            yield annotation("warning", f"and {self._rejected - len(told):,} more rejected rows: see the summary")


def annotation(kind: str, message: str, **properties: str) -> str:
    """A command of GitHub's: no word in it ends the line, or begins another part of it."""
    parts = ",".join(
        f"{name}={_escaped(value).replace(':', '%3A').replace(',', '%2C')}" for name, value in properties.items()
    )
    return f"::{kind} {parts}".rstrip() + f"::{_escaped(message)}"


def _escaped(text: str) -> str:
    return shown(text[:_LONGEST]).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _append(path: str, data: bytes) -> None:
    """Raises OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a file")
        if status.st_size + len(data) > LARGEST:
            raise OSError(errno.EFBIG, "it would be larger than GitHub shows")
        os.write(handle, data)
    finally:
        os.close(handle)
