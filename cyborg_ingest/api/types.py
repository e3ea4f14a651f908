"""The types of keywords."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, Protocol

from cyborg_ingest.facts import Event

Metric = Literal["cosine", "euclidean", "squared_euclidean"]
Precision = Literal["float32", "float16", "tq12", "tq8", "tq6", "tq4"]
Format = Literal[
    "parquet", "arrow", "jsonl", "json", "csv", "tsv", "npy", "npz", "hdf5",
    "fvecs", "bvecs", "ivecs", "fbin", "u8bin", "i8bin",
]  # fmt: skip
Encoding = Literal["auto", "text", "f32le", "f32be", "f16le", "f64le", "base64"]
DecimalSign = Literal[".", ","]
RejectContent = Literal["full", "ids"]
Verify = Literal["none", "count", "sample", "full"]
VerifyMode = Literal["count", "sample", "full"]

File = str | os.PathLike[str]
Names = str | Sequence[str]
"""Names, or one text with commas between them."""
Pairs = str | Sequence[str] | Mapping[str, Any]
"""A dict, or texts like `name=value`."""
Duration = str | timedelta
"""As in "90s", "15m", "24h", "7d", "5h50m", or a timedelta."""
Size = int | str
"""Bytes, or a text like "500K", "20M", "1G"; K is 1,000."""
Share = int | str
"""A number of rows, or a share of them like "0.5%"."""
Key = bytes | str | os.PathLike[str]
"""32 bytes, 64 hex digits, base64 of them, or the Path of a file with any of these."""
Secret = str | bytes | os.PathLike[str]
"""Text, or the Path of a file with it."""
Progress = bool | Callable[[Event], object]
"""True draws a bar; a function gets each fact of `cyborg_ingest.facts` as it happens."""


class HasArrow(Protocol):
    """Tables and frames that Arrow can read."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """A stream of batches."""
        ...


Sources = File | Mapping[str, Any] | Iterable[Any] | HasArrow
"""One source, or several: see `load`."""
