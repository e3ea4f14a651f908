"""Where the tests and what they look at lie: a test stands in the folder of its room, its helpers beside this file."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
