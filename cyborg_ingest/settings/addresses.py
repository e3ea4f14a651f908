"""The address of a state in an object store, as `--state-uri` takes it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from cyborg_ingest.buckets import refuse_secrets
from cyborg_ingest.errors import UsageError, masked

_SCHEMES = ("s3", "gs", "abfs")
_FORMS = "It is s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/PREFIX"
_ALIASES = {"gcs": "gs", "abfss": "abfs", "s3a": "s3"}


def state_address(text: Any) -> Any:
    """The address in one spelling; what is no text is for others to refuse. Raises UsageError."""
    if not isinstance(text, str):
        return text
    scheme, sep, rest = text.strip().partition("://")
    scheme = _ALIASES.get(scheme.lower(), scheme.lower())
    uri = f"{scheme}://{rest}"
    parts = urlsplit(uri) if sep and scheme in _SCHEMES else None
    if parts is None:
        why = "is in no store that is known"
    elif not parts.netloc or parts.netloc.startswith("@"):
        why = "names no bucket"
    else:
        refuse_secrets(uri, "state")
        names = parts.path.strip("/").split("/")
        if not (parts.query or parts.fragment or any(one in {"", ".", ".."} for one in names if names != [""])):
            return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        why = "has a prefix that cannot be one"
    raise UsageError(f"--state-uri {masked(text)!r} {why}. {_FORMS}.")
