"""Extended JSON, as mongoexport and bson.json_util of pymongo 4.20.1 write it."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

from bson import Binary, Decimal128, Int64, ObjectId, json_util
from bson.binary import BinaryVectorDtype
from entry import Article, Corpus, Entry, articles, floats, row

corpus = Corpus("pymongo")
ARTICLES = articles()
OLD = dt.datetime(1815, 6, 18, tzinfo=dt.timezone.utc)


def identity(article: Article) -> ObjectId:
    return ObjectId(hashlib.md5(article.id.encode(), usedforsecurity=False).hexdigest()[:24])


def document(article: Article, vector: Any) -> dict[str, Any]:
    return {
        "_id": identity(article), "title": article.title, "views": Int64(article.views), "score": article.score,
        "published": article.published, "old": OLD, "draft": article.draft,
        "tags": article.tags, "author": article.author, "price": Decimal128("12.50"), "raw": Binary(b"\x00\xff"),
        "seen": [Int64(1), article.published], "text": article.text, "embedding": vector,
    }  # fmt: skip


def fields(article: Article) -> dict[str, Any]:
    """Dates are epoch milliseconds, decimals numbers, binary is base64, null is kept."""
    return {
        "title": article.title, "views": article.views, "score": article.score, "published": article.published_ms,
        "old": round(OLD.timestamp() * 1000), "draft": article.draft, "tags": article.tags, "author": article.author, "price": 12.5,
        "raw": "AP8=", "seen": [1, article.published_ms],
    }  # fmt: skip


ROWS = [row(identity(one), one.vector, fields(one), one.text) for one in ARTICLES]


def packed(article: Article) -> Binary:
    return Binary.from_vector(floats(article.vector), BinaryVectorDtype.FLOAT32)


def written(name: str, documents: list[dict[str, Any]], options: json_util.JSONOptions) -> None:
    lines = [json_util.dumps(one, json_options=options, ensure_ascii=False) for one in documents]
    (corpus.folder(name) / "wiki.json").write_text("\n".join(lines) + "\n", "utf-8")
    corpus.expect(Entry(name, "wiki.json", ROWS))


numbers = [document(one, floats(one.vector)) for one in ARTICLES]
written("mongoexport-relaxed", numbers, json_util.RELAXED_JSON_OPTIONS)
written("mongoexport-binary-vector", [document(one, packed(one)) for one in ARTICLES], json_util.RELAXED_JSON_OPTIONS)

# mongoexport --jsonFormat=canonical --jsonArray: each number in an object of its own
text = json_util.dumps(numbers, json_options=json_util.CANONICAL_JSON_OPTIONS, ensure_ascii=False)
(corpus.folder("mongoexport-canonical") / "wiki.json").write_text(text, "utf-8")
corpus.expect(Entry("mongoexport-canonical", "wiki.json", ROWS))
