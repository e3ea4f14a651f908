"""What a dry run finds: all that is wrong with the rows, and all that would keep them from the index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest.check.findings import Finding
from cyborg_ingest.check.inspection import index_findings
from cyborg_ingest.facts import Noted
from cyborg_ingest.targets.keyring import find_key, refusal
from cyborg_ingest.targets.opening import refusals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.settings.options import LoadSettings
    from cyborg_ingest.targets.base import Client
    from cyborg_ingest.targets.opening import Opened


def of_index(
    client: Client, opened: Opened, plan: Plan, rows: int, settings: LoadSettings
) -> Iterator[Finding | Noted]:
    """Whether so many rows go into an index that is there."""
    yield from index_findings(client, opened.info, opened.index.count(), plan.dimension, rows)
    for one in refusals(opened, client, settings):
        if one.code == "sole_writer":  # a dry run keeps no journal, which would know
            yield Noted(f"{one} The job that made the index need not.")
        else:
            yield Finding(one.code, one.text, one.advice)


def of_missing_index(client: Client, settings: LoadSettings, command: str | None) -> Iterator[Finding]:
    """What would keep the load from making it."""
    if find_key(settings, client.target, settings.index) is None:
        refused = refusal(settings, settings.index, command)
        if refused is not None:
            yield Finding("key_place", *refused)
