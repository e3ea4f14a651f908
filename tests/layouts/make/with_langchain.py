"""Stores of LangChain that are one file: langchain-core 1.8.3, langchain-community 0.4.2, scikit-learn, pyarrow."""

from __future__ import annotations

from typing import Any

from entry import Article, Corpus, Entry, articles, floats, row
from langchain_community.vectorstores import SKLearnVectorStore
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore

ARTICLES = [one for one in articles() if one.text]
VECTORS = {one.text: floats(one.vector) for one in ARTICLES}


class Given(Embeddings):
    """Vectors that are there already."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [VECTORS[one] for one in texts]

    def embed_query(self, text: str) -> list[float]:
        return VECTORS[text]


def documents() -> list[Document]:
    return [Document(id=one.id, page_content=one.text, metadata=fields(one)) for one in ARTICLES]


def fields(article: Article) -> dict[str, Any]:
    return {**article.plain(), "nothing": None}


ROWS = [row(one.id, one.vector, fields(one), one.text) for one in ARTICLES]

corpus = Corpus("langchain-core")
memory = InMemoryVectorStore(Given())
memory.add_documents(documents())
memory.dump(str(corpus.folder("langchain-memory-dump") / "store.json"))
corpus.expect(Entry("langchain-memory-dump", "store.json", ROWS))

corpus = Corpus("langchain-community")
for kind in ("json", "parquet"):
    name = f"langchain-sklearn-{kind}"
    path = corpus.folder(name) / f"store.{kind}"
    store = SKLearnVectorStore(Given(), persist_path=str(path), serializer=kind)
    store.add_texts(
        [one.text for one in ARTICLES], [fields(one) if kind == "json" else fields(one) | {"nothing": 1} for one in ARTICLES],
        ids=[one.id for one in ARTICLES],
    )  # fmt: skip
    store.persist()
    if kind == "json":
        corpus.expect(Entry(name, f"store.{kind}", ROWS))
    else:
        # structs have the fields of all rows: what a row does not have is null, and left out
        typed = [{**fields(one), "nothing": 1} for one in ARTICLES]
        for one in typed:
            one["author"] = {
                name: value if name != "prizes" else [{"year": 1950}] for name, value in one["author"].items()
            }  # fmt: skip
        rows = [row(one.id, one.vector, values, one.text) for one, values in zip(ARTICLES, typed, strict=True)]
        corpus.expect(Entry(name, f"store.{kind}", rows, by=("langchain-community", "pyarrow")))
