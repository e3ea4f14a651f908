"""Nodes of LlamaIndex as JSON: llama-index-core 0.14.25. Their id is `id_`."""

from __future__ import annotations

from typing import Any

from entry import Corpus, Entry, articles, floats, row
from llama_index.core.schema import TextNode

corpus = Corpus("llama-index-core")
ARTICLES = [one for one in articles() if one.text]


def around(node: TextNode) -> dict[str, Any]:
    """What a node says beside its data, but for what is empty."""
    own = {"id_", "text", "metadata", "embedding"}
    return {name: value for name, value in node.to_dict().items() if name not in own and value not in (None, [], {})}


def written(name: str, nodes: list[Any]) -> None:
    text = "".join(one.model_dump_json() + "\n" for one in nodes)
    (corpus.folder(name) / "nodes.jsonl").write_text(text, "utf-8")
    rows = [
        row(one.uuid, one.vector, {**around(node), **one.plain()}, one.text)
        for one, node in zip(ARTICLES, nodes, strict=True)
    ]
    corpus.expect(Entry(name, "nodes.jsonl", rows))


written(
    "llamaindex-nodes",
    [TextNode(id_=one.uuid, text=one.text, metadata=one.plain(), embedding=floats(one.vector)) for one in ARTICLES],
)
