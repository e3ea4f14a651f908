"""A load whose state is kept elsewhere: what is on this machine is a copy, and has a directory of its own."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyborg_ingest.settings.options import LoadSettings


@contextlib.contextmanager
def copied_state(settings: LoadSettings) -> Iterator[LoadSettings]:
    """The settings with the directory of the copy, where there is one. Raises UntrustedError, StateError.

    A dry run writes none that stays; where none can be written, there is one for as long as the load takes.
    """
    if settings.state_uri is None:
        yield settings
        return
    from cyborg_ingest.state.remote.copies import copy_place  # noqa: PLC0415 - few loads need it

    with copy_place(settings.state_uri, settings.state_dir, is_for_now=settings.dry_run) as (place, _):
        yield replace(settings, state_dir=place)
