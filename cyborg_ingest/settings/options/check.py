"""The options of `verify` and `inspect`."""

from dataclasses import dataclass
from pathlib import Path

from cyborg_ingest.settings.declaring import option
from cyborg_ingest.settings.options import panels
from cyborg_ingest.settings.options.sources import SourceSettings
from cyborg_ingest.settings.options.state import KeptStateSettings
from cyborg_ingest.settings.options.target import PRECISIONS, TargetSettings

VERIFY = ("none", "count", "sample", "full")


@dataclass(frozen=True, kw_only=True, eq=False)
class VerifySettings(SourceSettings, TargetSettings):
    """`verify`: compare an index with the sources it was loaded from."""

    sources: tuple[str, ...]
    index: str
    mode: str = option(
        "full",
        "--mode",
        "Compare the count, a random sample, or every row.",
        panel=panels.SAFETY,
        choices=VERIFY[1:],
    )
    sample_rows: int = option(1000, "--sample-rows", "Rows of a sample.", panel=panels.SAFETY, minimum=1, metavar="N")
    storage_precision: str = option(
        "float32",
        "--storage-precision",
        "How the index stores vectors, which it does not tell: anything but float32 is compared with a tolerance.",
        panel=panels.SAFETY,
        choices=PRECISIONS,
    )
    differences: Path | None = option(
        None,
        "--differences",
        "Write each difference to this file, as JSONL; never one that is read, or that a source would find.",
        panel=panels.OUTPUT,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class InspectSettings(SourceSettings, TargetSettings):
    """`inspect`: what sources are like, and what is wrong with them."""

    sources: tuple[str, ...]
    index: str | None = option(
        None,
        "--index",
        "Also compare with this index: dimension, metric, room, keys.",
        panel=panels.TARGET,
        metavar="NAME",
    )
    full: bool = option(
        False, "--full", "Look at every row, not at the first 10,000 of at most 10 sources.", panel=panels.OUTPUT
    )
    json: bool = option(False, "--json", "Print the result as JSON.", panel=panels.OUTPUT)


@dataclass(frozen=True, kw_only=True, eq=False)
class DoctorSettings(TargetSettings, KeptStateSettings):
    """`doctor`: what a load of these options would need."""

    index: str | None = option(
        None, "--index", "Also look at this index, and at its key.", panel=panels.TARGET, metavar="NAME"
    )
