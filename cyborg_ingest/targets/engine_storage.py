"""Where the engine keeps its indexes: a directory, or a bucket with the settings of AWS's variables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyborg_ingest import buckets
from cyborg_ingest.settings.keys import BUCKET_SECRETS

if TYPE_CHECKING:
    from cyborg_ingest.settings.scrubbing import Secrets


def path_of(target: str) -> Path | None:
    """The directory; None of a bucket."""
    return Path(target.removeprefix("disk:")) if target.startswith("disk:") else None


def storage_of(engine: Any, target: str, secrets: Secrets) -> Any:
    """The storage as the engine takes it; keys go into `secrets`."""
    path = path_of(target)
    if path is not None:
        return engine.StorageConfig.disk(str(path))
    bucket, _, prefix = target.removeprefix("s3://").partition("/")
    environment, access = os.environ, buckets.s3_access(os.environ)
    credentials = None
    for name in BUCKET_SECRETS:
        secrets.add(environment.get(name))
    if environment.get("AWS_ACCESS_KEY_ID") and environment.get("AWS_SECRET_ACCESS_KEY"):
        credentials = engine.S3Credentials(
            environment["AWS_ACCESS_KEY_ID"],
            environment["AWS_SECRET_ACCESS_KEY"],
            environment.get("AWS_SESSION_TOKEN") or None,
        )
    return engine.StorageConfig.s3(
        bucket,
        region=access.region,
        endpoint=access.endpoint,
        prefix=prefix,
        credentials=credentials,
    )
