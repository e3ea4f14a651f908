"""What an answer has to be like: a part that is missing, or of another type, is the service's fault, and is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from cyborg_ingest.errors import ConnectionLostError, TargetError
from cyborg_ingest.model import IndexInfo, StoredRow

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy.typing as npt

    from cyborg_ingest.model import Json
    from cyborg_ingest.settings.scrubbing import Secrets

_LARGEST_COUNT = 2**63 - 1


class ParsedAnswer:
    """One JSON object of an answer. Each method gives a part of it, or raises ConnectionLostError."""

    def __init__(self, value: Any, where: str) -> None:
        self._where = where
        if not isinstance(value, dict):
            self.refuse(f"is {_kind(value)}, not an object")
        self._value: Json = value

    def refuse(self, what: str) -> NoReturn:
        """Raise ConnectionLostError: it is not an answer of a CyborgDB service."""
        raise ConnectionLostError(
            f"{self._where} answered with JSON that {what}. Is it a CyborgDB service?",
            cause="garbage",
            outcome_unknown=True,
        )

    def _part(self, name: str, kind: type[Any], called: str, *, optional: bool = False) -> Any:
        value = self._value.get(name)
        if value is None and optional:
            return None
        if type(value) is not kind:  # a bool is not a number here
            self.refuse(f"has no {name!r}" if value is None else f"has {_kind(value)} as {name!r}, not {called}")
        return value

    def text(self, name: str) -> str:
        """A text."""
        return str(self._part(name, str, "a text"))

    def flag(self, name: str) -> bool:
        """True or false."""
        return bool(self._part(name, bool, "true or false"))

    def count(self, name: str) -> int:
        """A whole number from 0 on."""
        found = int(self._part(name, int, "a whole number"))
        if not 0 <= found <= _LARGEST_COUNT:
            self.refuse(f"has a number as {name!r} that is not a count")
        return found

    def number(self, name: str) -> float:
        """Any number."""
        found = self._value.get(name)
        if isinstance(found, bool) or not isinstance(found, int | float) or abs(found) > _LARGEST_COUNT:
            self.refuse(f"has {_kind(found)} as {name!r}, not a number" if found is not None else f"has no {name!r}")
        return float(found)

    def fields(self, name: str) -> Json | None:
        """An object, or none."""
        found: Json | None = self._part(name, dict, "an object", optional=True)
        return found

    def optional_text(self, name: str) -> str | None:
        """A text, or none."""
        found: str | None = self._part(name, str, "a text", optional=True)
        return found

    def texts(self, name: str) -> list[str]:
        """A list of texts."""
        found: list[Any] = self._part(name, list, "a list")
        if not all(isinstance(one, str) for one in found):
            self.refuse(f"has more than texts in {name!r}")
        return found

    def objects(self, name: str) -> list[ParsedAnswer]:
        """A list of objects."""
        return [ParsedAnswer(one, self._where) for one in self._part(name, list, "a list")]

    def numbers(self, name: str) -> npt.NDArray[np.float32] | None:
        """A list of numbers as float32; None where there is none, or none in it."""
        found = self._part(name, list, "a list", optional=True)
        if not found:
            return None
        try:
            numbers = np.array(found)
        except ValueError:
            self.refuse(f"has no list of numbers as {name!r}")
        if numbers.ndim != 1 or numbers.dtype.kind not in "fiu":  # "1" would be taken for a number
            self.refuse(f"has no list of numbers as {name!r}")
        with np.errstate(over="ignore"):  # beyond float32 it is infinite, and differs from all that was sent
            return numbers.astype(np.float32)


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def index_info(said: ParsedAnswer, secrets: Secrets) -> IndexInfo:
    """What `describe` says; its texts are shown, so a key in them is not."""
    return IndexInfo(
        name=secrets.scrub(said.text("index_name")),
        dimension=said.count("dimension"),
        metric=secrets.scrub(said.text("metric")),
        is_trained=said.flag("is_trained"),
        n_lists=said.count("n_lists"),
        metadata_schema=secrets.scrubbed(said.fields("metadata_schema") or {}),
        bm25=secrets.scrubbed(said.fields("bm25")),
    )


def stored_rows(said: ParsedAnswer, ids: Collection[str]) -> list[StoredRow]:
    """The rows that `get` gives, of those that were asked for."""
    found = [
        StoredRow(
            id=row.text("id"),
            vector=row.numbers("vector"),
            metadata=row.fields("metadata") or None,
            contents=row.optional_text("contents") or None,
        )
        for row in said.objects("results")
    ]
    if len(found) > len(ids) or not {row.id for row in found}.issubset(ids):
        said.refuse("has rows that nobody asked for")
    return found


def check_done(said: ParsedAnswer, secrets: Secrets, where: str) -> None:
    """What a request that changes something says of it. Raises TargetError where it says that it failed."""
    status = said.text("status")
    if status != "success":
        words = secrets.scrub(said.optional_text("message") or "")
        raise TargetError(f"{where} answered {secrets.scrub(status)[:50]!r}: {words[:500].rstrip('.')}.")
