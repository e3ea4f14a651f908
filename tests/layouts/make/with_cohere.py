"""Answers of Cohere's embed interface, by the models of cohere 7.3.1: columns, without an id for a row."""

from __future__ import annotations

import cohere
from entry import Corpus, Entry, articles, floats, row

corpus = Corpus("cohere")
ARTICLES = [one for one in articles() if one.text]

# `id` is the answer's own, and not that of a row
answer = cohere.EmbedFloatsResponse(
    id="8ba1a2c3-5d5e-4a1f-9f4a-0f0a0e6c5b11", texts=[one.text for one in ARTICLES],
    embeddings=[floats(one.vector) for one in ARTICLES],
)  # fmt: skip
(corpus.folder("cohere-answer") / "answer.json").write_text(answer.model_dump_json(exclude_none=True), "utf-8")
corpus.expect(
    Entry(
        "cohere-answer", "answer.json",
        [row(f"answer-{place}", one.vector, None, one.text) for place, one in enumerate(ARTICLES)],
        refused=True, options=["--id-template", "{file}-{row}"],
    )
)  # fmt: skip
