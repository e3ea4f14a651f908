"""What a source's name says without a look at its bytes."""

from __future__ import annotations

from pathlib import Path

from cyborg_ingest.sources.compression import SUFFIXES

STDIN = "-"
COMMAND = "command"
"""The scheme of what a command prints; nobody can type it: only while such a command runs it is known."""


def is_stream(uri: str) -> bool:
    """Whether this names bytes that come once: standard input, or what a command prints."""
    return uri == STDIN or uri.startswith(f"{COMMAND}://")


def stem(uri: str) -> str:
    """A file's name without its suffixes of compression and format."""
    name = Path(uri).name if uri != STDIN else "stdin"
    path = Path(name)
    if path.suffix.lower() in SUFFIXES:
        path = Path(path.stem)
    return path.stem
