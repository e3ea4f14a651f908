"""Vectors as bytes, which is how SQLite keeps them: llm 0.36 and sqlite-vec 0.1.9 pack them; pandas, pyarrow."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from typing import Any

import llm
import pandas as pd
import sqlite_vec
from entry import Article, Corpus, Entry, articles, floats, known, row

ARTICLES = articles()
db = sqlite3.connect(":memory:")


def digest(article: Article) -> bytes:
    return hashlib.md5(article.text.encode(), usedforsecurity=False).digest()


# the table of `llm embed-multi`, by pandas' read_sql to Parquet
corpus = Corpus("llm", "pandas", "pyarrow")
db.execute(
    "CREATE TABLE embeddings (collection_id INTEGER, id TEXT, embedding BLOB, content TEXT, content_blob BLOB, "
    "content_hash BLOB, metadata TEXT, updated INTEGER)"
)
for one in ARTICLES:
    db.execute(
        "INSERT INTO embeddings VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            1, one.id, llm.encode(floats(one.vector)), one.text, None, digest(one),
            json.dumps({"title": one.title}) if one.number % 2 else None, 1700000000 + one.number,
        ),
    )  # fmt: skip
pd.read_sql("SELECT * FROM embeddings", db).to_parquet(corpus.folder("llm-embeddings") / "embeddings.parquet")


def hashed(article: Article) -> str:
    return base64.b64encode(digest(article)).decode()


def fields(article: Article) -> dict[str, Any]:
    return known(
        {
            "collection_id": 1, "content_hash": hashed(article), "updated": 1700000000 + article.number,
            "title": article.title if article.number % 2 else None,
        }
    )  # fmt: skip


ROWS = [row(one.id, one.vector, fields(one), one.text) for one in ARTICLES]
corpus.expect(Entry("llm-embeddings", "embeddings.parquet", ROWS))

# sqlite-vec's blobs in a table of one's own
corpus = Corpus("sqlite-vec", "pandas", "pyarrow")
db.execute("CREATE TABLE docs (id INTEGER PRIMARY KEY, contents TEXT, vector BLOB)")
for one in ARTICLES:
    db.execute(
        "INSERT INTO docs VALUES (?, ?, ?)",
        (2**40 + one.number, one.text, sqlite_vec.serialize_float32(floats(one.vector))),
    )
pd.read_sql("SELECT * FROM docs", db).to_parquet(corpus.folder("sqlite-vec") / "docs.parquet")
plain = [row(2**40 + one.number, one.vector, None, one.text) for one in ARTICLES]
corpus.expect(Entry("sqlite-vec", "docs.parquet", plain))

# bytes have no place in JSON: base64 of them
lines = []
for one in ARTICLES:
    packed = base64.b64encode(sqlite_vec.serialize_float32(floats(one.vector))).decode()
    lines.append(json.dumps({"id": one.id, "embedding": packed, "text": one.text}, ensure_ascii=False))
(corpus.folder("base64-lines") / "docs.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
corpus.expect(Entry("base64-lines", "docs.jsonl", [row(one.id, one.vector, None, one.text) for one in ARTICLES]))
