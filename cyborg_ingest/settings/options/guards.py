"""Options that keep a load from beginning where its sources are not as they should be, and bound its time and pace."""

from dataclasses import dataclass

from cyborg_ingest.settings.declaring import Settings, option
from cyborg_ingest.settings.options import panels
from cyborg_ingest.settings.quantities import byte_count, duration, number_or_share


@dataclass(frozen=True, kw_only=True, eq=False)
class GuardSettings(Settings):
    """What has to be true of the sources before the first row is sent."""

    allow_empty: bool = option(
        False, "--allow-empty", "Sources without a single row are not an error: nothing is loaded.", panel=panels.SAFETY
    )
    skip_bad_files: bool = option(
        False,
        "--skip-bad-files",
        "A file that is damaged, or has other columns than it needs, does not stop the others: it is named, and the "
        "exit code is 1.",
        panel=panels.SAFETY,
    )
    min_rows: int | None = option(
        None,
        "--min-rows",
        "Send nothing if the sources have fewer rows. Where no header says how many, rows are counted first.",
        panel=panels.SAFETY,
        minimum=1,
        metavar="N",
    )
    max_age: str | None = option(
        None,
        "--max-age",
        "Send nothing if the newest source is older than this, as in 24h, 90m or 7d.",
        panel=panels.SAFETY,
        metavar="DURATION",
        parse=duration("--max-age"),
    )
    max_shrink: str | None = option(
        None,
        "--max-shrink",
        "Send nothing if the sources have so many rows fewer, or such a share, than this job's last load that ended.",
        panel=panels.SAFETY,
        metavar="N|N%",
        parse=number_or_share("--max-shrink", "1000", "20%"),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class BoxSettings(Settings):
    """What a load may take."""

    max_duration: str | None = option(
        None,
        "--max-duration",
        "Stop after this time, as in 5h50m: what is on its way is awaited, and the same command resumes. Exit code 6.",
        panel=panels.SENDING,
        metavar="DURATION",
        parse=duration("--max-duration"),
    )
    max_rows_per_second: int | None = option(
        None,
        "--max-rows-per-second",
        "Send no more rows than this in a second, by all workers together.",
        panel=panels.SENDING,
        minimum=1,
        metavar="N",
    )
    max_bytes_per_second: str | None = option(
        None,
        "--max-bytes-per-second",
        "Send no more bytes than this in a second, as --batch-bytes counts them: 500K, 20M (K is 1,000).",
        panel=panels.SENDING,
        metavar="N[K|M|G]",
        parse=byte_count("--max-bytes-per-second"),
    )
    max_memory: str | None = option(
        None,
        "--max-memory",
        "Take no more memory than this, as in 400M or 1G: less is read and sent at once, and what does not fit is an "
        "error or a rejected row.",
        panel=panels.SENDING,
        metavar="N[K|M|G]",
        parse=byte_count("--max-memory"),
    )
