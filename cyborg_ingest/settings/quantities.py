"""Quantities as options spell them: durations, numbers of bytes, and rows as a number or a share."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_DURATION = re.compile(r"(?=\d)(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", re.ASCII)
_UNIT_SECONDS = (86_400, 3_600, 60, 1)
_BYTES = re.compile(r"(\d{1,15})([KMG]?)", re.ASCII)
_FACTORS = {"": 1, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000}
_ROWS = re.compile(r"\d{1,18}|\d{1,3}(\.\d{1,15})?%", re.ASCII)


def duration(flag: str) -> Callable[[Any], Any]:
    """What looks at an option's value that is a time, longer than none."""

    def look(value: Any) -> Any:
        if isinstance(value, str) and not (_DURATION.fullmatch(value) and seconds_of(value)):
            raise UsageError(f"{flag} is {value!r}; it takes a duration like 90s, 15m, 24h, 7d or 5h50m.")
        return value

    return look


def byte_count(flag: str) -> Callable[[Any], Any]:
    """What looks at an option's value that is a number of bytes, also as one, and more than none."""

    def look(value: Any) -> Any:
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if isinstance(text, str) and not (_BYTES.fullmatch(text) and bytes_of(text)):
            raise UsageError(f"{flag} is {text!r}; it takes bytes like 500000, 500K, 20M or 1G.")
        return text

    return look


def number_or_share(flag: str, number: str = "10", share: str = "0.5%") -> Callable[[Any], Any]:
    """What looks at an option's value that is a number of rows, also as one, or a share of them, as text."""

    def look(value: Any) -> Any:
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if isinstance(text, str) and not _ROWS.fullmatch(text):
            raise UsageError(f"{flag} is {text!r}; it takes a number like {number}, or a share like {share}.")
        return text

    return look


def seconds_of(text: str) -> float:
    """The seconds of a duration that was looked at."""
    found = _DURATION.fullmatch(text)
    counts = found.groups() if found else ()
    return float(sum(int(count) * unit for count, unit in zip(counts, _UNIT_SECONDS, strict=False) if count))


def bytes_of(text: str) -> int:
    """The bytes of a number of them that was looked at; K, M and G are thousands, as in all that is reported."""
    digits = text.rstrip("KMG")
    return int(digits) * _FACTORS[text[len(digits) :]]


def duration_of(seconds: float) -> str:
    """Seconds as a duration is spelled, by its two largest units."""
    days, hours, minutes, rest = _parted(int(seconds))
    if days:
        return f"{days}d{hours}h"
    return f"{hours}h{minutes}m" if hours else f"{minutes}m{rest}s"


def moment_of(text: str, now: datetime.datetime) -> str:
    """When that was, as ISO 8601 has it, in words and in the time of this place; "" where it is not a time."""
    try:
        then = datetime.datetime.fromisoformat(text).astimezone(now.tzinfo)
    except ValueError:
        return ""
    return f"at {then:%H:%M} today" if then.date() == now.date() else f"on {then:%Y-%m-%d} at {then:%H:%M}"


def _parted(seconds: int) -> list[int]:
    found = []
    for unit in _UNIT_SECONDS:
        count, seconds = divmod(seconds, unit)
        found.append(count)
    return found


def is_share(text: str) -> bool:
    """Whether it is a share, and no number."""
    return text.endswith("%")


def rows_of(text: str, everything: int) -> Decimal:
    """So many rows, of so many in all; of a share it may not be a whole number."""
    return everything * Decimal(text[:-1]) / 100 if is_share(text) else Decimal(text)
