"""Tables that try one rule each: which column is what, what is left out, and what has to be asked. pyarrow."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from entry import Corpus, Entry, articles, row

corpus = Corpus("pyarrow")
ARTICLES = articles()
OTHERS = articles(seed=2)

IDS = [one.id for one in ARTICLES]
UUIDS = [one.uuid for one in ARTICLES]
TEXTED = [one.text for one in ARTICLES]
TITLES = [one.title for one in ARTICLES]
LANGS = [one.lang for one in ARTICLES]
LIST = pa.list_(pa.float32())
VECTORS = pa.array([one.vector for one in ARTICLES], LIST)
OTHER = pa.array([one.vector for one in OTHERS], LIST)


def saved(name: str, columns: dict[str, Any], file: str = "rows.parquet") -> None:
    path = corpus.folder(name) / file
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def expected(**fields: list[Any]) -> list[dict[str, Any]]:
    """Rows with ids, vectors, texts, and these fields of metadata."""
    return [
        row(one.id, one.vector, {name: values[place] for name, values in fields.items()}, one.text)
        for place, one in enumerate(ARTICLES)
    ]


# contents: the first of the order wins, what is left is a field
saved("content-and-text", {"id": IDS, "embedding": VECTORS, "text": TITLES, "content": TEXTED})
corpus.expect(Entry("content-and-text", "rows.parquet", expected(text=TITLES)))

# two ids of one tier
saved("two-ids", {"id": IDS, "uuid": UUIDS, "embedding": VECTORS, "text": TEXTED})
corpus.expect(
    Entry(
        "two-ids",
        "rows.parquet",
        expected(uuid=UUIDS),
        refused=True,
        options=["--id-column", "id"],
        named=["--id-column", "uuid"],
    )
)

# two ids of the second tier, and none of the first
saved("two-late-ids", {"doc_id": IDS, "chunk_id": UUIDS, "embedding": VECTORS, "text": TEXTED})
corpus.expect(
    Entry(
        "two-late-ids", "rows.parquet", expected(chunk_id=UUIDS), refused=True, options=["--id-column", "doc_id"],
        named=["--id-column", "doc_id", "chunk_id"],
    )
)  # fmt: skip

# an id of the first tier is no riddle beside one of the second
saved("id-and-chunk-id", {"chunk_id": UUIDS, "id": IDS, "embedding": VECTORS, "text": TEXTED})
corpus.expect(Entry("id-and-chunk-id", "rows.parquet", expected(chunk_id=UUIDS)))

# a vector by its very name beside another one, which is left out
saved("vector-beside-another", {"id": IDS, "vector": VECTORS, "title_vec": OTHER, "text": TEXTED})
corpus.expect(Entry("vector-beside-another", "rows.parquet", expected()))

# a name of the second tier has to be the only vector
saved("late-vector-beside-another", {"id": IDS, "dense": VECTORS, "title_vec": OTHER, "text": TEXTED})
corpus.expect(
    Entry(
        "late-vector-beside-another", "rows.parquet", expected(), refused=True, options=["--vector-column", "dense"],
        named=["--vector-column", "dense", "title_vec"],
    )
)  # fmt: skip

# two of the first tier
saved("two-vectors", {"id": IDS, "vector": VECTORS, "embedding": OTHER, "text": TEXTED})
corpus.expect(
    Entry(
        "two-vectors", "rows.parquet", expected(), refused=True, options=["--vector-column", "vector"],
        named=["--vector-column", "embedding"],
    )
)  # fmt: skip

# named vectors as a struct: one, or several
saved("struct-of-one-vector", {"id": IDS, "vector": pa.StructArray.from_arrays([VECTORS], ["default"]), "text": TEXTED})
corpus.expect(Entry("struct-of-one-vector", "rows.parquet", expected()))
both = pa.StructArray.from_arrays([VECTORS, OTHER], ["text", "title"])
saved("struct-of-two-vectors", {"id": IDS, "vector": both, "text": TEXTED})
corpus.expect(
    Entry(
        "struct-of-two-vectors", "rows.parquet", expected(), refused=True, options=["--vector-column", "vector.text"],
    )
)  # fmt: skip

# words in a column that is named like metadata
saved("plain-text-meta", {"id": IDS, "embedding": VECTORS, "text": TEXTED, "meta": TITLES})
corpus.expect(Entry("plain-text-meta", "rows.parquet", expected(meta=TITLES)))

# fields of the metadata win over columns of their names
metadata = pa.array([{"lang": one.lang, "page": one.number} for one in ARTICLES])
saved("metadata-wins", {"id": IDS, "embedding": VECTORS, "text": TEXTED, "metadata": metadata, "lang": ["xx"] * 12})
corpus.expect(Entry("metadata-wins", "rows.parquet", expected(lang=LANGS, page=list(range(12)))))

# what JSON has no values for is left out, the rest is not
saved(
    "odd-types",
    {
        "id": IDS, "embedding": VECTORS, "text": TEXTED, "lang": LANGS, "at": pa.array([dt.time(12, 30)] * 12),
        "took": pa.array([dt.timedelta(seconds=5)] * 12), "raw": pa.array([b"\x00\xff"] * 12),
        "day": pa.array([dt.date(1969, 7, 20)] * 12), "big": pa.array([2**64 - 1] * 12, pa.uint64()),
    },
)  # fmt: skip
corpus.expect(
    Entry(
        "odd-types", "rows.parquet",
        expected(lang=LANGS, raw=["AP8="] * 12, day=[-14256000000] * 12, big=[2**64 - 1] * 12),
    )
)  # fmt: skip

# the other kinds of bytes have to be said
for name, kind in (("f32be", ">f4"), ("f64le", "<f8"), ("f16le", "<f2")):
    packed = pa.array([one.vector.astype(kind).tobytes() for one in ARTICLES], pa.binary())
    saved(f"bytes-{name}", {"id": IDS, "embedding": packed, "text": TEXTED})
    rows = [row(one.id, one.vector.astype(kind).astype(np.float32), None, one.text) for one in ARTICLES]
    corpus.expect(Entry(f"bytes-{name}", "rows.parquet", rows, options=["--vector-encoding", name]))

# bytes that are no vectors by their name are not taken for some
saved("bytes-beside", {"id": IDS, "embedding": VECTORS, "text": TEXTED, "hash": pa.array([b"12345678"] * 12)})
corpus.expect(Entry("bytes-beside", "rows.parquet", expected(hash=["MTIzNDU2Nzg="] * 12)))

# text as JSON has lists
saved(
    "json-text-vectors",
    {"id": IDS, "embedding": [json.dumps(one.vector.astype(float).tolist()) for one in ARTICLES], "text": TEXTED},
)
corpus.expect(Entry("json-text-vectors", "rows.parquet", expected()))

# Arrow's own type for tensors
tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(np.stack([one.vector for one in ARTICLES]))
saved("tensor-extension", {"id": IDS, "embedding": tensor, "text": TEXTED, "lang": LANGS})
corpus.expect(Entry("tensor-extension", "rows.parquet", expected(lang=LANGS)))

# halves and doubles
for name, kind in (("float16-list", pa.float16()), ("float64-list", pa.float64())):
    numbers = [one.vector.astype(kind.to_pandas_dtype()) for one in ARTICLES]
    saved(name, {"id": IDS, "embedding": pa.array(numbers, pa.list_(kind)), "text": TEXTED})
    rows = [
        row(one.id, vector.astype(np.float32), None, one.text) for one, vector in zip(ARTICLES, numbers, strict=True)
    ]
    corpus.expect(Entry(name, "rows.parquet", rows))

# text in categories, as pandas has it, for ids, contents and a field
words = {
    "id": pa.array(IDS).dictionary_encode(),
    "text": pa.array(TEXTED).dictionary_encode(),
    "lang": pa.array(LANGS).dictionary_encode(),
}
saved("dictionaries", {**words, "embedding": VECTORS})
corpus.expect(Entry("dictionaries", "rows.parquet", expected(lang=LANGS)))

# vector-io's export: Parquet with a file about it
saved("vdf-dataset", {"id": IDS, "vector": VECTORS, "text": TEXTED}, "vdf/wiki/i1.parquet")
about = {
    "version": "0.1", "file_structure": ["wiki/i1.parquet"], "author": "ana", "exported_from": "qdrant",
    "indexes": {"wiki": [{"namespace": "", "total_vector_count": 12, "dimensions": 8, "vector_columns": ["vector"]}]},
}  # fmt: skip
(corpus.root / "vdf-dataset" / "vdf" / "VDF_META.json").write_text(json.dumps(about, indent=2), "utf-8")
corpus.expect(Entry("vdf-dataset", "vdf", expected(), by=("the layout of vector-io's VDF", "pyarrow")))
