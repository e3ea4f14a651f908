"""An object store, asked by `obstore`, whose requests may have conditions: the one place that knows this library.

Foreign errors become ours here: by their type, never by their text, and without what is secret in them.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cyborg_ingest.buckets import ADVICE, azure_access, gs_access, s3_access
from cyborg_ingest.errors import MissingExtraError, StateError, UsageError, printable
from cyborg_ingest.settings.scrubbing import KNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_CLIENT = {"connect_timeout": "5s", "timeout": "10s"}
_RETRIES = {"max_retries": 2, "retry_timeout": datetime.timedelta(seconds=10)}
_LONGEST_WORDS = 300
_QUERY = re.compile(r"\?\S+")
_FRESH = datetime.timedelta(minutes=10)
"""For so long credentials of a session are used before it is asked for them again."""


class TakenError(Exception):
    """An object is not as the condition of a request wants it: somebody else has written it."""


@dataclass(frozen=True, slots=True)
class Version:
    """Which one of the versions of an object it is, by what its store has for that."""

    tag: str | None
    number: str | None = None

    def condition(self) -> dict[str, str]:
        """As the library wants it."""
        return {name: one for name, one in (("e_tag", self.tag), ("version", self.number)) if one}


@dataclass(frozen=True, slots=True)
class Found:
    """An object that was read; `modified` by the clock of the store."""

    data: bytes
    version: Version
    modified: datetime.datetime


class Store:
    """What is below a prefix. All methods raise StateError where it does not answer, UsageError where it refuses."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._scheme = uri.partition(":")[0]
        self._store = _opened(uri)

    def read(self, path: str) -> Found | None:
        """An object; None where there is none."""
        import obstore  # noqa: PLC0415

        with self._translated(), contextlib.suppress(FileNotFoundError):
            found = obstore.get(self._store, path)
            return Found(bytes(found.bytes()), _version(found.meta), found.meta["last_modified"])
        return None

    def create(self, path: str, data: bytes) -> Version:
        """Write an object that is not there. Raises TakenError where it is."""
        return self._put(path, data, "create")

    def replace(self, path: str, data: bytes, version: Version) -> Version:
        """Write an object that still is of this version. Raises TakenError where it is not, or gone."""
        return self._put(path, data, version.condition())

    def write(self, path: str, data: bytes) -> datetime.datetime:
        """Write an object, whatever is there; the time by the clock of the store."""
        import obstore  # noqa: PLC0415

        self._put(path, data, "overwrite")
        with self._translated(), self._no_bucket():
            modified: datetime.datetime = obstore.head(self._store, path)["last_modified"]
            return modified

    def put(self, path: str, data: bytes) -> None:
        """The same, where nobody asks for the time."""
        self._put(path, data, "overwrite")

    def remove(self, paths: Sequence[str]) -> None:
        """Remove objects, as far as they are there."""
        import obstore  # noqa: PLC0415

        if paths:
            with self._translated(), contextlib.suppress(FileNotFoundError):
                obstore.delete(self._store, [*paths])

    def names(self, folder: str) -> list[str]:
        """The paths of all objects below a folder."""
        import obstore  # noqa: PLC0415

        with self._translated(), self._no_bucket():
            return [one["path"] for some in obstore.list(self._store, folder) for one in some]

    def folders(self, folder: str) -> list[str]:
        """The names of the folders in a folder."""
        import obstore  # noqa: PLC0415

        with self._translated(), self._no_bucket():
            found = obstore.list_with_delimiter(self._store, folder)
            return sorted(one.rstrip("/").rpartition("/")[2] for one in found["common_prefixes"])

    def check_conditions(self, path: str, data: bytes) -> None:
        """Raise UsageError where the store passes over conditions: two runs would then have one lock.

        The object is there and holds these bytes, which are all that a store which does so writes.
        """
        for condition in ("create", Version('"00000000000000000000000000000000"', "1").condition()):
            with contextlib.suppress(TakenError):
                self._put(path, data, condition)
                raise UsageError(
                    f"{self.uri}: this store writes an object though the request has a condition that does not hold "
                    "(If-None-Match, If-Match), so it cannot keep two runs apart. Use another store."
                )

    def _put(self, path: str, data: bytes, mode: Any) -> Version:
        import obstore  # noqa: PLC0415
        from obstore.exceptions import AlreadyExistsError, PreconditionError  # noqa: PLC0415

        with self._translated(), self._no_bucket():
            try:
                return _version(obstore.put(self._store, path, data, mode=mode, use_multipart=False))
            except (AlreadyExistsError, PreconditionError):
                raise TakenError(path) from None

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError  # noqa: PLC0415

        try:
            yield
        except (TakenError, FileNotFoundError):
            raise
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise UsageError(
                f"The store that keeps the state, {self.uri}, refuses this user: {_words(error)} "
                f"{ADVICE[self._scheme]} It has to read, list, write and delete objects below that prefix."
            ) from None
        except (BaseError, OSError, ValueError, RuntimeError) as error:
            raise StateError(
                f"The store that keeps the state, {self.uri}, cannot be reached: {_words(error)} "
                f"{ADVICE[self._scheme]} Run the same command again when it answers."
            ) from None

    @contextlib.contextmanager
    def _no_bucket(self) -> Iterator[None]:
        """What can be missing is the bucket alone."""
        try:
            yield
        except FileNotFoundError:
            kind = "container" if self._scheme == "abfs" else "bucket"
            raise UsageError(
                f"There is no such {kind}: {self.uri} is where the state is to be kept. Make it, or name another."
            ) from None


def _version(meta: Any) -> Version:
    return Version(meta.get("e_tag"), meta.get("version"))


def _words(error: BaseException) -> str:
    """The library's words in one line, without addresses that are signed."""
    text = " ".join(str(error).partition("Debug source")[0].split())
    return printable(KNOWN.scrub(_QUERY.sub("?***", text)))[:_LONGEST_WORDS].rstrip(". ") + "."


def _opened(uri: str) -> Any:
    try:
        import obstore  # noqa: F401, PLC0415
    except ImportError:
        raise MissingExtraError(
            "To keep state in a store takes obstore: pip install 'cyborg-ingest[state-uri]'."
        ) from None
    from obstore.exceptions import BaseError  # noqa: PLC0415

    scheme, parts = uri.partition(":")[0], urlsplit(uri)
    try:
        return _STORES[scheme](parts.netloc, parts.path.strip("/") or None, os.environ)
    except (BaseError, ValueError, OSError) as error:
        raise UsageError(f"{uri} cannot keep state: {_words(error)}") from None


def _s3(bucket: str, prefix: str | None, environment: Mapping[str, str]) -> Any:
    from obstore.store import S3Store  # noqa: PLC0415

    access = s3_access(environment)
    more: dict[str, Any] = {"endpoint": access.endpoint} if access.endpoint else {}
    if access.region:
        more["region"] = access.region
    if access.is_anonymous:
        more["skip_signature"] = True
    elif not environment.get("AWS_ACCESS_KEY_ID") and _has_profiles(environment):
        more["credential_provider"] = _profile()
    return S3Store(bucket, prefix=prefix, client_options=_client(access.endpoint), retry_config=_RETRIES, **more)


def _gs(bucket: str, prefix: str | None, environment: Mapping[str, str]) -> Any:
    from obstore.store import GCSStore  # noqa: PLC0415

    access = gs_access(environment)
    more: dict[str, Any] = {"skip_signature": True} if access.is_anonymous else {}
    endpoint = "://".join(access.emulator) if access.emulator else None
    if endpoint:  # which asks for none, but the library would ask the machine for them before it writes
        more = {"base_url": endpoint, "credential_provider": lambda: {"token": "none", "expires_at": None}}
    return GCSStore(bucket, prefix=prefix, client_options=_client(endpoint), retry_config=_RETRIES, **more)


def _abfs(netloc: str, prefix: str | None, environment: Mapping[str, str]) -> Any:
    from obstore.store import AzureStore  # noqa: PLC0415

    access = azure_access(netloc, environment)
    more = {"account_key": access.key, "sas_key": access.sas_token}
    endpoint = "://".join(access.emulator) + access.path if access.emulator else None
    return AzureStore(
        netloc.partition("@")[0],
        account_name=access.account,
        prefix=prefix,
        client_options=_client(endpoint),
        retry_config=_RETRIES,
        **{name: one for name, one in {**more, "endpoint": endpoint}.items() if one},
    )


_STORES: dict[str, Callable[[str, str | None, Mapping[str, str]], Any]] = {"s3": _s3, "gs": _gs, "abfs": _abfs}


def _client(endpoint: str | None) -> dict[str, Any]:
    return {**_CLIENT, "allow_http": True} if endpoint and endpoint.startswith("http://") else _CLIENT


def _has_profiles(environment: Mapping[str, str]) -> bool:
    """Whether credentials stand in the files of `aws`, which the library does not read."""
    names = [environment.get("AWS_SHARED_CREDENTIALS_FILE"), "~/.aws/credentials"]
    return bool(environment.get("AWS_PROFILE")) or any(Path(one).expanduser().is_file() for one in names if one)


def _profile() -> Callable[[], dict[str, Any]]:
    """Credentials as `aws` finds them, asked for anew from time to time."""
    try:
        import boto3  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError(
            "The credentials of AWS stand in a file (AWS_PROFILE, ~/.aws/credentials), and boto3 reads those: "
            "pip install boto3, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        ) from None
    session = boto3.Session()

    def credentials() -> dict[str, Any]:
        found = session.get_credentials()
        if found is None:
            raise ValueError("no credentials of AWS were found")
        now = found.get_frozen_credentials()
        until = datetime.datetime.now(datetime.timezone.utc) + _FRESH
        named = {"access_key_id": now.access_key, "secret_access_key": now.secret_key, "expires_at": until}
        return {**named, **({"token": now.token} if now.token else {})}

    return credentials
