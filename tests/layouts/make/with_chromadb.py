"""Collections of Chroma, as their `get` gives them: chromadb 1.5.9, pandas, pyarrow."""

from __future__ import annotations

import json
from typing import Any

import chromadb
import pandas as pd
from entry import Article, Corpus, Entry, articles, floats, row, write_json, write_lines

corpus = Corpus("chromadb")
ARTICLES = articles()


def fields(article: Article) -> dict[str, Any]:
    """Chroma's metadata is flat and never empty."""
    flat = {name: value for name, value in article.plain().items() if name not in {"tags", "author"}}
    return {**flat, "nested": json.dumps(article.author)}


collection = chromadb.EphemeralClient().create_collection("wiki", embedding_function=None)
collection.add(
    ids=[one.id for one in ARTICLES], embeddings=[one.vector for one in ARTICLES],
    documents=[one.text for one in ARTICLES], metadatas=[fields(one) for one in ARTICLES],
)  # fmt: skip
found: dict[str, Any] = dict(collection.get(include=["embeddings", "documents", "metadatas"]))
found["embeddings"] = [floats(one) for one in found["embeddings"]]
found["included"] = [str(one) for one in found["included"]]
columns = {name: found[name] for name in ("ids", "embeddings", "documents", "metadatas")}

ROWS = [row(one.id, one.vector, fields(one), one.text) for one in ARTICLES]

# json.dump of the answer whole: `included` is no column, what is null is none either
write_json(corpus.folder("chroma-get") / "collection.json", found)
corpus.expect(Entry("chroma-get", "collection.json", ROWS))

folder = corpus.folder("chroma-get-indented")
(folder / "collection.json").write_text(json.dumps(columns, indent=2, ensure_ascii=False), "utf-8")
corpus.expect(Entry("chroma-get-indented", "collection.json", ROWS))

pd.DataFrame(columns).to_parquet(corpus.folder("chroma-parquet") / "collection.parquet")
corpus.expect(Entry("chroma-parquet", "collection.parquet", ROWS, by=("chromadb", "pandas", "pyarrow")))

# a row each, in the singular, as chromadb-data-pipes writes them
lines = [
    {"id": identity, "embedding": vector, "document": text, "metadata": metadata}
    for identity, vector, text, metadata in zip(*columns.values(), strict=True)
]
write_lines(corpus.folder("chroma-lines") / "collection.jsonl", lines)
corpus.expect(Entry("chroma-lines", "collection.jsonl", ROWS))
