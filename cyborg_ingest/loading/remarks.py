"""What a load has to say of its rows and columns, though nothing failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest.facts import Noted
from cyborg_ingest.loading.doubts import PAUSES
from cyborg_ingest.model import DEFAULT_METRIC
from cyborg_ingest.plan.late import missing, told
from cyborg_ingest.settings.commands import index_command
from cyborg_ingest.targets.base import AUTO_TRAIN_ROWS
from cyborg_ingest.targets.keyring import as_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.check.distinct import Count
    from cyborg_ingest.facts import Emit
    from cyborg_ingest.model import Batch, Chunk
    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.settings.options import LoadSettings
    from cyborg_ingest.tally import Tally
    from cyborg_ingest.targets.base import Client
    from cyborg_ingest.targets.opening import Opened

_SHOWN_FIELDS = 20
_SHOWN_IDS = 5


def of_plan(plan: Plan) -> Iterator[Noted]:
    """What was found out while the plan was made."""
    yield from map(Noted, plan.notes)
    yield from _left_out(plan)
    yield from (Noted(note) for source in plan.sources for note in source.layout.notes)


def _left_out(plan: Plan) -> Iterator[Noted]:
    """Columns that are left out although their name, or `*`, asks for them; once for files that are alike."""
    several: dict[tuple[str, str], list[str]] = {}
    for source in plan.sources:
        for one in source.columns.refused:
            several.setdefault(one, []).append(source.layout.uri)
    for (_, why), uris in list(several.items())[:_SHOWN_FIELDS]:
        others = f" and {len(uris) - 1:,} more" if len(uris) > 1 else ""
        yield Noted(f"{uris[0]}{others}: column {why}; it is left out.")


_METRICS = {
    "angular": "cosine",
    "cosine": "cosine",
    "euclidean": "euclidean",
    "l2": "euclidean",
    "squared_euclidean": "squared_euclidean",
    "sqeuclidean": "squared_euclidean",
}
"""What files call a distance -> what the engine calls it."""


def other_metric(plan: Plan, settings: LoadSettings) -> Iterator[Noted]:
    """A file says which distance its vectors are for, and the new index gets another, for which nobody asked."""
    if settings.metric is not None:
        return
    said = {one.layout.metric.lower(): one.layout.uri for one in plan.sources if one.layout.metric}
    for words, uri in said.items():
        metric = _METRICS.get(words)
        if metric != DEFAULT_METRIC:
            advice = f"--metric {metric} makes one of that" if metric else "the engine has no such one"
            yield Noted(
                f"{uri} says that its vectors are compared by {words!r}. The new index has {DEFAULT_METRIC}, the "
                f"default: {advice}. It cannot be changed later."
            )


def nothing_to_load(plan: Plan) -> Noted:
    """No source has a row, and that may be: the index is left as it is, and not made if it is missing."""
    return Noted(f"No source has a row, so nothing is loaded: {'; '.join(one.text for one in plan.not_read)}.")


def wiping(plan: Plan) -> Iterator[Noted]:
    """An upsert replaces whole rows, so what is not sent is gone from those that exist."""
    lost = [role for role in ("metadata", "contents") if not any(one.has(role) for one in plan.sources)]
    if lost:
        yield Noted(f"Rows that are in the index already lose their {' and '.join(lost)}: none is loaded.")


def watched(doubts: int) -> Iterator[Noted]:
    """So many rows are looked at until no older request can replace them any more."""
    if doubts:
        yield Noted(
            f"{doubts:,} rows may still be replaced by an older request that was given up: they are watched for "
            f"{sum(PAUSES):.0f} s."
        )


def untrained(client: Client, opened: Opened, rows: int, settings: LoadSettings) -> Iterator[Noted]:
    """Only the service trains by itself."""
    if client.is_embedded and rows > AUTO_TRAIN_ROWS and not opened.index.describe().is_trained:
        options = ("--target", client.target, *as_options(settings))
        yield Noted(
            f"The index has more than {AUTO_TRAIN_ROWS:,} rows and is not trained, so queries scan all of it. Train "
            f"it: {index_command('train', opened.info.name, *options)}"
        )


def replaced(rows: int, ids: Count | None) -> Iterator[Noted]:
    """The later row of an id wins, within a load too."""
    if ids is not None:
        exactly = "" if ids.least == ids.most else "At least "
        yield Noted(
            f"{exactly}{rows - ids.most:,} of the rows that were loaded have the id of a later one, which replaced "
            "them: inspect names some. --id-template makes ids of several columns, so that they differ."
        )


def still_there(ids: list[str]) -> Iterator[Noted]:
    """A rejected row does not replace an earlier row of its id."""
    if ids:
        yield Noted(
            f"{len(ids):,} rejected rows have an id that the index holds with another row "
            f"({', '.join(map(repr, ids[:_SHOWN_IDS]))}): that one stays."
        )


class Late:
    """What only the rows themselves show, said once each."""

    def __init__(self, tell: Emit) -> None:
        self._tell = tell
        self._unplanned: set[tuple[str, str]] = set()
        self._as_text: set[str] = set()
        self._seen: set[tuple[str, str]] = set()
        """Fields that the user's word was taken for, as rows were seen to have them."""

    def chunk(self, chunk: Chunk) -> None:
        """Fields that the plan did not know of."""
        uri = chunk.part.uri
        self._seen.update((uri, name) for name in chunk.seen)
        for name in chunk.unplanned:
            if (uri, name) not in self._unplanned and len(self._unplanned) < _SHOWN_FIELDS:
                self._unplanned.add((uri, name))
                self._tell(Noted(told(uri, name, takes_all=chunk.columns.takes_all)))

    def batch(self, batch: Batch) -> None:
        """Fields with decimals that no other number is equal to."""
        for name in sorted(batch.as_text - self._as_text):
            self._as_text.add(name)
            self._tell(
                Noted(
                    f"{batch.part.uri}: {name!r} holds decimals that no float64 is equal to: they are stored as text."
                )
            )

    def end(self, plan: Plan, tally: Tally) -> None:
        """Names and conditions that came to nothing."""
        is_whole = not tally.skipped and plan.selection.limit is None
        for text in missing(plan, self._seen, is_whole=is_whole, rows=tally.asked):
            self._tell(Noted(text))
