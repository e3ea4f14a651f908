"""Rooms import what the table allows: see the map in CONTRIBUTING.md."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from where import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = ROOT / "cyborg_ingest"

FIRST = {"buckets", "errors", "model", "stop", "signals", "private", "smallfiles", "facts", "tally", "versions"}
"""Modules of the package itself, which every room may import."""

MAY_IMPORT: dict[str, set[str]] = {
    "apart": set(),
    "settings": set(),
    "sources": set(),
    "rows": set(),
    "formats": {"apart", "settings", "sources", "rows"},
    "plan": {"settings", "sources", "rows", "formats"},
    "targets": {"settings", "rows"},
    "state": {"settings", "rows"},
    "check": {"settings", "sources", "rows", "formats", "plan", "targets"},
    "loading": {"settings", "sources", "rows", "formats", "plan", "targets", "state", "check"},
    "doctor": {"settings", "targets", "state"},
    "scheduling": set(),
    "output": {"settings", "rows", "formats", "targets"},
    "api": {"settings", "sources", "check", "loading", "output"},
    "__init__": set(),
    "__main__": {"cli"},
}
"""Room -> rooms that it may import. `cli` may import all of them, and nobody imports it."""

FOR_TYPES: dict[str, set[str]] = {
    "errors": {"loading"},  # an error carries the report of the run that it ended
    "facts": {"loading", "sources"},  # the report of a run, and what was found and not read
    "rows": {"sources"},
    "plan": {"targets"},
    "output": {"sources", "plan", "check", "loading", "state", "doctor"},
    "__init__": {"targets", "loading", "api"},
}
"""Room -> rooms of which it may name types."""

TERMINAL = {"typer", "rich", "click"}
MAY_USE_TERMINAL = {"output.screen", "cli"}

HEAVY = {"cyborgdb_core", "h5py", "jinja2", "obstore", "prometheus_client", "pygal"}
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
    """The room, or the module of the package itself."""
    return module.partition(".")[0]


def _names(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert node.level == 0, f"line {node.lineno}: relative imports hide where they point"
    base = node.module or ""
    if not base.startswith("cyborg_ingest"):
        return [base]
    # The version is not a layer: it stands in the package's root for the build, and any module may name it.
    return [f"{base}.{alias.name}" for alias in node.names if alias.name != "__version__"]


def _own(name: str) -> str:
    """`cyborg_ingest.model.Batch` -> `model`; `cyborg_ingest.formats.READERS` -> `formats`."""
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


def _is_allowed(found: Import) -> bool:
    importer, imported = _unit(found.importer), _unit(found.imported)
    allowed = FIRST | {importer} | MAY_IMPORT.get(importer, set())
    if found.for_types:
        allowed |= FOR_TYPES.get(importer, set())
    return importer == "cli" or imported in allowed


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
def test_every_module_is_in_a_room(unit: str) -> None:
    assert unit in {*FIRST, *MAY_IMPORT, "cli"}, f"{unit} is not a room: see CONTRIBUTING.md and the table here"


@pytest.mark.parametrize("room", sorted(room for room in MAY_IMPORT if not room.startswith("__")))
def test_every_room_says_what_it_is_for_and_is_in_the_map(room: str) -> None:
    said = ast.get_docstring(MODULES[room]) or ""
    assert len(said.splitlines()) > 2
    assert f"| `{room}/` |" in (PACKAGE.parent / "CONTRIBUTING.md").read_text("utf-8")


@pytest.mark.parametrize("room", sorted(room for room in (*MAY_IMPORT, "cli") if not room.startswith("__")))
def test_a_room_names_only_what_is_in_it_or_beside_it(room: str) -> None:
    named = re.findall(r"`([a-z_]+)`", ast.get_docstring(MODULES[room]) or "")
    words = {"except"}
    assert [one for one in named if not {f"{room}.{one}", one} & MODULES.keys() and one not in words] == []


def test_the_map_names_only_modules_that_are_there() -> None:
    lines = [one.split("|")[1:3] for one in (PACKAGE.parent / "CONTRIBUTING.md").read_text("utf-8").splitlines()
             if one.startswith("| `") and "/` | `" in one]  # fmt: skip
    named = [f"{room.strip('` /')}.{name.strip('` ')}" for room, names in lines for name in names.split(",")]
    assert [one for one in named if one not in MODULES] == []


def test_the_map_names_no_module_twice() -> None:
    lines = [one.split("|")[1:3] for one in (PACKAGE.parent / "CONTRIBUTING.md").read_text("utf-8").splitlines()
             if one.startswith("| `") and "/` | `" in one]  # fmt: skip
    named = [room.strip("` ") + name.strip("` ") for room, names in lines for name in names.split(",")]
    assert [one for one in named if named.count(one) > 1] == []


def test_rooms_import_what_the_table_says_and_nothing_else() -> None:
    assert [str(one) for one in OWN if not _is_allowed(one)] == []


def test_no_rooms_import_each_other_in_a_circle() -> None:
    done: set[str] = set()
    assert [circle for room in MAY_IMPORT if (circle := _circle(room, MAY_IMPORT, (), done))] == []


def test_no_imports_run_in_a_circle() -> None:
    edges: dict[str, set[str]] = {}
    for found in OWN:
        if not found.for_types:
            edges.setdefault(found.importer, set()).add(found.imported)
    done: set[str] = set()
    assert [circle for module in MODULES if (circle := _circle(module, edges, (), done))] == []


def test_only_the_screen_and_the_command_know_the_terminal() -> None:
    culprits = [
        str(found)
        for found in IMPORTS
        if found.imported.split(".")[0] in TERMINAL and not {found.importer, _unit(found.importer)} & MAY_USE_TERMINAL
    ]
    assert culprits == []


def test_optional_packages_are_imported_where_they_are_used() -> None:
    culprits = [
        str(found)
        for found in IMPORTS
        if found.imported.split(".")[0] in HEAVY and not (found.in_function or found.for_types)
    ]
    assert culprits == []
