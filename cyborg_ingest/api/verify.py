"""`cyborg_ingest.verify`. Written by scripts/signatures.py; change the options, or the script."""

# ruff: noqa: A002 - options have these names

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest.api.calling import public
from cyborg_ingest.api.running import verified

if TYPE_CHECKING:
    from datetime import timedelta
    from typing import Any

    from cyborg_ingest.api.types import (
        DecimalSign,
        Encoding,
        File,
        Format,
        Key,
        Names,
        Pairs,
        Precision,
        Progress,
        Secret,
        Size,
        Sources,
        VerifyMode,
    )


@public
def verify(
    sources: Sources = (),
    *,
    index: str,
    # Target and keys
    target: str | None = None,
    api_key: Secret | None = None,
    index_key: Key | None = None,
    api_key_file: File | None = None,
    index_key_file: File | None = None,
    api_key_command: str | None = None,
    index_key_command: str | None = None,
    ca_cert: File | None = None,
    insecure: bool = False,
    allow_plain_http: bool = False,
    timeout: float | timedelta = 300.0,
    retries: int = 8,
    retry_max_wait: float | timedelta = 60.0,
    # Columns and formats
    format: Format | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    column_types: Pairs = (),
    decimal: DecimalSign = ".",
    null_values: Names = (),
    records: str | None = None,
    id_column: str | None = None,
    vector_column: str | None = None,
    vector_encoding: Encoding = "auto",
    metadata_column: str | None = None,
    metadata_columns: Names = (),
    contents_column: str | None = None,
    ids: File | None = None,
    id_prefix: str | None = None,
    metadata: File | None = None,
    metadata_key: str | None = None,
    contents: File | None = None,
    contents_key: str | None = None,
    contents_from: File | None = None,
    id_template: str | None = None,
    set: Pairs = (),
    rename: Pairs = (),
    # Choosing rows
    from_command: Names = (),
    where: str | None = None,
    skip: int = 0,
    limit: int | None = None,
    sample: int | None = None,
    # Safety
    max_row_bytes: Size = 16000000,
    mode: VerifyMode = "full",
    sample_rows: int = 1000,
    storage_precision: Precision = "float32",
    # Output
    differences: File | None = None,
    progress: Progress = False,
) -> dict[str, Any]:
    """Compare an index with the sources that it was loaded from: the command `cyborg-ingest verify` as a function.

    `sources` and `index` as in `load`, with the same keywords for columns and rows. What is not equal is no error: it
    is in the result, which has `text` (one sentence), `differences` (how many), `rows` (compared), and `examples`.
    Raises IngestError where it cannot be compared.

    >>> from pathlib import Path
    >>> rows = [{"id": "a", "vector": [1.0, 0.0]}, {"id": "b", "vector": [0.0, 1.0]}]
    >>> _ = load(rows, index="pairs", target="disk:data", create=True, key_out="pairs.key")
    >>> verify(rows, index="pairs", target="disk:data", index_key=Path("pairs.key"))["differences"]
    0

    Target and keys:
        target: http(s)://host:port of a CyborgDB service, or disk:PATH or s3://bucket/prefix for the engine in this
            process. It must be given.
        api_key: The service's API key, or the Path of a file with it; of the engine, its licence. Without it that of
            the environment is taken: CYBORG_INGEST_API_KEY, or CYBORGDB_API_KEY for the licence.
        index_key: The index's key: its 32 bytes, 64 hex digits, base64 of them, or the Path of a file with any of
            these. Without it it is looked for: CYBORG_INGEST_INDEX_KEY, what systemd or a container delivers, and where
            a key is kept that was made for the index.
        api_key_file: File with the service's API key (or CYBORG_INGEST_API_KEY holds the key itself).
        index_key_file: File with the index's key: 32 raw bytes, 64 hex digits or base64 (or CYBORG_INGEST_INDEX_KEY
            holds the hex). An index behind a KMS needs none.
        api_key_command: Command that prints the service's API key, as in 'pass show cyborgdb'. It is run once, without
            a shell.
        index_key_command: Command that prints the index's key, in any form that a file may have.
        ca_cert: Trust the certificate authorities in this PEM file.
        insecure: Do not verify the service's TLS certificate.
        allow_plain_http: Do not warn about a service beyond this machine that is reached without encryption.
        timeout: Seconds until one request has its whole answer. A request that was given up may still be applied.
        retries: Tries after a failure that may pass, for each request.
        retry_max_wait: Longest pause between two tries, in seconds.

    Columns and formats:
        format: Read every source as this, whatever its suffix; but of a folder that has files with its own suffix,
            leave out those with another format's.
        delimiter: What stands between the cells of a CSV: one character, or tab.
        header: Whether the first line of a CSV names its columns; without one they are column0, column1 and so on. By
            default it does, and a line of numbers is refused.
        column_types: What a CSV's columns hold, as in score=float,zip=text: int, float, bool, date, timestamp, vector
            or text. What is not named has the type that all its cells fit.
        decimal: The sign before the fractions of a CSV's numbers. With a comma, 1,5 is a number and 1.5 is text.
        null_values: Cells of a CSV that stand for nothing beside the empty one, as in NULL,NA.
        records: Where in a JSON document the rows are, as in result.points or, in each item of a list, pages[].points;
            '.' is the document itself. By default they are found.
        id_column: Column of the ids.
        vector_column: Column of the vectors; or the columns of numbers that make them up, as in x,y,z or 'v*'.
        vector_encoding: How vectors are encoded that are text ([1,2], {1,2}, [1 2]), bytes, or base64 of float32. auto
            finds text, base64 and f32le by the first rows; lists of numbers are taken as they are.
        metadata_column: Column of the metadata: a struct, a map or JSON text.
        metadata_columns: Columns that become fields of the metadata, as a list or with commas; "none": no column. By
            default all that have no other role do, but no other vectors; "*" takes these, too.
        contents_column: Column of the contents (text or bytes).
        ids: Ids for a .npy, row by row: .npy, .txt, .jsonl, .json, .csv, .tsv or .parquet.
        id_prefix: Where there are no ids, as in a .npy, they are row numbers behind this; {file} in it is the file's
            name.
        metadata: Metadata for a .npy, row by row: .jsonl, .json, .csv, .tsv or .parquet.
        metadata_key: Column of metadata that holds the ids, where its rows are in another order than the vectors.
        contents: Contents for a .npy, row by row: .txt, .jsonl, .json, .csv, .tsv or .parquet.
        contents_key: Column of contents that holds the ids, where its rows are in another order than the vectors.
        contents_from: File of a batch's requests (JSONL), whose texts become the contents of its output's rows, by
            custom_id.
        id_template: Make ids of columns, as in '{doc_id}-{chunk}'; {file} and {row} are the file's name and the row's
            number, unless there are columns of these names.
        set: Fields that every row's metadata gets: a dict, or texts like "lang=en".
        rename: Fields of the metadata that are stored by another name: a dict from old to new, or texts like "old=new".

    Choosing rows:
        from_command: Words of a command whose output is loaded, as in ["zcat", "rows.jsonl.gz"]; there is no other
            source then. Where it fails, so does the load.
        where: Load only rows of which this is true, in SQL: "lang = 'en' AND year >= 2000"; the rules are in
            docs/formats.md.
        skip: Leave out this many rows at the beginning.
        limit: Stop after this many rows.
        sample: Load so many rows, picked at random: the same ones each time, for the same sources.

    Safety:
        max_row_bytes: The largest row: a larger one is rejected. What a format lets be decoded in one piece only (a
            page, a record batch, a chunk) may be 32 times as large.
        mode: Compare the count, a random sample, or every row.
        sample_rows: Rows of a sample.
        storage_precision: How the index stores vectors, which it does not tell: anything but float32 is compared with a
            tolerance.

    Output:
        differences: Write each difference to this file, as JSONL; never one that is read, or that a source would find.
        progress: True draws a bar (in notebooks too; a line every 5 seconds where nobody sees one). A function gets
            each fact of `cyborg_ingest.facts` as it happens; an error of its own ends nothing.
    """
    return verified(locals())
