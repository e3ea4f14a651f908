"""Frames of pandas 3.1.1 (and pyarrow), in the ways in which people save them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
from entry import Article, Corpus, Entry, articles, floats, known, row

corpus = Corpus("pandas", "pyarrow")
ARTICLES = articles(decimals=6)


def fields(article: Article) -> dict[str, Any]:
    return {"title": article.title, "views": article.views, "published": article.published_ms, "draft": article.draft}


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": [one.id for one in ARTICLES], "title": [one.title for one in ARTICLES],
            "text": [one.text for one in ARTICLES], "views": [one.views for one in ARTICLES],
            "published": pd.to_datetime([one.published for one in ARTICLES], utc=True),
            "draft": [one.draft for one in ARTICLES], "embedding": [one.vector for one in ARTICLES],
        }
    )  # fmt: skip


ROWS = [row(one.id, one.vector, known(fields(one)), one.text) for one in ARTICLES]

# the index has a name, which is that of the ids
frame().set_index("id").to_parquet(corpus.folder("pandas-named-index") / "frame.parquet")
corpus.expect(Entry("pandas-named-index", "frame.parquet", ROWS))

SEEN = [1000, 2000, 4000, 7000, 11000]

# what is left of an index after a filter is no data
frame()[lambda found: found["views"].isin(SEEN)].to_parquet(corpus.folder("pandas-filtered") / "frame.parquet")
kept = [expected for one, expected in zip(ARTICLES, ROWS, strict=True) if one.views in SEEN]
corpus.expect(Entry("pandas-filtered", "frame.parquet", kept))

# text in an index without a name may be ids, or not
unnamed = frame().set_index("id").rename_axis(None)
unnamed.to_parquet(corpus.folder("pandas-unnamed-index") / "frame.parquet")
corpus.expect(
    Entry("pandas-unnamed-index", "frame.parquet", ROWS, refused=True, options=["--id-column", "__index_level_0__"])
)

# to_csv of arrays: as numpy prints them, over several lines
wide = articles(dimension=16, decimals=6)
table = pd.DataFrame(
    {
        "id": [one.id for one in wide], "embedding": [one.vector.astype(np.float64).round(6) for one in wide],
        "text": [one.text for one in wide], "score": [one.score if one.number % 2 else None for one in wide],
        "draft": [one.draft for one in wide],
    }
)  # fmt: skip
table.to_csv(corpus.folder("pandas-csv-numpy") / "frame.csv", index=False)
corpus.expect(
    Entry(
        "pandas-csv-numpy", "frame.csv",
        [
            row(one.id, one.vector, known({"score": one.score if one.number % 2 else None, "draft": one.draft}), one.text)
            for one in wide
        ],
    )
)  # fmt: skip

# the same of long vectors: numpy prints three at each end, and the rest is lost
lost = pd.DataFrame({"id": ["a", "b"], "embedding": [np.linspace(0, 1, 1536), np.linspace(1, 2, 1536)]})
lost.to_csv(corpus.folder("pandas-csv-cut") / "frame.csv", index=False)
corpus.expect(Entry("pandas-csv-cut", "frame.csv", refused=True, named=["..."]))

# to_csv of lists, with an index without a name: its column has no name either
table = pd.DataFrame(
    {
        "id": [one.id for one in ARTICLES],
        "embedding": [floats(one.vector.astype(np.float64).round(6)) for one in ARTICLES],
    }
)
table.to_csv(corpus.folder("pandas-csv-lists") / "frame.csv")
corpus.expect(Entry("pandas-csv-lists", "frame.csv", [row(one.id, one.vector) for one in ARTICLES]))

listed = pd.DataFrame(
    {
        "id": [one.id for one in ARTICLES], "text": [one.text for one in ARTICLES],
        "lang": [one.lang if one.number % 3 else None for one in ARTICLES],
        "embedding": [floats(one.vector.astype(np.float64).round(6)) for one in ARTICLES],
    }
)  # fmt: skip
JSON = [row(one.id, one.vector, {"lang": one.lang if one.number % 3 else None}, one.text) for one in ARTICLES]


def in_json(name: str, **options: Any) -> None:
    listed.to_json(corpus.folder(name) / "frame.json", **options)


in_json("pandas-json-records", orient="records", indent=2)
corpus.expect(Entry("pandas-json-records", "frame.json", JSON))

in_json("pandas-json-lines", orient="records", lines=True)
corpus.expect(Entry("pandas-json-lines", "frame.json", JSON))

# a dict of lists
folder = corpus.folder("columnar-json")
columns = json.loads(listed.to_json(orient="records"))
(folder / "frame.json").write_text(json.dumps({name: [one[name] for one in columns] for name in columns[0]}), "utf-8")
corpus.expect(Entry("columnar-json", "frame.json", JSON))

# to_json by itself: an object of objects, whose keys are columns and not rows
in_json("pandas-json-columns")
corpus.expect(Entry("pandas-json-columns", "frame.json", JSON))

# the names of the columns apart from the rows
in_json("pandas-json-split", orient="split")
corpus.expect(Entry("pandas-json-split", "frame.json", JSON))

# orient="index": the keys are the ids
listed.set_index("id").to_json(corpus.folder("object-of-objects") / "frame.json", orient="index", force_ascii=False)
corpus.expect(Entry("object-of-objects", "frame.json", JSON))

# a column a number, as Excel in German has it: semicolons, decimal commas
spread = pd.DataFrame({"id": [one.number for one in ARTICLES], "titel": [one.title for one in ARTICLES]})
for place in range(8):
    spread[f"v{place}"] = [round(float(one.vector[place]), 6) for one in ARTICLES]
spread["preis"] = [one.number + 0.5 for one in ARTICLES]
spread.to_csv(
    corpus.folder("excel-german-columns") / "export.csv", sep=";", decimal=",", index=False, encoding="utf-8-sig"
)
corpus.expect(
    Entry(
        "excel-german-columns", "export.csv",
        [row(one.number, one.vector, {"titel": one.title, "preis": one.number + 0.5}) for one in ARTICLES],
        refused=True, named=["--vector-column"], options=["--vector-column", "v*", "--decimal", ","],
    )
)  # fmt: skip

# the same with the vector in one cell, and Excel's own line on the delimiter
text = "sep=;\r\nid;embedding;text;preis\r\n"
for one in ARTICLES[:6]:
    cell = "[" + "; ".join(f"{number:.6f}".replace(".", ",") for number in one.vector.astype(np.float64)) + "]"
    text += ";".join(
        [one.id, f'"{cell}"', '"' + one.text.replace('"', '""') + '"', f"{one.number + 0.5}".replace(".", ",")]
    )
    text += "\r\n"
(corpus.folder("excel-german-cell") / "export.csv").write_bytes(text.encode())
corpus.expect(
    Entry(
        "excel-german-cell", "export.csv",
        [row(one.id, one.vector, {"preis": one.number + 0.5}, one.text) for one in ARTICLES[:6]],
        options=["--decimal", ","], by=("Excel's way of CSV",),
    )
)  # fmt: skip

# vectors and a table beside each other, in another order: joined by the id
folder = corpus.folder("npy-and-csv-by-id")
np.save(folder / "embeddings.npy", np.array([one.vector for one in ARTICLES]))
(folder / "ids.txt").write_text("".join(f"{one.id}\n" for one in ARTICLES), "utf-8")
meta = frame().drop(columns=["embedding", "published", "text"]).sort_values("title")
meta.to_csv(folder / "table.csv", index=False)
corpus.expect(
    Entry(
        "npy-and-csv-by-id", "embeddings.npy",
        [row(one.id, one.vector, {"title": one.title, "views": one.views, "draft": one.draft}) for one in ARTICLES],
        options=["--ids", "{folder}/ids.txt", "--metadata", "{folder}/table.csv", "--metadata-key", "id"],
    )
)  # fmt: skip
