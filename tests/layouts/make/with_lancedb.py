"""Tables of LanceDB, as they are exported: lancedb 0.40.0, pyarrow."""

from __future__ import annotations

import tempfile
from typing import Any

import lancedb
import pyarrow as pa
import pyarrow.parquet as pq
from entry import Article, Corpus, Entry, articles, known, row
from pyarrow import feather

corpus = Corpus("lancedb", "pyarrow")
ARTICLES = articles()


def fields(article: Article) -> dict[str, Any]:
    return {"title": article.title, "views": article.views, "published": article.published_ms, "tags": article.tags}


database = lancedb.connect(tempfile.mkdtemp())
schema = pa.schema(
    [
        ("vector", pa.list_(pa.float32(), 8)), ("id", pa.string()), ("text", pa.string()), ("title", pa.string()),
        ("views", pa.int64()), ("published", pa.timestamp("us", "UTC")), ("tags", pa.list_(pa.string())),
    ]
)  # fmt: skip
rows = [
    {
        "vector": one.vector, "id": one.id, "text": one.text, "title": one.title, "views": one.views,
        "published": one.published, "tags": one.tags,
    }
    for one in ARTICLES
]  # fmt: skip
table = database.create_table("wiki", rows, schema=schema)
ROWS = [row(one.id, one.vector, known(fields(one)), one.text) for one in ARTICLES]
pq.write_table(table.to_arrow(), corpus.folder("lancedb-parquet") / "wiki.parquet")
corpus.expect(Entry("lancedb-parquet", "wiki.parquet", ROWS))
feather.write_feather(table.to_arrow(), str(corpus.folder("lancedb-feather") / "wiki.feather"))
corpus.expect(Entry("lancedb-feather", "wiki.feather", ROWS))

# the table that LlamaIndex makes in LanceDB: `id` and `doc_id` beside each other
nested = pa.struct([("title", pa.string()), ("views", pa.int64()), ("lang", pa.string())])
schema = pa.schema(
    [
        ("id", pa.string()), ("doc_id", pa.string()), ("vector", pa.list_(pa.float32(), 8)), ("text", pa.string()),
        ("metadata", nested),
    ]
)  # fmt: skip
rows = [
    {
        "id": one.uuid, "doc_id": one.id if one.number % 2 else None, "vector": one.vector, "text": one.text,
        "metadata": {"title": one.title, "views": one.views, "lang": one.lang if one.number % 3 else None},
    }
    for one in ARTICLES
]  # fmt: skip
table = database.create_table("vectors", rows, schema=schema)
pq.write_table(table.to_arrow(), corpus.folder("llamaindex-lancedb") / "vectors.parquet")
corpus.expect(
    Entry(
        "llamaindex-lancedb", "vectors.parquet",
        [
            row(
                one.uuid, one.vector,
                known(
                    {
                        "title": one.title, "views": one.views, "lang": one.lang if one.number % 3 else None,
                        "doc_id": one.id if one.number % 2 else None,
                    }
                ),
                one.text,
            )
            for one in ARTICLES
        ],
    )
)  # fmt: skip

# a search's answer, saved: the distance is no vector and no number of the row's own, but it is there
found = table.search(ARTICLES[0].vector).limit(3).select(["id", "vector", "text"]).to_arrow()
pq.write_table(found, corpus.folder("lancedb-answer") / "found.parquet")
by_id = {one.uuid: one for one in ARTICLES}
expected = [
    row(identity, by_id[identity].vector, {"_distance": distance}, by_id[identity].text)
    for identity, distance in zip(found["id"].to_pylist(), found["_distance"].to_pylist(), strict=True)
]
corpus.expect(Entry("lancedb-answer", "found.parquet", expected))
