"""Frames of Spark, with its own writers: pyspark 4.3.0 on Java 17."""

from __future__ import annotations

import tempfile
from typing import Any

from entry import Article, Corpus, Entry, articles, floats, known, row
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import SparkSession, types

corpus = Corpus("pyspark")
ARTICLES = articles()
spark = (
    SparkSession.builder.master("local[1]").appName("corpus").config("spark.ui.enabled", "false")
    .config("spark.sql.session.timeZone", "UTC").config("spark.sql.warehouse.dir", tempfile.mkdtemp()).getOrCreate()
)  # fmt: skip
spark.sparkContext.setLogLevel("ERROR")

NAMES = types.StructType(
    [types.StructField("name", types.StringType()), types.StructField("born", types.IntegerType())]
)


def saved(name: str, vector: types.DataType, values: list[Any], **how: Any) -> None:
    """A folder as Spark makes them, in one part, with its marks."""
    schema = types.StructType(
        [
            types.StructField("doc_id", types.StringType()), types.StructField("embedding", vector),
            types.StructField("text", types.StringType()), types.StructField("published", types.TimestampType()),
            types.StructField("tags", types.ArrayType(types.StringType())), types.StructField("author", NAMES),
            types.StructField("lang", types.StringType()),
        ]
    )  # fmt: skip
    rows = [
        (one.id, value, one.text, one.published, one.tags, (one.author["name"], one.author.get("born")), one.lang)
        for one, value in zip(ARTICLES, values, strict=True)
    ]
    writer = spark.createDataFrame(rows, schema).coalesce(1).write
    for method, value in how.items():
        if method != "format":
            writer = getattr(writer, method)(value)
    writer.format(how["format"]).save(str(corpus.folder(name) / "saved"))
    for made in (corpus.root / name).rglob("*"):
        if made.name.startswith("part-"):  # its name is made by chance
            made.rename(made.with_name("part-00000" + "." + made.name[made.name.index("c000") :]))
        elif made.suffix == ".crc":
            made.unlink()


def fields(article: Article, published: Any) -> dict[str, Any]:
    author = known({"name": article.author["name"], "born": article.author.get("born")})
    return known({"published": published, "tags": article.tags, "author": author, "lang": article.lang})


TYPED = [row(one.id, one.vector, fields(one, one.published_ms), one.text) for one in ARTICLES]
DOUBLES = [floats(one.vector) for one in ARTICLES]

# Spark ML: dense and sparse vectors in one column
mixed: list[Any] = [Vectors.dense(one) for one in DOUBLES]
saved("spark-vectorudt", VectorUDT(), mixed, format="parquet")
corpus.expect(Entry("spark-vectorudt", "saved", TYPED))

sparse = [{place: value for place, value in enumerate(one) if place % 3} for one in DOUBLES]
mixed = [Vectors.sparse(8, one) if place % 2 else mixed[place] for place, one in enumerate(sparse)]
whole = [[one.get(place, 0.0) for place in range(8)] if odd % 2 else DOUBLES[odd] for odd, one in enumerate(sparse)]
saved("spark-vectorudt-sparse", VectorUDT(), mixed, format="parquet")
corpus.expect(
    Entry(
        "spark-vectorudt-sparse", "saved",
        [row(one.id, vector, fields(one, one.published_ms), one.text) for one, vector in zip(ARTICLES, whole, strict=True)],
    )
)  # fmt: skip

# a folder a language
saved("spark-partitioned", types.ArrayType(types.FloatType()), DOUBLES, format="parquet", partitionBy="lang")
corpus.expect(Entry("spark-partitioned", "saved", TYPED))

# lines of JSON in files called .json; what is null is not there, dates are text
saved("spark-json", types.ArrayType(types.FloatType()), DOUBLES, format="json")
TEXT = [one.published and one.published.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z" for one in ARTICLES]
corpus.expect(
    Entry(
        "spark-json", "saved",
        [row(one.id, one.vector, fields(one, text), one.text) for one, text in zip(ARTICLES, TEXT, strict=True)],
    )
)  # fmt: skip
spark.stop()
