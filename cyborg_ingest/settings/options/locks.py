"""The option of what only one process may do at a time: how long to wait for it. Locks are where jobs are."""

from dataclasses import dataclass

from cyborg_ingest.settings.declaring import option
from cyborg_ingest.settings.options import panels
from cyborg_ingest.settings.options.state import StateSettings
from cyborg_ingest.settings.quantities import duration


@dataclass(frozen=True, kw_only=True, eq=False)
class LockSettings(StateSettings):
    """What to do while another process does it."""

    lock_wait: str | None = option(
        None,
        "--lock-wait",
        "Wait so long, as in 10m, while another process runs this load or has the index; without it, exit code 75.",
        panel=panels.SAFETY,
        metavar="DURATION",
        parse=duration("--lock-wait"),
    )
