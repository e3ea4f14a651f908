"""Pinecone's vectors: by the models of pinecone 10.2.0, and the Parquet of its import as its documentation has it."""

from __future__ import annotations

import json
from typing import Any

import pinecone
import pyarrow as pa
import pyarrow.parquet as pq
from entry import Article, Corpus, Entry, articles, floats, row, write_json

corpus = Corpus("pinecone")
ARTICLES = articles()


def fields(article: Article) -> dict[str, Any]:
    """Pinecone's metadata is flat: text, numbers, booleans, lists of text."""
    return {name: value for name, value in article.plain().items() if name != "author"} | {"text": article.text}


def vector(article: Article) -> dict[str, Any]:
    one = pinecone.Vector(id=article.id, values=floats(article.vector), metadata=fields(article))
    return {name: value for name, value in one.to_dict().items() if value is not None}


ROWS = [row(one.id, one.vector, fields(one)) for one in ARTICLES]

# the body of POST /vectors/upsert
write_json(
    corpus.folder("pinecone-upsert") / "vectors.json",
    {"vectors": [vector(one) for one in ARTICLES], "namespace": "wiki"},
)
corpus.expect(Entry("pinecone-upsert", "vectors.json", ROWS))

# the answer of GET /vectors/fetch
answer = {"vectors": {one.id: vector(one) for one in ARTICLES}, "namespace": "wiki", "usage": {"readUnits": 2}}
write_json(corpus.folder("pinecone-fetch") / "fetched.json", answer)
corpus.expect(Entry("pinecone-fetch", "fetched.json", ROWS))

# the Parquet of an import: metadata are JSON text
table = pa.table(
    {
        "id": pa.array([one.id for one in ARTICLES]),
        "values": pa.array([one.vector for one in ARTICLES], pa.list_(pa.float32())),
        "metadata": pa.array([json.dumps(fields(one)) if one.number % 5 else None for one in ARTICLES], pa.string()),
        "sparse_values": pa.array(
            [{"indices": [1, 7], "values": [0.5, 0.25]} if one.number % 2 else None for one in ARTICLES],
            pa.struct({"indices": pa.list_(pa.uint32()), "values": pa.list_(pa.float32())}),
        ),
    }
)
pq.write_table(table, corpus.folder("pinecone-import") / "0.parquet")
corpus.expect(
    Entry(
        "pinecone-import", "0.parquet", [row(one.id, one.vector, fields(one) if one.number % 5 else None) for one in ARTICLES],
        by=("the layout of Pinecone's import", "pyarrow"),
    )
)  # fmt: skip
