"""What is known of a job: by its journal, which writes it, or by a look at what its earlier runs have left."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from cyborg_ingest.state.ledger import FileKey, PartKey, PartState, State, file_of, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from typing_extensions import Self

    from cyborg_ingest.model import Part
    from cyborg_ingest.state.cuts import Cut
    from cyborg_ingest.state.ids import Ids


class Memory(ABC):
    """The state of a load that is resumed, or of one that begins with what the last load that ended has loaded."""

    folder: Path
    ids: Ids

    def __init__(self) -> None:
        self.state = State()
        self.resumed = False
        self.is_carried = False
        """Whether it begins with what the last load that ended has loaded."""
        self._planned: dict[FileKey, Sequence[Part]] = {}
        self._places: dict[PartKey, int] = {}

    @property
    def goes_on(self) -> bool:
        """Whether rows are skipped that earlier runs have loaded."""
        return self.resumed or self.is_carried

    @abstractmethod
    def last_ended(self) -> State | None:
        """What the last load of the job that ended has loaded, by Part and fingerprint; None where none has.

        Its `ended` is the exit code. Raises UsageError where a later release wrote it.
        """

    def carry(self, state: State) -> None:
        """Begin with what a load that ended has loaded."""
        self.is_carried, self.state = True, state

    @abstractmethod
    def close(self) -> None:
        """Let go of what is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def planned(self, files: Iterable[Sequence[Part]]) -> None:
        """Take in where the Parts of the files are that are loaded, all of each; before anything of them is noted."""
        self._planned = {file_of(key_of(parts[0])): parts for parts in files if parts}
        keys = (key_of(part) for parts in self._planned.values() for part in parts)
        self._places = {key: place for place, key in enumerate(keys)}
        for file in {file_of(key) for key in self.state.parts} & self._planned.keys():
            self.state.cuts[file] = self._planned[file]

    def cut_of(self, part: Part) -> Cut | None:
        """Where the Parts of its file were when this load began to send rows of it; None where nobody knows."""
        return self.state.cuts.get(file_of(key_of(part)))

    def part(self, part: Part) -> PartState:
        """What is known of a Part."""
        return self.state.parts.get(key_of(part)) or PartState()

    def in_flight(self, parts: Mapping[PartKey, PartState]) -> set[int]:
        """64 bits of the ids of rows that were sent, and of which nobody heard: they may be applied later."""
        doubts = ((key, one.choice, one.in_doubt) for key, one in parts.items())
        return {one for key, choice, rows in doubts if rows for one in self.ids.around(key, choice, rows).tolist()}

    def keep(self, upto: dict[PartKey, int | None]) -> None:
        """Forget all but these Parts, and of these all rows from the one that is given on (None: nothing).

        They stand in this order from now on.
        """
        parts = self.state.parts
        self.state.late |= self.in_flight({key: one for key, one in parts.items() if key not in upto})
        self.state.parts = {key: parts.get(key) or PartState() for key in upto}
        for place, (key, part) in enumerate(self.state.parts.items()):
            part.place = self._places.get(key, place)
            row = upto[key]
            if row is not None:
                part.forget(row)
        for file in {file_of(key) for key in upto} & self._planned.keys():
            self.state.cuts[file] = self._planned[file]
