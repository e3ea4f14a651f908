"""Messages, help and docs have the words of the glossary in CONTRIBUTING.md, and none of those that it rules out."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from where import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = ROOT / "cyborg_ingest"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

ENGLISH = re.compile(r"\bthere (is|are) no\b|\b(is|are) no (longer|more|other|such|extra)\b", re.IGNORECASE)
"""What is said with these words all the same."""


def _never() -> list[str]:
    glossary = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("\n## Words\n")[2].partition("\n## ")[0]
    return [word for line in glossary.splitlines() if line.startswith("| ") for word in re.findall("`(.+?)`", line)]


NEVER = {word: re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE) for word in _never()}


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    """What a module says: its strings, but for docstrings, and what stands between the fields of f-strings."""
    tree = ast.parse(path.read_text("utf-8"))
    unsaid = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in unsaid:
            yield node.lineno, node.value


def _found(texts: Iterator[tuple[int, str]] | enumerate[str]) -> list[tuple[int, str, str]]:
    said = [(line, " ".join(ENGLISH.sub("", text).split(" "))) for line, text in texts]
    return [(line, word, text) for line, text in said for word, pattern in NEVER.items() if pattern.search(text)]


def test_the_glossary_rules_words_out() -> None:
    assert {"go on", "mend", "is no", "<- none"} <= NEVER.keys()


def test_no_message_has_a_word_that_the_glossary_rules_out() -> None:
    modules = {str(path.relative_to(PACKAGE)): path for path in PACKAGE.rglob("*.py")}
    assert {name: found for name in modules if (found := _found(_texts(modules[name])))} == {}


def test_no_page_has_a_word_that_the_glossary_rules_out() -> None:
    texts = {page.name: enumerate(page.read_text("utf-8").splitlines(), 1) for page in PAGES}
    assert {name: found for name, lines in texts.items() if (found := _found(lines))} == {}
