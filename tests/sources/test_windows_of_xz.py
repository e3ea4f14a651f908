"""How much a compressed file may have its reader remember is bounded, and what xz itself writes is within that."""

from __future__ import annotations

import json
import lzma
import zlib
from typing import TYPE_CHECKING

import pytest

from cyborg_ingest.errors import SourceError
from cyborg_ingest.plan.planning import make_plan
from cyborg_ingest.settings.options import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

ROW = json.dumps({"id": "a", "vector": [1, 2]}).encode() + b"\n"


def packed(path: Path, window: int) -> Path:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 16}]
    data = lzma.compress(ROW * 3, filters=filters)
    # the window that a stream asks for is one byte of its block's header, whose checksum follows
    at = data.index(b"\x21\x01", 12) + 2
    changed = bytearray(data)
    changed[at] = window
    size = (changed[12] + 1) * 4
    checksum = zlib.crc32(bytes(changed[12 : 12 + size - 4]))
    changed[12 + size - 4 : 12 + size] = checksum.to_bytes(4, "little")
    path.write_bytes(changed)
    return path


def test_a_window_that_xz_writes_by_itself_is_read(tmp_path: Path) -> None:
    path = packed(tmp_path / "rows.jsonl.xz", 28)  # 64 MB, as xz -9 has it
    plan = make_plan((str(path),), SourceSettings())
    assert sum(len(chunk.batch) for chunk in plan.chunks(10)) == 3


def test_a_window_of_more_than_may_be_kept_is_refused_in_words(tmp_path: Path) -> None:
    path = packed(tmp_path / "rows.jsonl.xz", 37)  # 1.5 GB
    with pytest.raises(SourceError, match=r"rows\.jsonl\.xz: to decompress it takes more than the 300,000,000"):
        make_plan((str(path),), SourceSettings())
