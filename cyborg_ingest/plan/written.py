"""What is written is never what is read: compared before anything is opened, and written whole or not at all.

Files are the same by what they are on the disk (device and inode), whatever they are called: through a link, a hard
link, another spelling. A file that is not there yet must not come to lie where a source would find it: the next run
would load it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cyborg_ingest import sources as places
from cyborg_ingest.errors import StateError, UsageError
from cyborg_ingest.formats import by_suffix
from cyborg_ingest.sources.patterns import Fit, Pattern, is_pattern
from cyborg_ingest.sources.tree import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import IO

    from cyborg_ingest.plan.reading import Plan
    from cyborg_ingest.settings.options import InspectSettings, LoadSettings, VerifySettings
    from cyborg_ingest.targets.keyring import KeyFile

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_OF_A_RUN = ("rejected.jsonl", "report.json", "log.jsonl", "samples.jsonl")
_OWN = ("journal.jsonl", "ended.jsonl", "ids", "job.json", "copied.json")
_STATE = (*_OWN, *(f"runs/run/{name}" for name in _OF_A_RUN))

_STREAMS = ("/dev", "/dev/fd", "/proc/self/fd")

_FileId = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Output:
    """A file that will be written; `what` names it in a sentence, and `advice` says how to have it elsewhere."""

    what: str
    path: Path
    advice: str


def named_output(what: str, path: Path) -> Output:
    """A file that an option names; `what` is the option with it."""
    return Output(what, _expanded(path), "Name another file.")


def differences_output(path: Path) -> Output:
    """The file of `verify --differences`. Raises UsageError where it cannot be one."""
    return file_output(f"--differences {path}", path)


def file_output(what: str, path: Path) -> Output:
    """A file that an option names, which a file can be; `what` is the option with it. Raises UsageError."""
    output = named_output(what, path)
    if _is(output.path.is_dir):
        raise UsageError(f"{output.what} is a directory. Name a file in it.")
    if not _is(output.path.parent.is_dir):
        raise UsageError(f"{output.what}: there is no directory {output.path.parent}. Make it first.")
    with _written(output, UsageError), contextlib.suppress(FileNotFoundError):
        output.path.lstat()  # a name that is too long is told now, and not when all is read
    return output


def _expanded(path: Path) -> Path:
    return Path(os.path.expanduser(path))  # noqa: PTH111 - a user that is not known is not an error here


def _is(question: Callable[[], bool]) -> bool:
    """The answer; no where the system has none, for a name that is too long or a folder that is not ours."""
    try:
        return question()
    except (OSError, ValueError):
        return False


def engine_outputs(target: str) -> list[Output]:
    """What the engine writes, where it is in this process and on this disk."""
    if not target.startswith("disk:"):
        return []
    file = Path(target.removeprefix("disk:"), "idx", "vectors", "MANIFEST")
    return [Output(f"{target}, where the engine keeps its files,", file, "Give another --target, or no --format.")]


def key_outputs(file: KeyFile) -> list[Output]:
    """The file that a new key is kept in, unless there is one."""
    if _is(file.path.exists):
        return []
    if file.is_named:
        return [named_output(f"--key-out {file.path}", file.path)]
    advice = "Let CYBORG_INGEST_CONFIG_DIR name another directory."
    return [Output(f"{file.path}, where a new key is kept,", file.path, advice)]


def state_outputs(folder: Path) -> list[Output]:
    """The files that a job keeps in its folder."""
    names = dict.fromkeys([*_STATE, *(str(one.relative_to(folder)) for one in _entries(folder))])
    return [
        Output(f"{folder / name}, where this job keeps its state,", folder / name, "Give another --state-dir.")
        for name in names
    ]


def _entries(folder: Path) -> list[Path]:
    try:
        return [one for one in (*folder.iterdir(), *folder.glob("runs/*/*")) if one.is_file()]
    except OSError:
        return []


def refuse_overwriting(
    outputs: Iterable[Output], plan: Plan, settings: LoadSettings | VerifySettings, target: str, key: Path | None
) -> None:
    """Raise UsageError where an output is a file that is read, or would be found as a source by the next run.

    `key` is where the index's key is kept, if it is; None where there is no place for one.
    """
    read = _read(plan, settings, key)
    for output in outputs:
        found = read.get(_id_of(output.path) or (0, 0))
        if found is not None:
            raise UsageError(f"{output.what} is the same file as {found}, which is read. {output.advice}")
        refuse_to_be_found(output, settings.sources, settings.format)
        engine = Path(target.removeprefix("disk:")) if target.startswith("disk:") else None
        if engine is not None and output.what.startswith("--") and _below(output.path, engine) is not None:
            raise UsageError(f"{output.what} lies in {engine}, which is the engine's own. {output.advice}")


def refuse_to_be_read(output: Output, settings: InspectSettings) -> None:
    """Raise UsageError where an output is a file that a source or an option names, or that a source would find."""
    sources = settings.sources
    own = _id_of(output.path)
    files = [
        Path(places.local_path(one.removeprefix("@"))) for one in sources if "://" not in one.removeprefix("file://")
    ]
    files += [one for one in (settings.ids, settings.metadata, settings.contents) if one is not None]
    same = next((one for one in files if own is not None and _id_of(_expanded(one)) == own), None)
    if same is not None:
        raise UsageError(f"{output.what} is the same file as {same}, which is read. {output.advice}")
    refuse_to_be_found(output, sources, settings.format)


def _read(plan: Plan, settings: LoadSettings | VerifySettings, key: Path | None) -> dict[_FileId, str]:
    """The files of this machine that are read, by what they are."""
    named = [uri for one in plan.sources for uri in one.layout.files or (one.layout.uri,)]
    given = (settings.ids, settings.metadata, settings.contents, settings.index_key_file, settings.api_key_file)
    files = [Path(uri) for uri in named if "://" not in uri and uri != places.STDIN]
    files += [Path(one.removeprefix("@")) for one in settings.sources if one.startswith("@")]
    files += [one for one in (*given, settings.ca_cert, key) if one is not None]
    files += [Path(os.environ[name]) for name in _BUNDLES if os.environ.get(name)]
    found = {_id_of(_expanded(one)): str(one) for one in files}
    if places.STDIN in named:
        found[_id_of(0, regular=True)] = "standard input"
    return {one: name for one, name in found.items() if one is not None}


def _id_of(file: Path | int, *, regular: bool = False) -> _FileId | None:
    """What a file is on its disk; None where it is not there (or, on request, where it is not a regular file)."""
    try:
        status = os.fstat(file) if isinstance(file, int) else file.stat()
    except (OSError, ValueError):
        return None
    return None if regular and not stat.S_ISREG(status.st_mode) else (status.st_dev, status.st_ino)


def refuse_to_be_found(output: Output, sources: Sequence[str], form: str | None) -> None:
    """Raise UsageError where these sources, all read as `form` or by their suffix, would find a file that is written.

    It need not be there yet. Raises SourceNotFoundError for a list that is not there.
    """
    if not form and not by_suffix(output.path.name):
        return
    for source in places.typed(sources):
        if "://" in source.removeprefix("file://") or source == places.STDIN:
            continue
        place, paths = Path(places.local_path(source)), _spellings(output.path)
        if place.absolute() in paths:
            raise UsageError(f"{output.what} is the same file as {source}, which is read. {output.advice}")
        if any(_finds(place, path) for path in paths):
            raise UsageError(
                f"{output.what} lies where {source} finds its files: the next run would load it. {output.advice}"
            )


def _spellings(path: Path) -> set[Path]:
    """A path as it is typed, and as it is without links."""
    return {path.absolute(), Path(os.path.realpath(path))}


def _finds(source: Path, path: Path) -> bool:
    """Whether a source as typed finds a file of this path, once it is there."""
    is_folder = _is(source.is_dir)
    if not is_folder and (_is(source.exists) or not is_pattern(str(source))):
        return False
    parts = source.parts
    fixed = next((number for number, part in enumerate(parts) if is_pattern(part) and not is_folder), len(parts))
    below = _below(path, Path(*parts[:fixed]))
    pattern = EVERYTHING if is_folder else Pattern(parts[fixed:])
    return below is not None and pattern.match(below) in {Fit.WHOLE, Fit.BELOW}


def _below(path: Path, folder: Path) -> tuple[str, ...] | None:
    """The names from a folder down to a path in it; None where it is elsewhere."""
    root = _id_of(folder)
    for parent in (path, *path.absolute().parents):
        if root is not None and _id_of(parent) == root:
            return path.absolute().relative_to(parent.absolute()).parts
    return None


@contextlib.contextmanager
def whole(output: Output) -> Iterator[Callable[[str], object]]:
    """A function that writes to a file, which appears under its name when all is well, readable by its owner alone.

    Raises UsageError where it cannot be made, StateError where it cannot be written.
    """
    path = output.path
    is_stream = str(path.parent) in _STREAMS  # what it leads to is open already, and may be a file
    if is_stream or (_is(path.exists) and not _is(path.is_file)):  # a pipe cannot be put in place
        with _written(output, UsageError):
            file = os.fdopen(os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC), "w", encoding="utf-8")
        with _closed(output, file):
            yield _writer(output, file.write)
        return
    final = Path(os.path.realpath(path))
    temporary = final.with_name(f".{secrets.token_hex(8)}.new")
    with _written(output, UsageError):
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        file = os.fdopen(handle, "w", encoding="utf-8")
        with _closed(output, file):
            yield _writer(output, file.write)
            with _written(output, StateError):
                file.flush()
                os.fsync(file.fileno())
        with _written(output, StateError):
            temporary.replace(final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _closed(output: Output, file: IO[str]) -> Iterator[None]:
    """The file is closed, which writes what is left of it. Raises StateError where that fails and nothing else did."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            file.close()
        raise
    with _written(output, StateError):
        file.close()


def _writer(output: Output, write: Callable[[str], object]) -> Callable[[str], object]:
    def writing(text: str) -> None:
        with _written(output, StateError):
            write(text)

    return writing


@contextlib.contextmanager
def _written(output: Output, kind: type[UsageError | StateError]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise kind(f"{output.what} cannot be written: {error.strerror or error}. {output.advice}") from None
