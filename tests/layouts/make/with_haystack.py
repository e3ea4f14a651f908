"""Documents of Haystack, as their `to_dict` gives them: haystack-ai."""

from __future__ import annotations

from typing import Any

from entry import Article, Corpus, Entry, articles, floats, row, write_json, write_lines
from haystack import Document

corpus = Corpus("haystack-ai")
ARTICLES = articles()


def document(article: Article) -> Document:
    return Document(id=article.id, content=article.text, meta=article.plain(), embedding=floats(article.vector))


# what of a document's own fields nobody has used is null: `blob`, `score`, `sparse_embedding`
ROWS = [row(one.id, one.vector, one.plain(), one.text) for one in ARTICLES]
for name, flat in (("haystack-flat", True), ("haystack-nested", False)):
    values: list[dict[str, Any]] = [document(one).to_dict(flatten=flat) for one in ARTICLES]
    if flat:
        write_json(corpus.folder(name) / "documents.json", values)
        # the document's own `score` is null, and the field of the same name wins
        corpus.expect(Entry(name, "documents.json", ROWS))
    else:
        write_lines(corpus.folder(name) / "documents.jsonl", values)
        corpus.expect(Entry(name, "documents.jsonl", ROWS))
