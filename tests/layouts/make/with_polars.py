"""Frames of polars 2.1.0."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
from entry import Article, Corpus, Entry, articles, known, row

corpus = Corpus("polars")
ARTICLES = articles()
DAY = dt.date(2024, 2, 29)

frame = pl.DataFrame(
    {
        "key": [one.id for one in ARTICLES],
        "dense_vector": pl.Series([one.vector.tolist() for one in ARTICLES], dtype=pl.Array(pl.Float32, 8)),
        "body": [one.text for one in ARTICLES],
        "lang": pl.Series([one.lang if one.number % 3 else None for one in ARTICLES], dtype=pl.Categorical),
        "published": pl.Series([one.published for one in ARTICLES], dtype=pl.Datetime("us", "UTC")),
        "day": [DAY] * len(ARTICLES),
        "tags": [one.tags for one in ARTICLES],
        "author": [{"name": one.author["name"], "born": one.author.get("born")} for one in ARTICLES],
        "score": pl.Series([one.score for one in ARTICLES], dtype=pl.Float32),
    }
)


def fields(article: Article) -> dict[str, Any]:
    return known(
        {
            "lang": article.lang if article.number % 3 else None, "published": article.published_ms, "tags": article.tags,
            "day": 1709164800000, "score": article.score,
            "author": known({"name": article.author["name"], "born": article.author.get("born")}),
        }
    )  # fmt: skip


ROWS = [row(one.id, one.vector, fields(one), one.text) for one in ARTICLES]

frame.write_parquet(corpus.folder("polars-parquet") / "frame.parquet")
corpus.expect(Entry("polars-parquet", "frame.parquet", ROWS))
frame.write_ipc(corpus.folder("polars-ipc") / "frame.arrow", compression="zstd")
corpus.expect(Entry("polars-ipc", "frame.arrow", ROWS))

narrow = frame.select("key", "dense_vector", "body", pl.col("lang").cast(pl.String))
narrow.write_ndjson(corpus.folder("polars-ndjson") / "frame.ndjson")
corpus.expect(
    Entry(
        "polars-ndjson", "frame.ndjson",
        [row(one.id, one.vector, {"lang": one.lang if one.number % 3 else None}, one.text) for one in ARTICLES],
    )
)  # fmt: skip
