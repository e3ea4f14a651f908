"""How the index stores vectors: what is read back is compared to within that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest.check.precision import Guess, known

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from cyborg_ingest.check.precision import Precision
    from cyborg_ingest.model import Batch, StoredRow
    from cyborg_ingest.state.journal import Journal
    from cyborg_ingest.targets.opening import Opened


class Stored:
    """The precision of the index: known before a row is sent, else guessed from rows that it holds.

    The journal learns of it. `get` reads rows.
    """

    def __init__(
        self, opened: Opened, option: str | None, journal: Journal | None, get: Callable[[list[str]], list[StoredRow]]
    ) -> None:
        facts: Mapping[str, Any] = journal.state.facts if journal is not None else {}
        self.precision: Precision | None = known(opened, option, facts)
        self._journal = journal
        self._guess = Guess(get) if self.precision is None else None
        if journal is not None:
            if opened.created:
                journal.know(precision=option or "float32", sole=True)
            journal.state.probes.exact = self.is_exact

    @property
    def tolerance(self) -> float:
        """Largest difference of a component, as a share of the vector's largest."""
        return self.precision.tolerance if self.precision is not None else 0.0

    @property
    def is_exact(self) -> bool:
        """Whether vectors are known to come back bit by bit."""
        return self.precision is not None and self.precision.is_exact

    def look(self, batch: Batch, source: str, *, is_own: bool) -> bool:
        """Look at what the index holds of a batch, where nobody knows yet; whether it is known now.

        `source` says which rows they are; `is_own`: this run has sent them.
        """
        found = self._guess.look(batch, source, is_own=is_own) if self._guess is not None and batch.ids else None
        if found is None:
            return False
        self.precision, self._guess = found, None
        if self._journal is not None:
            self._journal.state.probes.exact = found.is_exact
            self._journal.know(guess=found.name)
        return True
