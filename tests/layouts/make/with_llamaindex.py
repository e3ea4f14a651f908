"""Nodes of LlamaIndex as JSON: llama-index-core 0.14.25. Their id is `id_`, which no other tool calls so."""

from __future__ import annotations

from typing import Any

from entry import Corpus, Entry, articles, floats, row
from llama_index.core.schema import Document, TextNode

corpus = Corpus("llama-index-core")
ARTICLES = [one for one in articles() if one.text]
AROUND = [name for name in {**TextNode().to_dict(), **Document().to_dict()} if name not in {"id_", "text", "metadata"}]


def written(name: str, nodes: list[Any]) -> None:
    text = "".join(one.model_dump_json() + "\n" for one in nodes)
    (corpus.folder(name) / "nodes.jsonl").write_text(text, "utf-8")
    rows = [row(one.uuid, one.vector, one.plain(), one.text) for one in ARTICLES]
    corpus.expect(Entry(name, "nodes.jsonl", rows, refused=True, options=["--id-column", "id_"], undecided=AROUND))


written(
    "llamaindex-nodes",
    [TextNode(id_=one.uuid, text=one.text, metadata=one.plain(), embedding=floats(one.vector)) for one in ARTICLES],
)
