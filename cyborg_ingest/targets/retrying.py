"""A target whose every request is tried again by the one policy: what `opening` hands out.

What a request does twice is looked at here: a creation, a deletion or a training whose answer was lost finds its own
work when it is repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from cyborg_ingest.errors import (
    AccessError,
    IndexExistsError,
    NoIndexError,
    TargetError,
    UnavailableError,
)
from cyborg_ingest.settings.commands import index_command
from cyborg_ingest.settings.hidden import hidden
from cyborg_ingest.targets.base import Closing, Querying
from cyborg_ingest.targets.retry import call

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import numpy.typing as npt

    from cyborg_ingest.errors import RetryableError
    from cyborg_ingest.model import CreateOptions, IndexInfo, Json, StoredRow
    from cyborg_ingest.settings.hidden import Hidden
    from cyborg_ingest.stop import Stop
    from cyborg_ingest.targets.base import Client, Index
    from cyborg_ingest.targets.retry import Retry, RetryPolicy

_T = TypeVar("_T")

_BEING_MADE = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0)
"""Seconds between two looks at an index that somebody is making; it takes a service less than one."""


@dataclass(frozen=True, slots=True)
class Patience:
    """The policy, the stop that ends its pauses, and who hears of each failure that may pass."""

    policy: RetryPolicy
    stop: Stop
    on_retry: Callable[[Retry], None]

    def call(self, action: Callable[[], _T]) -> _T:
        """Call until it succeeds or is given up."""
        return call(action, self.policy, self.stop, self.on_retry)

    def call_again(self, action: Callable[[RetryableError | None], _T]) -> _T:
        """The same; each try is told of the last failure that may have been none, if there was one."""
        lost: list[RetryableError] = []

        def note(retry: Retry) -> None:
            if retry.error.outcome_unknown:
                lost.append(retry.error)
            self.on_retry(retry)

        return call(lambda: action(lost[-1] if lost else None), self.policy, self.stop, note)


class RetryingClient(Closing):
    """A client, and every index from it, that ask again; see `targets.base.Client`."""

    def __init__(self, client: Client, patience: Patience) -> None:
        self.target = client.target
        self.is_embedded = client.is_embedded
        self.has_licence = client.has_licence
        self._client = client
        self._patience = patience

    def index(self, name: str, key: bytes | Hidden[bytes] | None = None) -> RetryingIndex:
        """An index by name; nothing is sent yet."""
        key = hidden(key)
        return RetryingIndex(self._client.index(name, key), self._patience)

    def create(self, name: str, key: bytes | Hidden[bytes] | None, options: CreateOptions) -> RetryingIndex:
        """Create an index. Raises IndexExistsError, but not for one that a try of its own has made."""
        key = hidden(key)
        index = self.index(name, key)
        if not self.is_embedded:  # what was there before is not made by a try whose answer was lost
            self._refuse_existing(index)

        def create(lost: RetryableError | None) -> RetryingIndex:
            try:
                return RetryingIndex(self._client.create(name, key, options), self._patience)
            except IndexExistsError:
                if lost is None or not _is_as_asked(index, options):
                    raise
                return index

        return self._patience.call_again(create)

    def _refuse_existing(self, index: RetryingIndex) -> None:
        try:
            index.describe()
        except (NoIndexError, AccessError):  # with another key it is there, and the service says so itself
            return
        raise IndexExistsError(f"Index {index.name!r} is in {self.target} already.")

    def list_indexes(self) -> list[str]:
        """The names of all indexes."""
        return self._patience.call(self._client.list_indexes)

    def close(self) -> None:
        """Close every index that came from here."""
        self._client.close()


def _is_as_asked(index: RetryingIndex, options: CreateOptions) -> bool:
    """Whether an index is the one that was to be made: it opens with its key, and is of that kind."""
    try:
        info = index.until_made()
    except AccessError:
        return False
    return options.dimension in {None, info.dimension} and options.metric in {None, info.metric}


class RetryingIndex(Querying):
    """An index that asks again; see `targets.base.Index`."""

    def __init__(self, index: Index, patience: Patience) -> None:
        self.name = index.name
        self.traffic = index.traffic
        self.asked_once = index
        """The index itself: every failure is raised at once."""
        self._patience = patience

    def __repr__(self) -> str:
        return repr(self.asked_once)

    def upsert_binary(
        self,
        ids: list[str],
        vectors: npt.NDArray[np.float32],
        metadata: list[Json | None] | None = None,
        contents: list[str | bytes | None] | None = None,
    ) -> None:
        """Insert or replace rows."""
        self._patience.call(lambda: self.asked_once.upsert_binary(ids, vectors, metadata, contents))

    def describe(self) -> IndexInfo:
        """Dimension, metric and training."""
        return self._patience.call(self.asked_once.describe)

    def until_made(self) -> IndexInfo:
        """The same of an index that somebody is making; it is waited for. Raises TargetError where it stays away."""
        for pause in _BEING_MADE:
            try:
                return self.describe()
            except NoIndexError:
                if not self._patience.stop.passes(pause):
                    raise self._patience.stop.error("stopped while an index was made") from None
        try:
            return self.describe()
        except NoIndexError as error:
            command = index_command("create", self.name, "--target", "disk:DIRECTORY")
            raise TargetError(
                f"{error} And yet its name is taken: its creation was cut short, or is still under way. Run the same "
                f"command again; if that does not help, {command}, on the service's machine and with its directory, "
                "completes it."
            ) from None

    def count(self) -> int:
        """How many rows the index holds."""
        return self._patience.call(self.asked_once.count)

    def get(self, ids: Sequence[str]) -> list[StoredRow]:
        """The rows of these ids that exist."""
        return self._patience.call(lambda: self.asked_once.get(ids))

    def list_ids(self) -> list[str]:
        """The ids of all rows."""
        return self._patience.call(self.asked_once.list_ids)

    def delete_rows(self, ids: Sequence[str]) -> None:
        """Delete the rows of these ids."""
        self._patience.call(lambda: self.asked_once.delete_rows(ids))

    def nearest(self, vector: npt.NDArray[np.float32] | Sequence[float], top_k: int) -> list[tuple[str, float]]:
        """The nearest ids and their distances."""
        return self._patience.call(lambda: self.asked_once.nearest(vector, top_k))

    def is_training(self) -> bool:
        """Whether it is being trained now."""
        return self._patience.call(self.asked_once.is_training)

    def train(self) -> None:
        """Build the inverted lists. A request that was given up is not repeated while the training runs."""
        was_trained = self.describe().is_trained

        def train(lost: RetryableError | None) -> None:
            if lost is not None:
                if self.asked_once.is_training():
                    raise UnavailableError(
                        f"Index {self.name!r} is still being trained (--timeout sets how long to wait).",
                        cause="training",
                    )
                if (not was_trained or lost.cause == "timeout") and self.asked_once.describe().is_trained:
                    return
            self.asked_once.train()

        self._patience.call_again(train)

    def delete(self) -> None:
        """Delete the index. One that is gone after a lost answer was deleted by it."""

        def delete(lost: RetryableError | None) -> None:
            try:
                self.asked_once.delete()
            except NoIndexError:
                if lost is None:
                    raise

        self._patience.call_again(delete)

    def close(self) -> None:
        """Free connections; of an embedded index, its lock too."""
        self.asked_once.close()


def asked_once(index: Index) -> Index:
    """The index without its patience, for whoever brings his own."""
    return index.asked_once if isinstance(index, RetryingIndex) else index
