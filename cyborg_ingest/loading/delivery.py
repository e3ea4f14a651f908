"""Gets batches into an index: retried, halved, and where they are refused, down to the rows at fault."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cyborg_ingest.errors import (
    CapReachedError,
    MiscountError,
    RefusedError,
    TargetError,
    TooLargeError,
    UnavailableError,
)
from cyborg_ingest.loading.engines.base import Settled
from cyborg_ingest.model import Reason, Rejection
from cyborg_ingest.rows.compare import difference, rows_of
from cyborg_ingest.rows.values import with_plain_dates
from cyborg_ingest.targets.retry import Retry, RetryPolicy, call
from cyborg_ingest.targets.retrying import asked_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import numpy.typing as npt

    from cyborg_ingest.loading.pace import Pace
    from cyborg_ingest.model import Batch, Json, StoredRow
    from cyborg_ingest.stop import Stop
    from cyborg_ingest.targets.base import Index
    from cyborg_ingest.targets.retry import Retry

_RETRIES_WHILE_BISECTING = 2

_SUSPECTS = 16
"""Rows that are refused one by one, with none accepted, before it is taken to be the target's fault."""


class Delivery:
    """One index, and the rules of asking it again: its own patience does not know which rows a failure befell.

    `on_retry` hears of each failure that may pass, with the ids of the rows that it befell. `tolerance` is that of
    comparing vectors with what the index holds, as a share of their largest component.
    """

    def __init__(
        self,
        index: Index,
        policy: RetryPolicy,
        stop: Stop,
        on_retry: Callable[[list[str], Retry], None],
    ) -> None:
        self.index = asked_once(index)
        self.tolerance = 0.0
        self.pace: Pace | None = None
        """What each request with rows waits for, and each try of it again: they take as much of the target."""
        self.permit: Callable[[], None] | None = None
        """What each of them asks first: whether the job still is this run's."""
        self._policy = policy
        self._stop = stop
        self._on_retry = on_retry
        self._good: Batch | None = None
        self.contradictions: list[str] = []
        """Where the target has said of rows that it took that they are more or fewer."""

    def send(self, batch: Batch) -> None:
        """Send a batch, halved as often as the target finds it too large. Runs on a sender's thread."""
        try:
            self._upsert(batch, self._policy)
        except TooLargeError:
            if len(batch) == 1:
                raise
            for half in batch.halves():
                self.send(half)

    def _upsert(self, batch: Batch, policy: RetryPolicy) -> None:
        if batch.ids:
            self.upsert(batch.ids, batch.vectors, batch.metadata, batch.contents, policy, size=batch.size)

    def upsert(
        self,
        ids: list[str],
        vectors: npt.NDArray[np.float32],
        metadata: list[Json | None] | None,
        contents: list[str | bytes | None] | None,
        policy: RetryPolicy | None = None,
        *,
        size: int | None = None,
    ) -> None:
        """Send rows in one request, retried; `size` is what it takes in bytes, by default that of the vectors."""

        def send() -> None:
            if self.pace is not None:
                self.pace.wait(len(ids), vectors.nbytes if size is None else size)
            if self.permit is not None:
                self.permit()
            self.index.upsert_binary(ids, vectors, metadata, contents)

        try:
            call(
                send,
                policy or self._policy,
                self._stop,
                lambda retry: self._on_retry(ids, retry),
            )
        except MiscountError as error:  # no row is to blame and none can be sent better: the run ends with it
            self.contradictions.append(str(error))

    def read(self, ids: list[str]) -> list[StoredRow]:
        """The rows of these ids, as far as the index has them; retried."""
        return call(lambda: self.index.get(ids), self._policy, self._stop, lambda retry: self._on_retry([], retry))

    def landed(self, batch: Batch) -> None:
        """Remember a row that the index is known to take: the newest of its id, since ids never overtake."""
        if batch.ids:
            last = len(batch)
            self._good = batch.piece(last - 1, last, batch.stop - 1, batch.stop)

    def recover(self, batch: Batch, error: BaseException) -> Iterator[Settled]:
        """What can be made of a batch that failed; raises the error where no row is to blame.

        Nothing else may be in flight.
        """
        if isinstance(error, TooLargeError):
            yield from self._by_halves(batch)
        elif isinstance(error, CapReachedError):
            yield from self._at_the_cap(batch, error)
        elif isinstance(error, TargetError) and _may_be_a_rows_fault(error):
            yield from self._bisect(batch, error)
        else:
            raise error

    def _by_halves(self, batch: Batch) -> Iterator[Settled]:
        """Send what fits; a row that is too large by itself is rejected."""
        try:
            self._upsert(batch, self._policy)
            yield Settled(batch, 0.0, batch.rejections)
        except TooLargeError as error:
            if len(batch) == 1:
                yield rejected(batch, Reason.TOO_LARGE, error)
                return
            for half in batch.halves():
                yield from self._by_halves(half)

    def _at_the_cap(self, batch: Batch, error: CapReachedError) -> Iterator[Settled]:
        """Rows that are there already, and equal, count as acknowledged: the cap refuses them all the same."""
        rows = list(rows_of(batch))
        last = {row.id: place for place, row in enumerate(rows)}
        there = {stored.id: stored for stored in self.read(batch.ids)}
        equal = [
            last[row.id] != place or not difference(row, there.get(row.id), self.tolerance)
            for place, row in enumerate(rows)
        ]
        if not any(equal):
            raise error
        for piece, is_equal in batch.runs(equal):
            if not is_equal:
                self._upsert(piece, self._policy)
            yield Settled(piece, 0.0, piece.rejections)

    def _bisect(self, batch: Batch, error: Exception) -> Iterator[Settled]:
        """Send ever smaller pieces, in order; a single row that is refused is judged before later ones are sent.

        As long as nothing was ever accepted there is nothing to judge by: such rows wait for the first that is.
        """
        if self._good is not None and self._refusal(self._good) is not None:
            raise error  # the target takes nothing at all
        suspects: list[tuple[Batch, Exception]] = []
        for outcome in self._pieces(batch, error):
            if isinstance(outcome, Settled):
                self.landed(outcome.batch)
                yield from self._overtaken(suspects, outcome.batch)
                suspects = []
                yield outcome
            elif self._good is not None:
                yield self._judged(*outcome)
            else:
                suspects.append(outcome)
                if len(suspects) > _SUSPECTS:
                    break
        if suspects:
            raise error

    def _judged(self, row: Batch, error: Exception) -> Settled:
        """Blame a row that was refused only if the target takes another, and then refuses this one once more.

        Evidence of different moments is not evidence: an outage may have ended, or begun, in between. Asking for a row
        that was accepted last is harmless: nothing newer of its id is there.
        """
        if self._good is None or self._refusal(self._good) is not None:
            raise error
        again = self._refusal(row)
        if again is None:
            self.landed(row)
            return Settled(row, 0.0, row.rejections)
        if isinstance(again, UnavailableError) and self._refusal(self._good) is not None:
            raise again
        return rejected(row, Reason.REFUSED, again)

    def _overtaken(self, suspects: list[tuple[Batch, Exception]], piece: Batch) -> Iterator[Settled]:
        """Judge rows that were refused before a piece behind them was the first to be accepted."""
        is_older = False
        for row, error in suspects:
            settled = self._judged(row, error)
            is_older = is_older or not set(piece.ids).isdisjoint(settled.batch.ids)
            yield settled
        if is_older:  # what was accepted now lies over a newer row
            self._upsert(piece, self._policy)
        if suspects:
            self.landed(piece)

    def _pieces(
        self, batch: Batch, error: Exception | None, *, deduced: bool = False
    ) -> Iterator[Settled | tuple[Batch, Exception]]:
        """Accepted pieces, and single rows that were refused.

        Where the first half is taken, the second must hold what the whole was refused for (`deduced`): it is
        halved at once, without asking.
        """
        if error is None and (not deduced or len(batch) == 1):
            error = self._refusal(batch)
            if error is None:
                yield Settled(batch, 0.0, batch.rejections)
                return
        if len(batch) == 1:
            yield batch, error or RefusedError("refused")
            return
        first, second = batch.halves()
        refusal = self._refusal(first)
        if refusal is None:
            yield Settled(first, 0.0, first.rejections)
        else:
            yield from self._pieces(first, refusal)
        yield from self._pieces(second, None, deduced=refusal is None)

    def _refusal(self, batch: Batch) -> Exception | None:
        """Send a piece; what the target has against it, if anything. Other errors are raised."""
        policy = replace(self._policy, retries=min(self._policy.retries, _RETRIES_WHILE_BISECTING))
        try:
            self._upsert(batch, policy)
        except TargetError as error:
            if not _may_be_a_rows_fault(error):
                raise
            return error
        return None


def _may_be_a_rows_fault(error: Exception) -> bool:
    """A refusal, or a 500 that stayed through all retries."""
    return isinstance(error, RefusedError) or (isinstance(error, UnavailableError) and error.cause == "500")


def rejected(batch: Batch, reason: Reason, error: Exception) -> Settled:
    """A batch of one row, rejected: its range is settled, and no row of it is in the index."""
    rejection = Rejection(
        uri=batch.part.uri,
        row=int(batch.rows[0]) - batch.start + batch.first_row,
        reason=reason,
        detail=str(error),
        id=batch.ids[0],
        line=None if batch.lines is None else int(batch.lines[0]),
        record=_record(batch),
    )
    return Settled(batch.without_rows(), 0.0, (*batch.rejections, rejection))


def _record(batch: Batch) -> Json:
    """The row in the JSONL form that `upsert` reads."""
    found: Json = {"id": batch.ids[0], "vector": batch.vectors[0].tolist()}
    if batch.metadata and batch.metadata[0]:
        found["metadata"] = with_plain_dates(batch.metadata[0])
    if batch.contents and batch.contents[0]:
        content = batch.contents[0]
        if isinstance(content, bytes):
            import pybase64  # noqa: PLC0415 - bytes among the contents are rare

            found["contents"] = {"base64": pybase64.b64encode_as_string(content)}
        else:
            found["contents"] = content
    return found
