"""What an error says is for people. Its type and its attributes decide, but at the borders to what has neither."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from where import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = ROOT / "cyborg_ingest"
FOREIGN = {
    "targets/embedded.py": "the engine raises ValueError for everything",
    "sources/objectfile.py": "of an object store's library the error has no code",
    "formats/parquet.py": "encryption is told by the library's words alone",
}
DECIDING = {"startswith", "endswith", "find", "index", "count", "search", "match", "fullmatch"}


def is_text_of(node: ast.AST, errors: set[str]) -> bool:
    """Whether it is `str(error)`, or its arguments, or what is made of these."""
    for one in ast.walk(node):
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id == "str":
            return any(isinstance(given, ast.Name) and given.id in errors for given in one.args)
    return False


def deciding(path: Path) -> Iterator[int]:
    """Lines in which the text of an error is looked at."""
    tree = ast.parse(path.read_text("utf-8"))
    errors = {one.name for one in ast.walk(tree) if isinstance(one, ast.ExceptHandler) and one.name} | {"error"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            looked_at = is_text_of(node, errors)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in DECIDING:
            looked_at = any(is_text_of(one, errors) for one in (node.func.value, *node.args))
        else:
            continue
        if looked_at:
            yield node.lineno


def test_no_text_of_an_error_decides_but_at_the_borders() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    found = {f"{path.relative_to(PACKAGE).as_posix()}:{line}" for path in files for line in deciding(path)}
    assert {one for one in found if one.partition(":")[0] not in FOREIGN} == set()
    assert {one.partition(":")[0] for one in found} == FOREIGN.keys()  # those that need no leave any more lose it
