"""`victim.py` with Parts so small that a small file has several. Arguments: bytes of a Part, and then its own."""

from __future__ import annotations

import sys

from victim import arm

from cyborg_ingest import cli
from cyborg_ingest.formats import arrow, base, jsonl
from cyborg_ingest.targets import embedded, rest

if __name__ == "__main__":
    for module in (arrow, base, jsonl):
        module.PART_BYTES = int(sys.argv[1])  # type: ignore[misc, attr-defined]
    for index in (rest.RestIndex, embedded.EmbeddedIndex):
        arm(index, int(sys.argv[2]), sys.argv[3])
    sys.argv = ["cyborg-ingest", *sys.argv[4:]]
    cli.main()
