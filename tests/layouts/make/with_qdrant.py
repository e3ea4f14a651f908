"""Points of a collection, as Qdrant's own client and models write them: qdrant-client 1.20.0, in its local mode."""

from __future__ import annotations

import json
from typing import Any

from entry import Article, Corpus, Entry, articles, floats, row
from qdrant_client import QdrantClient, models

corpus = Corpus("qdrant-client")
VECTORS = models.VectorParams(size=8, distance=models.Distance.EUCLID)  # cosine would normalise


def payload(article: Article) -> dict[str, Any]:
    return {**article.plain(), "page_content": article.text, "nothing": None}


def points(vectors: Any) -> list[models.Record]:
    """All points as the client reads them back; half of the ids are numbers, the others UUIDs."""
    client = QdrantClient(":memory:")
    client.create_collection("docs", vectors_config=vectors(None))
    client.upsert(
        "docs",
        [
            models.PointStruct(id=one.number if one.number % 2 else one.uuid, vector=vectors(one), payload=payload(one))
            for one in ARTICLES
        ],
    )
    found, _ = client.scroll("docs", limit=100, with_payload=True, with_vectors=True)
    return found


def unnamed(article: Article | None) -> Any:
    return VECTORS if article is None else floats(article.vector)


def one_name(article: Article | None) -> Any:
    return {"text": VECTORS} if article is None else {"text": floats(article.vector)}


def two_names(article: Article | None) -> Any:
    if article is None:
        return {"text": VECTORS, "image": models.VectorParams(size=4, distance=models.Distance.EUCLID)}
    return {"text": floats(article.vector), "image": [1.0, 2.0, 3.0, float(article.number)]}


ARTICLES = articles()
# a point's own `shard_key` and `order_value` are null where nobody has used them
ROWS = [row(one.number if one.number % 2 else one.uuid, one.vector, payload(one)) for one in ARTICLES]


def lines(name: str, found: list[models.Record]) -> None:
    (corpus.folder(name) / "points.jsonl").write_text("".join(one.model_dump_json() + "\n" for one in found), "utf-8")


# the answer of POST /collections/docs/points/scroll
answer = models.ScrollResult(points=points(unnamed), next_page_offset=None)
whole = {"result": json.loads(answer.model_dump_json()), "status": "ok", "time": 0.000213}
(corpus.folder("qdrant-scroll") / "scroll.json").write_text(json.dumps(whole, ensure_ascii=False), "utf-8")
corpus.expect(Entry("qdrant-scroll", "scroll.json", ROWS))

# the body of PUT /collections/docs/points
body = models.PointsList(
    points=[models.PointStruct(id=one.id, vector=one.vector, payload=one.payload) for one in points(unnamed)]
)
(corpus.folder("qdrant-points") / "points.json").write_text(body.model_dump_json(exclude_none=True), "utf-8")
corpus.expect(Entry("qdrant-points", "points.json", ROWS))

lines("qdrant-lines", points(unnamed))
corpus.expect(Entry("qdrant-lines", "points.jsonl", ROWS))

lines("qdrant-one-named-vector", points(one_name))
corpus.expect(Entry("qdrant-one-named-vector", "points.jsonl", ROWS))

lines("qdrant-two-named-vectors", points(two_names))
corpus.expect(
    Entry(
        "qdrant-two-named-vectors", "points.jsonl", ROWS,
        refused=True, options=["--vector-column", "vector.text"],
    )
)  # fmt: skip
