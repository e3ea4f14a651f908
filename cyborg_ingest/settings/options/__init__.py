"""Every option, declared once: flag, environment variable, default, bounds and help in one place.

The command line is generated from these classes, and the Python API takes them as they are, so both check
alike. A key is never an option's value, only a file's name; an address that is secret is shown nowhere. There is a
module for each concern: `target`, `sources`, `output`, `notify`, `guards`, `locks`, `state`, and for the commands that
have options of their own, `load`, `check` and `schedule`.
"""

from cyborg_ingest.settings.options.check import VERIFY, DoctorSettings, InspectSettings, VerifySettings
from cyborg_ingest.settings.options.load import REJECT_CONTENTS, LoadSettings
from cyborg_ingest.settings.options.locks import LockSettings
from cyborg_ingest.settings.options.notify import NotifySettings
from cyborg_ingest.settings.options.output import LOG_FORMATS, PROGRESS, OutputSettings, ProgressSettings
from cyborg_ingest.settings.options.schedule import ScheduleSettings
from cyborg_ingest.settings.options.sources import ENCODINGS, FORMATS, MAX_ROW_BYTES, SourceSettings
from cyborg_ingest.settings.options.state import KeptStateSettings, StateSettings
from cyborg_ingest.settings.options.target import (
    METRICS,
    MOST_SECONDS,
    PRECISIONS,
    CreateIndexSettings,
    CreateSettings,
    TargetSettings,
)

COMMANDS = (
    CreateIndexSettings,
    InspectSettings,
    LoadSettings,
    OutputSettings,
    NotifySettings,
    ScheduleSettings,
    VerifySettings,
)
"""What declares the options of all commands."""

__all__ = [
    "COMMANDS",
    "ENCODINGS",
    "FORMATS",
    "LOG_FORMATS",
    "MAX_ROW_BYTES",
    "METRICS",
    "MOST_SECONDS",
    "PRECISIONS",
    "PROGRESS",
    "REJECT_CONTENTS",
    "VERIFY",
    "CreateIndexSettings",
    "CreateSettings",
    "DoctorSettings",
    "InspectSettings",
    "KeptStateSettings",
    "LoadSettings",
    "LockSettings",
    "NotifySettings",
    "OutputSettings",
    "ProgressSettings",
    "ScheduleSettings",
    "SourceSettings",
    "StateSettings",
    "TargetSettings",
    "VerifySettings",
]
