"""Which versions run: of this program, of Python, of the packages that do the work."""

from __future__ import annotations

import importlib.metadata
import platform
import sys

from cyborg_ingest import __version__

_PACKAGES = {"numpy": "numpy", "pyarrow": "pyarrow", "cyborgdb_core": "cyborgdb-core", "h5py": "h5py"}
"""Module -> the distribution that brings it."""


def package(name: str) -> str:
    """The version of a distribution."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "of an unknown version"


def program() -> dict[str, str]:
    """This program, and what it runs on."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return {"cyborg-ingest": __version__, "Python": python, "system": f"{platform.system()} {platform.machine()}"}


def in_use() -> dict[str, str]:
    """The same, and the packages that this process has imported by now."""
    return program() | {name: package(name) for module, name in _PACKAGES.items() if module in sys.modules}
