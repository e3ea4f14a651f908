"""What `doctor` says: a line for each finding, with its remedy below."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.doctor.finding import Finding
    from cyborg_ingest.errors import ExitCode
    from cyborg_ingest.model import Json

_LEVEL, _SUBJECT = 6, 17


def line(one: Finding) -> Iterator[str]:
    """A finding."""
    yield f"{one.level.value:<{_LEVEL}}{one.subject:<{_SUBJECT}}{one.text}"
    if one.remedy:
        yield " " * (_LEVEL + _SUBJECT) + one.remedy


def summary(found: list[Finding]) -> str:
    """How many there are of each kind."""
    counts = {word: sum(one.level.value == word for one in found) for word in ("ok", "warn", "fail", "skip")}
    return f"{counts['ok']} ok, {counts['warn']} to look at, {counts['fail']} failed, {counts['skip']} not looked at"


def facts(found: list[Finding], code: ExitCode) -> Json:
    """The same as JSON."""
    status = "failed" if code else "ok"
    checks = [one.to_dict() for one in found]
    return {"schema_version": 1, "status": status, "exit_code": int(code), "checks": checks}
