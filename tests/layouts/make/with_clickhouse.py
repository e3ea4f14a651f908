"""Tables of ClickHouse in its own formats: chdb 4.4.0, which is ClickHouse 26.9 in the process."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import chdb
from entry import Article, Corpus, Entry, articles, floats, known, row, write_lines

corpus = Corpus("chdb")
ARTICLES = articles(decimals=6)

given = [
    {
        "id": one.number + 1, "uuid": one.uuid, "embedding": floats(one.vector), "text": one.text, "views": one.views,
        "published": one.published.strftime("%Y-%m-%d %H:%M:%S.%f") if one.published else None, "tags": one.tags,
        "lang": one.lang if one.number % 3 else None,
    }
    for one in ARTICLES
]  # fmt: skip
COLUMNS = (
    "id UInt64, uuid UUID, embedding Array(Float32), text String, views Int64, "
    "published Nullable(DateTime64(3, 'UTC')), tags Array(String), lang LowCardinality(Nullable(String))"
)
SOURCE = Path(tempfile.mkdtemp()) / "given.ndjson"
write_lines(SOURCE, given)


def written(name: str, file: str, kind: str, columns: str) -> None:
    types = COLUMNS.replace("'", "\\'")
    found = chdb.query(f"SELECT {columns} FROM file('{SOURCE}', JSONEachRow, '{types}')", kind)
    (corpus.folder(name) / file).write_bytes(found.bytes())


def fields(article: Article, *, is_typed: bool) -> dict[str, Any]:
    """Times are text in JSON; what is null is null there."""
    time = article.published and article.published.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    values = {
        "views": article.views, "published": article.published_ms if is_typed else time, "tags": article.tags,
        "lang": article.lang if article.number % 3 else None,
    }  # fmt: skip
    return known(values) if is_typed else values


NARROW = "id, embedding, text, views, published, tags, lang"
ROWS = [row(one.number + 1, one.vector, fields(one, is_typed=False), one.text) for one in ARTICLES]

written("clickhouse-json-each-row", "docs.ndjson", "JSONEachRow", NARROW)
corpus.expect(Entry("clickhouse-json-each-row", "docs.ndjson", ROWS))

# `meta` is an array of objects, too, and no row
written("clickhouse-json", "docs.json", "JSON", NARROW)
corpus.expect(Entry("clickhouse-json", "docs.json", ROWS))

written("clickhouse-json-columns", "docs.json", "JSONColumns", NARROW)
corpus.expect(Entry("clickhouse-json-columns", "docs.json", ROWS))

# whatever type it has, its bytes are text
written("clickhouse-parquet", "docs.parquet", "Parquet", NARROW)
typed = [row(one.number + 1, one.vector, fields(one, is_typed=True), one.text) for one in ARTICLES]
corpus.expect(Entry("clickhouse-parquet", "docs.parquet", typed))

# lists as text, \N for null
written("clickhouse-csv", "docs.csv", "CSVWithNames", "id, embedding, text, views, lang")
corpus.expect(
    Entry(
        "clickhouse-csv", "docs.csv",
        [
            row(one.number + 1, one.vector, known({"views": one.views, "lang": one.lang if one.number % 3 else None}), one.text)
            for one in ARTICLES
        ],
        options=["--null-values", "\\N"],
    )
)  # fmt: skip
