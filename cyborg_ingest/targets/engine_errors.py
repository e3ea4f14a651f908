"""What an error of the engine means.

Every error of the engine is a plain ValueError (sometimes a TypeError or RuntimeError); this is the one place
where they are told apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cyborg_ingest.errors import (
    AccessError,
    CapReachedError,
    IndexBusyError,
    IndexExistsError,
    IndexKeyError,
    IngestError,
    NoIndexError,
    RefusedError,
    StorageError,
    TargetError,
    UsageError,
)
from cyborg_ingest.settings.keys import LICENCE_VARIABLE
from cyborg_ingest.targets.terms import plain

if TYPE_CHECKING:
    from cyborg_ingest.settings.scrubbing import Secrets

_ECHO = "Invoked with:"
"""Behind this a binding lists the arguments of a call that it refuses: keys, vectors, everything."""

_LOCKED = (
    "Another process has it open, perhaps a service on this directory: stop that one, or load through the "
    "service with --target http://HOST:PORT."
)

_ITS_OWN = "Give its own by CYBORG_INGEST_INDEX_KEY or --index-key-file."


class _Meaning(NamedTuple):
    """What the engine says -> the error, and what to do. The first that fits counts; all else may be a row's fault.

    `plain` is said in place of the engine's own words, where these are of its inside.
    """

    words: str
    kind: type[TargetError | UsageError]
    advice: str
    plain: str = ""


_MEANINGS = tuple(_Meaning(*one) for one in (
    ("is locked by another", IndexBusyError, _LOCKED),
    ("does not exist at the configured storage target", NoIndexError, "", "there is no such index"),
    ("No KMS blob exists", NoIndexError, "", "there is no such index"),
    ("Failed to load wrapped DEK", NoIndexError, "It was deleted, or its creation was cut short.", "it is not whole"),
    ("already exists", IndexExistsError, ""),
    ("does not authenticate the stored wrap", IndexKeyError, _ITS_OWN, "this is not the key of the index"),
    ("index_key", IndexKeyError, "An index key has 32 bytes, not all zero."),
    ("Index key", IndexKeyError, "An index key has 32 bytes, not all zero."),
    ("permission denied", AccessError, ""),
    ("check your API key", AccessError, f"{LICENCE_VARIABLE} is not a valid licence; without it the free tier works."),
    ("Item limit reached", CapReachedError, f"Load into another index, or set {LICENCE_VARIABLE} to a licence."),
    ("S3 endpoint must", UsageError, "AWS_ENDPOINT_URL is the address of a bucket's store: http(s)://HOST:PORT."),
    ("NoSuchBucket", StorageError, "Create the bucket, or name another."),
    ("(http 403)", AccessError, "The store refuses: look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."),
    ("(http -1)", StorageError, "The store does not answer: look at AWS_ENDPOINT_URL, AWS_REGION and the network."),
    ("competing writer", StorageError, "Another process writes to it: a bucket has no lock, so only one may."),
    ("[IoError]: s3", StorageError, "Look at the bucket, AWS_REGION and the credentials' rights."),
    ("IoError", StorageError, "Look at the disk's free space and permissions."),
    ("Corruption", StorageError, ""),
))  # fmt: skip


class Border:
    """Turns whatever the engine raises into our errors, with its own words; keys are taken out of them.

    Its frames, which hold them too, are passed on with no error.
    """

    def __init__(self, doing: str, secrets: Secrets) -> None:
        self._doing = doing
        self._secrets = secrets

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, IngestError | KeyboardInterrupt | SystemExit | GeneratorExit):
            raise error.with_traceback(None)
        if error is not None:  # a binding may raise anything, and some derive from BaseException
            raise _error(self._doing, error, self._secrets) from None


def _error(doing: str, error: BaseException, secrets: Secrets) -> IngestError:
    """What an error of the engine means. By its type where that tells something, else by its words."""
    words = secrets.scrub(str(error).partition(_ECHO)[0].strip()) or type(error).__name__
    said = f"{doing}: {plain(words).rstrip('.')}."
    if isinstance(error, MemoryError):
        return TargetError(f"{doing}: this process has no memory left. Smaller requests need less: --batch-rows.")
    if isinstance(error, OSError):
        return StorageError(said)
    if not isinstance(error, ValueError | TypeError | RuntimeError):
        return TargetError(f"{doing}: the engine failed with {type(error).__name__} ({words.rstrip('.')}).")
    for one in _MEANINGS if not isinstance(error, TypeError) else ():
        if one.words in words:
            told = f"{doing}: {one.plain}." if one.plain else said
            return one.kind(f"{told} {one.advice}".rstrip())
    return RefusedError(said)
