"""Objects of Weaviate: as its REST interface lists them, and as the classes of weaviate-client 4.24.1 are dumped."""

from __future__ import annotations

import dataclasses
import json
import uuid
from typing import Any

from entry import Article, Corpus, Entry, articles, floats, row, write_json, write_lines
from weaviate.collections.classes.internal import MetadataReturn, Object

corpus = Corpus("weaviate-client")
ARTICLES = articles()


def properties(article: Article) -> dict[str, Any]:
    """Weaviate's dates are text."""
    return {**article.plain(), "text": article.text, "published": "1969-07-20T20:17:40.123Z", "nothing": None}


def around(article: Article) -> dict[str, Any]:
    """What Weaviate knows of an object."""
    made = 1700000000000
    return {"class": "Article", "creationTimeUnix": made, "lastUpdateTimeUnix": made + article.number}


def listed(article: Article, **vectors: Any) -> dict[str, Any]:
    return {
        "class": "Article", "creationTimeUnix": 1700000000000, "id": article.uuid,
        "lastUpdateTimeUnix": 1700000000000 + article.number, "properties": properties(article), **vectors,
    }  # fmt: skip


ROWS = [row(one.uuid, one.vector, {**around(one), **properties(one)}) for one in ARTICLES]
LAYOUT = ("the layout of Weaviate's GET /v1/objects",)

answer = {
    "deprecations": None,
    "objects": [listed(one, vector=floats(one.vector)) for one in ARTICLES],
    "totalResults": 12,
}
write_json(corpus.folder("weaviate-objects") / "objects.json", answer)
corpus.expect(Entry("weaviate-objects", "objects.json", ROWS, by=LAYOUT))

named = [listed(one, vectors={"content": floats(one.vector)}) for one in ARTICLES]
write_json(corpus.folder("weaviate-one-named-vector") / "objects.json", {"objects": named, "totalResults": 12})
corpus.expect(Entry("weaviate-one-named-vector", "objects.json", ROWS, by=LAYOUT))

two = [listed(one, vectors={"content": floats(one.vector), "title": [0.5, float(one.number)]}) for one in ARTICLES]
write_json(corpus.folder("weaviate-two-named-vectors") / "objects.json", {"objects": two, "totalResults": 12})
corpus.expect(
    Entry(
        "weaviate-two-named-vectors", "objects.json", ROWS, by=LAYOUT,
        refused=True, options=["--vector-column", "vectors.content"],
    )
)  # fmt: skip

# the client's own objects, as programs dump them: both `metadata` (Weaviate's) and `properties` (the user's) are there
lines, rows = [], []
for one in ARTICLES:
    found = Object(
        uuid=uuid.UUID(one.uuid), metadata=MetadataReturn(distance=0.25), properties=properties(one), references=None,
        vector={"default": floats(one.vector)}, collection="Article",
    )  # fmt: skip
    dumped = json.loads(json.dumps(dataclasses.asdict(found), default=str))
    lines.append(dumped)
    beside = {"metadata": dumped["metadata"], "collection": "Article"}  # `references` is null: there are none
    rows.append(row(one.uuid, one.vector, {**beside, **properties(one)}))
write_lines(corpus.folder("weaviate-client-objects") / "objects.jsonl", lines)
corpus.expect(
    Entry(
        "weaviate-client-objects", "objects.jsonl", rows, refused=True, options=["--metadata-column", "properties"],
    )
)  # fmt: skip
