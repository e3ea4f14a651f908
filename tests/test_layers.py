"""Imports point down: see the layers in CONTRIBUTING.md."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "cyborg_ingest"

LAYERS = {
    "__init__": 4,
    "errors": 0,
    "model": 0,
    "values": 0,
    "ranges": 0,
    "scrubbing": 0,
    "settings": 1,
    "private": 0,
    "smallfiles": 0,
    "keys": 1,
    "environment": 1,
    "kinds": 1,
    "roles": 1,
    "suggestions": 1,
    "mapping": 1,
    "typed": 1,
    "columns": 1,
    "batches": 1,
    "retry": 1,
    "stop": 0,
    "compare": 1,
    "probes": 1,
    "readers": 2,
    "sources": 1,
    "apart": 1,
    "conditions": 1,
    "filters": 1,
    "operands": 1,
    "pruning": 1,
    "shaping": 2,
    "templates": 2,
    "targets": 2,
    "report": 2,
    "plan": 2,
    "late": 2,
    "discovery": 2,
    "made_ids": 2,
    "planning": 2,
    "events": 2,
    "duplicates": 2,
    "distinct": 2,
    "findings": 2,
    "profiles": 2,
    "sender": 2,
    "journal": 2,
    "jobs": 2,
    "ledger": 2,
    "rejected": 2,
    "keyring": 3,
    "opening": 3,
    "loader": 3,
    "verifier": 3,
    "precision": 3,
    "ending": 3,
    "written": 3,
    "inspection": 3,
    "inspecting": 3,
    "delivery": 3,
    "doubts": 3,
    "transfer": 3,
    "resume": 3,
    "stopping": 3,
    "manage": 3,
    "client": 3,
    "wording": 4,
    "portrait": 4,
    "display": 4,
    "streams": 4,
    "cli": 5,
    "__main__": 5,
}
"""A folder counts as one. Modules of one layer may import each other, but not in a circle."""

FOR_TYPES_UPWARD = {("errors", "report")}
"""Imports under TYPE_CHECKING that point up: an error carries the report of the run it ended."""

TERMINAL = {"typer", "rich", "click"}
MAY_USE_TERMINAL = {"display", "cli", "__main__"}

HEAVY = {"cyborgdb_core", "h5py"}
"""Optional packages: whoever has not installed the extra must be able to import all the rest."""


@dataclass(frozen=True)
class Import:
    """`importer` and `imported` are dotted; `imported` is relative to the package where it is our own."""

    importer: str
    imported: str
    line: int
    ours: bool
    for_types: bool
    in_function: bool

    def __str__(self) -> str:
        return f"{self.importer} (line {self.line}) imports {self.imported}"


def _dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


MODULES = {_dotted(path): ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def _unit(module: str) -> str:
    """The name in LAYERS."""
    return module.partition(".")[0]


def _names(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert node.level == 0, f"line {node.lineno}: relative imports hide where they point"
    base = node.module or ""
    if not base.startswith("cyborg_ingest"):
        return [base]
    # The version is no layer: it stands in the package's root for the build, and any module may name it.
    return [f"{base}.{alias.name}" for alias in node.names if alias.name != "__version__"]


def _own(name: str) -> str:
    """`cyborg_ingest.model.Batch` -> `model`; `cyborg_ingest.readers.READERS` -> `readers`."""
    parts = name.split(".")[1:]
    while parts and ".".join(parts) not in MODULES:
        parts.pop()
    return ".".join(parts) or "__init__"


def _walk(module: str, node: ast.AST, *, for_types: bool = False, in_function: bool = False) -> list[Import]:
    found = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            for name in _names(child):
                ours = name.split(".")[0] == "cyborg_ingest"
                target = _own(name) if ours else name
                found.append(Import(module, target, child.lineno, ours, for_types, in_function))
            continue
        types = for_types or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test))
        function = in_function or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
        found += _walk(module, child, for_types=types, in_function=function)
    return found


IMPORTS = [found for module, tree in MODULES.items() for found in _walk(module, tree)]
OWN = [found for found in IMPORTS if found.ours and found.importer != found.imported]


def _points_up(found: Import) -> bool:
    importer, imported = _unit(found.importer), _unit(found.imported)
    if found.for_types and (importer, imported) in FOR_TYPES_UPWARD:
        return False
    return LAYERS.get(imported, 0) > LAYERS.get(importer, 0)


def _circle(module: str, edges: dict[str, set[str]], path: tuple[str, ...], done: set[str]) -> tuple[str, ...]:
    """The first circle that is reached from `module`, else nothing."""
    if module in path:
        return (*path[path.index(module) :], module)
    if module in done:
        return ()
    for imported in sorted(edges.get(module, ())):
        if circle := _circle(imported, edges, (*path, module), done):
            return circle
    done.add(module)
    return ()


@pytest.mark.parametrize("unit", sorted({_unit(module) for module in MODULES}))
def test_every_module_has_its_layer(unit: str) -> None:
    assert unit in LAYERS, f"{unit} has no layer yet: add it to LAYERS in tests/test_layers.py and to CONTRIBUTING.md"


def test_imports_point_down() -> None:
    assert [str(found) for found in OWN if _points_up(found)] == []


def test_no_imports_run_in_a_circle() -> None:
    edges: dict[str, set[str]] = {}
    for found in OWN:
        if not found.for_types:
            edges.setdefault(found.importer, set()).add(found.imported)
    done: set[str] = set()
    assert [circle for module in MODULES if (circle := _circle(module, edges, (), done))] == []


def test_only_display_and_cli_know_the_terminal() -> None:
    culprits = [
        str(found)
        for found in IMPORTS
        if found.imported.split(".")[0] in TERMINAL and _unit(found.importer) not in MAY_USE_TERMINAL
    ]
    assert culprits == []


def test_optional_packages_are_imported_where_they_are_used() -> None:
    culprits = [
        str(found)
        for found in IMPORTS
        if found.imported.split(".")[0] in HEAVY and not (found.in_function or found.for_types)
    ]
    assert culprits == []
