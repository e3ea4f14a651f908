"""The batches of a load, of which the first may be looked at before there is an index for them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from cyborg_ingest.model import Batch


class Upcoming(contextlib.ExitStack):
    """`begin` gives the batches, once the dimension of their vectors is known, or is None. They end with the `with`."""

    def __init__(self, begin: Callable[[int | None], Generator[Batch, None, None]]) -> None:
        super().__init__()
        self._begin = begin
        self._begun: Generator[Batch, None, None] | None = None
        self._seen: list[Batch] = []

    def look(self, dimension: int | None) -> None:
        """Read the first batch: what is wrong with it is raised now. It is not lost."""
        self._begun = self.enter_context(contextlib.closing(self._begin(dimension)))
        first = next(self._begun, None)
        self._seen += [] if first is None else [first]

    def all(self, dimension: int | None) -> Generator[Batch, None, None]:
        """All of them."""
        begun = self._begun or self.enter_context(contextlib.closing(self._begin(dimension)))
        with contextlib.closing(begun):
            while self._seen:
                yield self._seen.pop()
            yield from begun
