"""Every option, declared once: flag, environment variable, default, bounds and help in one place.

The command line is generated from these classes, and the Python API takes them as they are, so both check
alike. What is secret is never an option's value, only a file's name.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from cyborg_ingest.errors import UsageError
from cyborg_ingest.settings.declaring import Settings, option

METRICS = ("cosine", "euclidean", "squared_euclidean")
PRECISIONS = ("float32", "float16", "tq12", "tq8", "tq6", "tq4")
FORMATS = (
    "parquet", "arrow", "jsonl", "json", "csv", "tsv", "npy", "npz", "hdf5", "fvecs", "bvecs", "ivecs", "fbin", "u8bin",
    "i8bin",
)  # fmt: skip
REJECT_CONTENTS = ("full", "ids")
VERIFY = ("none", "count", "sample", "full")
ENCODINGS = ("auto", "text", "f32le", "f32be", "f16le", "f64le", "base64")

PROGRESS = ("auto", "rich", "plain", "json", "none")

MOST_SECONDS = 86_400.0
"""A day: the longest that any option lets one thing be waited for."""


MAX_ROW_BYTES = 16_000_000

_ERRORS = re.compile(r"\d{1,18}|\d{1,3}(\.\d{1,15})?%", re.ASCII)


def _number_or_share(value: Any) -> Any:
    """`--max-errors`: a number, also as one, or a share, as text."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and not _ERRORS.fullmatch(text):
        raise UsageError(f"--max-errors is {text!r}; it takes a number like 10, or a share like 0.5%.")
    return text


_TARGET, _COLUMNS, _ROWS = "Target and keys", "Columns and formats", "Choosing rows"
_CREATE = "Creating the index"
_SENDING, _SAFETY, _OUTPUT = "Sending", "Safety", "Output"


@dataclass(frozen=True, kw_only=True, eq=False)
class TargetSettings(Settings):
    """Where the indexes are, and the keys that open them."""

    target: str | None = option(
        None,
        "--target",
        "http(s)://host:port of a CyborgDB service, or disk:PATH or s3://bucket/prefix for the engine in this "
        "process. On a terminal disk:~/.cyborgdb/data, elsewhere it must be given.",
        panel=_TARGET,
        metavar="URL",
    )
    api_key_file: Path | None = option(
        None,
        "--api-key-file",
        "File with the service's API key (or CYBORG_INGEST_API_KEY holds the key itself).",
        panel=_TARGET,
    )
    index_key_file: Path | None = option(
        None,
        "--index-key-file",
        "File with the index's key: 32 raw bytes, 64 hex digits or base64 (or CYBORG_INGEST_INDEX_KEY holds "
        "the hex). An index behind a KMS needs none.",
        panel=_TARGET,
    )
    ca_cert: Path | None = option(
        None, "--ca-cert", "Trust the certificate authorities in this PEM file.", panel=_TARGET
    )
    insecure: bool = option(False, "--insecure", "Do not verify the service's TLS certificate.", panel=_TARGET)
    allow_plain_http: bool = option(
        False,
        "--allow-plain-http",
        "Do not warn about a service beyond this machine that is reached without encryption.",
        panel=_TARGET,
    )
    timeout: float = option(
        300.0,
        "--timeout",
        "Seconds until one request has its whole answer. A request that was given up may still be applied.",
        panel=_TARGET,
        minimum=0.1,
        maximum=MOST_SECONDS,
    )
    retries: int = option(
        8, "--retries", "Tries after a failure that may pass, for each request.", panel=_TARGET, minimum=0
    )
    retry_max_wait: float = option(
        60.0,
        "--retry-max-wait",
        "Longest pause between two tries, in seconds.",
        panel=_TARGET,
        minimum=0,
        maximum=MOST_SECONDS,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceSettings(Settings):
    """What is read, and which column is what."""

    format: str | None = option(
        None,
        "--format",
        "Read every source as this, whatever its suffix; but of a folder that has files with its own suffix, leave out "
        "those with another format's.",
        panel=_COLUMNS,
        choices=FORMATS,
    )
    delimiter: str | None = option(
        None,
        "--delimiter",
        "What stands between the cells of a CSV: one character, or tab.",
        panel=_COLUMNS,
        metavar="SIGN",
    )
    header: bool | None = option(
        None,
        "--header/--no-header",
        "Whether the first line of a CSV names its columns; without one they are column0, column1 and so on. By "
        "default it does, and a line of numbers is refused.",
        panel=_COLUMNS,
    )
    column_types: tuple[str, ...] = option(
        (),
        "--column-types",
        "What a CSV's columns hold, as in score=float,zip=text: int, float, bool, date, timestamp, vector or text. "
        "What is not named has the type that all its cells fit.",
        panel=_COLUMNS,
        metavar="A=TYPE,B=TYPE",
    )
    decimal: str = option(
        ".",
        "--decimal",
        "The sign before the fractions of a CSV's numbers. With a comma, 1,5 is a number and 1.5 is text.",
        panel=_COLUMNS,
        choices=(".", ","),
    )
    null_values: tuple[str, ...] = option(
        (),
        "--null-values",
        "Cells of a CSV that stand for nothing beside the empty one, as in NULL,NA.",
        panel=_COLUMNS,
        metavar="A,B",
    )
    records: str | None = option(
        None,
        "--records",
        "Where in a JSON document the rows are, as in result.points; '.' is the document itself. By default they are "
        "found.",
        panel=_COLUMNS,
        metavar="PATH",
    )
    id_column: str | None = option(None, "--id-column", "Column of the ids.", panel=_COLUMNS, metavar="NAME")
    vector_column: str | None = option(
        None,
        "--vector-column",
        "Column of the vectors; or the columns of numbers that make them up, as in x,y,z or 'v*'.",
        panel=_COLUMNS,
        metavar="NAME",
    )
    vector_encoding: str = option(
        "auto",
        "--vector-encoding",
        "How vectors are encoded that are text ([1,2], {1,2}, [1 2]), bytes, or base64 of float32. auto finds text, "
        "base64 and f32le by the first rows; lists of numbers are taken as they are.",
        panel=_COLUMNS,
        choices=ENCODINGS,
    )
    metadata_column: str | None = option(
        None,
        "--metadata-column",
        "Column of the metadata: a struct, a map or JSON text.",
        panel=_COLUMNS,
        metavar="NAME",
    )
    metadata_columns: tuple[str, ...] = option(
        (),
        "--metadata-columns",
        "Columns that become fields of the metadata, comma-separated; none: no column. By default all that have no "
        "other role do, but no other vectors; '*' takes these, too.",
        panel=_COLUMNS,
        metavar="A,B,C",
    )
    contents_column: str | None = option(
        None, "--contents-column", "Column of the contents (text or bytes).", panel=_COLUMNS, metavar="NAME"
    )
    ids: Path | None = option(
        None, "--ids", "Ids for a .npy, row by row: .npy, .txt, .jsonl, .json, .csv, .tsv or .parquet.", panel=_COLUMNS
    )
    id_prefix: str | None = option(
        None,
        "--id-prefix",
        "Where there are no ids, as in a .npy, they are row numbers behind this; {file} in it is the file's name.",
        panel=_COLUMNS,
        metavar="TEXT",
    )
    metadata: Path | None = option(
        None, "--metadata", "Metadata for a .npy, row by row: .jsonl, .json, .csv, .tsv or .parquet.", panel=_COLUMNS
    )
    metadata_key: str | None = option(
        None,
        "--metadata-key",
        "Column of --metadata that holds the ids, where its rows are in another order than the vectors.",
        panel=_COLUMNS,
        metavar="NAME",
    )
    contents: Path | None = option(
        None,
        "--contents",
        "Contents for a .npy, row by row: .txt, .jsonl, .json, .csv, .tsv or .parquet.",
        panel=_COLUMNS,
    )
    contents_key: str | None = option(
        None,
        "--contents-key",
        "Column of --contents that holds the ids, where its rows are in another order than the vectors.",
        panel=_COLUMNS,
        metavar="NAME",
    )
    contents_from: Path | None = option(
        None,
        "--contents-from",
        "File of a batch's requests (JSONL), whose texts become the contents of its output's rows, by custom_id.",
        panel=_COLUMNS,
    )
    id_template: str | None = option(
        None,
        "--id-template",
        "Make ids of columns, as in '{doc_id}-{chunk}'; {file} and {row} are the file's name and the row's number, "
        "unless there are columns of these names.",
        panel=_COLUMNS,
        metavar="TEXT",
    )
    set: tuple[str, ...] = option(
        (),
        "--set",
        "A field that every row's metadata gets: KEY=VALUE, the value JSON or else text. May be repeated.",
        panel=_COLUMNS,
        metavar="KEY=VALUE",
        repeats=True,
    )
    rename: tuple[str, ...] = option(
        (),
        "--rename",
        "Store a field of the metadata by another name: OLD=NEW. May be repeated.",
        panel=_COLUMNS,
        metavar="OLD=NEW",
        repeats=True,
    )
    where: str | None = option(
        None,
        "--where",
        "Load only rows of which this is true, in SQL: \"lang = 'en' AND year >= 2000\"; the rules are in "
        "docs/formats.md.",
        panel=_ROWS,
        metavar="CONDITION",
    )
    max_row_bytes: int = option(
        MAX_ROW_BYTES,
        "--max-row-bytes",
        "The largest row: a larger one is rejected. What a format lets be decoded in one piece only (a page, a record "
        "batch, a chunk) may be 32 times as large.",
        panel=_SAFETY,
        minimum=1000,
        maximum=1_000_000_000,
        metavar="N",
    )
    skip: int = option(0, "--skip", "Leave out this many rows at the beginning.", panel=_ROWS, minimum=0, metavar="N")
    limit: int | None = option(None, "--limit", "Stop after this many rows.", panel=_ROWS, minimum=1, metavar="N")
    sample: int | None = option(
        None,
        "--sample",
        "Load so many rows, picked at random: the same ones each time, for the same sources.",
        panel=_ROWS,
        minimum=1,
        metavar="N",
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class CreateSettings(TargetSettings):
    """How an index is made, and where. `None` leaves it to the engine."""

    metric: str | None = option(
        None,
        "--metric",
        "Distance of the new index (the engine's default: euclidean).",
        panel=_CREATE,
        choices=METRICS,
    )
    storage_precision: str | None = option(
        None,
        "--storage-precision",
        "How the new index stores vectors (default float32, exact); of one that is there already, how it does.",
        panel=_CREATE,
        choices=PRECISIONS,
    )
    kms_name: str | None = option(
        None,
        "--kms-name",
        "Let the service keep the new index's key, under this entry of its KMS registry.",
        panel=_CREATE,
        metavar="NAME",
    )
    key_out: Path | None = option(
        None,
        "--key-out",
        "Keep the new index's key in this file, and take it from there if it holds one; nothing is overwritten. "
        "Without a terminal, and without another key, it must be given (or CYBORG_INGEST_CONFIG_DIR be set, below "
        "which keys are kept).",
        panel=_CREATE,
    )
    at_terminal: bool = False
    """Whether somebody reads where a new key is kept, so that nothing needs to say where: the command sets it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kms_name and self.key_out:
            raise UsageError(
                "--kms-name lets the service keep the key, and --key-out is for one that is made: drop one."
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class CreateIndexSettings(CreateSettings):
    """`index create`: all that the create calls of the engines take."""

    dimension: int | None = option(
        None,
        "--dimension",
        "Dimension of the vectors (default: that of the first row).",
        panel=_CREATE,
        minimum=1,
        maximum=65_535,
        metavar="N",
    )
    metadata_schema: Path | None = option(
        None,
        "--metadata-schema",
        'JSON file of index policies: {"field": {"filterable": true, "pattern": false, "full_text": false}}.',
        panel=_CREATE,
    )
    text_fields: tuple[str, ...] = option(
        (),
        "--text-fields",
        "Metadata fields for full-text search, comma-separated.",
        panel=_CREATE,
        metavar="A,B",
    )
    bm25_k1: float | None = option(
        None, "--bm25-k1", "BM25 term-frequency saturation (default 1.2).", panel=_CREATE, minimum=0
    )
    bm25_b: float | None = option(
        None, "--bm25-b", "BM25 length normalisation (default 0.75).", panel=_CREATE, minimum=0, maximum=1
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class ProgressSettings(Settings):
    """How progress is shown."""

    progress: str = option(
        "auto",
        "--progress",
        "auto is rich on a terminal, else plain: a line every 5 seconds. json: one object a line, on stderr.",
        panel=_OUTPUT,
        choices=PROGRESS,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class OutputSettings(ProgressSettings):
    """What is shown of a load."""

    verbose: bool = option(False, "--verbose", "Also show each retry, and the traceback of an error.", panel=_OUTPUT)
    json: bool = option(False, "--json", "Print the report as JSON on stdout.", panel=_OUTPUT)


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadSettings(CreateSettings, SourceSettings, TargetSettings):
    """One load, whole: `upsert` on the command line, `load` in Python."""

    sources: tuple[str, ...]
    index: str
    allow_empty: bool = option(
        False, "--allow-empty", "Sources without a single row are not an error: nothing is loaded.", panel=_SAFETY
    )
    create: bool = option(False, "--create", "Create the index if it is missing, sized from the data.", panel=_CREATE)
    dry_run: bool = option(False, "--dry-run", "Read and check everything, send nothing.", panel=_SENDING)
    batch_rows: int | None = option(
        None,
        "--batch-rows",
        "Rows a request at most (default: measured for each engine).",
        panel=_SENDING,
        minimum=1,
        metavar="N",
    )
    batch_bytes: int | None = option(
        None,
        "--batch-bytes",
        "Bytes a request at most: of the encoded body over REST (10,000,000 at most), of the rows embedded.",
        panel=_SENDING,
        minimum=1,
        metavar="N",
    )
    workers: int | None = option(
        None,
        "--workers",
        "Requests in flight at once (default: measured for each engine).",
        panel=_SENDING,
        minimum=1,
        maximum=64,
        metavar="N",
    )
    max_errors: str = option(
        "0",
        "--max-errors",
        "Bad rows to continue after: a number, or a share of the rows as N%. They end in rejected.jsonl.",
        panel=_SAFETY,
        metavar="N|N%",
        parse=_number_or_share,
    )
    reject_content: str = option(
        "full",
        "--reject-content",
        "What rejected.jsonl, messages and the report hold of a rejected row: all of it, or its id and why, alone.",
        panel=_SAFETY,
        choices=REJECT_CONTENTS,
    )
    verify: str = option(
        "none",
        "--verify",
        "Afterwards, compare the index with the sources: its count with all ids, a sample of 1,000 rows, or all rows. "
        "A count, and at most 64 rows, are looked at in any case.",
        panel=_SAFETY,
        choices=VERIFY,
    )
    restart: bool = option(
        False,
        "--restart",
        "Forget what earlier runs of this job have loaded, and load everything.",
        panel=_SAFETY,
    )
    checkpoint: bool = option(
        True,
        "--checkpoint/--no-checkpoint",
        "Keep a journal, so that the same command resumes where it was stopped.",
        panel=_SAFETY,
    )
    state_dir: Path | None = option(
        None,
        "--state-dir",
        "Where journals are kept, and of each run its report, its log and its rejected rows (in jobs/JOB/runs/RUN).",
        panel=_SAFETY,
    )
    drain_timeout: float = option(
        20.0,
        "--drain-timeout",
        "After Ctrl-C or SIGTERM, seconds to wait for requests that are on their way.",
        panel=_SAFETY,
        minimum=0,
        maximum=MOST_SECONDS,
    )
    sole_writer: bool = option(
        False,
        "--sole-writer",
        "On s3://, which has no lock: this process alone writes to the index.",
        panel=_SAFETY,
    )

    def allowed_errors(self, rows: int) -> int:
        """How many bad rows are allowed among so many."""
        if self.allows_a_share:
            return int(rows * Decimal(self.max_errors[:-1]) / 100)
        return int(self.max_errors)

    @property
    def allows_a_share(self) -> bool:
        """Whether bad rows are allowed by a share of all rows."""
        return self.max_errors.endswith("%")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.checkpoint and not self.dry_run and self.max_errors.strip("0.%"):
            raise UsageError(
                "--max-errors keeps rejected rows in the job's folder, and --no-checkpoint keeps none. Drop one."
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class VerifySettings(SourceSettings, TargetSettings):
    """`verify`: compare an index with the sources it was loaded from."""

    sources: tuple[str, ...]
    index: str
    mode: str = option(
        "full",
        "--mode",
        "Compare the count, a random sample, or every row.",
        panel=_SAFETY,
        choices=VERIFY[1:],
    )
    sample_rows: int = option(1000, "--sample-rows", "Rows of a sample.", panel=_SAFETY, minimum=1, metavar="N")
    storage_precision: str = option(
        "float32",
        "--storage-precision",
        "How the index stores vectors, which it does not tell: anything but float32 is compared with a tolerance.",
        panel=_SAFETY,
        choices=PRECISIONS,
    )
    differences: Path | None = option(
        None,
        "--differences",
        "Write each difference to this file, as JSONL; never one that is read, or that a source would find.",
        panel=_OUTPUT,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class InspectSettings(SourceSettings, TargetSettings):
    """`inspect`: what sources are like, and what is wrong with them."""

    sources: tuple[str, ...]
    index: str | None = option(
        None,
        "--index",
        "Also compare with this index: dimension, metric, room, keys.",
        panel=_TARGET,
        metavar="NAME",
    )
    full: bool = option(
        False, "--full", "Look at every row, not at the first 10,000 of at most 10 sources.", panel=_OUTPUT
    )
    json: bool = option(False, "--json", "Print the result as JSON.", panel=_OUTPUT)
