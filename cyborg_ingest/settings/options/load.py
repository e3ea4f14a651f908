"""The options of a load: those of its target and its sources, and its own."""

from dataclasses import dataclass

from cyborg_ingest.errors import UsageError
from cyborg_ingest.settings import quantities
from cyborg_ingest.settings.declaring import option
from cyborg_ingest.settings.options import panels
from cyborg_ingest.settings.options.check import VERIFY
from cyborg_ingest.settings.options.guards import BoxSettings, GuardSettings
from cyborg_ingest.settings.options.locks import LockSettings
from cyborg_ingest.settings.options.sources import SourceSettings
from cyborg_ingest.settings.options.state import KeptStateSettings
from cyborg_ingest.settings.options.target import MOST_SECONDS, CreateSettings, TargetSettings

REJECT_CONTENTS = ("full", "ids")


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadSettings(
    CreateSettings, SourceSettings, TargetSettings, GuardSettings, BoxSettings, LockSettings, KeptStateSettings
):
    """One load, whole: `upsert` on the command line, `load` in Python."""

    sources: tuple[str, ...]
    index: str
    create: bool = option(
        False, "--create", "Create the index if it is missing, sized from the data.", panel=panels.CREATE
    )
    dry_run: bool = option(
        False, "--dry-run", "Read and check everything, send nothing.", panel=panels.SENDING, short="-n"
    )
    batch_rows: int | None = option(
        None,
        "--batch-rows",
        "Rows a request at most (default: measured for each engine).",
        panel=panels.SENDING,
        minimum=1,
        metavar="N",
    )
    batch_bytes: int | None = option(
        None,
        "--batch-bytes",
        "Bytes a request at most: of the encoded body over REST (10,000,000 at most), of the rows embedded.",
        panel=panels.SENDING,
        minimum=1,
        metavar="N",
    )
    workers: int | None = option(
        None,
        "--workers",
        "Requests in flight at once (default: measured for each engine).",
        panel=panels.SENDING,
        minimum=1,
        maximum=64,
        metavar="N",
    )
    max_errors: str = option(
        "0",
        "--max-errors",
        "Bad rows to continue after: a number, or a share of the rows as N%. They end in rejected.jsonl.",
        panel=panels.SAFETY,
        metavar="N|N%",
        parse=quantities.number_or_share("--max-errors"),
    )
    reject_content: str = option(
        "full",
        "--reject-content",
        "What rejected.jsonl, messages and the report hold of a rejected row: all of it, or its id and why, alone.",
        panel=panels.SAFETY,
        choices=REJECT_CONTENTS,
    )
    verify: str = option(
        "none",
        "--verify",
        "Afterwards, compare the index with the sources: its count with all ids, a sample of 1,000 rows, or all rows. "
        "A count, and at most 64 rows, are looked at in any case.",
        panel=panels.SAFETY,
        choices=VERIFY,
    )
    restart: bool = option(
        False,
        "--restart",
        "Forget what earlier runs of this job have loaded, and load everything.",
        panel=panels.SAFETY,
    )
    only_new: bool = option(
        False,
        "--only-new",
        "Load files that are new or have changed since this job's last load that ended, and skip the others, once the "
        "index is seen to hold their rows.",
        panel=panels.SAFETY,
    )
    delete_missing: bool = option(
        False,
        "--delete-missing",
        "Afterwards, delete the rows that this job has loaded before and that are no longer in its sources. Others are "
        "not touched.",
        panel=panels.SAFETY,
    )
    max_delete: str = option(
        "10%",
        "--max-delete",
        "Delete none if --delete-missing would delete more rows than this, or such a share of those that the job has "
        "loaded. Exit code 4.",
        panel=panels.SAFETY,
        metavar="N|N%",
        parse=quantities.number_or_share("--max-delete", "1000", "10%"),
    )
    checkpoint: bool = option(
        True,
        "--checkpoint/--no-checkpoint",
        "Keep a journal, so that the same command resumes where it was stopped.",
        panel=panels.SAFETY,
    )
    drain_timeout: float = option(
        20.0,
        "--drain-timeout",
        "After Ctrl-C or SIGTERM, seconds to wait for requests that are on their way.",
        panel=panels.SAFETY,
        minimum=0,
        maximum=MOST_SECONDS,
    )
    sole_writer: bool = option(
        False,
        "--sole-writer",
        "On s3://, which has no lock: this process alone writes to the index.",
        panel=panels.SAFETY,
    )

    def allowed_errors(self, rows: int) -> int:
        """How many bad rows are allowed among so many."""
        return int(quantities.rows_of(self.max_errors, rows))

    @property
    def allows_a_share(self) -> bool:
        """Whether bad rows are allowed by a share of all rows."""
        return quantities.is_share(self.max_errors)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.checkpoint and not self.dry_run and self.max_errors.strip("0.%"):
            raise UsageError(
                "--max-errors keeps rejected rows in the job's folder, and --no-checkpoint keeps none. Drop one."
            )
        if self.skip_bad_files and (self.skip or self.sample is not None):
            raise UsageError(
                "--skip and --sample count rows, and --skip-bad-files leaves out rows that nobody can count. Drop one."
            )
        if self.only_new and self.skip_bad_files:
            raise UsageError(
                "--only-new goes by loads that have seen all files, and --skip-bad-files leaves out some. Drop one."
            )
        if self.only_new and not self.checkpoint:
            raise UsageError(
                "--only-new compares with the job's last load, of which --no-checkpoint keeps nothing. Drop one."
            )
        if self.state_uri is not None and not self.checkpoint:
            raise UsageError("--state-uri keeps what is known of the job, and --no-checkpoint keeps nothing. Drop one.")
        if self.delete_missing and self.skip_bad_files:
            raise UsageError(
                "--delete-missing has to see all files, and --skip-bad-files leaves out some. Drop one, or repair them."
            )
        if self.delete_missing and not self.checkpoint:
            raise UsageError(
                "--delete-missing goes by what a job has brought, of which --no-checkpoint keeps nothing. Drop one."
            )
        if self.max_shrink is not None and not self.checkpoint:
            raise UsageError(
                "--max-shrink compares with the job's last load, of which --no-checkpoint keeps nothing. Drop one."
            )
