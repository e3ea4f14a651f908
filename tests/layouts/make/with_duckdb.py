"""Tables of DuckDB 2.0.1, as COPY writes them."""

from __future__ import annotations

import decimal
from typing import Any

import duckdb
from entry import Article, Corpus, Entry, articles, floats, known, row

corpus = Corpus("duckdb")
ARTICLES = articles(decimals=6)
HUGE = 2**70

db = duckdb.connect()
db.execute("SET timezone = 'UTC'")
db.execute(
    "CREATE TABLE docs (uuid UUID, vec FLOAT[8], chunk VARCHAR, views BIGINT, price DECIMAL(12, 2), huge HUGEINT, "
    "published TIMESTAMPTZ, tags VARCHAR[], author STRUCT(name VARCHAR, born INTEGER), facts MAP(VARCHAR, INTEGER))"
)
for one in ARTICLES:
    db.execute(
        "INSERT INTO docs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, MAP {'a': 1, 'b': NULL})",
        [
            one.uuid, floats(one.vector), one.text, one.views, decimal.Decimal(one.number) + decimal.Decimal("0.10"), HUGE,
            one.published, one.tags, {"name": one.author["name"], "born": one.author.get("born")},
        ],
    )  # fmt: skip


def fields(article: Article) -> dict[str, Any]:
    """Decimals are numbers where that is exact; a map's null is left out like a struct's."""
    return known(
        {
            "views": article.views, "price": float(f"{article.number}.10"),
            "published": article.published_ms, "tags": article.tags,
            "author": known({"name": article.author["name"], "born": article.author.get("born")}), "facts": {"a": 1},
        }
    )  # fmt: skip


# Parquet has no integers of 128 bits: DuckDB writes floats
db.execute(f"COPY docs TO '{corpus.folder('duckdb-parquet') / 'docs.parquet'}' (FORMAT parquet)")
corpus.expect(
    Entry(
        "duckdb-parquet", "docs.parquet",
        [row(one.uuid, one.vector, {**fields(one), "huge": float(HUGE)}, one.text) for one in ARTICLES],
    )
)  # fmt: skip

NARROW = "SELECT uuid, vec, chunk, views, tags FROM docs"
db.execute(f"COPY ({NARROW}) TO '{corpus.folder('duckdb-json') / 'docs.json'}' (FORMAT json, ARRAY true)")
corpus.expect(
    Entry(
        "duckdb-json", "docs.json",
        [row(one.uuid, one.vector, {"views": one.views, "tags": one.tags}, one.text) for one in ARTICLES],
    )
)  # fmt: skip

# lists are text as DuckDB prints them
db.execute(f"COPY ({NARROW}) TO '{corpus.folder('duckdb-csv') / 'docs.csv'}' (FORMAT csv, HEADER)")
corpus.expect(
    Entry(
        "duckdb-csv", "docs.csv",
        [
            row(one.uuid, one.vector, {"views": one.views, "tags": "[" + ", ".join(one.tags) + "]"}, one.text)
            for one in ARTICLES
        ],
    )
)  # fmt: skip
