"""The key of an index: where it is looked for, and where that of a new one goes."""

from __future__ import annotations

import contextlib
import os
import shlex
from typing import TYPE_CHECKING, NamedTuple

from cyborg_ingest.errors import NoHomeError, UsageError
from cyborg_ingest.settings import keys
from cyborg_ingest.settings.commands import with_options
from cyborg_ingest.settings.hidden import Hidden, hidden, revealed
from cyborg_ingest.settings.options import CreateSettings
from cyborg_ingest.settings.scrubbing import KNOWN
from cyborg_ingest.targets import as_spelled

if TYPE_CHECKING:
    from pathlib import Path

    from cyborg_ingest.settings.options import TargetSettings


NOWHERE = "there is no home directory where one could be kept"


class KeyFile(NamedTuple):
    """A file for the key of an index; `is_named`: by --key-out."""

    path: Path
    is_named: bool

    def find(self) -> Hidden[bytes] | None:
        """The key that is kept there, if one is. Raises KeyFileError, UntrustedError."""
        return hidden(keys.find_kept_key(self.path, is_named=self.is_named))

    def keep(self, key: Hidden[bytes] | None) -> Hidden[bytes]:
        """Keep this key there, or a new one. Returns what is kept there then. Raises KeyFileError, UntrustedError."""
        return Hidden(keys.keep_new_key(self.path, is_named=self.is_named, key=revealed(key)))


def possible_key_files(settings: TargetSettings, target: str, index: str) -> list[KeyFile]:
    """Where the key of an index may be kept, the file of a new one first; no file where the user has no home."""
    named = key_out(settings)
    spelled = dict.fromkeys((target, as_spelled(settings.target or target)))  # earlier versions told spellings apart
    kept = [] if named is None else [KeyFile(named, is_named=True)]
    with contextlib.suppress(NoHomeError):
        kept += [KeyFile(keys.kept_key_path(one, index), is_named=False) for one in spelled]
    return kept


def key_out(settings: TargetSettings) -> Path | None:
    """The file that is named for a new key."""
    named = settings.key_out if isinstance(settings, CreateSettings) else None
    return None if named is None else named.absolute()


def find_key(settings: TargetSettings, target: str, index: str) -> Hidden[bytes] | None:
    """The index's key: given, or kept from its creation. None: a KMS holds it, or there is none yet."""
    found = _given(settings)
    if found is not None and key_out(settings) is not None:
        raise UsageError("--key-out is for a key that is made, and the index's key is given already: drop one.")
    for file in possible_key_files(settings, target, index):
        found = found or file.find()
    KNOWN.add(revealed(found))
    return found


def _given(settings: TargetSettings) -> Hidden[bytes] | None:
    """The key that a program or the user gives. What a program passes wins over the environment."""
    if settings.index_key is None:
        return hidden(keys.index_key(os.environ, settings.index_key_file, settings.index_key_command))
    keys.refuse_several(
        {
            "index_key": True,
            "--index-key-file": settings.index_key_file,
            "--index-key-command": settings.index_key_command,
        }
    )
    return Hidden(keys.given_index_key("index_key", settings.index_key))


def origin(settings: TargetSettings, target: str, index: str) -> str:
    """Where the key came from that an index does not take, or where none was found: the next step of such an error."""
    if settings.index_key is not None:
        return "The key that was tried is that of index_key."
    given = keys.origin_of(os.environ, keys.INDEX_KEY_VARIABLE, settings.index_key_file, settings.index_key_command)
    if given is not None:
        return f"The key that was tried is that of {given.text}."
    looked_at = possible_key_files(settings, target, index)
    if not looked_at:
        return f"None is given, and {NOWHERE}. Give one with --index-key-file."
    kept = next((file for file in looked_at if file.find() is not None), None)
    if kept is not None:
        where = f"--key-out {kept.path}" if kept.is_named else kept.path
        return f"The key that was tried is kept in {where}."
    return f"None is kept in {' or '.join(str(file.path) for file in looked_at)}."


def make_key(
    settings: CreateSettings, target: str, index: str, command: str | None
) -> tuple[Hidden[bytes], KeyFile | None]:
    """The key of an index that is to be created; and its file, if this has put it there: on the disk already.

    One that is kept elsewhere goes to --key-out too. `command` is the command line, where there is one. Raises
    UsageError, KeyFileError, UntrustedError.
    """
    found, file = find_key(settings, target, index), next(iter(possible_key_files(settings, target, index)), None)
    if found is not None and not (file and file.is_named and file.find() is None):
        return found, None
    refused = refusal(settings, index, command)
    if refused is not None:
        raise UsageError(" ".join(refused))
    file = file or KeyFile(keys.kept_key_path(target, index), is_named=False)  # raises NoHomeError
    key = file.keep(found)
    KNOWN.add(key.reveal())
    return key, file


def refusal(settings: CreateSettings, index: str, command: str | None) -> tuple[str, str] | None:
    """What keeps a key from being made, and the next step: nobody would know where it is."""
    if settings.key_out or settings.at_terminal or settings.kms_name or keys.is_place_named():
        return None
    name = keys.suggested_name(index)
    how = with_options(command, "--key-out", name) if command else f"pass key_out={name!r}"
    why = (
        f"Index {index!r} needs a key, and without a terminal no key is kept in a place that nobody is told of: "
        "without its key an index cannot be read."
    )
    return why, f"Say where to keep it, on a disk that stays: {how}"


def where_kept(file: KeyFile, index: str) -> str:
    """What there is to know of a new key."""
    how = f" Other commands take it with --index-key-file {shlex.quote(str(file.path))}." if file.is_named else ""
    return f"A new key for index {index!r} is kept in {file.path}. Back it up: without it nothing can be read.{how}"


def key_file(settings: TargetSettings) -> Path | None:
    """The file of the key for another command, where this one was told of one."""
    named = key_out(settings)
    made = named if named is not None and named.exists() else None  # not written for an index that was there already
    return settings.index_key_file or made


def as_options(settings: TargetSettings) -> list[str]:
    """How another command is told of the key that this one was told of by a file."""
    file = key_file(settings)
    if settings.index_key_command is not None:
        return ["--index-key-command", settings.index_key_command]
    return [] if file is None else ["--index-key-file", str(file)]
