"""The command line with somebody else at work beside it: at a chosen batch, one file takes another's place.

It wraps the real engine; nothing of the loader knows of it. Arguments: the batch's number, the new file, the old
one, and then those of `cyborg-ingest`.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

from cyborg_ingest import cli
from cyborg_ingest.targets import embedded


def arm(kind: Any, batch: int, new: Path, old: Path) -> None:
    """Let the file be replaced when the engine is handed the batch of this number."""
    real, numbers = kind.upsert_binary, itertools.count(1)

    def upsert_binary(self: Any, *arguments: Any) -> None:
        if next(numbers) == batch:
            new.rename(old)
        real(self, *arguments)

    kind.upsert_binary = upsert_binary


if __name__ == "__main__":
    arm(embedded.EmbeddedIndex, int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
    sys.argv = ["cyborg-ingest", *sys.argv[4:]]
    cli.main()
