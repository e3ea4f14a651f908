"""Folders that keep a list of their own: it decides which files count, or the load stops and says how to read them."""

from __future__ import annotations

import io
import json
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

ABOUT_DATA = {"dataset_dict.json", "dataset_info.json", "dataset_infos.json", "state.json"}
"""Hugging Face's files about a data set, which hold none of its rows."""

LARGEST_LIST = 64_000_000
"""The bytes of a list that are read at most."""

_FROM_PYTHON = "From Python: cyborg_ingest.load({}, index=...)"
_BY_SPARK = "Let Spark save what it holds: {}.write.parquet(new_path)"
_TABLES = {
    "_delta_log": ("a Delta table", _FROM_PYTHON.format("deltalake.DeltaTable(path).to_pyarrow_dataset()")),
    ".hoodie": ("a Hudi table", _BY_SPARK.format("spark.read.format('hudi').load(path)")),
    ".hoodie_partition_metadata": ("a part of a Hudi table", _BY_SPARK.format("spark.read.format('hudi').load(path)")),
    "_versions": ("a Lance data set", _FROM_PYTHON.format("lance.dataset(path)")),
    "_spark_metadata": ("a sink of Spark's structured streaming", _BY_SPARK.format("spark.read.parquet(path)")),
    "metadata": ("an Iceberg table", _FROM_PYTHON.format("catalog.load_table(name).scan().to_arrow()")),
    "snapshot": ("a Paimon table", _BY_SPARK.format("spark.read.format('paimon').load(path)")),
}
"""What a name in a folder makes of it, and how it is read."""

MARKS = (*_TABLES, "manifest", "schema", "state.json", "dataset_info.json")
"""The names that have to be looked for in a folder that is not looked through."""

_ACID = re.compile(r"(base|delta|delete_delta)_\d{7,}(_.*)?")
_ICEBERG = re.compile(r"version-hint\.text|(v\d+|\d+-.+)(\.gz)?\.metadata\.json(\.gz)?")
_TRANSACTION = re.compile(r"-tid-(\d+)-")
_COMMITTED, _STARTED = "_committed_", "_started_"


@dataclass(frozen=True, slots=True)
class CatalogueFolder:
    """A folder, the names that are directly in it, and ways to look further: into a folder of it, into a file of it.

    `is_whole`: all names are known, not only those of `MARKS`.
    """

    uri: str
    names: Collection[str]
    inside: Callable[[str], Collection[str]]
    read: Callable[[str], bytes]
    is_whole: bool = True


def above(folder: str) -> Iterator[str]:
    """The folders above one that may list its files: through `year=2024` and `data`."""
    while "=" in posixpath.basename(folder) or posixpath.basename(folder) == "data":
        folder = posixpath.dirname(folder)
        if folder.endswith("/"):
            return
        yield folder


def check_named(folder: CatalogueFolder, name: str | None) -> None:
    """Raise FormatError where a folder that was not looked through is a table, or does not count a file in it."""
    check_table(folder)
    counts = None if name is None else counted(folder)
    if name is not None and counts is not None and not counts(name):
        raise FormatError(
            f"{folder.uri}/{name} is not in the list that its folder keeps of its files. Name the folder to load those "
            "that are; or copy this file to another place."
        )


def check_table(folder: CatalogueFolder) -> None:
    """Raise FormatError where a log beside the files says which of their rows count."""
    for name, (kind, advice) in _TABLES.items():
        if name in folder.names and _is_sure(folder, name):
            raise FormatError(
                f"{folder.uri} is {kind}: {name} in it decides which files and rows count, and files by themselves "
                f"would bring back what was deleted. {advice}"
            )
    acid = next((name for name in sorted(folder.names) if _ACID.fullmatch(name)), None)
    if acid is not None:
        raise FormatError(
            f"{folder.uri} is a transactional table of Hive: {acid} in it is one of several states. Let Hive or Spark "
            "save it as Parquet, and load that."
        )


def _is_sure(folder: CatalogueFolder, name: str) -> bool:
    """Whether a name that is not unusual really means a table."""
    if name == "metadata":
        return any(_ICEBERG.fullmatch(one) for one in folder.inside(name))
    return name != "snapshot" or {"manifest", "schema"} <= set(folder.names)


def counted(folder: CatalogueFolder) -> Callable[[str], bool] | None:
    """Whether a folder's own list counts a name in it as data; None where it has no list. Raises FormatError."""
    if "dataset_dict.json" in folder.names:
        splits = _json(folder, "dataset_dict.json")
        if isinstance(splits, dict) and isinstance(splits.get("splits"), list):
            return set(splits["splits"]).__contains__
    if "state.json" in folder.names:
        state = _json(folder, "state.json")
        if isinstance(state, dict) and isinstance(state.get("_data_files"), list):
            return _shards(folder, state)
    if any(name.startswith((_COMMITTED, _STARTED)) for name in folder.names):
        return _committed(folder)
    if "dataset_info.json" in folder.names:  # what `map` keeps beside the shards of a data set that was downloaded
        return lambda name: not (name.startswith("cache-") and name.endswith(".arrow"))
    return None


def _shards(folder: CatalogueFolder, state: dict[str, Any]) -> Callable[[str], bool]:
    """The shards that Hugging Face's `save_to_disk` lists."""
    if state.get("_indices_data_files") or state.get("_indices_files"):
        raise FormatError(
            f"{folder.uri}: its state.json picks rows by indices. Save it whole: "
            "datasets.load_from_disk(path).flatten_indices().save_to_disk(new_path)"
        )
    names = [one["filename"] for one in state["_data_files"] if isinstance(one, dict) and "filename" in one]
    missing = next((name for name in names if name not in folder.names), None)
    if missing is not None and folder.is_whole:
        raise FormatError(f"{folder.uri}: its state.json lists {missing}, which is not there. Copy the folder again.")
    return set(names).__contains__


def _committed(folder: CatalogueFolder) -> Callable[[str], bool]:
    """What the transactions of Databricks have committed and not removed."""
    done = {name.removeprefix(_COMMITTED) for name in folder.names if name.startswith(_COMMITTED)}
    begun = {name.removeprefix(_STARTED) for name in folder.names if name.startswith(_STARTED)}
    lists = [_json(folder, _COMMITTED + one) for one in sorted(done)]
    removed = {name for one in lists if isinstance(one, dict) for name in one.get("removed", ())}

    def counts(name: str) -> bool:
        found = _TRANSACTION.search(name)
        return name not in removed and (found is None or found[1] not in begun - done)

    return counts


def summary(folder: CatalogueFolder) -> set[str] | None:
    """The files below that a summary of Parquet footers (`_metadata`) names; None where there is none that does."""
    if "_metadata" not in folder.names:
        return None
    import pyarrow as pa  # noqa: PLC0415 - for folders with this file alone
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        footer = pq.read_metadata(io.BytesIO(folder.read("_metadata")))
        groups = (footer.row_group(number) for number in range(footer.num_row_groups))
        return {group.column(0).file_path for group in groups if group.num_columns} - {""} or None
    except (pa.ArrowException, OSError, ValueError):  # another job's file of that name
        return None


def check_summary(folder: CatalogueFolder, files: Mapping[str, str]) -> None:
    """Raise FormatError where a summary names other files than those that are there: paths below it, and their uris."""
    named = summary(folder)
    if named is None:
        return
    unnamed = next((uri for path, uri in sorted(files.items()) if path not in named), None)
    missing = min(named - files.keys(), default=None)
    if unnamed is None and missing is None:
        return
    what = f"does not name {unnamed}" if missing is None else f"names {missing}, which is not there"
    raise FormatError(
        f"{folder.uri}: its _metadata {what}. If it is out of date, delete it; else name the files with a pattern."
    )


def _json(folder: CatalogueFolder, name: str) -> Any:
    try:
        return json.loads(folder.read(name))
    except (ValueError, RecursionError):  # another job's file of that name
        return None
