"""Whoever is to hear of a load does, whatever ends it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyborg_ingest.cli.guard import code_of
from cyborg_ingest.cli.options import settings_of
from cyborg_ingest.errors import ExitCode, StoppedError
from cyborg_ingest.output.streams import say
from cyborg_ingest.settings.declaring import given
from cyborg_ingest.settings.options import NotifySettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cyborg_ingest.loading.report import RunReport
    from cyborg_ingest.output.notify import Notifier


@contextlib.contextmanager
def heard(arguments: dict[str, Any], reports: list[RunReport]) -> Iterator[tuple[NotifySettings, Callable[[], None]]]:
    """Tell how a load ended; `reports` has its report by then, if there is one. Raises UsageError.

    Gives the settings, and what tells that it begins, to be called once nobody else runs it. No error comes of telling:
    what could not be told is said.
    """
    settings = settings_of(NotifySettings, arguments)
    if not given(settings):
        yield settings, lambda: None
        return
    from cyborg_ingest.output.notify import Notifier  # noqa: PLC0415 - `--help` needs none of this

    notifier = Notifier(settings, is_dry=bool(arguments.get("dry_run")))
    try:
        yield settings, notifier.begin
    except BaseException as error:
        _tell(notifier, reports, code_of(error), str(error) or type(error).__name__)
        raise
    _tell(notifier, reports, ExitCode(reports[-1].exit_code), "")


def _tell(notifier: Notifier, reports: list[RunReport], code: ExitCode, words: str) -> None:
    from cyborg_ingest.loading.report import failure  # noqa: PLC0415 - as above
    from cyborg_ingest.state.pruning import REPORT  # noqa: PLC0415

    report = next((one for one in reversed(reports) if one.exit_code == code), None)
    kept = Path(report.run_folder) / REPORT if report is not None and report.run_folder else None
    result = report.to_dict() if report is not None else failure(code, words)
    try:
        for text in notifier.end(result, kept if kept is not None and kept.is_file() else None):
            say(f"note      {text}", err=True)
    except (StoppedError, KeyboardInterrupt):  # the load has ended before, as it did
        say("note      Stopped while others were told how the load ended: some may not have heard of it.", err=True)
