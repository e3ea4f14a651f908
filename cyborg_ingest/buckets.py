"""How object stores are reached: credentials, region and endpoint, from the variables that their own tools read.

Whoever talks to one, with whichever library, goes by what is said here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cyborg_ingest.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

ADVICE = {
    "s3": "Look at AWS_REGION, AWS_ENDPOINT_URL and the AWS credentials (AWS_NO_SIGN_REQUEST=1: none).",
    "gs": "Look at GOOGLE_APPLICATION_CREDENTIALS (GS_NO_SIGN_REQUEST=1: none).",
    "abfs": "Look at AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN.",
}
ADVICE |= {"gcs": ADVICE["gs"], "abfss": ADVICE["abfs"]}
"""By scheme: what to look at where a store refuses."""


@dataclass(frozen=True, slots=True)
class S3Access:
    """`endpoint`: of another store than Amazon's, which then need not have regions."""

    is_anonymous: bool
    endpoint: str | None
    region: str | None


@dataclass(frozen=True, slots=True)
class GsAccess:
    """`emulator`: scheme and host of one, which asks for no credentials."""

    is_anonymous: bool
    emulator: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class AzureAccess:
    """An account, what opens it, and the endpoint of an emulator. No account and no key: those of the machine."""

    account: str
    key: str | None
    sas_token: str | None
    emulator: tuple[str, str] | None
    """Scheme and host."""
    path: str = ""
    """That of the emulator's endpoint."""


def s3_access(environment: Mapping[str, str]) -> S3Access:
    """As `aws` has it."""
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    is_anonymous = _is_on(environment.get("AWS_NO_SIGN_REQUEST"))
    return S3Access(is_anonymous, endpoint or None, region or ("us-east-1" if endpoint else None))


def gs_access(environment: Mapping[str, str]) -> GsAccess:
    """As `gcloud` has it, and the emulators."""
    emulator = environment.get("STORAGE_EMULATOR_HOST")
    if emulator:
        scheme, _, host = emulator.rpartition("://")
        return GsAccess(is_anonymous=True, emulator=(scheme or "http", host))
    return GsAccess(_is_on(environment.get("GS_NO_SIGN_REQUEST")), None)


def azure_access(netloc: str, environment: Mapping[str, str]) -> AzureAccess:
    """As `az` has it; the account may stand in the address. Raises ValueError where there is none."""
    string = environment.get("AZURE_STORAGE_CONNECTION_STRING", "")
    said = dict(part.split("=", 1) for part in string.split(";") if "=" in part)
    account = netloc.rpartition("@")[2].partition(".")[0] if "@" in netloc else ""
    account = account or environment.get("AZURE_STORAGE_ACCOUNT") or environment.get("AZURE_STORAGE_ACCOUNT_NAME") or ""
    account = account or said.get("AccountName", "")
    if not account:
        raise ValueError("no account: name it as abfs://container@account.dfs.core.windows.net/path, or in "
                         "AZURE_STORAGE_ACCOUNT or AZURE_STORAGE_CONNECTION_STRING.")  # fmt: skip
    key = environment.get("AZURE_STORAGE_KEY") or environment.get("AZURE_STORAGE_ACCOUNT_KEY") or said.get("AccountKey")
    token = None if key else environment.get("AZURE_STORAGE_SAS_TOKEN")
    endpoint = urlsplit(said.get("BlobEndpoint", ""))
    emulator = (endpoint.scheme, endpoint.netloc) if endpoint.port else None
    return AzureAccess(account, key or None, token or None, emulator, endpoint.path if emulator else "")


def refuse_secrets(uri: str, what: str) -> None:
    """Raise UsageError where an address of a store, which is a `what`, holds a user or password."""
    parts, scheme = urlsplit(uri), uri.partition(":")[0]
    if parts.password or (parts.username and scheme in {"s3", "gs", "gcs"}):
        raise UsageError(f"A {scheme}:// {what} holds a user or password. Give them as environment variables.")


def _is_on(value: str | None) -> bool:
    return (value or "").lower() in {"1", "true", "yes", "on"}
