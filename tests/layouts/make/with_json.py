"""Layouts whose writers are services, as their documentation shows them; Python's json."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from entry import Article, Corpus, Entry, articles, floats, row, write_json, write_lines

corpus = Corpus("json")
ARTICLES = [one for one in articles() if one.text]

# Amazon Bedrock's batch inference, Titan
titan = [
    {
        "recordId": one.id, "modelInput": {"inputText": one.text},
        "modelOutput": {"embedding": floats(one.vector), "inputTextTokenCount": 7},
    }
    for one in ARTICLES
]  # fmt: skip
write_lines(corpus.folder("bedrock-batch") / "input.jsonl.out", titan)
corpus.expect(
    Entry(
        "bedrock-batch", "input.jsonl.out", [row(one.id, one.vector, None, one.text) for one in ARTICLES],
        by=("the layout of Bedrock's batches",),
    )
)  # fmt: skip

# BigQuery's export of ML.GENERATE_EMBEDDING: whole numbers are text, and null fields are not there
bigquery = [
    {
        "ml_generate_embedding_result": floats(one.vector), "ml_generate_embedding_status": "", "content": one.text,
        "id": str(one.number), "title": one.title, "views": str(one.views), "published": "2024-02-29 12:00:00 UTC",
    }
    for one in ARTICLES
]  # fmt: skip
write_lines(corpus.folder("bigquery-embeddings") / "export-000000000000.json", bigquery)
corpus.expect(
    Entry(
        "bigquery-embeddings", "export-000000000000.json",
        [
            row(
                one.number, one.vector,
                {
                    "ml_generate_embedding_status": "", "title": one.title, "views": str(one.views),
                    "published": "2024-02-29 12:00:00 UTC",
                },
                one.text,
            )
            for one in ARTICLES
        ],
        by=("the layout of BigQuery's export",),
    )
)  # fmt: skip

# Vespa: ids are in `put`, and tensors objects with `values`
vespa = [
    {
        "put": f"id:wiki:doc::{one.number}",
        "fields": {"title": one.title, "text": one.text, "embedding": {"values": floats(one.vector)}},
    }
    for one in ARTICLES
]  # fmt: skip
write_json(corpus.folder("vespa-feed") / "feed.json", vespa)
corpus.expect(
    Entry(
        "vespa-feed", "feed.json",
        [row(f"id:wiki:doc::{one.number}", one.vector, {"fields": {"title": one.title}}, one.text) for one in ARTICLES],
        refused=True, named=["--vector-column"],
        options=["--id-column", "put", "--vector-column", "fields.embedding.values", "--contents-column", "fields.text"],
        by=("the layout of Vespa's feeds",),
    )
)  # fmt: skip

# Typesense's export
typesense = [
    {"id": one.id, "title": one.title, "embedding": floats(one.vector), "tags": one.tags, "views": one.views}
    for one in ARTICLES
]
write_lines(corpus.folder("typesense-export") / "documents.jsonl", typesense)
corpus.expect(
    Entry(
        "typesense-export", "documents.jsonl",
        [row(one.id, one.vector, {"title": one.title, "tags": one.tags, "views": one.views}) for one in ARTICLES],
        by=("the layout of Typesense's export",),
    )
)  # fmt: skip


def meilisearch(article: Article) -> dict[str, Any]:
    vectors = {"default": {"embeddings": [floats(article.vector)], "regenerate": False}}
    return {"id": article.number, "title": article.title, "_vectors": vectors}


# Meilisearch with `retrieveVectors`: a list of vectors for each embedder
answer = {"results": [meilisearch(one) for one in ARTICLES], "offset": 0, "limit": 20, "total": 11}
write_json(corpus.folder("meilisearch-documents") / "documents.json", answer)
beside = {"default": {"regenerate": False}}
corpus.expect(
    Entry(
        "meilisearch-documents", "documents.json",
        [row(one.number, one.vector, {"title": one.title, "_vectors": beside}) for one in ARTICLES],
        refused=True, named=["--vector-column"],
        options=["--vector-column", "_vectors.default.embeddings[0]"],
        by=("the layout of Meilisearch's documents",),
    )
)  # fmt: skip

# two arrays of rows in one document
both = {
    "queries": [{"id": f"q{one.number}", "embedding": floats(one.vector), "text": one.title} for one in ARTICLES[:3]],
    "corpus": [{"id": one.id, "embedding": floats(one.vector), "text": one.text} for one in ARTICLES],
}  # fmt: skip
write_json(corpus.folder("json-two-arrays") / "set.json", both)
corpus.expect(
    Entry(
        "json-two-arrays", "set.json", [row(one.id, one.vector, None, one.text) for one in ARTICLES],
        refused=True, options=["--records", "corpus"],
    )
)  # fmt: skip

# Solr's answer
found = [
    {"id": one.id, "title": [one.title], "vector": floats(one.vector), "_version_": 1788000000000000000 + one.number}
    for one in ARTICLES
]
answer = {"responseHeader": {"status": 0, "QTime": 1}, "response": {"numFound": 11, "start": 0, "docs": found}}
write_json(corpus.folder("solr-answer") / "answer.json", answer)
corpus.expect(
    Entry(
        "solr-answer", "answer.json",
        [
            row(one.id, one.vector, {"title": [one.title], "_version_": 1788000000000000000 + one.number})
            for one in ARTICLES
        ],
        by=("the layout of Solr's answers",),
    )
)  # fmt: skip

# Supabase's export of a table of LangChain's: CSV with the vector and the metadata as text
lines = ["id,content,metadata,embedding"]
for one in ARTICLES:
    cells = [
        str(one.number),
        one.text,
        json.dumps({"source": one.url, "loc": {"page": one.number}}),
        json.dumps(floats(one.vector)),
    ]
    lines.append(",".join('"' + cell.replace('"', '""') + '"' for cell in cells))
(corpus.folder("supabase-csv") / "documents_rows.csv").write_text("\n".join(lines), "utf-8")
corpus.expect(
    Entry(
        "supabase-csv", "documents_rows.csv",
        [row(one.number, one.vector, {"source": one.url, "loc": {"page": one.number}}, one.text) for one in ARTICLES],
        by=("the layout of Supabase's export",),
    )
)  # fmt: skip

# TensorFlow's projector: a file of tabs and numbers, one of labels, and no header in the first
folder = corpus.folder("tensorflow-projector")
SHORT = articles(decimals=6)
lines = ["\t".join(f"{number:.6f}" for number in one.vector.astype(np.float64)) for one in SHORT]
(folder / "vectors.tsv").write_text("\n".join(lines) + "\n", "utf-8")
corpus.expect(
    Entry(
        "tensorflow-projector", "vectors.tsv", [row(place, one.vector) for place, one in enumerate(SHORT)],
        refused=True, named=["--no-header"],
        options=["--no-header", "--vector-column", "column*", "--id-template", "{row}"],
        by=("the layout of TensorFlow's projector",),
    )
)  # fmt: skip
