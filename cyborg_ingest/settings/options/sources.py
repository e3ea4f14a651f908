"""Options that say how sources are read, which column is what, and which rows are meant."""

from dataclasses import dataclass
from pathlib import Path

from cyborg_ingest.errors import UsageError
from cyborg_ingest.settings.declaring import Settings, option
from cyborg_ingest.settings.options import panels

FORMATS = (
    "parquet", "arrow", "jsonl", "json", "csv", "tsv", "npy", "npz", "hdf5", "fvecs", "bvecs", "ivecs", "fbin", "u8bin",
    "i8bin",
)  # fmt: skip
ENCODINGS = ("auto", "text", "f32le", "f32be", "f16le", "f64le", "base64")

MAX_ROW_BYTES = 16_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceSettings(Settings):
    """What is read, and which column is what."""

    from_command: tuple[str, ...] = option(
        (),
        "--from-command",
        "Load what a command prints: its words stand behind --, as in --from-command -- zcat rows.jsonl.gz, and there "
        "is no other source. Where it fails, so does the load.",
        panel=panels.ROWS,
        takes_rest=True,
    )
    format: str | None = option(
        None,
        "--format",
        "Read every source as this, whatever its suffix; but of a folder that has files with its own suffix, leave out "
        "those with another format's.",
        panel=panels.COLUMNS,
        choices=FORMATS,
    )
    delimiter: str | None = option(
        None,
        "--delimiter",
        "What stands between the cells of a CSV: one character, or tab.",
        panel=panels.COLUMNS,
        metavar="SIGN",
    )
    header: bool | None = option(
        None,
        "--header/--no-header",
        "Whether the first line of a CSV names its columns; without one they are column0, column1 and so on. By "
        "default it does, and a line of numbers is refused.",
        panel=panels.COLUMNS,
    )
    column_types: tuple[str, ...] = option(
        (),
        "--column-types",
        "What a CSV's columns hold, as in score=float,zip=text: int, float, bool, date, timestamp, vector or text. "
        "What is not named has the type that all its cells fit.",
        panel=panels.COLUMNS,
        metavar="A=TYPE,B=TYPE",
    )
    decimal: str = option(
        ".",
        "--decimal",
        "The sign before the fractions of a CSV's numbers. With a comma, 1,5 is a number and 1.5 is text.",
        panel=panels.COLUMNS,
        choices=(".", ","),
    )
    null_values: tuple[str, ...] = option(
        (),
        "--null-values",
        "Cells of a CSV that stand for nothing beside the empty one, as in NULL,NA.",
        panel=panels.COLUMNS,
        metavar="A,B",
    )
    records: str | None = option(
        None,
        "--records",
        "Where in a JSON document the rows are, as in result.points or, in each item of a list, pages[].points; '.' is "
        "the document itself. By default they are found.",
        panel=panels.COLUMNS,
        metavar="PATH",
    )
    id_column: str | None = option(None, "--id-column", "Column of the ids.", panel=panels.COLUMNS, metavar="NAME")
    vector_column: str | None = option(
        None,
        "--vector-column",
        "Column of the vectors; or the columns of numbers that make them up, as in x,y,z or 'v*'.",
        panel=panels.COLUMNS,
        metavar="NAME",
    )
    vector_encoding: str = option(
        "auto",
        "--vector-encoding",
        "How vectors are encoded that are text ([1,2], {1,2}, [1 2]), bytes, or base64 of float32. auto finds text, "
        "base64 and f32le by the first rows; lists of numbers are taken as they are.",
        panel=panels.COLUMNS,
        choices=ENCODINGS,
    )
    metadata_column: str | None = option(
        None,
        "--metadata-column",
        "Column of the metadata: a struct, a map or JSON text.",
        panel=panels.COLUMNS,
        metavar="NAME",
    )
    metadata_columns: tuple[str, ...] = option(
        (),
        "--metadata-columns",
        "Columns that become fields of the metadata, comma-separated; none: no column. By default all that have no "
        "other role do, but no other vectors; '*' takes these, too.",
        panel=panels.COLUMNS,
        metavar="A,B,C",
    )
    contents_column: str | None = option(
        None, "--contents-column", "Column of the contents (text or bytes).", panel=panels.COLUMNS, metavar="NAME"
    )
    ids: Path | None = option(
        None,
        "--ids",
        "Ids for a .npy, row by row: .npy, .txt, .jsonl, .json, .csv, .tsv or .parquet.",
        panel=panels.COLUMNS,
    )
    id_prefix: str | None = option(
        None,
        "--id-prefix",
        "Where there are no ids, as in a .npy, they are row numbers behind this; {file} in it is the file's name.",
        panel=panels.COLUMNS,
        metavar="TEXT",
    )
    metadata: Path | None = option(
        None,
        "--metadata",
        "Metadata for a .npy, row by row: .jsonl, .json, .csv, .tsv or .parquet.",
        panel=panels.COLUMNS,
    )
    metadata_key: str | None = option(
        None,
        "--metadata-key",
        "Column of --metadata that holds the ids, where its rows are in another order than the vectors.",
        panel=panels.COLUMNS,
        metavar="NAME",
    )
    contents: Path | None = option(
        None,
        "--contents",
        "Contents for a .npy, row by row: .txt, .jsonl, .json, .csv, .tsv or .parquet.",
        panel=panels.COLUMNS,
    )
    contents_key: str | None = option(
        None,
        "--contents-key",
        "Column of --contents that holds the ids, where its rows are in another order than the vectors.",
        panel=panels.COLUMNS,
        metavar="NAME",
    )
    contents_from: Path | None = option(
        None,
        "--contents-from",
        "File of a batch's requests (JSONL), whose texts become the contents of its output's rows, by custom_id.",
        panel=panels.COLUMNS,
    )
    id_template: str | None = option(
        None,
        "--id-template",
        "Make ids of columns, as in '{doc_id}-{chunk}'; {file} and {row} are the file's name and the row's number, "
        "unless there are columns of these names.",
        panel=panels.COLUMNS,
        metavar="TEXT",
    )
    set: tuple[str, ...] = option(
        (),
        "--set",
        "A field that every row's metadata gets: KEY=VALUE, the value JSON or else text. May be repeated.",
        panel=panels.COLUMNS,
        metavar="KEY=VALUE",
        repeats=True,
    )
    rename: tuple[str, ...] = option(
        (),
        "--rename",
        "Store a field of the metadata by another name: OLD=NEW. May be repeated.",
        panel=panels.COLUMNS,
        metavar="OLD=NEW",
        repeats=True,
    )
    where: str | None = option(
        None,
        "--where",
        "Load only rows of which this is true, in SQL: \"lang = 'en' AND year >= 2000\"; the rules are in "
        "docs/formats.md.",
        panel=panels.ROWS,
        metavar="CONDITION",
    )
    max_row_bytes: int = option(
        MAX_ROW_BYTES,
        "--max-row-bytes",
        "The largest row: a larger one is rejected. What a format lets be decoded in one piece only (a page, a record "
        "batch, a chunk) may be 32 times as large.",
        panel=panels.SAFETY,
        minimum=1000,
        maximum=1_000_000_000,
        metavar="N",
    )
    skip: int = option(
        0, "--skip", "Leave out this many rows at the beginning.", panel=panels.ROWS, minimum=0, metavar="N"
    )
    limit: int | None = option(None, "--limit", "Stop after this many rows.", panel=panels.ROWS, minimum=1, metavar="N")
    sample: int | None = option(
        None,
        "--sample",
        "Load so many rows, picked at random: the same ones each time, for the same sources.",
        panel=panels.ROWS,
        minimum=1,
        metavar="N",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.from_command and getattr(self, "sources", ()):
            raise UsageError("With --from-command what the command prints is the only source. Name no other beside it.")
