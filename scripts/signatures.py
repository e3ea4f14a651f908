"""Writes `cyborg_ingest/api/{load,verify,inspect}.py` from the declared options; `--check` says whether they are so."""

from __future__ import annotations

import sys
import textwrap
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from cyborg_ingest.settings.declaring import Declaration, declarations
from cyborg_ingest.settings.keywords import in_python
from cyborg_ingest.settings.options import InspectSettings, LoadSettings, VerifySettings

API = Path(__file__).parents[1] / "cyborg_ingest" / "api"
PANELS = (
    "Target and keys", "Creating the index", "Columns and formats", "Choosing rows", "Sending", "Safety", "Output",
)  # fmt: skip
WIDTH = 120

CHOICES = {
    "metric": "Metric", "storage_precision": "Precision", "format": "Format", "vector_encoding": "Encoding",
    "decimal": "DecimalSign", "reject_content": "RejectContent", "verify": "Verify", "mode": "VerifyMode",
}  # fmt: skip
API_KEY = """The service's API key, or the Path of a file with it; of the engine, its licence. Without it that of the
environment is taken: CYBORG_INGEST_API_KEY, or CYBORGDB_API_KEY for the licence."""
INDEX_KEY = """The index's key: its 32 bytes, 64 hex digits, base64 of them, or the Path of a file with any of these.
Without it it is looked for: CYBORG_INGEST_INDEX_KEY, what systemd or a container delivers, and where a key is kept that
was made for the index."""
PROGRESS = """True draws a bar (in notebooks too; a line every 5 seconds where nobody sees one). A function gets each
fact of `cyborg_ingest.facts` as it happens; an error of its own ends nothing."""
HELP = {
    "target": """http(s)://host:port of a CyborgDB service, or disk:PATH or s3://bucket/prefix for the engine in this
        process. It must be given.""",
    "from_command": """Words of a command whose output is loaded, as in ["zcat", "rows.jsonl.gz"]; there is no other
        source then. Where it fails, so does the load.""",
    "set": """Fields that every row's metadata gets: a dict, or texts like "lang=en".""",
    "rename": """Fields of the metadata that are stored by another name: a dict from old to new, or texts like
        "old=new".""",
    "metadata_columns": """Columns that become fields of the metadata, as a list or with commas; "none": no column. By
        default all that have no other role do, but no other vectors; "*" takes these, too.""",
    "key_out": """Keep the new index's key in this file, and take it from there if it holds one; nothing is
        overwritten. It must be given where no other key is (or CYBORG_INGEST_CONFIG_DIR be set, below which keys are
        kept).""",
    "max_errors": """Continue after so many bad rows, or such a share of them as in "0.5%"; they are kept in
        `rejected_file` of the report.""",
    "checkpoint": """Keep a journal of what is acknowledged, from which the same call resumes. Of rows that the program
        holds one is kept only where max_errors allows bad ones, which are in it.""",
}
"""Where the command's help is not what there is to say in Python."""
KEYS = [("api_key", "Secret | None", "None", API_KEY), ("index_key", "Key | None", "None", INDEX_KEY)]


class Function(NamedTuple):
    """One that is written."""

    name: str
    settings: type[Any]
    index: str
    returns: str
    source: str
    """Where the type that it returns is."""
    left_out: tuple[str, ...]
    text: str


FUNCTIONS = (
    Function("load", LoadSettings, "str", "RunReport", "loading.report", (), """\
Load rows into an index: new rows are inserted, rows of a known id are replaced whole.

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
"""),
    Function("verify", VerifySettings, "str", "dict[str, Any]", "", (), """\
Compare an index with the sources that it was loaded from: the command `cyborg-ingest verify` as a function.

`sources` and `index` as in `load`, with the same keywords for columns and rows. What is not equal is no error: it
is in the result, which has `text` (one sentence), `differences` (how many), `rows` (compared), and `examples`.
Raises IngestError where it cannot be compared.

>>> from pathlib import Path
>>> rows = [{"id": "a", "vector": [1.0, 0.0]}, {"id": "b", "vector": [0.0, 1.0]}]
>>> _ = load(rows, index="pairs", target="disk:data", create=True, key_out="pairs.key")
>>> verify(rows, index="pairs", target="disk:data", index_key=Path("pairs.key"))["differences"]
0
"""),
    Function("inspect", InspectSettings, "str | None", "Inspection", "check.inspection", ("json",), """\
Say what sources are like and what is wrong with them, without sending anything: `cyborg-ingest inspect`.

`sources` as in `load`, with the same keywords for columns and rows; with `index`, they are compared with that one.
What is wrong is in `findings` of the result, each with a `text` and the next step; `to_dict()` is all of it. Raises
IngestError where they cannot be read.

>>> found = inspect([{"id": "a", "vector": [0.0, 0.0]}, {"id": "b", "vector": [1.0, 0.0]}])
>>> found.dimension, [one.kind for one in found.findings]
(2, ['vector_zero'])
"""),
)  # fmt: skip


def annotation(name: str, kind: Any, declared: Declaration) -> str:
    """The type of a keyword, as `api.types` calls it."""
    text = kind.__name__ if isinstance(kind, type) else str(kind)
    plain = text.removesuffix(" | None")
    rules = (
        (name in CHOICES, CHOICES.get(name, "")),
        (plain.startswith("tuple"), "Pairs" if "=" in (declared.metavar or "") else "Names"),
        ("Path" in plain, "File"),
        (declared.metavar == "DURATION", "Duration"),
        (declared.metavar == "N|N%", "Share"),
        ("bytes" in name or "K|M|G" in (declared.metavar or ""), "Size"),
        (plain == "float", "float | timedelta"),
    )
    found = next((spelled for is_so, spelled in rules if is_so), plain)
    return f"{found} | None" if plain != text else found


def literal(value: Any) -> str:
    """A default as Python spells it; a number that is kept as text is one."""
    if isinstance(value, str) and value.isdigit():
        return value
    return f'"{value}"' if isinstance(value, str) else repr(value)


def keywords(function: Function) -> dict[str, list[tuple[str, str, str, str]]]:
    """Panel -> name, type, default and help of each keyword."""
    kinds = {one.name: (one.type, one.default) for one in fields(function.settings)}
    found: dict[str, list[tuple[str, str, str, str]]] = {panel: [] for panel in PANELS}
    for name, declared in declarations(function.settings).items():
        if name == "index" or name in function.left_out:
            continue
        kind, default = kinds[name]
        found[declared.panel].append(
            (name, annotation(name, kind, declared), literal(default), HELP.get(name) or in_python(declared.help))
        )
    found["Target and keys"][1:1] = KEYS
    found["Output"].append(("progress", "Progress", "False", PROGRESS))
    return {panel: rows for panel, rows in found.items() if rows}


def signature(function: Function, groups: dict[str, list[tuple[str, str, str, str]]]) -> str:
    """The first lines, to the colon."""
    default = "" if function.index == "str" else " = None"
    lines = ["    sources: Sources = (),", "    *,", f"    index: {function.index}{default},"]
    for panel, rows in groups.items():
        lines += [f"    # {panel}", *(f"    {name}: {kind} = {value}," for name, kind, value, _ in rows)]
    return "\n".join(["@public", f"def {function.name}(", *lines, f") -> {function.returns}:"])


def docstring(function: Function, groups: dict[str, list[tuple[str, str, str, str]]]) -> str:
    """What `help` and an IDE show."""
    lines = function.text.splitlines()
    for panel, rows in groups.items():
        lines += ["", f"{panel}:"]
        for name, _, _, told in rows:
            lines += textwrap.wrap(
                " ".join(f"{name}: {told}".split()), WIDTH - 4, initial_indent="    ", subsequent_indent="        ",
                break_long_words=False, break_on_hyphens=False,
            )  # fmt: skip
    text = "\n".join(lines).replace("\\", "\\\\")
    return f'    {"r" if chr(92) in text else ""}"""{textwrap.indent(text, "    ").strip()}\n    """'


def module(function: Function) -> str:
    """The whole file."""
    groups = keywords(function)
    used = {word for rows in groups.values() for _, kind, _, _ in rows for word in kind.split(" | ")}
    types = sorted((used - {"str", "int", "bool", "float", "None", "timedelta"}) | {"Sources"})
    typed = "\n".join(
        filter(None, [
            "    from datetime import timedelta" if "timedelta" in used else "",
            "    from typing import Any" if "Any" in function.returns else "",
        ])
    )  # fmt: skip
    home = f"    from cyborg_ingest.{function.source} import {function.returns}\n" if function.source else ""
    imports = "\n".join(f"        {one}," for one in types)
    done = {"load": "loaded", "verify": "verified", "inspect": "inspected"}[function.name]
    return f'''"""`cyborg_ingest.{function.name}`. Written by scripts/signatures.py; change the options, or the script."""

# ruff: noqa: A002 - options have these names

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest.api.calling import public
from cyborg_ingest.api.running import {done}

if TYPE_CHECKING:
{typed}

    from cyborg_ingest.api.types import (
{imports}
    )
{home}

{signature(function, groups)}
{docstring(function, groups)}
    return {done}(locals())
'''


def main() -> int:
    """Write, or compare."""
    others = 0
    for one in FUNCTIONS:
        path, text = API / f"{one.name}.py", module(one)
        if "--check" not in sys.argv[1:]:
            path.write_text(text, "utf-8")
        elif path.read_text("utf-8") != text:
            others += 1
            print(f"{path} is not what the options say: run python scripts/signatures.py")
    return min(others, 1)


if __name__ == "__main__":
    sys.exit(main())
