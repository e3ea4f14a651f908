"""Published sets of embeddings, by their names and types, as Hugging Face's datasets 5.2.0 writes them; pyarrow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from datasets import Dataset, Features, Value
from datasets import List as Many
from entry import Article, Corpus, Entry, articles, known, row

if TYPE_CHECKING:
    from pathlib import Path

corpus = Corpus("datasets", "pyarrow")
ARTICLES = articles()
TEXT, INT, FLOAT, DOUBLE = Value("string"), Value("int64"), Value("float32"), Value("float64")


def made(types: dict[str, Any], rows: list[dict[str, Any]]) -> Dataset:
    return Dataset.from_list(rows, features=Features(types))


def parquet(name: str, file: str, data: Dataset) -> Path:
    path = corpus.folder(name) / file
    path.parent.mkdir(parents=True, exist_ok=True)
    data.to_parquet(path)
    return path


def expected(
    rows: list[dict[str, Any]], identity: str, vector: str, contents: str | None = "text"
) -> list[dict[str, Any]]:
    """What has no role is metadata."""
    roles = {identity, vector, contents}
    return [
        row(
            one[identity], one[vector], known({name: value for name, value in one.items() if name not in roles}),
            one[contents] if contents else None,
        )
        for one in rows
    ]  # fmt: skip


def published(name: str, file: str, types: dict[str, Any], rows: list[dict[str, Any]], *roles: Any) -> None:
    """A set that is loaded as it is."""
    parquet(name, file, made(types, rows))
    corpus.expect(Entry(name, file, expected(rows, *roles)))


def wiki(article: Article) -> dict[str, Any]:
    return {"title": article.title, "text": article.text, "url": article.url}


# CohereLabs/wikipedia-2023-11-embed-multilingual-v3
published(
    "cohere-wikipedia-2023-11", "en/0000.parquet",
    {"_id": TEXT, "url": TEXT, "title": TEXT, "text": TEXT, "emb": Many(FLOAT)},
    [{"_id": f"20231101.en_{one.number}_0", **wiki(one), "emb": one.vector} for one in ARTICLES], "_id", "emb",
)  # fmt: skip

# Cohere/wikipedia-22-12-en-embeddings: numbers as ids, floats for counts
published(
    "cohere-wikipedia-22-12", "data/train-00000-of-00001.parquet",
    {
        "id": Value("int32"), "title": TEXT, "text": TEXT, "url": TEXT, "wiki_id": Value("int32"), "views": FLOAT,
        "paragraph_id": Value("int32"), "langs": Value("int32"), "emb": Many(FLOAT),
    },
    [
        {
            "id": one.number, **wiki(one), "wiki_id": one.number // 2, "views": one.number + 0.5,
            "paragraph_id": one.number, "langs": 30, "emb": one.vector,
        }
        for one in ARTICLES
    ],
    "id", "emb",
)  # fmt: skip

# CohereLabs/msmarco-v2.1-embed-english-v3
marco = [
    {
        "docid": f"msmarco_v2.1_doc_00_{one.number}#0_1", "url": one.url, "title": one.title, "headings": f"{one.title}\nSources",
        "segment": one.text, "start_char": 0, "end_char": len(one.text), "emb": one.vector,
    }
    for one in ARTICLES
]  # fmt: skip
MARCO = {
    "docid": TEXT, "url": TEXT, "title": TEXT, "headings": TEXT, "segment": TEXT, "start_char": INT, "end_char": INT,
    "emb": Many(FLOAT),
}  # fmt: skip
published("msmarco-v2.1", "passages_parquet/msmarco_00.parquet", MARCO, marco, "docid", "emb", "segment")

# the same set has its vectors as .npy beside the Parquet: the folder holds every row twice
folder = parquet("msmarco-both-formats", "set/passages_parquet/msmarco_00.parquet", made(MARCO, marco)).parent.parent
(folder / "passages_npy").mkdir()
np.save(folder / "passages_npy" / "msmarco_00.npy", np.array([one["emb"] for one in marco]))
corpus.expect(
    Entry(
        "msmarco-both-formats", "set", expected(marco, "docid", "emb", "segment"), refused=True,
        options=["--format", "parquet"],
    )
)  # fmt: skip

# Cohere/miracl-en-corpus-22-12
published(
    "miracl-corpus", "data/train-00000-of-00001.parquet", {"docid": TEXT, "title": TEXT, "text": TEXT, "emb": Many(FLOAT)},
    [{"docid": f"{one.number}#0", "title": one.title, "text": one.text, "emb": one.vector} for one in ARTICLES],
    "docid", "emb",
)  # fmt: skip

# Qdrant/dbpedia-entities-openai3-text-embedding-3-large-1536-1M: the column's name says the model
LARGE = "text-embedding-3-large-1536-embedding"
published(
    "qdrant-dbpedia", "data/train-00000-of-00001.parquet", {"_id": TEXT, "title": TEXT, "text": TEXT, LARGE: Many(DOUBLE)},
    [
        {"_id": f"<dbpedia:{one.title}>", "title": one.title, "text": one.text, LARGE: one.vector.astype(np.float64)}
        for one in ARTICLES
    ],
    "_id", LARGE,
)  # fmt: skip

# KShivendu/dbpedia-entities-openai-1M
published(
    "kshivendu-dbpedia", "data/train-00000-of-00001.parquet", {"_id": TEXT, "title": TEXT, "text": TEXT, "openai": Many(FLOAT)},
    [{"_id": f"<dbpedia:{one.title}>", "title": one.title, "text": one.text, "openai": one.vector} for one in ARTICLES],
    "_id", "openai",
)  # fmt: skip

# CohereLabs/wikipedia-2023-11-embed-multilingual-v3-int8-binary: numbers of 8 bits, and bits packed eight to a number
small = [np.round(one.vector * 127).astype(np.int8) for one in ARTICLES]
bits = [np.packbits(one.vector > 0) for one in articles(dimension=64)]
rows = [
    {"_id": f"20231101.en_{one.number}_0", **wiki(one), "emb_int8": whole, "emb_ubinary": packed}
    for one, whole, packed in zip(ARTICLES, small, bits, strict=True)
]
types = {
    "_id": TEXT,
    "url": TEXT,
    "title": TEXT,
    "text": TEXT,
    "emb_int8": Many(Value("int8")),
    "emb_ubinary": Many(Value("uint8")),
}
parquet("cohere-int8-binary", "en/0000.parquet", made(types, rows))
without = [{name: value for name, value in one.items() if name != "emb_ubinary"} for one in rows]
corpus.expect(
    Entry(
        "cohere-int8-binary", "en/0000.parquet", expected(without, "_id", "emb_int8"), refused=True,
        options=["--vector-column", "emb_int8"],
    )
)  # fmt: skip

# nothing but packed bits: no option makes vectors of them
types = {"_id": TEXT, "text": TEXT, "emb_ubinary": Many(Value("uint8"))}
rows = [{name: one[name] for name in types} for one in rows]
parquet("packed-bits", "en/0000.parquet", made(types, rows))
corpus.expect(Entry("packed-bits", "en/0000.parquet", refused=True, named=["emb_ubinary", "bits"]))

# two embeddings of a row
two = [
    {"id": one.id, "title": one.title, "title_embedding": other.vector, "text_embedding": one.vector, "text": one.text}
    for one, other in zip(ARTICLES, articles(seed=2), strict=True)
]
types = {"id": TEXT, "title": TEXT, "title_embedding": Many(FLOAT), "text_embedding": Many(FLOAT), "text": TEXT}
parquet("two-embeddings", "train.parquet", made(types, two))
chosen = [{name: value for name, value in one.items() if name != "title_embedding"} for one in two]
corpus.expect(
    Entry(
        "two-embeddings", "train.parquet", expected(chosen, "id", "text_embedding"), refused=True,
        named=["--vector-column", "title_embedding", "text_embedding"], options=["--vector-column", "text_embedding"],
    )
)  # fmt: skip

# an address is an id only if somebody says so
addressed = [{**wiki(one), "embedding": one.vector} for one in ARTICLES]
types = {"title": TEXT, "text": TEXT, "url": TEXT, "embedding": Many(FLOAT)}
parquet("url-and-no-id", "train.parquet", made(types, addressed))
corpus.expect(
    Entry(
        "url-and-no-id", "train.parquet", expected(addressed, "url", "embedding"), refused=True,
        options=["--id-column", "url"],
    )
)  # fmt: skip

# no column of ids at all
bare = [{"text": one.text, "embedding": one.vector} for one in ARTICLES]
parquet("no-id", "train.parquet", made({"text": TEXT, "embedding": Many(FLOAT)}, bare))
corpus.expect(
    Entry(
        "no-id", "train.parquet", [row(f"train-{place}", one["embedding"], None, one["text"]) for place, one in enumerate(bare)],
        refused=True, options=["--id-template", "{file}-{row}"],
    )
)  # fmt: skip

# a repository as `git clone` makes it: what is about the data lies beside it
published(
    "hub-repository", "repository/data/train-00000-of-00001.parquet", {"id": TEXT, "text": TEXT, "embedding": Many(FLOAT, length=8)},
    [{"id": one.id, "text": one.text, "embedding": one.vector} for one in ARTICLES], "id", "embedding",
)  # fmt: skip
folder = corpus.root / "hub-repository" / "repository"
(folder / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n# A set\n", "utf-8")
(folder / "dataset_infos.json").write_text(json.dumps({"default": {"features": {}, "splits": {"train": {}}}}), "utf-8")
(folder / "config.json").write_text(json.dumps({"model": "text-embedding-3-small", "dimensions": 8}), "utf-8")
rows = [row(one.id, one.vector, None, one.text) for one in ARTICLES]
corpus.expect(Entry("hub-repository", "repository", rows))

# to_json: a row a line, numbers with ten decimals
lines = [
    {
        "id": one.number,
        "text": one.text,
        "lang": one.lang,
        "label": one.number % 2,
        "embedding": one.vector,
        "note": None,
    }
    for one in ARTICLES
]
types = {"id": INT, "text": TEXT, "lang": TEXT, "label": INT, "embedding": Many(FLOAT), "note": TEXT}
made(types, lines).to_json(corpus.folder("datasets-json") / "train.jsonl", force_ascii=False)
corpus.expect(
    Entry(
        "datasets-json", "train.jsonl",
        [
            row(
                one["id"], one["embedding"].astype(np.float64).round(10),
                {"lang": one["lang"], "label": one["label"], "note": None}, one["text"],
            )
            for one in lines
        ],
    )
)  # fmt: skip

# what a pipeline for features answers: for each row a list of one list
features = [{"id": one.id, "sentence": one.text, "features": [one.vector]} for one in ARTICLES]
parquet(
    "feature-extraction",
    "features.parquet",
    made({"id": TEXT, "sentence": TEXT, "features": Many(Many(FLOAT))}, features),
)
corpus.expect(
    Entry("feature-extraction", "features.parquet", [row(one.id, one.vector, None, one.text) for one in ARTICLES])
)

# VectorDBBench
published(
    "vectordbbench", "shuffle_train.parquet", {"id": INT, "emb": Many(FLOAT)},
    [{"id": one.number, "emb": one.vector} for one in ARTICLES], "id", "emb", None,
)  # fmt: skip

# save_to_disk: shards of Arrow, and a list of those that count
types = {"id": TEXT, "text": TEXT, "embedding": Many(FLOAT, length=8), "label": INT}
lines = [{"id": one.id, "text": one.text, "embedding": one.vector, "label": one.number % 3} for one in ARTICLES]
made(types, lines).save_to_disk(str(corpus.folder("datasets-save-to-disk") / "wiki"))
corpus.expect(
    Entry(
        "datasets-save-to-disk",
        "wiki",
        [row(one.id, one.vector, {"label": one.number % 3}, one.text) for one in ARTICLES],
    )
)
