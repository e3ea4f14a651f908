"""Tables of PostgreSQL with pgvector, by COPY of a real server and by pandas.

pgserver 0.1.4 (PostgreSQL 16 with pgvector), psycopg, pgvector 0.5.1 or older, pandas, pyarrow, and for the tables of
frameworks langchain-postgres 0.0.19 and llama-index-vector-stores-postgres 0.9.0.
"""

from __future__ import annotations

import json
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pgserver
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from entry import Article, Corpus, Entry, articles, floats, row
from pgvector.psycopg import register_vector

if TYPE_CHECKING:
    from collections.abc import Callable

corpus = Corpus("pgserver", "psycopg", "pgvector")
ARTICLES = articles(decimals=6)

server = pgserver.get_server(tempfile.mkdtemp(), cleanup_mode="delete")
connection = psycopg.connect(server.get_uri(), autocommit=True)
connection.execute("CREATE EXTENSION vector")
connection.execute("SET timezone = 'UTC'")


def copied(name: str, file: str, query: str, how: str) -> None:
    """What `\\copy (query) TO 'file' WITH (how)` writes."""
    out = corpus.folder(name) / file
    with connection.cursor().copy(f"COPY ({query}) TO STDOUT WITH ({how})") as copy:
        out.write_bytes(b"".join(bytes(one) for one in copy))


connection.execute(
    "CREATE TABLE items (id bigint PRIMARY KEY, embedding vector(8), reals real[], content text, metadata jsonb, "
    "lang text, views bigint, price numeric(10,2), published timestamptz, draft boolean, tags text[])"
)
for one in ARTICLES:
    connection.execute(
        "INSERT INTO items VALUES (%s, %s::vector, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            one.number + 1, str(floats(one.vector)), floats(one.vector), one.text,
            json.dumps({"title": one.title, "author": one.author}) if one.number % 5 else None, one.lang, one.views,
            one.number + 0.25, one.published, one.draft, one.tags,
        ),
    )  # fmt: skip


def cells(article: Article, null: Callable[[str], Any]) -> dict[str, Any]:
    """What a CSV tells of a row's own columns: numbers are numbers, all else is text as Postgres prints it."""
    published = article.published and article.published.strftime("%Y-%m-%d %H:%M:%S.%f").rstrip("0") + "+00"
    return {
        "lang": article.lang, "views": article.views, "price": article.number + 0.25,
        "published": published or null("published"), "draft": "t" if article.draft else "f",
        "tags": "{" + ",".join(article.tags) + "}",
    }  # fmt: skip


def document(article: Article) -> dict[str, Any]:
    return {"title": article.title, "author": article.author} if article.number % 5 else {}


def without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names and value is not None}


COLUMNS = "id, embedding, content, metadata, lang, views, price, published, draft, tags"
ROWS = [
    row(one.number + 1, one.vector, {**without(cells(one, lambda _: None)), **document(one)}, one.text)
    for one in ARTICLES
]

copied("pgvector-csv", "items.csv", f"SELECT {COLUMNS} FROM items ORDER BY id", "FORMAT csv, HEADER")
corpus.expect(Entry("pgvector-csv", "items.csv", ROWS))

# the same columns with the vector as real[]: {0.1,0.2}
copied(
    "postgres-real-array-csv", "items.csv",
    f"SELECT {COLUMNS.replace('embedding', 'reals AS embedding')} FROM items ORDER BY id", "FORMAT csv, HEADER",
)  # fmt: skip
corpus.expect(Entry("postgres-real-array-csv", "items.csv", ROWS))

# a CSV with the words NULL for null
copied(
    "postgres-null-words-csv", "items.csv", "SELECT id, embedding, content, views, published, "
    "CASE WHEN id % 3 > 0 THEN id * 10 END AS likes FROM items ORDER BY id", "FORMAT csv, HEADER, NULL 'NULL'",
)  # fmt: skip
corpus.expect(
    Entry(
        "postgres-null-words-csv", "items.csv",
        [
            row(
                one.number + 1, one.vector,
                {
                    "views": one.views, **without({"published": cells(one, lambda _: None)["published"]}),
                    **({"likes": (one.number + 1) * 10} if (one.number + 1) % 3 else {}),
                },
                one.text,
            )
            for one in ARTICLES
        ],
        options=["--null-values", "NULL"],
    )
)  # fmt: skip

# the text format of COPY: tabs, \N, no header
copied("postgres-copy-text", "items.tsv", "SELECT id, embedding, lang, published FROM items ORDER BY id", "FORMAT text")
corpus.expect(
    Entry(
        "postgres-copy-text", "items.tsv",
        [
            row(
                one.number + 1, one.vector,
                {"lang": one.lang, **without({"published": cells(one, lambda _: None)["published"]})},
            )
            for one in ARTICLES
        ],
        refused=True, named=["--no-header"],
        options=[
            "--no-header", "--null-values", "\\N", "--id-column", "column0", "--vector-column", "column1",
            "--rename", "column2=lang", "--rename", "column3=published",
        ],
    )
)  # fmt: skip

# psycopg's rows to Parquet: without pgvector's types the vectors are text, with them arrays
found = connection.execute("SELECT id, embedding, content, lang FROM items ORDER BY id").fetchall()
table = pa.table(dict(zip(["id", "embedding", "content", "lang"], map(list, zip(*found, strict=True)), strict=True)))
pq.write_table(table, corpus.folder("pgvector-text-parquet") / "items.parquet")
assert isinstance(found[0][1], str)
NARROW = [row(one.number + 1, one.vector, {"lang": one.lang}, one.text) for one in ARTICLES]
corpus.expect(Entry("pgvector-text-parquet", "items.parquet", NARROW))

register_vector(connection)
found = connection.execute("SELECT id, embedding, content, lang FROM items ORDER BY id").fetchall()
vectors = [np.asarray(one[1].to_numpy() if hasattr(one[1], "to_numpy") else one[1]) for one in found]
lines = [
    {"id": one[0], "embedding": [float(str(number)) for number in vector], "content": one[2], "lang": one[3]}
    for one, vector in zip(found, vectors, strict=True)
]
folder = corpus.folder("pgvector-rows-json")
(folder / "items.json").write_text(json.dumps(lines, ensure_ascii=False, indent=1), "utf-8")
corpus.expect(Entry("pgvector-rows-json", "items.json", NARROW))

# row_to_json of a whole table, as `psql -At -c "SELECT row_to_json(i) FROM items i"` prints it: the vector is text
found = connection.execute(
    "SELECT row_to_json(i)::text FROM (SELECT id, embedding, content, metadata, published FROM items ORDER BY id) i"
).fetchall()
folder = corpus.folder("pgvector-row-to-json")
(folder / "items.jsonl").write_text("".join(one + "\n" for (one,) in found), "utf-8")


def iso(article: Article) -> str | None:
    return article.published and article.published.strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0") + "+00:00"


corpus.expect(
    Entry(
        "pgvector-row-to-json", "items.jsonl",
        [row(one.number + 1, one.vector, {"published": iso(one), **document(one)}, one.text) for one in ARTICLES],
    )
)  # fmt: skip


def langchain() -> None:
    """The table of langchain-postgres' PGVector."""
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_postgres import PGVector

    class Given(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            raise NotImplementedError

        def embed_query(self, text: str) -> list[float]:
            raise NotImplementedError

    uri = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    store = PGVector(Given(), connection=uri, collection_name="wiki", use_jsonb=True)
    texted = [Document(id=one.id, page_content=one.text, metadata=one.plain()) for one in ARTICLES]
    store.add_embeddings(
        [one.page_content for one in texted], [floats(one.vector) for one in ARTICLES],
        [one.metadata for one in texted], [one.id for one in texted],
    )  # fmt: skip
    copied(
        "langchain-postgres-csv",
        "langchain_pg_embedding.csv",
        "SELECT * FROM langchain_pg_embedding",
        "FORMAT csv, HEADER",
    )
    ((collection,),) = connection.execute("SELECT uuid::text FROM langchain_pg_collection").fetchall()
    rows = [row(one.id, one.vector, {"collection_id": collection, **one.plain()}, one.text) for one in ARTICLES]
    by = ("langchain-postgres", "pgserver")
    corpus.expect(Entry("langchain-postgres-csv", "langchain_pg_embedding.csv", rows, by=by))


def llamaindex() -> None:
    """The table of LlamaIndex on Postgres: `node_id` is the id, `id` a number of the table's own."""
    from llama_index.core.schema import TextNode
    from llama_index.vector_stores.postgres import PGVectorStore

    uri = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    asynchronous = uri.replace("psycopg://", "asyncpg://")
    store = PGVectorStore.from_params(
        connection_string=uri, async_connection_string=asynchronous, table_name="wiki", embed_dim=8, use_jsonb=True
    )
    nodes = [
        TextNode(id_=one.uuid, text=one.text or "-", metadata=one.plain(), embedding=floats(one.vector))
        for one in ARTICLES
    ]
    store.add(nodes)
    copied("llamaindex-postgres-csv", "data_wiki.csv", "SELECT * FROM data_wiki ORDER BY id", "FORMAT csv, HEADER")
    stored = dict(connection.execute("SELECT node_id, metadata_ FROM data_wiki").fetchall())
    numbers = dict(connection.execute("SELECT node_id, id FROM data_wiki").fetchall())
    rows = [
        row(one.uuid, one.vector, {"id": numbers[one.uuid], **stored[one.uuid]}, one.text or "-") for one in ARTICLES
    ]
    by = ("llama-index-vector-stores-postgres", "pgserver")
    corpus.expect(Entry("llamaindex-postgres-csv", "data_wiki.csv", rows, by=by))


langchain()
llamaindex()
