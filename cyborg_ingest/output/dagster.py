"""Dagster Pipes: a load that Dagster has started tells it how it ended, as an asset that is materialized."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cyborg_ingest.errors import first_line
from cyborg_ingest.output.hearers import Hearer
from cyborg_ingest.settings.scrubbing import KNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cyborg_ingest.output.hearers import Ending

_VARIABLES = ("DAGSTER_PIPES_CONTEXT", "DAGSTER_PIPES_MESSAGES")


def is_there(environ: Mapping[str, str]) -> bool:
    """Whether Dagster has started this process, and waits for messages."""
    return all(environ.get(name) for name in _VARIABLES)


class Dagster(Hearer):
    """Opens the pipe when the load begins, and closes it when it has ended. What fails there is a note."""

    name = "Dagster"

    def __init__(self) -> None:
        self._pipes: Any = None
        self._fault: str | None = None

    def begin(self) -> None:
        """Say that we are there."""
        try:
            theirs: Any = importlib.import_module("dagster_pipes")
            # not `open_dagster_pipes`, which gives one for the whole process: each job has one of its own
            self._pipes = theirs.PipesContext(
                theirs.PipesEnvVarParamsLoader(), theirs.PipesDefaultContextLoader(), theirs.PipesDefaultMessageWriter()
            )
        except ImportError:
            self._fault = "dagster-pipes is not installed (pip install dagster-pipes)"
        except Exception as error:  # noqa: BLE001 - whatever it is, the load continues
            self._fault = first_line(error)

    def end(self, ending: Ending) -> Iterator[str]:
        """Say how it ended: only a load that is done has made an asset."""
        if self._pipes is None and self._fault is None:  # it has ended before it began
            self.begin()
        if self._pipes is not None:
            try:
                self._tell(ending)
            except Exception as error:  # noqa: BLE001 - the load has ended before, as it did
                self._fault = first_line(error)
        if self._fault is not None:
            yield f"Dagster was not told how the load ended: {self._fault}."

    def _tell(self, ending: Ending) -> None:
        result, failed = ending.result, None
        if not ending.is_done:
            words = KNOWN.scrub(str(result.get("error") or result["status"]))
            failed = {"message": words, "stack": [], "name": result["status"], "cause": None, "context": None}
        try:
            if failed is None and self._pipes.is_asset_step:
                self._pipes.report_asset_materialization(metadata=metadata_of(ending))
            else:
                self._pipes.report_custom_message(metadata_of(ending))
        finally:
            self._pipes.close(failed)


def metadata_of(ending: Ending) -> dict[str, Any]:
    """Numbers and codes, and where the report is."""
    result = ending.result
    found = {"status": result["status"], "exit_code": int(result["exit_code"]), "seconds": round(ending.seconds, 3)}
    found |= {f"rows_{state}": count for state, count in result.get("rows", {}).items()}
    found |= {f"rejected_{reason}": count for reason, count in result.get("rejects", {}).items()}
    return found | ({"report": str(ending.report)} if ending.report is not None else {})
