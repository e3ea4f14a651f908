"""What the package imports, pyproject.toml declares: that another package needs it too is not a promise."""

from __future__ import annotations

import ast
import re
import sys

from where import ROOT

OTHER_NAMES = {"simdjson": "pysimdjson", "cyborgdb_core": "cyborgdb-core"}
NEEDED_BY_TYPES = {"typing_extensions"}


def imported() -> set[str]:
    found = set()
    for path in (ROOT / "cyborg_ingest").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - {"cyborg_ingest"} - set(sys.stdlib_module_names) - NEEDED_BY_TYPES


def test_every_package_that_is_imported_is_declared() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    declared = set(re.findall(r'^ *(?:embedded = \[|hdf5 = \[)?"([A-Za-z0-9_-]+)[><=]', text, re.MULTILINE))
    assert {"requests", "urllib3"} <= declared
    assert sorted(OTHER_NAMES.get(name, name) for name in imported()) == sorted(
        {OTHER_NAMES.get(name, name) for name in imported()} & declared
    )
