"""What a load decides and opens before a row is sent: batches, the job's journal, the index, the first rows."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from cyborg_ingest import sources as places
from cyborg_ingest.errors import NoIndexError, UsageError
from cyborg_ingest.facts import Creating, Noted
from cyborg_ingest.plan.cutting import EMBEDDED_DEFAULTS, REST_DEFAULTS, chunk_rows
from cyborg_ingest.plan.job import describe_job
from cyborg_ingest.plan.parts import PartEnd
from cyborg_ingest.plan.raw_ids import check_ids
from cyborg_ingest.plan.written import engine_outputs, key_outputs, refuse_overwriting, state_outputs
from cyborg_ingest.rows.columns import only_dimension, usual_dimension
from cyborg_ingest.state.jobs import job_folder, state_directory
from cyborg_ingest.state.journal import Journal
from cyborg_ingest.targets.base import MAX_BODY
from cyborg_ingest.targets.keyring import possible_key_files
from cyborg_ingest.targets.opening import how_to_create, open_index, open_or_create

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from cyborg_ingest.facts import Emit
    from cyborg_ingest.loading.memory import Memory
    from cyborg_ingest.model import Chunk, Part
    from cyborg_ingest.plan.done import Done
    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.rows.batches import Cutting
    from cyborg_ingest.settings.options import LoadSettings
    from cyborg_ingest.targets.base import Client
    from cyborg_ingest.targets.opening import Opened
    from cyborg_ingest.targets.retrying import RetryingClient


def refuse_second_look(plan: Plan, verify: str) -> None:
    """Raise UsageError where a source would have to be read twice, and cannot be."""
    once = next((one.layout.uri for one in plan.sources if places.is_read_once(one.layout.uri)), None)
    if once is not None and verify in {"sample", "full"}:
        raise UsageError(
            f"--verify {verify} reads the sources again, and {once} can be read once only. --verify count does not."
        )


def refuse_a_part(plan: Plan, settings: LoadSettings) -> None:
    """Raise UsageError where a load goes by what was loaded before, and its sources are not files, or not whole."""
    by_place = {"--skip": settings.skip, "--limit": settings.limit, "--sample": settings.sample}
    if settings.only_new:
        _refuse_a_part("--only-new", by_place, plan)
    if settings.delete_missing:
        _refuse_a_part("--delete-missing", {"--where": settings.where, **by_place}, plan)


def _refuse_a_part(flag: str, choices: Mapping[str, object], plan: Plan) -> None:
    choice = next((name for name, value in choices.items() if value), None)
    if choice is not None:
        raise UsageError(f"{flag} has to see whole files, and {choice} leaves out rows of them. Drop one.")
    uris = [one.layout.uri for one in plan.sources]
    other = next((one for one in uris if places.is_read_once(one) or places.is_object(one)), None)
    if other is not None:
        raise UsageError(
            f"{flag} compares files with what was loaded before, and {other} is not a file. Save it in one, or leave "
            f"{flag} out."
        )


def cutting_of(client: Client, settings: LoadSettings, memory: Memory) -> Cutting:
    """How rows are cut into batches. Raises UsageError."""
    size = settings.batch_bytes
    if not client.is_embedded and size is not None and size > MAX_BODY:
        raise UsageError(f"--batch-bytes is {size}; a request to a service has at most {MAX_BODY} bytes.")
    defaults = EMBEDDED_DEFAULTS if client.is_embedded else REST_DEFAULTS
    return replace(defaults, rows=settings.batch_rows or defaults.rows, size=memory.request)


def folder_of(target: str, settings: LoadSettings) -> Path:
    """Where this job is kept; guards and pace are not part of what makes it this one."""
    description = describe_job(target, settings.index, settings.sources, settings)
    return job_folder(state_directory(settings.state_dir), description)


def refuse_outputs(client: Client, plan: Plan, settings: LoadSettings) -> None:
    """Raise UsageError where what a load writes is what it reads."""
    key = next(iter(possible_key_files(settings, client.target, settings.index)), None)
    outputs = engine_outputs(client.target)
    if settings.checkpoint and not settings.dry_run:
        outputs += state_outputs(folder_of(client.target, settings))
    if settings.create and key is not None:
        outputs += key_outputs(key)
    refuse_overwriting(outputs, plan, settings, client.target, key and key.path)


def open_journal(target: str, settings: LoadSettings, command: str | None) -> Journal | None:
    """The journal of this job, which is locked by now; None where none is kept. `command` resumes it."""
    if not settings.checkpoint or settings.dry_run:
        return None
    description = describe_job(target, settings.index, settings.sources, settings)
    folder = folder_of(target, settings)
    return Journal(folder, description, restart=settings.restart, is_locked=True, command=command)


def opened_index(
    client: RetryingClient,
    settings: LoadSettings,
    dimension: int | None,
    tell: Emit,
    command: str | None,
    before: Callable[[], object],
) -> Opened | None:
    """The index; None where a dry run would have created it. Raises NoIndexError.

    `before` comes before a new one is made, and keeps it from being made by what it raises.
    """
    if settings.create and not settings.dry_run:
        return open_or_create(client, settings, settings.index, dimension, tell, command, before)
    try:
        return open_index(client, settings, settings.index)
    except NoIndexError as error:
        if settings.create:
            tell(Creating(settings.index, dimension, settings.metric, settings.storage_precision))
            return None
        raise NoIndexError(f"{error} {how_to_create(settings, command)}") from None


def has_index(client: RetryingClient, settings: LoadSettings, tell: Emit) -> bool:
    """Whether there is an index that rows can be deleted from; it is said where there is none."""
    try:
        with open_index(client, settings, settings.index).index:
            return True
    except NoIndexError as error:
        tell(Noted(f"Nothing is deleted: {error}"))
        return False


def first_look(
    plan: Plan, cutting: Cutting, done: Callable[[Part], Done]
) -> tuple[int | None, int | None, Iterator[Chunk | PartEnd]]:
    """The dimension, by the schema or by most vectors of the first chunk; that of all of them; and all that is read.

    None is lost by looking. What can be read only once is looked at here. Raises MappingError.
    """
    chunks = plan.read(chunk_rows(plan, cutting), done)
    raw = {one.layout.uri: one for one in plan.sources if one.has_raw_ids and places.is_read_once(one.layout.uri)}
    if plan.dimension and not raw:
        return plan.dimension, None, chunks
    passed: list[Chunk | PartEnd] = []
    first = next(chunks, None)
    while first is not None and (isinstance(first, PartEnd) or first.is_passed):
        passed.append(first if isinstance(first, PartEnd) else first.emptied())
        first = next(chunks, None)
    if first is None:
        return plan.dimension, None, iter(passed)
    if first.part.uri in raw:
        check_ids(raw[first.part.uri], first)
    return plan.dimension or usual_dimension(first), only_dimension(first), chain([*passed, first], chunks)
