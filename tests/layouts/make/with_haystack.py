"""Documents of Haystack, as their `to_dict` gives them: haystack-ai."""

from __future__ import annotations

from typing import Any

from entry import Article, Corpus, Entry, articles, floats, row, write_json, write_lines
from haystack import Document

corpus = Corpus("haystack-ai")
ARTICLES = articles()


def document(article: Article) -> Document:
    return Document(id=article.id, content=article.text, meta=article.plain(), embedding=floats(article.vector))


def around(article: Article, flat: bool) -> list[str]:
    known = {"id", "content", "embedding", "meta", *article.plain()}
    return [name for name in document(article).to_dict(flatten=flat) if name not in known]


ROWS = [row(one.id, one.vector, one.plain(), one.text) for one in ARTICLES]
for name, flat in (("haystack-flat", True), ("haystack-nested", False)):
    values: list[dict[str, Any]] = [document(one).to_dict(flatten=flat) for one in ARTICLES]
    if flat:
        write_json(corpus.folder(name) / "documents.json", values)
        # the document's own `score` is null, and the field of the same name wins
        corpus.expect(Entry(name, "documents.json", ROWS, undecided=around(ARTICLES[0], flat)))
    else:
        write_lines(corpus.folder(name) / "documents.jsonl", values)
        corpus.expect(Entry(name, "documents.jsonl", ROWS, undecided=around(ARTICLES[0], flat)))
