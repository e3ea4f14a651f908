"""The body of `POST /v1/vectors/upsert_binary`, in pieces that are sent one after another.

Joining them would copy the vectors once more: half of a client's time is memory that it touches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pybase64

from cyborg_ingest.errors import ArgumentError
from cyborg_ingest.rows.values import dump_contents, dump_ids, dump_objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

    from cyborg_ingest.model import Json


class Body:
    """Rows of one request: `vectors` of shape (n, dim) as base64 of little-endian float32, the rest as JSON.

    Metadata and contents have an entry for every id, `null` or "" where there is none, so that nothing shifts
    onto another row. Raises ArgumentError for what JSON cannot hold.
    """

    def __init__(
        self,
        named: dict[str, str],
        ids: list[str],
        vectors: npt.NDArray[np.float32],
        metadata: list[Json | None] | None,
        contents: list[str | bytes | None] | None,
    ) -> None:
        head = orjson.dumps(named)[:-1] + (b"," if named else b"")
        try:
            pieces = [b'%s"batch":{"ids":%s,"dimension":%d' % (head, dump_ids(ids), vectors.shape[1])]
            if metadata is not None and any(metadata):
                pieces.append(b',"metadata":' + dump_objects(metadata))
            if contents is not None and any(contents):
                pieces.append(b',"contents":' + dump_contents(contents))
        except (ValueError, TypeError) as error:
            raise ArgumentError(f"a row cannot be sent as JSON: {error}") from None
        self._pieces = (*pieces, b',"vectors_b64":"', pybase64.b64encode(vectors.data), b'"}}')
        self._size = sum(map(len, self._pieces))

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        return b"".join(self._pieces)
