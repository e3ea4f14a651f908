"""From the arguments of a public function to what it gives back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cyborg_ingest import sources as places
from cyborg_ingest.api.calling import in_words_of_python
from cyborg_ingest.api.hearing import hearing
from cyborg_ingest.api.values import settings_of
from cyborg_ingest.settings.options import InspectSettings, LoadSettings, VerifySettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cyborg_ingest.check.inspection import Inspection
    from cyborg_ingest.loading.report import RunReport


def loaded(given: Mapping[str, Any]) -> RunReport:
    """A load."""
    from cyborg_ingest.loading.loader import run  # noqa: PLC0415 - what only looks need not import it

    with places.holding(places.one_by_one(given["sources"])) as names, hearing(given["progress"]) as emit:
        settings = settings_of(LoadSettings, {**given, **_of_objects(names, given), "sources": tuple(names)})
        return in_words_of_python(run(settings, emit))


def _of_objects(names: Sequence[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """What is not in a file cannot be resumed: a journal is kept for rows that may be rejected alone."""
    if not any(map(places.is_object, names)) or given["only_new"] or given["delete_missing"]:  # which are refused
        return {}
    return {"checkpoint": given["checkpoint"] and str(given["max_errors"]) not in {"0", "0%"}}


def verified(given: Mapping[str, Any]) -> dict[str, Any]:
    """A comparison."""
    from cyborg_ingest.check.verifier import verify  # noqa: PLC0415 - as above

    with places.holding(places.one_by_one(given["sources"])) as names, hearing(given["progress"]) as emit:
        return verify(settings_of(VerifySettings, {**given, "sources": tuple(names)}), emit)


def inspected(given: Mapping[str, Any]) -> Inspection:
    """A look."""
    from cyborg_ingest.check.inspecting import inspect  # noqa: PLC0415 - as above

    with places.holding(places.one_by_one(given["sources"])) as names, hearing(given["progress"]) as emit:
        return inspect(settings_of(InspectSettings, {**given, "sources": tuple(names)}), emit)
