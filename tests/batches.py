"""Batches of small numbers, for what sends them."""

from __future__ import annotations

import numpy as np

from cyborg_ingest.model import Batch, Part

PART = Part("f", "npy", 0, 0, 100, 100, 0, 100)


def batch(number: int, ids: list[str]) -> Batch:
    """Batch `number`, with these ids, at row 10 times its number; its vectors are that number twice."""
    size = len(ids)
    vectors = np.full((size, 2), number, np.float32)
    rows = np.arange(number * 10, number * 10 + size)
    return Batch(PART, number * 10, number * 10 + size, number * 10, ids, vectors, None, None, rows, None, 8)
