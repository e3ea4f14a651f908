"""The key of an index, for whoever keeps it elsewhere: its file, or a copy of it. What `cyborg-ingest key` does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cyborg_ingest.errors import KeyFileError
from cyborg_ingest.settings import keys
from cyborg_ingest.targets import one_spelling
from cyborg_ingest.targets.keyring import find_key, origin, possible_key_files
from cyborg_ingest.targets.opening import target_of

if TYPE_CHECKING:
    from pathlib import Path

    from cyborg_ingest.settings.hidden import Hidden
    from cyborg_ingest.settings.options import TargetSettings


def key_of(settings: TargetSettings, index: str) -> Hidden[bytes]:
    """The key that a load would open the index with; the target is not asked. Raises KeyFileError."""
    target = one_spelling(target_of(settings))
    found = find_key(settings, target, index)
    if found is None:
        raise KeyFileError(f"No key of index {index!r} in {target} is known here. {origin(settings, target, index)}")
    return found


def key_file_of(settings: TargetSettings, index: str) -> Path:
    """The file that this key is in. Raises KeyFileError."""
    key_of(settings, index)
    target = one_spelling(target_of(settings))
    given = keys.origin_of(os.environ, keys.INDEX_KEY_VARIABLE, settings.index_key_file, settings.index_key_command)
    if given is None:
        return next(one.path for one in possible_key_files(settings, target, index) if one.find() is not None)
    if given.file is None:
        raise KeyFileError(
            f"The key of index {index!r} is that of {given.text}, which is not a file. To write it into one: "
            f"cyborg-ingest key export NAME --to FILE"
        )
    return given.file.absolute()
