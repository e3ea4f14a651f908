"""What the writers share: the rows that they write, and how an entry of the corpus says what has to be loaded.

An entry is a folder: what a tool wrote, and `expected.json`, made of the same rows and never read back from the file:

    load       the file or folder in it that is loaded
    written_by the packages that wrote it, or whose layout it is
    rows       what the index has to hold: id, vector, metadata, contents; vectors are the shortest numbers whose
               nearest float32 is meant
    options    words of the command line that the load needs; `{folder}` is the entry's
    refused    true: without these options the load ends with exit code 2, and its message has all words of `named`,
               by itself the options that begin with `--`
    rejected   for each row that cannot be loaded, words that its reason has

A script is run by `python tests/layouts/make/with_TOOL.py FOLDER`, with the packages that it names, and writes its
entries below FOLDER.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import sys
import uuid
from dataclasses import dataclass, field
from importlib import metadata as packages
from pathlib import Path
from typing import Any

import numpy as np

ROWS = 12
DIMENSION = 8

TEXTS = [
    ("Zürich — eine Übersicht", "de", "Die größte Stadt der Schweiz liegt am Zürichsee."),
    ("東京", "ja", "東京は日本の首都である。"),
    ('The "quoted" town', "en", 'She said: "no, really".\nThen a second line, with a tab\there.'),
    ("Ñandú", "es", "El ñandú es un ave; no vuela."),
    ("Emoji 🎉", "en", "Parties 🎉 and families 👨‍👩‍👧 in one text"),
    ("Москва", "ru", "Москва — столица России."),
    ("Empty text", "en", ""),
    ("Backslash \\ and 'quotes'", "en", "C:\\temp\\new, 100% {braces} [brackets] $dollar"),
    ("القاهرة", "ar", "القاهرة عاصمة مصر"),
    ("Commas, semicolons; pipes|", "en", 'a,b;c|d, "e"'),
    ("Café", "fr", "Un café crème, s'il vous plaît"),
    ("Null-ish", "en", "NULL is a word here"),
]  # fmt: skip


@dataclass
class Article:
    """A row as applications have them."""

    number: int
    vector: np.ndarray
    title: str
    lang: str
    text: str
    views: int
    score: float
    draft: bool
    published: dt.datetime | None
    """UTC."""
    tags: list[str]
    author: dict[str, Any]

    @property
    def id(self) -> str:
        return f"doc-{self.number:03d}"

    @property
    def uuid(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, self.id))

    @property
    def url(self) -> str:
        return f"https://example.org/wiki/{self.number}"

    @property
    def published_ms(self) -> int | None:
        return None if self.published is None else round(self.published.timestamp() * 1000)

    def plain(self) -> dict[str, Any]:
        """What JSON has without an agreement."""
        return {
            "title": self.title, "lang": self.lang, "views": self.views, "score": self.score, "draft": self.draft,
            "tags": self.tags, "author": self.author,
        }  # fmt: skip


def articles(rows: int = ROWS, dimension: int = DIMENSION, seed: int = 1, decimals: int | None = None) -> list[Article]:
    """Rows with much of what real ones have; `decimals` for writers that print no more of a number."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(rows, dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    if decimals is not None:
        vectors = vectors.round(decimals)
    made = []
    for number in range(rows):
        title, lang, text = TEXTS[number % len(TEXTS)]
        published = (
            None if number % 4 == 3 else dt.datetime(1969 + 5 * number, 7, 20, 20, 17, 40, 123000, dt.timezone.utc)
        )
        author = {"name": "Ana Núñez", "born": 1901 + number, "prizes": [{"year": 1950, "of": None}]}
        made.append(
            Article(
                number, vectors[number].astype(np.float32), title, lang, text,
                2**53 + 1 if number == 5 else number * 1000, number / 8 - 0.5, number % 2 == 0, published,
                ["a", "b/c", "ü"][: number % 4], author if number % 3 else {"name": "unknown"},
            )
        )  # fmt: skip
    return made


def row(
    identity: object, vector: Any, metadata: dict[str, Any] | None = None, contents: str | None = None
) -> dict[str, Any]:
    """A row that the index has to hold."""
    exact = np.asarray(vector, np.float32)
    numbers = [float(str(one)) for one in exact]
    assert np.array_equal(np.array(numbers, np.float32), exact)
    return {"id": str(identity), "vector": numbers, "metadata": metadata or None, "contents": contents or None}


def known(values: dict[str, Any]) -> dict[str, Any]:
    """Fields of typed columns: what is null is left out."""
    return {name: value for name, value in values.items() if value is not None}


def floats(vector: np.ndarray) -> list[float]:
    """As JSON has them: of 64 bits, each the number of the 32 bits."""
    return [float(one) for one in vector]


@dataclass
class Entry:
    """What `expected.json` says."""

    name: str
    load: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    refused: bool = False
    named: list[str] | None = None
    rejected: list[str] = field(default_factory=list)
    by: tuple[str, ...] = ()
    """Names of distributions; what is none stands as it is."""


def _version(name: str) -> str:
    try:
        return f"{name} {packages.version(name)}"
    except packages.PackageNotFoundError:
        return name


class Corpus:
    """Where a script writes, and by which packages."""

    def __init__(self, *by: str) -> None:
        self.root = Path(sys.argv[1]).absolute()
        self.by = by

    def folder(self, name: str) -> Path:
        """A new folder for an entry."""
        folder = self.root / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def expect(self, entry: Entry) -> None:
        """Say what has to become of an entry that is written."""
        assert (self.root / entry.name / entry.load).exists(), entry
        said = {
            "load": entry.load, "written_by": [_version(one) for one in entry.by or self.by], "refused": entry.refused,
            "options": entry.options, "named": entry.named, "rejected": entry.rejected,
        }  # fmt: skip
        if entry.refused and entry.named is None:
            said["named"] = [word for word in entry.options if word.startswith("--")]
        lines = [
            f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in said.items() if value
        ]
        rows = ",\n".join("  " + json.dumps(one, ensure_ascii=False) for one in entry.rows)
        lines.append(f'"rows": [\n{rows}\n]')
        text = "{\n" + ",\n".join(lines) + "\n}\n"
        json.loads(text)
        (self.root / entry.name / "expected.json").write_text(text, "utf-8")


def write_json(path: Path, value: Any) -> None:
    """One JSON value, as programs write it."""
    path.write_text(json.dumps(value, ensure_ascii=False), "utf-8")


def write_lines(path: Path, rows: list[Any]) -> None:
    """A JSON value a line."""
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows), "utf-8")
