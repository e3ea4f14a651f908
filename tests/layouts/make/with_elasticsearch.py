"""Dumps of Elasticsearch and OpenSearch: elasticsearch 9.5.1 makes the body of a bulk request; hits and elasticdump's
lines are as the server sends them.
"""

from __future__ import annotations

import json
from typing import Any

from elastic_transport import NdjsonSerializer
from elasticsearch.helpers import expand_action
from entry import Article, Corpus, Entry, articles, floats, row, write_json, write_lines

corpus = Corpus("elasticsearch")
ARTICLES = articles()


def fields(article: Article) -> dict[str, Any]:
    """Dates are text or milliseconds, as the client sent them."""
    return {**article.plain(), "published": article.published_ms, "day": "2024-02-29", "nothing": None}


def source(article: Article) -> dict[str, Any]:
    return {**fields(article), "content": article.text, "embedding": floats(article.vector)}


def hit(article: Article, **more: Any) -> dict[str, Any]:
    return {"_index": "wiki-000001", "_id": article.id, "_score": 1.0, **more, "_source": source(article)}


ROWS = [row(one.id, one.vector, fields(one), one.text) for one in ARTICLES]

# a line of elasticdump --type=data
folder = corpus.folder("elasticdump")
dumped = [{"_index": "wiki-000001", "_type": "_doc", **hit(one)} for one in ARTICLES]
write_lines(folder / "wiki.json", dumped)
corpus.expect(Entry("elasticdump", "wiki.json", ROWS, by=("the layout of elasticdump",)))

# the answer of a search
hits = {"total": {"value": 12, "relation": "eq"}, "max_score": 1.0, "hits": [hit(one) for one in ARTICLES]}
answer = {
    "took": 3,
    "timed_out": False,
    "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
    "hits": hits,
}
folder = corpus.folder("elasticsearch-answer")
(folder / "answer.json").write_text(json.dumps(answer, indent=2, ensure_ascii=False), "utf-8")
corpus.expect(Entry("elasticsearch-answer", "answer.json", ROWS, by=("the layout of a search's answer",)))

# what the client sends to _bulk
lines: list[Any] = []
for one in ARTICLES:
    expanded = expand_action({"_op_type": "index", "_index": "wiki", "_id": one.id, "_source": source(one)})
    lines += [part for part in expanded if part is not None]
(corpus.folder("elasticsearch-bulk") / "bulk.ndjson").write_bytes(NdjsonSerializer().dumps(lines))
corpus.expect(Entry("elasticsearch-bulk", "bulk.ndjson", ROWS))

# since 9.2 the server leaves vectors out of what it is asked for, unless it is asked for them
bare = [
    {**one, "_source": {name: value for name, value in one["_source"].items() if name != "embedding"}} for one in dumped
]
write_lines(corpus.folder("elasticdump-without-vectors") / "wiki.json", bare)
corpus.expect(
    Entry(
        "elasticdump-without-vectors", "wiki.json", refused=True, named=["exclude_vectors"],
        by=("the layout of elasticdump",),
    )
)  # fmt: skip

# documents of Azure AI Search, whose search answers under `value`
found = [
    {"@search.score": 1.0, "id": one.id, "title": one.title, "content": one.text, "contentVector": floats(one.vector)}
    for one in ARTICLES
]
write_json(
    corpus.folder("azure-search") / "answer.json", {"@odata.context": "https://example.org/$metadata", "value": found}
)
corpus.expect(
    Entry(
        "azure-search", "answer.json",
        [row(one.id, one.vector, {"@search.score": 1.0, "title": one.title}, one.text) for one in ARTICLES],
        by=("the layout of Azure AI Search",),
    )
)  # fmt: skip
