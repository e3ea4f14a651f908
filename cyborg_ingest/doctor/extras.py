"""Optional packages: which are there, and what each is for."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyborg_ingest.doctor.finding import fail, ok
from cyborg_ingest.versions import package

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.doctor.finding import Finding


@dataclass(frozen=True, slots=True)
class Extra:
    """The distributions of an extra, each with the module that it brings."""

    packages: dict[str, str]
    purpose: str

    def versions(self) -> list[str]:
        """What is installed of it; nothing where something is missing."""
        if any(importlib.util.find_spec(module) is None for module in self.packages.values()):
            return []
        return [f"{name} {package(name)}" for name in self.packages]


EXTRAS = {
    "embedded": Extra({"cyborgdb-core": "cyborgdb_core"}, "targets disk: and s3://"),
    "hdf5": Extra({"h5py": "h5py"}, "HDF5 files"),
    "metrics": Extra({"prometheus_client": "prometheus_client"}, "--metrics-file and --pushgateway"),
    "report": Extra({"jinja2": "jinja2", "pygal": "pygal"}, "pages of runs for a browser"),
    "state-uri": Extra({"obstore": "obstore"}, "--state-uri"),
}
"""By their names in pyproject.toml."""


def extras(*, needed: set[str]) -> Iterator[Finding]:
    """Each extra; one that is needed, and missing, is a failure."""
    for name, extra in EXTRAS.items():
        subject, found = f"extra {name}", extra.versions()
        how = f"pip install 'cyborg-ingest[{name}]'"
        if found:
            yield ok(subject, f"{', '.join(found)}, for {extra.purpose}")
        elif name in needed:
            yield fail(subject, f"not installed, and needed for {extra.purpose}", how)
        else:
            yield ok(subject, f"not installed; it is for {extra.purpose} ({how})")
