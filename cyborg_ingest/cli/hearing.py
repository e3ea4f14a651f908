"""Whoever is to hear of a load does, whatever ends it."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from cyborg_ingest.cli.guard import code_of
from cyborg_ingest.cli.options import refuse_among_sources, settings_of
from cyborg_ingest.errors import ExitCode, StoppedError
from cyborg_ingest.facts import Ended, Locked
from cyborg_ingest.loading.report import failure
from cyborg_ingest.output import dagster, github, voice
from cyborg_ingest.output.hearers import Ending, Subject
from cyborg_ingest.settings.declaring import given
from cyborg_ingest.settings.keys import readable_by_others
from cyborg_ingest.settings.options import NotifySettings
from cyborg_ingest.settings.scrubbing import KNOWN
from cyborg_ingest.state.pruning import REPORT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.facts import Event
    from cyborg_ingest.loading.report import RunReport
    from cyborg_ingest.output.hearers import Hearer


class Heard:
    """A load that others hear of; `report` is there once it has ended."""

    def __init__(self, settings: NotifySettings) -> None:
        self.settings = settings
        self.report: RunReport | None = None
        self._hearers: list[Hearer] = []
        self._began = time.monotonic()

    def gather(self, hearers: Iterator[Hearer]) -> None:
        """Who hears of it; whoever is there hears that another one cannot be. Raises UsageError."""
        for one in hearers:
            self._hearers.append(one)

    def __call__(self, event: Event) -> None:
        """Tell a fact; that it begins once nobody else runs it."""
        if isinstance(event, Ended):
            self.report = event.report
        for one in [*self._hearers]:
            with self._spared(one):
                if isinstance(event, Locked):
                    one.begin()
                one.hear(event)

    def end(self, code: ExitCode, words: str) -> None:
        """Tell how it ended; what could not be told is said."""
        ending = self._ending(code, words)
        try:
            for one in self._hearers[::-1]:  # pings come last: they may take a while
                with self._spared(one):
                    for text in one.end(ending):
                        voice.tell("note", text)
        except (StoppedError, KeyboardInterrupt):  # the load has ended before, as it did
            voice.tell("note", "Stopped while others were told how the load ended: some may not have heard of it.")

    @contextlib.contextmanager
    def _spared(self, one: Hearer) -> Iterator[None]:
        """A fault of who hears of a load is none of the load: it is said, and that one hears no more."""
        try:
            yield
        except StoppedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is
            self._hearers.remove(one)
            fault = f"{type(error).__name__}: {KNOWN.scrub(str(error))}"
            voice.tell("note", f"{one.name} hears no more of this load, by a bug in cyborg-ingest: {fault}.")

    def _ending(self, code: ExitCode, words: str) -> Ending:
        report, seconds = self.report, time.monotonic() - self._began
        if report is None or report.exit_code != code:
            return Ending(failure(code, words), seconds)
        kept = Path(report.run_folder) / REPORT if report.run_folder else None
        return Ending(report.to_dict(), seconds, kept if kept is not None and kept.is_file() else None)


@contextlib.contextmanager
def heard(arguments: dict[str, Any], job: str | None, index: str) -> Iterator[Heard]:
    """Tell that a load begins, what happens while it gets all facts, and how it ended. Raises UsageError.

    No error comes of telling: what could not be told is said.
    """
    settings = settings_of(NotifySettings, arguments)
    load = Heard(settings)
    subject = Subject(job, index, is_dry=bool(arguments.get("dry_run")))
    try:
        load.gather(_hearers(settings, subject, arguments))
        yield load
    except BaseException as error:
        load.end(code_of(error), str(error) or type(error).__name__)
        raise
    load.end(ExitCode(load.report.exit_code if load.report is not None else ExitCode.OK), "")


def _hearers(settings: NotifySettings, subject: Subject, arguments: dict[str, Any]) -> Iterator[Hearer]:
    """All that are asked for, by options or by what has started us. Raises UsageError."""
    for flag, file in settings.address_files.items():
        if readable_by_others(file):
            voice.tell(
                "note", f"Every user of this machine can read the address of {flag}: chmod 600 {quote(str(file))}"
            )
    if given(settings):
        from cyborg_ingest.output.notify import Notifier  # noqa: PLC0415 - `requests` is slow to import, and few need it

        yield Notifier(settings, is_dry=subject.is_dry)
    if github.is_there(os.environ):
        yield github.GitHub(subject, os.environ)
    if dagster.is_there(os.environ) and not subject.is_dry:
        yield dagster.Dagster()
    has_gauges = settings.metrics_file or settings.pushgateway or settings.pushgateway_file
    if has_gauges and not subject.is_dry:
        from cyborg_ingest.output.metrics import Metrics  # noqa: PLC0415 - as above

        refuse_among_sources(f"--metrics-file {settings.metrics_file}", settings.metrics_file, arguments)
        yield Metrics(settings, subject)
