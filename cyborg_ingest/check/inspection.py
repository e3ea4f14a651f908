"""What sources are like and what is wrong with them, gathered from batches; and whether they fit an index."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cyborg_ingest.check.components import Sample
from cyborg_ingest.check.findings import Checks, Finding
from cyborg_ingest.check.profiles import Fields, Norms, Sizes, short
from cyborg_ingest.errors import AccessError, KeyFileError, NoIndexError
from cyborg_ingest.targets.opening import other_dimension, over_cap

if TYPE_CHECKING:
    from cyborg_ingest.check.components import Components
    from cyborg_ingest.errors import IngestError
    from cyborg_ingest.model import Batch, IndexInfo, Json
    from cyborg_ingest.sources import NotRead
    from cyborg_ingest.targets.base import Client

SCHEMA_VERSION = 1

SAMPLES = 3
SHOWN_NUMBERS = 5


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """A source. `rows` is exact, or None; `rows_estimate` 0 where nobody knows. `size` is in bytes.

    Of the rows that were looked at, `rejected` cannot be loaded; `dimension` is that of the others.
    """

    uri: str
    format: str
    rows: int | None
    rows_estimate: int
    size: int
    is_seekable: bool
    looked_at: int
    shape: str = ""
    dimension: int | None = None
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Mapped:
    """Sources of one schema: name and type of each column, which is what (None: undecided), which are left out."""

    sources: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    mapping: dict[str, list[str]] | None = None
    left_out: tuple[str, ...] = ()
    reasons: dict[str, str] = field(default_factory=dict)
    """Why a column is what it is, or is left out, where that does not go without saying, by name."""

    def to_dict(self) -> Json:
        """As JSON has it."""
        return {
            "sources": list(self.sources),
            "columns": [{"name": name, "type": kind} for name, kind in self.columns],
            "mapping": self.mapping,
            "left_out": list(self.left_out),
            "reasons": self.reasons,
        }


@dataclass(frozen=True, slots=True)
class Inspection:
    """The result of `inspect`. `rows_total` is None where nobody knows, and an estimate unless `is_exact`."""

    sources: tuple[SourceFacts, ...]
    schemas: tuple[Mapped, ...]
    rows_looked_at: int = 0
    rows_total: int | None = None
    is_exact: bool = False
    dimension: int | None = None
    dtypes: tuple[str, ...] = ()
    norms: Json | None = None
    components: Components | None = None
    rejects: dict[str, int] = field(default_factory=dict)
    metadata: Json | None = None
    contents: Json | None = None
    duplicates: Json | None = None
    requests: int | None = None
    wire_bytes: int | None = None
    samples: tuple[Json, ...] = ()
    index: Json | None = None
    remarks: tuple[str, ...] = ()
    not_read: tuple[NotRead, ...] = ()
    findings: tuple[Finding, ...] = ()

    def to_dict(self) -> Json:
        """As JSON has it; the names stay once released."""
        found = {name: getattr(self, name) for name in self.__slots__}
        found["sources"] = [{name: getattr(one, name) for name in one.__slots__} for one in self.sources]
        for name in ("schemas", "findings", "not_read"):
            found[name] = [one.to_dict() for one in found[name]]
        found["components"] = self.components and self.components.to_dict()
        for name in ("dtypes", "samples", "remarks"):
            found[name] = list(found[name])
        return {"schema_version": SCHEMA_VERSION, **found}


class Inspector(Checks):
    """Is fed batches as they are read; holds nothing of them but counts, 64 bits an id, three rows and some vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.looked_at: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.sample = Sample()
        self.norms, self.fields, self.sizes = Norms(), Fields(), Sizes()
        self.requests = self.wire_bytes = 0
        self.samples: list[Json] = []
        self.dimension: int | None = None

    def add(self, batch: Batch) -> None:
        """Look at a batch; its `size` is taken for that of a request."""
        super().add(batch)
        self.looked_at[batch.part.uri] += batch.stop - batch.start - batch.passed
        self.rejected[batch.part.uri] += len(batch.rejections)
        if not batch.ids:
            return
        self.sample.add(batch.vectors, batch.part.uri)
        self.dimension = batch.vectors.shape[1]
        self.norms.add(batch.vectors)
        self.fields.add(batch.metadata)
        self.sizes.add(batch.contents)
        self.requests += 1
        self.wire_bytes += batch.size
        for offset in range(min(len(batch), SAMPLES - len(self.samples))):
            self.samples.append(_sample(batch, offset))


def _sample(batch: Batch, offset: int) -> Json:
    metadata = batch.metadata[offset] if batch.metadata is not None else None
    contents = batch.contents[offset] if batch.contents is not None else None
    return {
        "file": batch.part.uri,
        "row": int(batch.rows[offset]) - batch.start + batch.first_row,
        "id": batch.ids[offset],
        "vector": [float(str(number)) for number in batch.vectors[offset, :SHOWN_NUMBERS]],
        "metadata": None if metadata is None else short(metadata),
        "contents": f"{len(contents):,} bytes" if isinstance(contents, bytes) else short(contents),
    }


def opening_finding(error: IngestError) -> Finding:
    """What to do where an index does not open."""
    if isinstance(error, NoIndexError):
        return Finding("index_missing", str(error), "--create makes it, --index names another")
    if isinstance(error, AccessError | KeyFileError):
        return Finding("index_key", str(error), "--index-key-file, --api-key-file")
    return Finding("index_unreachable", str(error), "--target names another place")


def index_findings(
    client: Client, info: IndexInfo, count: int, dimension: int | None, rows: int | None
) -> tuple[Finding, ...]:
    """Whether vectors of this dimension, in so many rows, go into an index that holds `count` (None: not known)."""
    found = (other_dimension(info, dimension), over_cap(client, count, rows))
    return tuple(Finding(one.code, one.text, one.advice) for one in found if one is not None)
