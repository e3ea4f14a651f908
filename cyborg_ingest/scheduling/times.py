"""When: the five fields of cron, looked at, and turned into what systemd calls a calendar event."""

from __future__ import annotations

import re

from cyborg_ingest.errors import UsageError

_MACROS = {"@yearly", "@monthly", "@weekly", "@daily", "@hourly"}
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = {name: number for number, name in enumerate(_DAY_NAMES)}
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_NAMES: tuple[dict[str, int], ...] = ({}, {}, {}, _MONTHS, _DAYS)
_ITEM = re.compile(r"(?:(\*)|([0-9a-z]+)(?:-([0-9a-z]+))?)(?:/([0-9]{1,2}))?", re.ASCII)
_EVENT = re.compile(
    r"(?:minutely|(?:semi)?annually|quarterly|[A-Za-z0-9*.,~/_ -]*:[A-Za-z0-9*:.,~/_+ -]*[A-Za-z0-9*])", re.ASCII
)
_FIELDS = 5
_DAY, _MONTH, _WEEKDAY = 2, 3, 4
_EXAMPLE = 'It takes minute, hour, day, month and weekday as in "30 1 * * *", or @daily.'


def cron_time(at: str) -> str:
    """A time as cron and Kubernetes take it. Raises UsageError."""
    text = " ".join(at.split())
    if text not in _MACROS and _expanded(text) is None:
        raise UsageError(f"--at is {at!r}. {_EXAMPLE}")
    return text


def calendar(at: str) -> str:
    """A time as OnCalendar= takes it; what is none of cron is left to systemd. Raises UsageError."""
    text = " ".join(at.split())
    if text in _MACROS:
        return text.removeprefix("@")
    fields = _expanded(text)
    if fields is None:
        return _foreign(at, text)
    if not (_is_any(text, _DAY) or _is_any(text, _WEEKDAY)):
        raise UsageError(
            f"--at is {at!r}: cron starts it on that day and on that weekday, and systemd where both are. Give --at as "
            "OnCalendar= takes it."
        )
    minutes, hours, days, months, weekdays = fields
    week = "" if _is_any(text, _WEEKDAY) else ",".join(_DAY_NAMES[day].title() for day in weekdays) + " "
    parts = [_listed(one, text, place) for place, one in ((_MONTH, months), (_DAY, days))]
    return f"{week}*-{'-'.join(parts)} {_listed(hours, text, 1)}:{_listed(minutes, text, 0)}:00"


def _foreign(at: str, text: str) -> str:
    """A calendar event in systemd's own words, as far as it can be one: at most weekday, date, time and zone."""
    if not _EVENT.fullmatch(text) or len(text.split()) >= _FIELDS:
        raise UsageError(f"--at is {at!r}. {_EXAMPLE}")
    return text


def _is_any(text: str, place: int) -> bool:
    return text.split()[place] == "*"


def _listed(values: list[int], text: str, place: int) -> str:
    return "*" if _is_any(text, place) else ",".join(f"{one:02}" for one in values)


def _expanded(text: str) -> list[list[int]] | None:
    """The numbers that each of the five fields stands for; None where they are not such fields."""
    fields = text.split(" ")
    if len(fields) != _FIELDS:
        return None
    found = [_values(field.lower(), place) for place, field in enumerate(fields)]
    return None if any(not one for one in found) else found


def _values(field: str, place: int) -> list[int]:
    """The numbers of a field; none where it is wrong. Sunday, which is 7 too, is 0."""
    least, most = _BOUNDS[place]
    found: set[int] = set()
    for item in field.split(","):
        matched = _ITEM.fullmatch(item)
        every, first, last, step = matched.groups() if matched else (None, None, None, "0")
        if step == "0" or (step and not (every or last)):  # what is not an item, or steps through nothing
            return []
        start = least if every else _number(first, place)
        stop = most if every else _number(last or first, place)
        if start is None or stop is None or not least <= start <= stop <= most:
            return []
        found |= set(range(start, stop + 1, int(step or 1)))
    return sorted({one % 7 for one in found} if place == _WEEKDAY else found)


def _number(text: str | None, place: int) -> int | None:
    return int(text) if text and text.isdigit() else _NAMES[place].get(text or "")
