"""Files of Milvus' BulkWriter: pymilvus 3.0.2 with its extra bulk_writer."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from entry import Article, Corpus, Entry, articles, floats, row, write_json
from pymilvus import CollectionSchema, DataType, FieldSchema
from pymilvus.bulk_writer import BulkFileType, LocalBulkWriter

corpus = Corpus("pymilvus")
ARTICLES = [one for one in articles() if one.text]


TAGS = FieldSchema("tags", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=5, max_length=20)


def schema(vectors: Any, lists: bool) -> CollectionSchema:
    return CollectionSchema(
        [
            FieldSchema("pk", DataType.INT64, is_primary=True, auto_id=False),
            FieldSchema("dense", vectors, dim=8),
            FieldSchema("text", DataType.VARCHAR, max_length=500),
            FieldSchema("views", DataType.INT64),
            FieldSchema("score", DataType.FLOAT),
            FieldSchema("draft", DataType.BOOL),
            *([TAGS] if lists else []),
            FieldSchema("author", DataType.JSON),
        ],
        enable_dynamic_field=True,
    )


def values(article: Article, vector: Any, lists: bool) -> dict[str, Any]:
    """A row, with two fields that the schema does not know."""
    fixed = {
        "pk": article.number + 1, "dense": vector, "text": article.text, "views": article.views, "score": article.score,
        "draft": article.draft, "author": article.author, "title": article.title, "lang": article.lang,
    }  # fmt: skip
    return {**fixed, "tags": article.tags} if lists else fixed


def written(name: str, kind: BulkFileType, vectors: Any = DataType.FLOAT_VECTOR, lists: bool = True) -> None:
    """`data` in the entry's folder: the folder that the writer made, by a name that is not made by chance."""
    temporary = tempfile.mkdtemp()
    writer = LocalBulkWriter(schema(vectors, lists), temporary, segment_size=2**29, file_type=kind)
    for one in ARTICLES:
        vector = one.vector.astype(np.float16) if vectors == DataType.FLOAT16_VECTOR else floats(one.vector)
        writer.append_row(values(one, vector, lists))
    writer.commit()
    (made,) = {one.parent for one in Path(temporary).rglob("*") if one.is_file()}
    shutil.copytree(made, corpus.folder(name) / "data")
    shutil.rmtree(temporary)


def expected(article: Article, author: Any, tags: Any = None, vector: Any = None) -> dict[str, Any]:
    """Dynamic fields are in the column `$meta`, which is the metadata."""
    fields = {name: value for name, value in article.plain().items() if name not in {"tags", "author"}}
    fields |= {"author": author} if tags is None else {"author": author, "tags": tags}
    return row(article.number + 1, article.vector if vector is None else vector, fields, article.text)


# in typed columns JSON is text, but for the one that is the metadata
written("milvus-bulkwriter-parquet", BulkFileType.PARQUET)
texted = [expected(one, json.dumps(one.author), one.tags) for one in ARTICLES]
corpus.expect(Entry("milvus-bulkwriter-parquet", "data", texted))

written("milvus-bulkwriter-json", BulkFileType.JSON)
ROWS = [expected(one, one.author, one.tags) for one in ARTICLES]
corpus.expect(Entry("milvus-bulkwriter-json", "data", ROWS))

written("milvus-bulkwriter-csv", BulkFileType.CSV)
celled = [expected(one, json.dumps(one.author), json.dumps(one.tags)) for one in ARTICLES]
corpus.expect(Entry("milvus-bulkwriter-csv", "data", celled))

# a file a column
written("milvus-bulkwriter-numpy", BulkFileType.NUMPY, lists=False)
corpus.expect(Entry("milvus-bulkwriter-numpy", "data", [expected(one, json.dumps(one.author)) for one in ARTICLES]))

# float16 is a list of its bytes, which only looks like 16 small numbers
written("milvus-float16-parquet", BulkFileType.PARQUET, DataType.FLOAT16_VECTOR)
halves = [expected(one, json.dumps(one.author), one.tags, one.vector.astype(np.float16)) for one in ARTICLES]
corpus.expect(Entry("milvus-float16-parquet", "data", halves, options=["--vector-encoding", "f16le"]))

# the answer of Milvus' REST interface to a query
found = [
    {"pk": one.number + 1, "dense": floats(one.vector), "text": one.text, "title": one.title, "lang": one.lang}
    for one in ARTICLES
]
write_json(corpus.folder("milvus-query-answer") / "answer.json", {"code": 0, "cost": 6, "data": found})
narrow = [row(one.number + 1, one.vector, {"title": one.title, "lang": one.lang}, one.text) for one in ARTICLES]
corpus.expect(
    Entry(
        "milvus-query-answer", "answer.json", narrow, by=("the layout of POST /v2/vectordb/entities/query",),
    )
)  # fmt: skip
