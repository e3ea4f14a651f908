"""Many files of one folder as one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_FEW = 3


def gathered(uris: Sequence[str], *, singly: bool = False) -> list[tuple[str, list[int]]]:
    """Files, or folders (with a `/` at their end) that hold more than three of them, each with its files' places.

    They come in the order of their first files. `singly`: no folder.
    """
    folders: dict[str, list[int]] = {}
    for place, uri in enumerate(uris):
        folders.setdefault(folder_of(uri), []).append(place)
    found: list[tuple[str, list[int]]] = []
    for place, uri in enumerate(uris):
        folder = folder_of(uri)
        places = folders[folder]
        if singly or len(places) <= _FEW or not folder:
            found.append((uri, [place]))
        elif places[0] == place:
            found.append((folder, places))
    return found


def folder_of(uri: str) -> str:
    """The folder of a file, with its `/`; "" where its name has none."""
    return uri[: uri.rfind("/") + 1]
