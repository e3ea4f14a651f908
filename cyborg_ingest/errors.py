"""Every error that cyborg-ingest raises on purpose, in one tree; the exit code stands on the class.

2 says that no row was taken: a load that meets such an error once some were ends with 3.

::

    IngestError
    ├── UsageError                2    decided from options, file names, headers, schema or keys
    │   ├── ArgumentError         2    a wrong argument of a client method; also a ValueError
    │   │   └── ArgumentTypeError 2    the same, where the type is wrong; also a TypeError
    │   ├── SourceNotFoundError   2    no such file, nothing in the directory
    │   ├── FormatError           2    not a file of that format, or one that cannot be loaded
    │   │   └── EmptySourceError  2    no row in it
    │   ├── MappingError          2    which column is what cannot be decided, or does not fit
    │   ├── ConfigurationError    2    the configuration file: not TOML, an unknown key, a value that does not fit
    │   ├── NoHomeError           2    the user has no home directory, and names no other place
    │   ├── KeyFileError          2    a key is missing, unreadable or malformed
    │   ├── UntrustedError        2    a folder or file of ours that somebody else made, or can write to
    │   └── MissingExtraError     2    an optional package is not installed
    ├── SourceError               3    a source is damaged: it broke off while it was read
    │   └── SourceChangedError    3    a source is not the one that was planned, or that was read before
    ├── StateError                3    the state directory, or where else state is kept, cannot be written
    │   ├── JobBusyError          75   another process runs this job
    │   └── LockLostError         3    another process has taken this job over
    ├── TargetError               3    the target refuses or is gone; also a ValueError
    │   ├── RefusedError          3    it refused this request, and a row may be to blame (400, 422, engine)
    │   ├── TooLargeError         3    the request is larger than the target takes (413)
    │   ├── AccessError           2    a key is wrong or may not do this (401, 403)
    │   │   └── IndexKeyError     2    it is the index's own: missing, wrong, or one too many
    │   ├── NoIndexError          2    no such index (404)
    │   │   └── NoIndexOrKeyError 2    that, or a key that does not open it: the target does not say which (404)
    │   ├── IndexExistsError      2    an index of this name is there already
    │   ├── CapReachedError       2    the free tier's limit of items per index
    │   ├── StorageError          3    a full disk, an unreachable bucket
    │   │   └── IndexBusyError    75   another process has the index open, or works on it
    │   ├── LostRowsError         3    rows that an earlier run loaded are gone or changed: only --restart helps
    │   ├── MiscountError         5    it says that it took another number of rows than it was sent
    │   └── RetryableError        3    may succeed later: see `retry_after` and `outcome_unknown`
    │       ├── ThrottledError    3    429
    │       ├── UnavailableError  3    408, 500, 502, 503, 504
    │       └── ConnectionLostError 3  nothing came back, or no answer of such a service
    │           └── OversizedAnswerError 3  more came back than such an answer can have
    ├── BadRowError               4    a bad row, or more of them than --max-errors allows
    ├── TooManyMissingError       4    more rows have left the sources than --max-delete allows
    ├── DifferenceError           5    what the index holds, counts or says is not what was sent
    └── StoppedError     6, 130, 143   stopped by --max-duration, or a signal; the same command resumes
"""

from __future__ import annotations

import enum
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyborg_ingest.loading.report import RunReport


UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's classes of what moves a cursor, breaks a line, turns the text around, or is not a character at all."""


def printable(text: str) -> str:
    r"""A line as a person may see it: what a name or another program put in is shown, and not obeyed.

    Bytes of a file's name that are not UTF-8 become `\xff`, and control characters escapes like `\n`.
    """
    if text.isprintable():
        return text
    return "".join(_escaped(one) if unicodedata.category(one) in UNSEEN else one for one in text)


def _escaped(one: str) -> str:
    number = ord(one)
    is_byte = 0xDC80 <= number <= 0xDCFF  # noqa: PLR2004 - how Python keeps a byte that is not UTF-8
    return f"\\x{number - 0xDC00:02x}" if is_byte else one.encode("unicode_escape").decode("ascii")


_USER = re.compile(r"^((?:[A-Za-z][A-Za-z0-9+.-]*:)?/{0,3})(?:[^/?#]*|[^@]*:.*)@", re.DOTALL)
_VALUES = re.compile(r"(?<=[?&;#])([^=&;#\s]+)=[^&;#\s]*")


def masked(address: str) -> str:
    """An address without the secrets that may be in it: user and password, and what stands behind `?name=`."""
    return _VALUES.sub(r"\1=***", _USER.sub(r"\1***@", address))


class ExitCode(enum.IntEnum):
    """What the process says to its caller; the numbers stay once released."""

    OK = 0
    REJECTED = 1
    USAGE = 2
    FAILED = 3
    BAD_ROWS = 4
    DIFFERENT = 5
    BOX_REACHED = 6
    BUG = 70
    BUSY = 75
    INTERRUPTED = 130
    TERMINATED = 143


class IngestError(Exception):
    """The base of all. `str(error)` is one or two lines: what, where, the next step."""

    exit_code = ExitCode.FAILED
    report: RunReport | None = None
    """What a load had done until then."""


class UsageError(IngestError):
    """Decided before any row was sent, from options, file names, headers, schema or keys."""

    exit_code = ExitCode.USAGE


class NoHomeError(UsageError):
    """The user has no home directory, and nothing says where else to keep things."""


class ArgumentError(UsageError, ValueError):
    """An argument of a client method has a wrong value."""


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument of a client method has a wrong type."""


class SourceNotFoundError(UsageError):
    """There is no such file, or nothing in the directory that can be read."""


class FormatError(UsageError):
    """The file is not of its format, or holds what cannot be loaded (a pickle, a 3-D array)."""


class EmptySourceError(FormatError):
    """There is no row in it."""


class Unmapped(str, enum.Enum):
    """What of the columns cannot be decided, or does not fit."""

    COLUMNS = "columns"
    """Which of a source is what, or one that is named and cannot be it."""
    DIMENSIONS = "dimensions"
    """The sources have vectors of several, or of another than the index."""


class MappingError(UsageError):
    """Which column is id, vector, metadata or contents cannot be decided, or does not fit.

    `uri` names the source, where it is about one.
    """

    def __init__(self, message: str, *, uri: str | None = None, code: Unmapped = Unmapped.COLUMNS) -> None:
        super().__init__(message)
        self.uri = uri
        self.code = code


class ConfigurationError(UsageError):
    """The configuration file is not TOML, names what is not there, or holds a value that its option does not take."""


class KeyFileError(UsageError):
    """A key is missing, cannot be read, or is not a key."""


class UntrustedError(UsageError):
    """A folder or file of ours is a link, of another user, or open to others; the message says how to fix it."""


class MissingExtraError(UsageError):
    """An optional package is not installed; the message names the extra."""


class SourceError(IngestError):
    """A source is damaged: it broke off while it was read."""


class SourceChangedError(SourceError):
    """A source is another than when it was first looked at: replaced, cut, or written to. `uri` names it."""

    def __init__(self, message: str, uri: str) -> None:
        super().__init__(message, uri)
        self.uri = uri

    def __str__(self) -> str:
        return str(self.args[0])


class StateError(IngestError):
    """The state directory cannot be written, or the store that state is kept in does not answer."""


class JobBusyError(StateError):
    """Another process runs this job: of this host, or where its state is kept elsewhere of any."""

    exit_code = ExitCode.BUSY


class LockLostError(StateError):
    """Another process has taken this job over, since nothing was heard of this one."""


class TargetError(IngestError, ValueError):
    """The target refuses or is gone. Holds the target's own words, never a key."""


class RefusedError(TargetError):
    """The target refused this request, and a row in it may be to blame."""


class LostRowsError(TargetError):
    """Rows that an earlier run of the load was told of are no longer in the index: it can only be started again."""


class TooLargeError(TargetError):
    """The request is larger than the target takes: halve it."""


class AccessError(TargetError):
    """A key is missing or wrong, or does not permit this."""

    exit_code = ExitCode.USAGE


class IndexKeyError(AccessError):
    """The index's own key is missing or wrong, or given although a KMS keeps it."""


class NoIndexError(TargetError):
    """No such index."""

    exit_code = ExitCode.USAGE


class NoIndexOrKeyError(NoIndexError):
    """No such index, or one that the key does not open: the target does not say which."""


class IndexExistsError(TargetError):
    """An index of this name is there already."""

    exit_code = ExitCode.USAGE


class CapReachedError(TargetError):
    """The free tier's limit of items per index."""

    exit_code = ExitCode.USAGE


class StorageError(TargetError):
    """The target's storage fails: a full disk, no bucket."""


class IndexBusyError(StorageError):
    """Another process has the index open, or works on it."""

    exit_code = ExitCode.BUSY


class MiscountError(TargetError):
    """The target says that it took another number of rows than it was sent: what it holds is not known."""

    exit_code = ExitCode.DIFFERENT


class RetryableError(TargetError):
    """May succeed when tried again.

    `retry_after` is the wait in seconds that the target asked for, if it did. `outcome_unknown` says
    that the request may have been applied, now or later.
    """

    def __init__(
        self, message: str, *, cause: str, retry_after: float | None = None, outcome_unknown: bool = False
    ) -> None:
        super().__init__(message)
        self.cause = cause
        self.retry_after = retry_after
        self.outcome_unknown = outcome_unknown

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), str(self), self.cause, self.retry_after, self.outcome_unknown)


def _rebuild(
    kind: type[RetryableError], message: str, cause: str, retry_after: float | None, outcome_unknown: bool
) -> RetryableError:
    return kind(message, cause=cause, retry_after=retry_after, outcome_unknown=outcome_unknown)


class ThrottledError(RetryableError):
    """429: all senders wait."""


class UnavailableError(RetryableError):
    """408, 500, 502, 503 or 504."""


class ConnectionLostError(RetryableError):
    """No answer came: refused, reset, timed out, or cut short."""


class OversizedAnswerError(ConnectionLostError):
    """An answer is larger than what was asked for can be."""


class BadRowError(IngestError):
    """A row cannot be loaded, or more rows than `--max-errors` allows."""

    exit_code = ExitCode.BAD_ROWS


class TooManyMissingError(IngestError):
    """More rows have left the sources than `--max-delete` allows: none is deleted."""

    exit_code = ExitCode.BAD_ROWS


class DifferenceError(IngestError):
    """What the index holds, counts or says is not what was sent."""

    exit_code = ExitCode.DIFFERENT


class StoppedError(IngestError):
    """Stopped by a signal, or since its time was over, after recording what was acknowledged."""

    exit_code = ExitCode.INTERRUPTED

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.INTERRUPTED) -> None:
        super().__init__(message, exit_code)
        self.exit_code = exit_code

    def __str__(self) -> str:
        return str(self.args[0])


def first_line(error: BaseException) -> str:
    """What a foreign error says in its first line, without a full stop; what it is where it says nothing."""
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
