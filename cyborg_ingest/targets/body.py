"""The bodies of requests, in pieces that are sent one after another.

Joining them would copy the vectors once more: half of a client's time is memory that it touches. The index's key is in
each, and in no variable that a traceback could show: see `settings/hidden.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pybase64

from cyborg_ingest.errors import ArgumentError
from cyborg_ingest.rows.values import dump_contents, dump_ids, dump_objects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    import numpy.typing as npt

    from cyborg_ingest.model import Json


class Pieces:
    """A body; its `repr` shows nothing of it."""

    _pieces: tuple[bytes, ...] = ()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    def __len__(self) -> int:
        return sum(map(len, self._pieces))

    def __bytes__(self) -> bytes:
        return b"".join(self._pieces)


class Asked(Pieces):
    """What a request asks of an index that is `named`, beside its rows."""

    def __init__(self, named: Mapping[str, str], more: Json) -> None:
        self._pieces = (orjson.dumps({**named, **more}),)


class Body(Pieces):
    """Rows of one upsert: `vectors` of shape (n, dim) as base64 of little-endian float32, the rest as JSON.

    Metadata and contents have an entry for every id, `null` or "" where there is none, so that nothing shifts
    onto another row. Raises ArgumentError for what JSON cannot hold.
    """

    def __init__(
        self,
        named: Mapping[str, str],
        ids: list[str],
        vectors: npt.NDArray[np.float32],
        metadata: list[Json | None] | None,
        contents: list[str | bytes | None] | None,
    ) -> None:
        try:
            pieces = [b'"batch":{"ids":%s,"dimension":%d' % (dump_ids(ids), vectors.shape[1])]
            if metadata is not None and any(metadata):
                pieces.append(b',"metadata":' + dump_objects(metadata))
            if contents is not None and any(contents):
                pieces.append(b',"contents":' + dump_contents(contents))
        except (ValueError, TypeError) as error:
            raise ArgumentError(f"a row cannot be sent as JSON: {error}") from None
        vectors_b64 = pybase64.b64encode(vectors.data)
        # what comes first goes out together: a packet more would carry it
        self._pieces = (_opened(named) + pieces[0], *pieces[1:], b',"vectors_b64":"', vectors_b64, b'"}}')


def _opened(named: Mapping[str, str]) -> bytes:
    """The beginning of an object with these fields."""
    return orjson.dumps(dict(named))[:-1] + (b"," if named else b"")
