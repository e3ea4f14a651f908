"""What goes between a process and the one that it reads for: a header in JSON, and behind it bytes as they are."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt
    from typing_extensions import Buffer

    Bytes = npt.NDArray[np.uint8]

_LENGTH_BYTES = 4
_LARGEST_HEADER = 1 << 24
_SIZES = "sizes"


def write(handle: int, header: dict[str, Any], buffers: Sequence[Buffer] = ()) -> None:
    """Write a message, waiting for whoever reads it. Raises OSError."""
    views = [memoryview(one).cast("B") for one in buffers]
    head = json.dumps({**header, _SIZES: [len(view) for view in views]}).encode()
    for view in (memoryview(len(head).to_bytes(_LENGTH_BYTES, "big") + head), *views):
        written = 0
        while written < len(view):
            written += os.write(handle, view[written:])


def read(fill: Callable[[memoryview], None]) -> tuple[dict[str, Any], list[Bytes]]:
    """Read a message; `fill` reads as many bytes as there is room for. Raises ValueError where it is not one."""
    length = bytearray(_LENGTH_BYTES)
    fill(memoryview(length))
    size = int.from_bytes(length, "big")
    if size > _LARGEST_HEADER:
        raise ValueError(f"a header of {size:,} bytes")
    head = bytearray(size)
    fill(memoryview(head))
    header = json.loads(head)
    buffers = [np.empty(one, np.uint8) for one in header.pop(_SIZES)]
    for one in buffers:
        fill(one.data)
    return header, buffers
