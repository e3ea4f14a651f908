"""The option that says where jobs are remembered, of a load and of the commands that look at them."""

from dataclasses import dataclass
from pathlib import Path

from cyborg_ingest.settings.declaring import Settings, option
from cyborg_ingest.settings.options import panels


@dataclass(frozen=True, kw_only=True, eq=False)
class StateSettings(Settings):
    """Where jobs are kept."""

    state_dir: Path | None = option(
        None,
        "--state-dir",
        "Where journals are kept, and of each run its report, its log and its rejected rows (in jobs/JOB/runs/RUN).",
        panel=panels.SAFETY,
    )
