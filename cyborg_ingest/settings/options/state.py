"""The options that say where jobs are remembered, of a load and of the commands that look at them."""

from dataclasses import dataclass
from pathlib import Path

from cyborg_ingest.settings.addresses import state_address
from cyborg_ingest.settings.declaring import Settings, option
from cyborg_ingest.settings.options import panels


@dataclass(frozen=True, kw_only=True, eq=False)
class StateSettings(Settings):
    """Where jobs are kept on this machine."""

    state_dir: Path | None = option(
        None,
        "--state-dir",
        "Where journals are kept, and of each run its report, its log and its rejected rows (in jobs/JOB/runs/RUN).",
        panel=panels.SAFETY,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class KeptStateSettings(StateSettings):
    """And where else: what is on this machine is then a copy."""

    state_uri: str | None = option(
        None,
        "--state-uri",
        "Keep that in an object store, where it survives this machine: s3://BUCKET/PREFIX, gs:// or abfs://.",
        panel=panels.SAFETY,
        metavar="URI",
        parse=state_address,
    )
