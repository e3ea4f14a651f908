"""Options that say where indexes are and which keys open them, and how a new one is made."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cyborg_ingest.errors import UsageError
from cyborg_ingest.settings.declaring import Settings, option
from cyborg_ingest.settings.hidden import Hidden
from cyborg_ingest.settings.options import panels

METRICS = ("cosine", "euclidean", "squared_euclidean")
PRECISIONS = ("float32", "float16", "tq12", "tq8", "tq6", "tq4")

MOST_SECONDS = 86_400.0
"""A day: the longest that any option lets one thing be waited for."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TargetSettings(Settings):
    """Where the indexes are, and the keys that open them."""

    target: str | None = option(
        None,
        "--target",
        "http(s)://host:port of a CyborgDB service, or disk:PATH or s3://bucket/prefix for the engine in this "
        "process. On a terminal disk:~/.cyborgdb/data, elsewhere it must be given.",
        panel=panels.TARGET,
        metavar="URL",
        short="-t",
    )
    api_key_file: Path | None = option(
        None,
        "--api-key-file",
        "File with the service's API key (or CYBORG_INGEST_API_KEY holds the key itself).",
        panel=panels.TARGET,
    )
    index_key_file: Path | None = option(
        None,
        "--index-key-file",
        "File with the index's key: 32 raw bytes, 64 hex digits or base64 (or CYBORG_INGEST_INDEX_KEY holds "
        "the hex). An index behind a KMS needs none.",
        panel=panels.TARGET,
    )
    api_key_command: str | None = option(
        None,
        "--api-key-command",
        "Command that prints the service's API key, as in 'pass show cyborgdb'. It is run once, without a shell.",
        panel=panels.TARGET,
        metavar="COMMAND",
    )
    index_key_command: str | None = option(
        None,
        "--index-key-command",
        "Command that prints the index's key, in any form that a file may have.",
        panel=panels.TARGET,
        metavar="COMMAND",
    )
    ca_cert: Path | None = option(
        None, "--ca-cert", "Trust the certificate authorities in this PEM file.", panel=panels.TARGET
    )
    insecure: bool = option(False, "--insecure", "Do not verify the service's TLS certificate.", panel=panels.TARGET)
    allow_plain_http: bool = option(
        False,
        "--allow-plain-http",
        "Do not warn about a service beyond this machine that is reached without encryption.",
        panel=panels.TARGET,
    )
    timeout: float = option(
        300.0,
        "--timeout",
        "Seconds until one request has its whole answer. A request that was given up may still be applied.",
        panel=panels.TARGET,
        minimum=0.1,
        maximum=MOST_SECONDS,
    )
    retries: int = option(
        8, "--retries", "Tries after a failure that may pass, for each request.", panel=panels.TARGET, minimum=0
    )
    retry_max_wait: float = option(
        60.0,
        "--retry-max-wait",
        "Longest pause between two tries, in seconds.",
        panel=panels.TARGET,
        minimum=0,
        maximum=MOST_SECONDS,
    )
    api_key: Hidden[Any] | None = field(default=None, repr=False)
    """The service's key, or the engine's licence, as a program gives it: text, bytes or a path."""
    index_key: Hidden[Any] | None = field(default=None, repr=False)
    """The index's key, as a program gives it: bytes, text or a path."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CreateSettings(TargetSettings):
    """How an index is made, and where. `None` leaves it to the engine."""

    metric: str | None = option(
        None,
        "--metric",
        "Distance of the new index (the engine's default: euclidean).",
        panel=panels.CREATE,
        choices=METRICS,
    )
    storage_precision: str | None = option(
        None,
        "--storage-precision",
        "How the new index stores vectors (default float32, exact); of one that is there already, how it does.",
        panel=panels.CREATE,
        choices=PRECISIONS,
    )
    kms_name: str | None = option(
        None,
        "--kms-name",
        "Let the service keep the new index's key, under this entry of its KMS registry.",
        panel=panels.CREATE,
        metavar="NAME",
    )
    key_out: Path | None = option(
        None,
        "--key-out",
        "Keep the new index's key in this file, and take it from there if it holds one; nothing is overwritten. "
        "Without a terminal, and without another key, it must be given (or CYBORG_INGEST_CONFIG_DIR be set, below "
        "which keys are kept).",
        panel=panels.CREATE,
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
        panel=panels.CREATE,
        minimum=1,
        maximum=65_535,
        metavar="N",
    )
    metadata_schema: Path | None = option(
        None,
        "--metadata-schema",
        'JSON file of index policies: {"field": {"filterable": true, "pattern": false, "full_text": false}}.',
        panel=panels.CREATE,
    )
    text_fields: tuple[str, ...] = option(
        (),
        "--text-fields",
        "Metadata fields for full-text search, comma-separated.",
        panel=panels.CREATE,
        metavar="A,B",
    )
    bm25_k1: float | None = option(
        None, "--bm25-k1", "BM25 term-frequency saturation (default 1.2).", panel=panels.CREATE, minimum=0
    )
    bm25_b: float | None = option(
        None, "--bm25-b", "BM25 length normalisation (default 0.75).", panel=panels.CREATE, minimum=0, maximum=1
    )
