"""`cyborg_ingest.load`. Written by scripts/signatures.py; change the options, or the script."""

# ruff: noqa: A002 - options have these names

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest.api.calling import public
from cyborg_ingest.api.running import loaded

if TYPE_CHECKING:
    from datetime import timedelta

    from cyborg_ingest.api.types import (
        DecimalSign,
        Duration,
        Encoding,
        File,
        Format,
        Key,
        Metric,
        Names,
        Pairs,
        Precision,
        Progress,
        RejectContent,
        Secret,
        Share,
        Size,
        Sources,
        Verify,
    )
    from cyborg_ingest.loading.report import RunReport


@public
def load(
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
    # Creating the index
    metric: Metric | None = None,
    storage_precision: Precision | None = None,
    kms_name: str | None = None,
    key_out: File | None = None,
    create: bool = False,
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
    # Sending
    max_duration: Duration | None = None,
    max_rows_per_second: int | None = None,
    max_bytes_per_second: Size | None = None,
    max_memory: Size | None = None,
    dry_run: bool = False,
    batch_rows: int | None = None,
    batch_bytes: Size | None = None,
    workers: int | None = None,
    # Safety
    state_dir: File | None = None,
    state_uri: str | None = None,
    lock_wait: Duration | None = None,
    allow_empty: bool = False,
    skip_bad_files: bool = False,
    min_rows: int | None = None,
    max_age: Duration | None = None,
    max_shrink: Share | None = None,
    max_row_bytes: Size = 16000000,
    max_errors: Share = 0,
    reject_content: RejectContent = "full",
    verify: Verify = "none",
    restart: bool = False,
    only_new: bool = False,
    delete_missing: bool = False,
    max_delete: Share = "10%",
    checkpoint: bool = True,
    drain_timeout: float | timedelta = 20.0,
    sole_writer: bool = False,
    # Output
    progress: Progress = False,
) -> RunReport:
    """Load rows into an index: new rows are inserted, rows of a known id are replaced whole.

    `sources` are paths or addresses (files, folders, patterns, `s3://...`), or rows as a program holds them: a dict of
    columns, a list of dicts, a generator of dicts, of such dicts or of record batches, a DataFrame of pandas or
    polars, a Dataset of Hugging Face, a Table, Dataset or RecordBatchReader of pyarrow, or a list of several of these.
    `index` is the index's name. Without `create=True` it has to be there.

    Returns the report. Raises IngestError, whose `report` says what was acknowledged until then; so does that of a
    KeyboardInterrupt, which waits for what is in flight, at most `drain_timeout` seconds, and of any other exception.
    What is not loaded, and where a new key is kept, is a warning of the logger `cyborg_ingest`, and in the report.

    A load of files that was stopped is resumed by the same call. One of rows that the program holds is not: it begins
    anew, and as rows of a known id are replaced, nothing is there twice.

    >>> from pathlib import Path
    >>> import numpy as np
    >>> rows = {"id": ["a", "b"], "vector": np.eye(2, 4, dtype=np.float32), "lang": ["en", "de"]}
    >>> report = load(rows, index="docs", target="disk:data", create=True, key_out="docs.key")
    >>> report.rows["acknowledged"], report.columns["metadata"]
    (2, ['lang'])
    >>> load([{"id": "c", "vector": [1.0, 2.0, 3.0, 4.0], "lang": "fr"}], index="docs", target="disk:data",
    ...      index_key=Path("docs.key")).status
    'ok'

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

    Creating the index:
        metric: Distance of the new index (the engine's default: euclidean).
        storage_precision: How the new index stores vectors (default float32, exact); of one that is there already, how
            it does.
        kms_name: Let the service keep the new index's key, under this entry of its KMS registry.
        key_out: Keep the new index's key in this file, and take it from there if it holds one; nothing is overwritten.
            It must be given where no other key is (or CYBORG_INGEST_CONFIG_DIR be set, below which keys are kept).
        create: Create the index if it is missing, sized from the data.

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

    Sending:
        max_duration: Stop after this time, as in 5h50m: what is on its way is awaited, and the same call resumes. Exit
            code 6.
        max_rows_per_second: Send no more rows than this in a second, by all workers together.
        max_bytes_per_second: Send no more bytes than this in a second, as batch_bytes counts them: 500K, 20M (K is
            1,000).
        max_memory: Take no more memory than this, as in 400M or 1G: less is read and sent at once, and what does not
            fit is an error or a rejected row.
        dry_run: Read and check everything, send nothing.
        batch_rows: Rows a request at most (default: measured for each engine).
        batch_bytes: Bytes a request at most: of the encoded body over REST (10,000,000 at most), of the rows embedded.
        workers: Requests in flight at once (default: measured for each engine).

    Safety:
        state_dir: Where journals are kept, and of each run its report, its log and its rejected rows (in
            jobs/JOB/runs/RUN).
        state_uri: Keep that in an object store, where it survives this machine: s3://BUCKET/PREFIX, gs:// or abfs://.
        lock_wait: Wait so long, as in 10m, while another process runs this load or has the index; without it, exit code
            75.
        allow_empty: Sources without a single row are not an error: nothing is loaded.
        skip_bad_files: A file that is damaged, or has other columns than it needs, does not stop the others: it is
            named, and the exit code is 1.
        min_rows: Send nothing if the sources have fewer rows. Where no header says how many, rows are counted first.
        max_age: Send nothing if the newest source is older than this, as in 24h, 90m or 7d.
        max_shrink: Send nothing if the sources have so many rows fewer, or such a share, than this job's last load that
            ended.
        max_row_bytes: The largest row: a larger one is rejected. What a format lets be decoded in one piece only (a
            page, a record batch, a chunk) may be 32 times as large.
        max_errors: Continue after so many bad rows, or such a share of them as in "0.5%"; they are kept in
            `rejected_file` of the report.
        reject_content: What rejected.jsonl, messages and the report hold of a rejected row: all of it, or its id and
            why, alone.
        verify: Afterwards, compare the index with the sources: its count with all ids, a sample of 1,000 rows, or all
            rows. A count, and at most 64 rows, are looked at in any case.
        restart: Forget what earlier runs of this job have loaded, and load everything.
        only_new: Load files that are new or have changed since this job's last load that ended, and skip the others,
            once the index is seen to hold their rows.
        delete_missing: Afterwards, delete the rows that this job has loaded before and that are no longer in its
            sources. Others are not touched.
        max_delete: Delete none if delete_missing=True would delete more rows than this, or such a share of those that
            the job has loaded. Exit code 4.
        checkpoint: Keep a journal of what is acknowledged, from which the same call resumes. Of rows that the program
            holds one is kept only where max_errors allows bad ones, which are in it.
        drain_timeout: After Ctrl-C or SIGTERM, seconds to wait for requests that are on their way.
        sole_writer: On s3://, which has no lock: this process alone writes to the index.

    Output:
        progress: True draws a bar (in notebooks too; a line every 5 seconds where nobody sees one). A function gets
            each fact of `cyborg_ingest.facts` as it happens; an error of its own ends nothing.
    """
    return loaded(locals())
