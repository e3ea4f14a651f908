"""Reads Parts as a process that knows nothing but their tasks: `stranger.py IN OUT`, the last task first.

IN holds pickled tasks; OUT gets, for each, what `said` makes of it, or the words of its error.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyborg_ingest.model import Batch
    from cyborg_ingest.plan.parts import PartEnd


def said(found: Iterable[Batch | PartEnd]) -> list[tuple[Any, ...]]:
    """All that a Part has to say: each row, each rejection, each range, and its end; whatever the batches are."""
    from cyborg_ingest.plan.parts import PartEnd  # noqa: PLC0415 - the process has to be fresh

    rows: list[tuple[Any, ...]] = []
    for one in found:
        if isinstance(one, PartEnd):
            rows.append(("end", one.part.uri, one.part.number, one.rows, one.taken))
            continue
        place = one.part.uri, one.part.number
        rows.append(("range", *place, one.start, one.stop, one.first_row, one.passed, one.again))
        for number, row in enumerate(one.rows.tolist()):
            line = None if one.lines is None else int(one.lines[number])
            metadata = None if one.metadata is None else repr(one.metadata[number])
            contents = None if one.contents is None else one.contents[number]
            held = one.ids[number], one.vectors[number].tobytes(), metadata, contents
            rows.append(("row", *place, row - one.start + one.first_row, line, *held))
        rows += (
            ("bad", *place, bad.row, bad.line, bad.reason.value, bad.detail, bad.id, repr(bad.record))
            for bad in one.rejections
        )
    return rows


def main(tasks: Path, answers: Path) -> None:
    from cyborg_ingest.errors import IngestError  # noqa: PLC0415 - as above
    from cyborg_ingest.formats.base import Kept  # noqa: PLC0415
    from cyborg_ingest.plan.parts import cut_part  # noqa: PLC0415
    from cyborg_ingest.stop import Stop  # noqa: PLC0415

    found: dict[int, list[tuple[Any, ...]] | str] = {}
    with Kept() as kept:
        for number, task in reversed(list(enumerate(pickle.loads(tasks.read_bytes())))):  # noqa: S301 - the test's own
            try:
                found[number] = said(cut_part(pickle.loads(task), Stop(), kept))  # noqa: S301 - as above
            except IngestError as error:
                found[number] = str(error)
    answers.write_bytes(pickle.dumps([found[number] for number in range(len(found))]))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
