"""What is wrong with rows, found without sending them: one finding a kind, with the option that deals with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cyborg_ingest.check.duplicates import Ids
from cyborg_ingest.model import Reason, shown_id

if TYPE_CHECKING:
    from cyborg_ingest.check.duplicates import Duplicates, Look
    from cyborg_ingest.model import Batch, Rejection


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to be decided before a load. `file`, `row` (from 0) and `line` (from 1) are those of the first case.

    `kind` is a Reason's word, or one of duplicate_id, mapping, index_missing, index_key, index_unreachable,
    index_dimension, index_metric, key_place and cap.
    """

    kind: str
    text: str
    option: str
    count: int = 1
    file: str | None = None
    row: int | None = None
    line: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {name: getattr(self, name) for name in self.__slots__}


_GO_ON = "--max-errors N loads the others"

_WORDS = {
    Reason.UNPARSABLE: ("Text that cannot be parsed", f"--format, if it is another one; {_GO_ON}"),
    Reason.ID_MISSING: ("No id (null or empty)", f"--id-column takes another column; {_GO_ON}"),
    Reason.ID_INVALID: ("An id that is not text", f"--id-column takes another column; {_GO_ON}"),
    Reason.VECTOR_MISSING: ("No vector (null)", f"--vector-column takes another column; {_GO_ON}"),
    Reason.VECTOR_INVALID: ("A vector of other things than numbers", f"--vector-column; {_GO_ON}"),
    Reason.VECTOR_DIMENSION: ("A vector of another dimension", f"--vector-column takes another column; {_GO_ON}"),
    Reason.VECTOR_NOT_FINITE: ("NaN or infinity in the vector", _GO_ON),
    Reason.VECTOR_OVERFLOW: ("Numbers beyond float32", _GO_ON),
    Reason.VECTOR_ZERO: ("A vector of zeros", _GO_ON),
    Reason.METADATA_INVALID: ("Metadata that cannot be loaded", f"--metadata-column takes another column; {_GO_ON}"),
    Reason.METADATA_NOT_FINITE: ("NaN or infinity in the metadata", f"--metadata-column '' loads none; {_GO_ON}"),
    Reason.FAILED: (
        "Rows that failed in the program that wrote the file",
        f"have it do them again, and load what it writes as well; {_GO_ON}",
    ),
    Reason.CONTENTS_INVALID: ("Contents that are not text", f"--contents-column takes another column; {_GO_ON}"),
}
_SEVERAL_IDS = (
    "--id-column takes the ids from another column, --id-template makes them of several, --id-prefix tells files "
    "without ids apart"
)


class Checks:
    """Counts what is wrong with rows as they are read: bad ones by reason, and ids that occur again."""

    def __init__(self) -> None:
        self.rows = 0
        self.rejects: Counter[Reason] = Counter()
        self._first: dict[Reason, Rejection] = {}
        self._ids = Ids()

    def add(self, batch: Batch) -> None:
        """Look at a batch."""
        self.rows += batch.stop - batch.start - batch.passed
        self._ids.add(batch.ids)
        for rejection in batch.rejections:
            self.rejects[rejection.reason] += 1
            if rejection.reason not in self._first:
                self._first[rejection.reason] = replace(rejection, record=None)  # the row itself may be large

    def duplicates(self, again: Look) -> Duplicates:
        """Compare the ids. `again` reads the rows once more, which is done only where some seem to be equal."""
        return self._ids.duplicates(again)

    def findings(self, duplicates: Duplicates) -> tuple[Finding, ...]:
        """What is wrong: one for each reason, in the order of `Reason`, and one for ids that occur again."""
        found = [self._bad_rows(reason) for reason in Reason if reason in self._first]
        return (*found, *([_duplicate_ids(duplicates)] if duplicates.count else []))

    @staticmethod
    def not_looked_at(duplicates: Duplicates) -> str | None:
        """What the findings do not say, where not all rows were compared."""
        if not duplicates.not_compared or duplicates.count:
            return None
        return (
            f"Ids that occur again were looked for among the first {duplicates.compared:,} rows; the "
            f"{duplicates.not_compared:,} after them were not compared."
        )

    def _bad_rows(self, reason: Reason) -> Finding:
        first, count = self._first[reason], self.rejects[reason]
        words, option = _WORDS.get(reason, (reason.value, _GO_ON))
        text = f"{words}: {count:,} of {self.rows:,} rows, the first is {first}."
        return Finding(reason.value, text, option, count, first.uri, first.row, first.line)


def _duplicate_ids(found: Duplicates) -> Finding:
    text = f"Ids that occur again: {found.count:,} of {found.compared:,} rows, and the last row of an id wins."
    if found.not_compared:
        text += f" The {found.not_compared:,} rows after them were not compared."
    if not found.is_exact:
        text += " Counted by hashes of 64 bits, since the source could not be read again."
    if not found.examples:
        return Finding("duplicate_id", text, _SEVERAL_IDS, found.count)
    one = found.examples[0]
    text += f" The first is {shown_id(one.id)} in {one.again}, which {one.first} has too."
    return Finding("duplicate_id", text, _SEVERAL_IDS, found.count, one.again.uri, one.again.row, one.again.line)
