"""What messages advise, by room: the command that ends with a message, and the one that it advises.

`{}` in a message stands for what the source has in braces there. Commands are run in a folder that `files` fills.
What takes more than a command line is in the tests that call `says`; test_advice finds their messages, too.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner

from cyborg_ingest import cli
from cyborg_ingest.settings.keywords import in_python


class Advice(NamedTuple):
    """`mended` ends with `code`; where that is not 0, it says `then`."""

    trouble: str
    mended: str
    code: int = 0
    then: str = ""


def run(*arguments: object) -> tuple[int, str]:
    """A command line: its exit code, and all that it said."""
    done = CliRunner().invoke(cli.app, [str(one) for one in arguments])
    return done.exit_code, done.output


def says(told: str, message: str) -> None:
    """A message of the source, or a part of it as it stands there, is in what was told. What it advises comes next."""
    forms = (message, in_python(message))  # who calls from Python reads of keywords
    words = [[re.escape(one.strip()) for one in re.split(r"\{[a-z]*\}", form)] for form in forms]
    assert any(re.search(".*?".join(one), told, re.DOTALL) for one in words), told


def files() -> None:
    """Files of all kinds of trouble, in the working directory; their vectors have four dimensions."""
    good = np.arange(1, 21, dtype=np.float32).reshape(5, 4)
    arrays = {
        "good": good, "bad": np.where(good == 9, np.nan, good), "empty": good[:0], "wide": np.ones((5, 6), np.float32),
        "ids3": np.array(["a", "b", "c"]), "idsmatrix": np.ones((5, 2), np.int64),
    }  # fmt: skip
    for name, values in arrays.items():
        np.save(f"{name}.npy", values)
    np.save("ids5.npy", np.arange(5))
    np.save("doublybad.npy", np.where(good > 15, np.nan, np.where(good == 9, np.nan, good)))
    np.save("long.npy", np.ones((10_001, 4), np.float32))
    Path("key").write_text("ab" * 32)
    Path("open").mkdir()
    Path("open").chmod(0o777)
    Path("words.pkl").write_bytes(b"\x80\x04.")
    Path("blank").write_text("\n")
    Path("nokey").write_text("no key")
    Path("largekey").write_text("ab" * 40_000)
    Path("schema.json").write_text('{"year": {"filterable": true, "pattern": false}}')
    Path("idscut.npy").write_bytes(Path("ids5.npy").read_bytes()[:-8])
    Path("idslong.npy").write_bytes(Path("ids5.npy").read_bytes() * 2)
    Path("ids.txt").write_text("a\nb\nc\nd\ne\n")
    np.save("idswide.npy", np.array(list("abcde"), "<U300"))
    _lines()
    _delimited()
    _tables(good)
    for name in (
        "many/a.npy",
        "many/b.npy",
        "hive/year=2023/p.npy",
        "hive/year=2024/p.npy",
        "twins/rows_npy/a.npy",
        "none/rows.unknown",
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        np.save(name, good) if name.endswith(".npy") else Path(name).write_text("id,v1,v2,v3,v4\na,1,2,3,4\n")
    np.savez("lengths.npz", vectors=good, ids=np.arange(3), names=np.array(list("abcde")))
    np.savez("lengths2.npz", vectors=good, contents=np.array(list("abc")))
    np.savez("objects2.npz", vectors=good, contents=np.array([{}] * 5))
    np.savez("objects.npz", vectors=good, ids=np.array([{}] * 5), names=np.array(list("abcde")))
    np.savez("scalars.npz", vectors=np.arange(5.0), other=good)
    np.savez("ragged.npz", vectors=np.ones((5, 2, 2)), other=good)


def _lines() -> None:
    row = {"id": "a", "vector": [1, 2, 3, 4]}
    texts = {
        "array.jsonl": json.dumps([row]),
        "spread.jsonl": json.dumps([row], indent=1),
        "object.jsonl": json.dumps(row, indent=1),
        "lines.json": f"{json.dumps(row)}\n{json.dumps({**row, 'id': 'b'})}",
        "fields.jsonl": json.dumps({**row, "metadata": {"a": 1, "b": 2}}),
        "late.jsonl": "\n".join(json.dumps({**row, "id": str(n), **({"x": 1} if n > 149 else {})}) for n in range(200)),
        "laterole.jsonl": "\n".join(
            json.dumps({**row, "id": str(n), **({"payload": {"a": 1}} if n > 149 else {})}) for n in range(200)
        ),
        "twice.jsonl": f"{json.dumps(row)}\n{json.dumps(row)}",
        "noid.jsonl": f"{json.dumps(row)}\n{json.dumps({**row, 'id': None, 'code': 'b'})}",
        "noids.jsonl": json.dumps({"text": "words", "vector": [1, 2, 3, 4]}),
        "wide.jsonl": json.dumps({**row, "metadata": {f"field{n}": n for n in range(60)}}),
        "badvector.jsonl": f"{json.dumps(row)}\n{json.dumps({**row, 'vector': [1, 'x', 2, 3]})}",
        "badcontents.jsonl": f"{json.dumps(row)}\n{json.dumps({**row, 'id': 'b', 'contents': {'a': 1}, 'other': 'x'})}",
        "unparsable.jsonl": f"{json.dumps(row)}\n{{",
    }
    for name, text in texts.items():
        Path(name).write_text(text + "\n")


def _delimited() -> None:
    vector = '"[1,2,3,4]"'
    texts = {
        "rows.unknown": "id,v1,v2,v3,v4\na,1,2,3,4\n",
        "rows.csv": f"id,vector,n,w\na,{vector},1,x\nb,{vector},2,y\n",
        "numbers.csv": "1,2,3,4\n5,6,7,8\n",
        "semi.csv": "id;v1;v2;v3;v4\na;1;2;3;4\nb;1;2;3;4\n",
        "comma.csv": "id;v1;v2;v3;v4\na;0,1;0,2;0,3;0,4\n",
        "signs.csv": "id;v1;v2;v3;v4;a|b\na;1;2;3;4;5\n",
        "nulls.csv": f"id,vector,n\na,{vector},1\nb,{vector},NA\n",
        "mixed.csv": "id,vector,n\n" + "".join(f"{n},{vector},{'x' if n == 150 else n}\n" for n in range(151)),
        "scalar.csv": "id,x,y,z,w\na,1,2,3,4\n",
        "words.csv": "id,text\na,b\n",
        "meta.csv": f"id,vector,meta\na,{vector},wiki\n",
        "open.csv": f'id,vector,text\na,{vector},"' + "x\n" * 2000,
        "closed.csv": f'id,vector,text\na,{vector},"' + "x\n" * 2000 + '"\n',
        "longhead.csv": "id,vector," + "x" * 3_000_000 + f"\na,{vector},1\n",
        "glove.txt": "the 0.1 0.2 0.3 0.4\nof 0.1 0.2 0.3 0.5\n",
    }
    for name, text in texts.items():
        Path(name).write_text(text)


def _tables(good: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    vector = pa.array(good.tolist())
    ids = pa.array(list("abcde"))
    not_text = pa.array([b"a", b"\xff", b"c", b"d", b"e"])
    tables = {
        "rows": {"id": ids, "vector": vector, "a": pa.array(range(5)), "b": pa.array(range(5)), "t": ids},
        "numbers": {"id": ids, "vector": vector, "contents": pa.array(range(5)), "t": ids},
        "times": {"id": ids, "vector": vector, "t": pa.array([1] * 5, pa.time64("us")), "a": pa.array(range(5))},
        "inside": {"id": ids, "vector": vector, "metadata": pa.array(
            [{"a": 1, "t": 1}] * 5, pa.struct([("a", pa.int64()), ("t", pa.time64("us"))]))},
        "noids": {"passage": ids, "vector": vector},
        "bytes": {"id": pa.array([b"\xff\xfe" + bytes([n]) for n in range(5)]), "vector": vector, "code": ids},
        "nan": {"id": ids, "vector": vector, "metadata": pa.array(['{"a": NaN}'] * 5)},
        "badmeta": {"id": ids, "vector": vector, "metadata": pa.array(["{"] * 5), "other": pa.array(["{}"] * 5)},
        "nullids": {"id": pa.array(["a", None, "c", "d", "e"]), "vector": vector, "code": ids},
        "sameids": {"id": pa.array(["a", "a", "c", "d", "e"]), "vector": vector, "code": ids},
        "nullvectors": {"id": ids, "vector": pa.array([None, *good[1:].tolist()]), "other": vector},
        "template": {"file": ids, "row": ids, "vector": vector},
        "twoids": {"id": ids, "uuid": ids, "vector": vector},
        "large": {"id": ids, "vector": vector, "text": pa.array(["x" * 5000] * 5)},
        "doubles": {"id": ids, "vector": pa.array([row.astype("<f8").tobytes() for row in good / 30])},
        "oddbytes": {"id": ids, "vector": pa.array([b"abc", *(row.tobytes() for row in good[1:])])},
        "mosttext": {"id": ids, "vector": pa.array(["[1,2,3", *["[1,2,3,4]"] * 4])},
        "plaintext": {"id": ids, "vector": pa.array(["1 2 3", *["1 2 3 4"] * 4])},
        "notutf8": {"id": ids, "vector": vector, "n": range(5), "t": not_text.view(pa.string())},
    }  # fmt: skip
    for name, columns in tables.items():
        pq.write_table(pa.table(columns), f"{name}.parquet")
    Path("partly").mkdir()
    Path("partly/rows.unknown").write_text("?")
    pq.write_table(pa.table(tables["rows"]), "partly/rows.parquet")
    Path("alike").mkdir()
    pq.write_table(pa.table(tables["rows"]), "alike/rows.parquet")
    Path("alike/rows.csv").write_text(Path("rows.csv").read_text())
    Path("twins/rows_parquet").mkdir(parents=True)
    pq.write_table(pa.table(tables["rows"]), "twins/rows_parquet/a.parquet")
    Path("formats").mkdir()
    pq.write_table(pa.table(tables["rows"]), "formats/one.parquet")
    Path("formats/two.csv").write_text(Path("rows.csv").read_text())
    Path("false.parquet").write_bytes(Path("rows.csv").read_bytes())
    Path("false.arrow").write_bytes(Path("rows.csv").read_bytes())


def _upserts(table: dict[str, tuple[str, str] | tuple[str, str, int] | tuple[str, str, int, str]]) -> dict[str, Advice]:
    """Commands without what all of them begin and end with."""
    return {
        says: Advice(f"upsert {one[0]} --index x", f"upsert {one[1]} --index x", *one[2:])
        for says, one in table.items()
    }


MAPPING = _upserts({
    "two fields of the metadata have one name by --rename": (
        "fields.jsonl --rename a=b", "fields.jsonl --rename a=c"),
    "--metadata-columns {} stores it as a field of its own": (
        "meta.csv --metadata-column meta", "meta.csv --metadata-columns meta"),
    "between braces stands the name of a column, and nothing else": (
        "rows.parquet --id-template '{}-{id}'", "rows.parquet --id-template 'x-{id}'"),
    "names no column, so all ids would be the same": (
        "rows.parquet --id-template x", "rows.parquet --id-template 'x-{id}'"),
    "--id-template {}: {}.": ("rows.parquet --id-template 'x-{id'", "rows.parquet --id-template 'x-{id}'"),
    "would give all rows of a file one id. Add a column, or {row}": (
        "rows.parquet --id-template '{file}'", "rows.parquet --id-template '{file}-{row}'"),
    "--id-template names {}, which is {}": (
        "rows.parquet --id-template '{vector}'", "rows.parquet --id-template '{a}'"),
    "with --rename two columns of the metadata have the name": (
        "rows.parquet --metadata-columns a,b --rename a=b", "rows.parquet --metadata-columns a,b --rename a=c"),
    "--rename gives two fields the same name": (
        "rows.parquet --rename a=z --rename b=z --metadata-columns a,b",
        "rows.parquet --rename a=z --rename b=y --metadata-columns a,b"),
    "--set {}: {}.": ("rows.parquet --set n=NaN", "rows.parquet --set n=1"),
    "{} {} has not the form {}.": ("rows.parquet --set n", "rows.parquet --set n=1"),
    "--vector-column {} names {} twice. Name each column once": (
        "rows.parquet --vector-column a,b,a", "rows.parquet --vector-column vector"),
    "no number. Name it more closely": (
        "semi.csv --delimiter ; --vector-column '*'", "semi.csv --delimiter ; --vector-column 'v*'"),
    "--metadata-columns names {}, which already has another role": (
        "rows.parquet --metadata-columns a,id --id-column id", "rows.parquet --metadata-columns a"),
    "--metadata-columns {} takes it as a field, and": (
        "numbers.parquet", "numbers.parquet --metadata-columns contents"),
    "{} '' loads no {}.": ("numbers.parquet", "numbers.parquet --contents-column ''"),
    "Change its type, or name another with {}": (
        "numbers.parquet", "numbers.parquet --contents-column t"),
    "Try {} {}.": ("semi.csv --delimiter ;", "semi.csv --delimiter ; --vector-column 'v*'"),
    "{} takes {}: name those, with commas between them": (
        "scalar.csv", "scalar.csv --vector-column x,y,z,w"),
    "{} takes {}; there are none": ("words.csv", "rows.csv"),
    "Name another with {}.": (
        "rows.parquet --id-column b --contents-column a", "rows.parquet --id-column b --contents-column t"),
    "names {}, which is not there.{} {}": (
        "rows.parquet --vector-column vectors", "rows.parquet --vector-column vector"),
    "Decide with {}": ("twoids.parquet", "twoids.parquet --id-column uuid"),
    "do not name it with --metadata-columns": (
        "times.parquet --metadata-columns a,t", "times.parquet --metadata-columns a"),
    "load none of it with --metadata-column '', and its other fields by name with --metadata-columns": (
        "inside.parquet", "inside.parquet --metadata-column '' --metadata-columns metadata.a"),
    "Name the one of the ids with --id-column, or ": ("noids.parquet", "noids.parquet --id-column passage"),
    "make ids of the file's name and row numbers: --id-template '{file}-{row}'": (
        "noids.jsonl", "noids.jsonl --id-template '{file}-{row}'"),
    "--vector-encoding text rejects those that are not": (
        "mosttext.parquet", "mosttext.parquet --vector-encoding text --max-errors 1", 1),
    "--vector-encoding text reads that as vectors": (
        "plaintext.parquet", "plaintext.parquet --vector-encoding text --max-errors 1", 1),
    "--vector-encoding f32le rejects these": (
        "oddbytes.parquet", "oddbytes.parquet --vector-encoding f32le --max-errors 1", 1),
    "which nothing in them says: decide with --vector-encoding {}": (
        "doubles.parquet", "doubles.parquet --vector-encoding f64le"),
    "is the name of a folder, one value for all its rows": (
        "hive --id-column year --format npy", "hive --id-template '{year}-{file}-{row}'"),
    "are bytes ({}) that are not text": ("bytes.parquet", "bytes.parquet --id-column code"),
    "Name other ids with --id-column, or make them with --id-template '{row}'": (
        "lengths.npz", "lengths.npz --id-column names"),
    "; or load none with --{}-column ''": ("objects2.npz", "objects2.npz --contents-column ''"),
    "; or name other ids with --id-column": ("objects.npz", "objects.npz --id-column names"),
    "; or name other vectors with --vector-column": (
        "ragged.npz", "ragged.npz --vector-column other --id-template '{row}'"),
    "holds one {} a row and no vectors": ("scalars.npz", "scalars.npz --vector-column other --id-template '{row}'"),
})  # fmt: skip

FORMATS = _upserts({
    "{} If that may be, say so with --allow-empty.": ("empty.npy", "empty.npy --allow-empty"),
    "It looks like a JSON array: say so with --format json": ("array.jsonl", "array.jsonl --format json"),
    "An object over several lines is not a row": ("object.jsonl", "spread.jsonl --format json"),
    "It looks like one object a line: say so with --format jsonl": (
        "lines.json --format json", "lines.json --format jsonl"),
    "do not tell its format. Say it with --format {}": (
        "rows.unknown", "rows.unknown --format csv --vector-column 'v*'"),
    "Say with --format what they are": ("none", "none --format csv --vector-column 'v*'"),
    "If it has no header, say --no-header": (
        "numbers.csv",
        "numbers.csv --no-header --vector-column column0,column1,column2,column3 --id-template '{row}'"),
    "If {} is a number, say --decimal '{}'": (
        "comma.csv --vector-column 'v*'", "comma.csv --vector-column 'v*' --decimal ,"),
    "say so with --delimiter {}": ("signs.csv", "signs.csv --delimiter ; --vector-column 'v*'"),
    "--delimiter is {}": ("rows.csv --delimiter ;;", "rows.csv --delimiter ,"),
    "--column-types {} has not the form NAME=TYPE": (
        "rows.csv --column-types n", "rows.csv --column-types n=int"),
    "--column-types names {}, which is not there": (
        "rows.csv --column-types m=int", "rows.csv --column-types n=int"),
    "other formats say this themselves. Leave it out": ("rows.parquet --null-values NA", "rows.parquet"),
    "Give --id-prefix with {file} in it": ("many", "many --id-prefix '{file}-'"),
    "--id-prefix goes before row numbers": ("rows.parquet --id-prefix p", "rows.parquet"),
    "gets its ids from --id-template": (
        "rows.parquet --id-template '{id}' --id-prefix p", "rows.parquet --id-template 'p{id}'"),
    "--ids and --id-prefix exclude each other": (
        "good.npy --ids ids.txt --id-prefix p", "good.npy --ids ids.txt"),
    "ids are one row of integers or text": ("good.npy --ids idsmatrix.npy", "good.npy --ids ids5.npy"),
    "Save them as text of their own length, a line a row": (
        "good.npy --ids idswide.npy --max-row-bytes 1000", "good.npy --ids ids.txt --max-row-bytes 1000"),
    "and was cut short. Copy it again": ("good.npy --ids idscut.npy", "good.npy --ids ids5.npy"),
    "Were several arrays saved into it? Save one": ("good.npy --ids idslong.npy", "good.npy --ids ids5.npy"),
    "is for {} sources; the other formats hold their own columns": ("rows.parquet --ids ids.txt", "rows.parquet"),
    "goes with one source; there are {} sources": ("good.npy bad.npy --ids ids.txt", "good.npy --ids ids.txt"),
    "{} {}: no such file.": ("good.npy --ids no.txt", "good.npy --ids ids.txt"),
    "{} {}: {} is not one of {}.": ("good.npy --ids nokey", "good.npy --ids ids.txt"),
    "--{}-key is a column of the file that --{} names": ("good.npy --metadata-key id", "good.npy"),
    "is text, a line a row, and has no columns. Leave it out": (
        "good.npy --contents ids.txt --contents-key id", "good.npy --contents ids.txt"),
    "--{}-key {}: no id of {} is in {}, the first one is": (
        "good.npy --metadata rows.csv --metadata-key id",
        "good.npy --ids ids.txt --metadata rows.csv --metadata-key id"),
    "it is not a Parquet file": ("false.parquet", "false.parquet --format csv"),
    "it is not an Arrow file": ("false.arrow", "false.arrow --format csv"),
    "or by the folder's own name; to load both, name both": ("twins", "twins --format npy"),
    "have one name and two formats": ("alike", "alike/rows.parquet alike/rows.csv"),
    "Write it as CSV with the header id,vector": ("glove.txt", "rows.csv"),
    "that --max-row-bytes allows. Its quote may not be closed": (
        "open.csv --max-row-bytes 1000", "closed.csv --max-row-bytes 10000"),
    "the {} bytes that --max-row-bytes allows": (
        "longhead.csv --max-row-bytes 1000", "rows.csv --max-row-bytes 1000"),
    "the row {} than the {} that --max-row-bytes allows": (
        "large.parquet --contents-column text --max-row-bytes 1000",
        "large.parquet --contents-column text --max-row-bytes 10000"),
})  # fmt: skip

WHERE = _upserts({
    "holds what is not a character": ("rows.parquet --where \"a = '\udcff'\"", 'rows.parquet --where "a = 1"'),
    "... is nested too deeply": (
        "rows.parquet --where '" + "(" * 900 + "a = 1" + ")" * 900 + "'", "rows.parquet --where '((a = 1))'"),
    "--where {} is not a condition: {}. {}": ("rows.parquet --where 'a ='", "rows.parquet --where 'a = 1'"),
    "--where {} is {} conditions; write one": (
        "rows.parquet --where 'a = 1; b = 1'", "rows.parquet --where 'a = 1 AND b = 1'"),
    "behind ESCAPE stands one character": (
        "rows.parquet --where \"t LIKE 'a!%' ESCAPE '!!'\"", "rows.parquet --where \"t LIKE 'a!%' ESCAPE '!'\""),
    "nothing follows the escape at the end of {}": (
        "rows.parquet --where \"t LIKE 'a!' ESCAPE '!'\"", "rows.parquet --where \"t LIKE 'a%' ESCAPE '!'\""),
    "--where {}: {} has not the form {}.": (
        "late.jsonl --where \"x > DATE '2024'\"", "late.jsonl --where \"x > DATE '2024-12-31'\""),
    "--where {}: {}: {}.": (
        "late.jsonl --where \"x > DATE '2024-02-30'\"", "late.jsonl --where \"x > DATE '2024-02-29'\""),
    "is not understood. {}": ("rows.parquet --where 'a + 1 = 2'", "rows.parquet --where 'a = 1'"),
    "does not fit the columns: {} cannot be compared": (
        "rows.parquet --where \"a = '1'\"", "rows.parquet --where 'a = 1'"),
    "--where {} looks at no column": ("rows.parquet --where '1 = 1'", "rows.parquet --where 'a = 1'"),
    "No row meets --where {}: nothing is loaded": ("rows.parquet --where 'a = 77'", "rows.parquet --where 'a = 1'"),
    "(Of the rows that were looked at; --full looks at all.)": ("rows.parquet --where 'a = 77'", "rows.parquet"),
    "what --where looks at is not UTF-8": (
        "notutf8.parquet --where \"t = 'c'\"", "notutf8.parquet --where \"t = 'c'\" --max-errors 1", 1),
    "{}; so --where cannot tell whether to load it": (
        "notutf8.parquet --where \"t = 'c'\"", "notutf8.parquet --where \"id = 'c'\" --metadata-columns n"),
})  # fmt: skip
WHERE["(Of the rows that were looked at; --full looks at all.)"] = Advice(
    "inspect rows.parquet --where 'a = 77'", "inspect rows.parquet --where 'a = 1' --full"
)

SETTINGS = {
    "No target. Give --target http://HOST:PORT": Advice(
        "index list --target ''", "index list --target disk:data"),
    "--kms-name needs a service": Advice("index create y --kms-name k", "index create y"),
    "--kms-name lets the service keep the key, and an index key is given too": Advice(
        "index create y --kms-name k --index-key-file key", "index create y --index-key-file key"),
    "Give its own by CYBORG_INGEST_INDEX_KEY or --index-key-file.": Advice(
        "index info x --index-key-file key", "index info x"),
    "Both {} and {} are given. Drop one": Advice(
        "index info x --index-key-file key --index-key-command 'cat key'", "index info x"),
    "{} {}: {}.": Advice(
        "index create y --index-key-file nowhere", "index create y --index-key-file key"),
    "--ca-cert {}": Advice(
        "index list --target https://127.0.0.1:9 --retries 0 --ca-cert nokey",
        "index list --target https://127.0.0.1:9 --retries 0", 3, "Nothing answers at"),
    "{} is for a service over https; {} is embedded": Advice("index list --insecure", "index list"),
    "--ca-cert and --insecure are for https": Advice(
        "index list --target http://127.0.0.1:9 --retries 0 --insecure",
        "index list --target https://127.0.0.1:9 --retries 0 --insecure", 3, "Nothing answers at"),
    "The target holds a user or password. Keys come from": Advice(
        "index list --target http://me:secret@127.0.0.1:9",
        "index list --target http://127.0.0.1:9 --retries 0 --api-key-file key", 3, "Nothing answers at"),
    "or say that the network is your own with --allow-plain-http": Advice(
        "index list --target http://nowhere.invalid:9 --retries 0",
        "index list --target http://nowhere.invalid:9 --retries 0 --allow-plain-http", 3, "nowhere.invalid"),
    "--metadata-schema {}: {}. It takes a JSON file": Advice(
        "index create y --metadata-schema good.npy", "index create y --metadata-schema schema.json"),
    "--metadata-schema {} takes an object like": Advice(
        "index create y --metadata-schema array.jsonl", "index create y --metadata-schema schema.json"),
    "Deleting index {} needs --yes where nobody can be asked": Advice("index delete x", "index delete x --yes"),
    "{} is {}; it takes a number like {}, or a share like {}.": Advice(
        "upsert bad.npy --index x --max-errors many", "upsert bad.npy --index x --max-errors 50%", 1),
    "{} is {}; it takes bytes like 500000, 500K, 20M or 1G.": Advice(
        "upsert good.npy --index x --max-bytes-per-second 1T", "upsert good.npy --index x --max-bytes-per-second 1G"),
    "{} is {}; it takes a duration like 90s, 15m, 24h, 7d or 5h50m.": Advice(
        "upsert good.npy --index x --max-age 24", "upsert good.npy --index x --max-age 24h"),
    "--max-errors keeps rejected rows in the job's folder, and --no-checkpoint keeps none. Drop one": Advice(
        "upsert bad.npy --index x --max-errors 5 --no-checkpoint", "upsert bad.npy --index x --max-errors 5", 1),
    "--batch-bytes is {}; a request to a service has at most {} bytes": Advice(
        "upsert good.npy --index x --target http://127.0.0.1:9 --retries 0 --batch-bytes 99999999",
        "upsert good.npy --index x --target http://127.0.0.1:9 --retries 0 --batch-bytes 10000000", 3,
        "Nothing answers at"),
    "{} is {}; it must be at least {}": Advice(
        "index list --timeout 0.01", "index list --timeout 0.1"),
    "{} is {}; it must be at most {}": Advice("index list --timeout 90000", "index list --timeout 86400"),
    "Try '{} --help' for help.": Advice("upsert good.npy", "upsert --help", 0, "--index"),
    "{} is {}; it takes a number.": Advice("index list --timeout nan", "index list --timeout 10"),
}  # fmt: skip

TARGETS = {
    **_upserts({
        "Name another index, or another --vector-column": ("wide.npy", "good.npy"),
        "--metric says {}": ("good.npy --metric euclidean", "good.npy"),
        "{}.{} {}, or continue after bad rows with --max-errors N; then run the same command again.": (
            "bad.npy", "bad.npy --max-errors 1", 1),
        "It is bad row number {}, and --max-errors is {}": (
            "doublybad.npy --max-errors 1", "doublybad.npy --max-errors 3", 1),
        "{} of {} rows are bad, and --max-errors is {}. All others are in the index": (
            "unparsable.jsonl --max-errors 10%", "unparsable.jsonl --max-errors 50%", 1),
        "A load would stop: {} rows are bad, and --max-errors is {}": (
            "bad.npy --dry-run", "bad.npy --dry-run --max-errors 1", 1),
        "; nothing was sent (--dry-run)": ("good.npy --dry-run", "good.npy"),
        "--storage-precision does not change it, and is taken to be what it stores": (
            "good.npy --storage-precision float16", "good.npy"),
        "--metadata-columns {} would load it.": (
            "late.jsonl --metadata-columns none", "late.jsonl --metadata-columns x"),
        "{} {} would take it as the {}": ("laterole.jsonl", "laterole.jsonl --metadata-column payload"),
        "If they hold the same rows, choose with --format or a pattern": ("formats", "'formats/*.parquet'"),
        "--null-values '{}' takes that as nothing": (
            "nulls.csv --metadata-columns n", "nulls.csv --metadata-columns n --null-values NA"),
        "--column-types says": (
            "mixed.csv --metadata-columns n --column-types n=int",
            "mixed.csv --metadata-columns n --column-types n=text"),
        "--column-types {} would reject such rows": (
            "mixed.csv --metadata-columns n",
            "mixed.csv --metadata-columns n --column-types n=int --max-errors 1", 1),
    }),
    "To create it: {}": Advice("upsert good.npy --index new", "upsert good.npy --index new --create"),
    "(--full looks at all)": Advice("inspect long.npy", "inspect long.npy --full"),
    "(--json has them)": Advice("inspect wide.jsonl", "inspect wide.jsonl --json"),
}  # fmt: skip

FINDINGS = {
    says: Advice(f"inspect {trouble}", f"upsert {mended} --index x", code)
    for says, (trouble, mended, code) in {
        "--max-errors N loads the others": ("bad.npy", "bad.npy --max-errors 1", 1),
        "--format, if it is another one; {}": ("unparsable.jsonl", "unparsable.jsonl --max-errors 1", 1),
        "--id-column takes another column; {}": ("nullids.parquet", "nullids.parquet --id-column code", 0),
        "--vector-column takes another column; {}": (
            "nullvectors.parquet", "nullvectors.parquet --vector-column other", 0),
        "--metadata-column takes another column; {}": (
            "badmeta.parquet", "badmeta.parquet --metadata-column other", 0),
        "--contents-column takes another column; {}": (
            "badcontents.jsonl", "badcontents.jsonl --contents-column other", 0),
        "--metadata-column '' loads none; {}": ("nan.parquet", "nan.parquet --metadata-column ''", 0),
        "--id-column takes the ids from another column, --id-template makes them of several, --id-prefix tells files "
        "without ids apart": (
            "sameids.parquet", "sameids.parquet --id-column code", 0),
        "--id-column, --vector-column and the like decide": ("twoids.parquet", "twoids.parquet --id-column uuid", 0),
    }.items()
}  # fmt: skip
FINDINGS |= {
    "--create makes it, --index names another": Advice(
        "inspect good.npy --index new", "upsert good.npy --index new --create"),
    "a pattern that leaves those of another dimension out; --vector-column takes another column": Advice(
        "inspect good.npy wide.npy --id-prefix '{file}-'", "inspect good.npy"),
    "--target names another place": Advice(
        "inspect good.npy --index x --target http://127.0.0.1:9 --retries 0", "inspect good.npy --index x"),
    "--index-key-file, --api-key-file": Advice(
        "inspect good.npy --index x --index-key-file key", "inspect good.npy --index x"),
}  # fmt: skip

ROWS = {
    "No id. Name some, or a file with one a line: --ids-from FILE": Advice(
        "get -i x", "get -i x --ids-from ids.txt", 1, "5 ids are not in index 'x': 'a', 'b', 'c', 'd', 'e'."),
    "--ids-from {} is not UTF-8 text": Advice(
        "get -i x --ids-from good.npy", "get -i x --ids-from ids.txt", 1, "5 ids are not in"),
    "--ids-from {} names no id": Advice(
        "get -i x --ids-from blank", "get -i x --ids-from ids.txt", 1, "5 ids are not in"),
    "{} {} cannot be read: {}.": Advice(
        "get -i x --ids-from nothere", "get -i x --ids-from ids.txt", 1, "5 ids are not in"),
    "give either --vector-file FILE or --like ID": Advice("query -i x", "query -i x --vector-file object.jsonl"),
    "--vector-file {}: {}.": Advice(
        "query -i x --vector-file good.npy", "query -i x --vector-file object.jsonl"),
    "--vector-file {}: the .npy cannot be read": Advice(
        "query -i x --vector-file idscut.npy", "query -i x --vector-file object.jsonl"),
    "--vector-file {} holds no vector": Advice(
        "query -i x --vector-file blank", "query -i x --vector-file object.jsonl"),
    "--vector-file {} is JSON that is neither": Advice(
        "query -i x --vector-file schema.json", "query -i x --vector-file object.jsonl"),
}  # fmt: skip

OTHERS = {
    **_upserts({
        "make ids with --id-template": ("template.parquet", "template.parquet --id-template '{file}-{row}'"),
        "Name another with --{}-column, or load none with --{}-column ''": (
            "lengths2.npz --id-template '{row}'", "lengths2.npz --id-template '{row}' --contents-column ''"),
        "save its vectors with numpy.save and their ids as text": ("words.pkl", "good.npy --ids ids.txt"),
        "read them with --format, or by their own names": (
            "partly", "rows.unknown --format csv --vector-column 'v*'"),
        "whose suffix says another format than --format": ("formats --format csv", "formats/one.parquet"),
        "name another directory with --state-dir": (
            "good.npy --state-dir open", "good.npy --state-dir state"),
        "Give another --state-dir.": ("formats --state-dir formats", "formats --state-dir state"),
        "Give another --target, or no --format.": (
            "many --id-prefix '{file}-' --format npy --create --target disk:many/data",
            "many --id-prefix '{file}-' --format npy --create --target disk:data"),
        "--where {}": ("rows.parquet --where 'a = 1'", "rows.parquet"),
        "--{} {}": ("rows.parquet --limit 2", "rows.parquet"),
    }),
    "--kms-name lets the service keep the key, and --key-out is for one that is made": Advice(
        "index create y --kms-name k --key-out new.key", "index create y --key-out new.key"),
    "--key-out is for a key that is made, and the index's key is given already": Advice(
        "index create y --index-key-file key --key-out new.key", "index create y --index-key-file key"),
    "name another file with --key-out": Advice(
        "index create y --key-out key", "index create y --key-out new.key"),
    "Name a file in a directory that is there, with --key-out": Advice(
        "index create y --key-out nowhere/new.key", "index create y --key-out new.key"),
    "--differences {}": Advice(
        "verify good.npy --index x --differences many", "verify good.npy --index x --differences found.jsonl", 5),
    "--vector-column; {}": Advice(
        "inspect badvector.jsonl", "upsert badvector.jsonl --index x --max-errors 1", 1),
    "Index {} needs its key: set CYBORG_INGEST_INDEX_KEY, or give --index-key-file": Advice(
        "index info x ENV=CONFIG_DIR", "index info x --index-key-file key", 2, "this is not the key of the index"),
}  # fmt: skip
