"""How a service is: which version it has, how fast it answers, and what its clock says."""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cyborg_ingest.targets.rest import RestClient


@dataclass(frozen=True, slots=True)
class Health:
    """`skew`: seconds that the service's clock is ahead of ours, to one or two; None where it tells no time."""

    version: str | None
    seconds: float
    skew: float | None


def health_of(client: RestClient) -> Health:
    """Ask a service how it is, which needs no key. Raises TargetError."""
    began = time.monotonic()
    answer = client.answer("/v1/health", None)
    seconds = time.monotonic() - began
    said: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        said = json.loads(answer.content)
    version = said.get("version") if isinstance(said, dict) else None
    return Health(
        version if isinstance(version, str) else None, seconds, _skew(answer.headers.get("Date", ""), seconds)
    )


def _skew(date: str, seconds: float) -> float | None:
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        there = email.utils.parsedate_to_datetime(date)
        if there.tzinfo is not None:
            here = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds / 2)
            return (there - here).total_seconds()
    return None
