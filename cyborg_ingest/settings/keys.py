"""The keys: read from the environment or a file, made, kept, found again; never shown."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import platformdirs

from cyborg_ingest.errors import ArgumentError, ArgumentTypeError, KeyFileError, NoHomeError, UsageError
from cyborg_ingest.private import Folder
from cyborg_ingest.settings.hidden import without_locals
from cyborg_ingest.settings.keycommands import printed_by
from cyborg_ingest.settings.keyforms import KEY_BYTES, from_hex, from_text, parsed, plain, usable
from cyborg_ingest.smallfiles import is_there, read_small

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cyborg_ingest.settings.hidden import Hidden

INDEX_KEY_VARIABLE = "CYBORG_INGEST_INDEX_KEY"
API_KEY_VARIABLE = "CYBORG_INGEST_API_KEY"
CONFIG_DIR_VARIABLE = "CYBORG_INGEST_CONFIG_DIR"

CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
"""The folder of a service's credentials, as systemd names it."""
CONTAINER_SECRETS = Path("/run/secrets")

LICENCE_VARIABLE = "CYBORGDB_API_KEY"
"""The embedded engine's licence, as CyborgDB names it; never the service's key."""

BUCKET_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
"""What of an object store's account is secret, as AWS names it."""

_KEYS = "keys"
_ELSEWHERE = f"let {CONFIG_DIR_VARIABLE} name another directory"
_ANOTHER = "name another file with --key-out"
_LONGEST_NAME = 120
_LARGEST = 65_536


@without_locals
def index_key(environ: Mapping[str, str], file: Path | None, command: str | None = None) -> bytes | None:
    """The index's key of 32 bytes, from the environment (64 hex digits), a file or a command; None if none is given.

    A file or a command goes before the environment, where it may also lie where systemd or a container has put it: see
    `delivered`. Raises KeyFileError, which never shows the key, and UsageError where both are given.
    """
    refuse_several({"--index-key-file": file, "--index-key-command": command})
    text = variable(environ, INDEX_KEY_VARIABLE) if file is None and command is None else None
    if command is not None:
        return parsed(printed_by(command, "--index-key-command"), "What --index-key-command prints")
    option = "--index-key-file"
    if not text and not file:
        file, option = delivered(environ, INDEX_KEY_VARIABLE), "The key in"
    if file:
        return parsed(_read(file, option), f"{option} {file}")
    if not text:
        return None
    key = from_hex(text.strip().encode())
    if key is None:
        raise KeyFileError(f"{INDEX_KEY_VARIABLE} is not 64 hex digits.")
    return usable(key, INDEX_KEY_VARIABLE)


@without_locals
def variable(environ: Mapping[str, str], name: str) -> str | None:
    """A variable's value; None where it is not set. Raises UsageError where it is empty: that is not absent."""
    text = environ.get(name)
    if text is not None and not text.strip():
        raise UsageError(f"{name} is set, and empty. Give it a value, or unset it.")
    return text


def refuse_several(given: Mapping[str, object]) -> None:
    """Raise UsageError where a key is given in two ways: which of them counts, nothing says."""
    options = [name for name, value in given.items() if value is not None]
    if len(options) > 1:
        raise two_ways(*options)


def two_ways(option: str, other: str) -> UsageError:
    """The error about a key that is given in two ways, of which none goes before the other."""
    return UsageError(f"Both {option} and {other} are given. Drop one.")


@without_locals
def given_index_key(name: str, key: Hidden[Any]) -> bytes:
    """The key of an index that a program gives: bytes, text, or a path. Raises ArgumentError, KeyFileError.

    `name` is that of the argument.
    """
    value = key.reveal()
    if isinstance(value, os.PathLike):
        return parsed(_read(Path(value), name), f"{name} {value}")
    if not isinstance(value, bytes | str):
        raise ArgumentTypeError(f"{name} is {type(value).__name__}; it takes bytes, hex or base64 text, or a Path")
    try:
        if isinstance(value, bytes):
            return parsed(value, name)
        return usable(found, name) if (found := from_text(value)) is not None else parsed(b"", name)
    except KeyFileError as error:
        hint = " A file is named by a pathlib.Path." if isinstance(value, str) else ""
        raise ArgumentError(f"{error}{hint}") from None


@without_locals
def given_api_key(name: str, key: Hidden[Any]) -> str | None:
    """The API key that a program gives: text, its bytes, or a path. Raises ArgumentError, KeyFileError."""
    value = key.reveal()
    if isinstance(value, os.PathLike):
        value = _read(Path(value), name)
    elif not isinstance(value, bytes | str):
        raise ArgumentTypeError(f"{name} cannot be {type(value).__name__}; it takes text, bytes or a Path")
    try:
        text = plain(value).decode() if isinstance(value, bytes) else value.strip()
    except UnicodeDecodeError:
        raise ArgumentError(f"{name} is not text") from None
    return _sendable(text, name) or None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a key comes from, in words, and the file that it is in, if it is in one."""

    text: str
    file: Path | None = None


def origin_of(environ: Mapping[str, str], name: str, file: Path | None, command: str | None) -> Origin | None:
    """Where the key of a variable is given: there, or by its options, or delivered; None where it is not."""
    stem = "--" + name.removeprefix("CYBORG_INGEST_").lower().replace("_", "-")
    if file is not None:
        return Origin(f"{stem}-file {file}", file)
    if command is not None:
        return Origin(f"{stem}-command")
    if name in environ:
        return Origin(name)
    found = delivered(environ, name)
    return None if found is None else Origin(str(found), found)


def delivered(environ: Mapping[str, str], name: str) -> Path | None:
    """The file in which systemd (`LoadCredential=`) or a container (`/run/secrets`) delivers a key; None without one.

    It is named as the variable is, in whichever letters, with `-` or `_`.
    """
    folders = [Path(one) for one in (environ.get(CREDENTIALS_VARIABLE),) if one] + [CONTAINER_SECRETS]
    for folder in folders:
        for spelled in (name, name.lower(), name.lower().replace("_", "-")):
            if is_there(folder / spelled):
                return folder / spelled
    return None


def readable_by_others(file: Path | None) -> bool:
    """Whether every user of the machine can read a file of keys."""
    with contextlib.suppress(OSError, ValueError):  # of what cannot be opened its reader says so
        return file is not None and stat.S_ISREG(mode := file.stat().st_mode) and bool(mode & stat.S_IROTH)
    return False


@without_locals
def api_key(environ: Mapping[str, str], file: Path | None, command: str | None = None) -> str | None:
    """The service's API key, from a file, a command or the environment; None if none is given. Raises KeyFileError."""
    refuse_several({"--api-key-file": file, "--api-key-command": command})
    text = variable(environ, API_KEY_VARIABLE) if file is None and command is None else None
    option = "--api-key-file"
    if text is None and file is None and command is None:
        file, option = delivered(environ, API_KEY_VARIABLE), "The key in"
    source = f"{option} {file}" if file else API_KEY_VARIABLE if text else "What --api-key-command prints"
    if file or command is not None:
        try:
            data = _read(file, option) if file else printed_by(str(command), "--api-key-command")
            text = plain(data).decode()
        except UnicodeDecodeError:
            raise KeyFileError(f"{source} is not text.") from None
        if not text.strip():
            raise KeyFileError(f"{source} is empty.")
    return _sendable((text or "").strip(), source) or None


def _sendable(text: str, source: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise KeyFileError(f"{source} holds characters that cannot be in an HTTP header.")
    return text


def _read(file: Path, option: str) -> bytes:
    try:
        return read_small(file, _LARGEST)
    except OSError as error:
        raise KeyFileError(f"{option} {file}: {error.strerror}.") from None
    except ValueError as error:
        raise KeyFileError(f"{option}: {error}.") from None


def kept_key_path(target: str, index: str) -> Path:
    """Where the key of an index that was created without one is kept."""
    return config_directory() / _KEYS / _file_name(target) / f"{_file_name(index)}.key"


def config_directory() -> Path:
    """Where the user's keys and configuration are. Raises NoHomeError where there is no such place."""
    configured = variable(os.environ, CONFIG_DIR_VARIABLE)
    return Path(configured) if configured else at_home(platformdirs.user_config_path, CONFIG_DIR_VARIABLE)


def at_home(place: Callable[[str], Path], variable: str) -> Path:
    """A directory of ours below the user's own. Raises NoHomeError where the user has none."""
    found = None
    with contextlib.suppress(RuntimeError):  # so say newer versions of platformdirs; older ones leave the ~
        found = place("cyborg-ingest")
    if found is None or not found.is_absolute():
        raise NoHomeError(f"There is no home directory to keep anything in. Set HOME, or {variable}.")
    return found


def _file_name(text: str) -> str:
    """A file name that no other text has, and that leads nowhere else."""
    name = quote(text, safe="").replace(".", "%2E")
    if len(name) > _LONGEST_NAME:
        digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()
        name = f"{name[:60]}%%{digest}"
    return name or "%"


def is_place_named() -> bool:
    """Whether the user says where keys are kept, be it by the directory. Raises UsageError."""
    return variable(os.environ, CONFIG_DIR_VARIABLE) is not None


def suggested_name(index: str) -> str:
    """A name for a file with the key of an index."""
    return f"{_file_name(index)}.key"


@without_locals
def find_kept_key(path: Path, *, is_named: bool = False) -> bytes | None:
    """The key kept at a path; None if there is none. `is_named`: by --key-out. Raises KeyFileError, UntrustedError."""
    what = f"--key-out {path}" if is_named else f"The kept key {path}"
    try:
        with _folder(path, make=False, is_named=is_named) as folder:
            data = folder.read(path.name, is_secret=True)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise KeyFileError(f"{what} cannot be read: {error.strerror}.") from None
    return None if data is None else parsed(data, what)


@without_locals
def keep_new_key(path: Path, *, is_named: bool = False, key: bytes | None = None) -> bytes:
    """Make a key and keep it: on disk before it is used, readable by its owner alone, never overwritten.

    Where one is kept already, also by a process that was faster, that one is returned. `is_named`: by --key-out, in a
    folder that has to be there. `key` is kept instead of a new one. Raises KeyFileError, UntrustedError.
    """
    key = key or secrets.token_bytes(KEY_BYTES)
    try:
        with (
            _folder(path, make=not is_named, is_named=is_named) as folder,
            contextlib.suppress(FileExistsError),
        ):
            folder.keep(path.name, key.hex().encode() + b"\n")
    except OSError as error:
        raise KeyFileError(
            f"A new key cannot be kept in {path}: {error.strerror}. The index was not created."
            + (" Name a file in a directory that is there, with --key-out." if is_named else "")
        ) from None
    return find_kept_key(path, is_named=is_named) or key


@without_locals
def make_key_file(path: Path) -> None:
    """Keep a new key in a new file, readable by its owner alone. Raises KeyFileError, UntrustedError."""
    export_to(path, secrets.token_bytes(KEY_BYTES))


@without_locals
def export_to(path: Path, key: bytes) -> None:
    """Keep a key in a new file, readable by its owner alone. Raises KeyFileError, UntrustedError."""
    try:
        with Folder.root(path.parent, "name a file in another directory", make=False) as folder:
            folder.keep(path.name, key.hex().encode() + b"\n")
    except FileExistsError:
        raise KeyFileError(f"{path} is there already, and a key is never overwritten: name a new file.") from None
    except OSError as error:
        raise KeyFileError(f"A key cannot be kept in {path}: {error.strerror}.") from None


def _folder(path: Path, *, make: bool, is_named: bool) -> Folder:
    """The folder of a kept key. Of ours, all from the configuration directory down to it are checked."""
    if is_named or path.parent.parent.name != _KEYS:
        return Folder.root(path.parent, _ANOTHER if is_named else _ELSEWHERE, make=make)
    with Folder.root(path.parents[2], _ELSEWHERE, make=make) as root, root.below(_KEYS, make=make) as all_keys:
        return all_keys.below(path.parent.name, make=make)
