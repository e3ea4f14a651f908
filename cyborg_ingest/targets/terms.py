"""What the service and the engine call by names that no user knows; none of those stands in a message."""

from __future__ import annotations

import difflib
import re

_TERMS = tuple(
    (re.compile(pattern), word)
    for pattern, word in (
        (r"\b(?:KMS ?[Ee]nvelope|KMS ?[Bb]lob)\b", "key record"),
        (r"\b(?:client_kek|user_kek|KEK)\b", "index key"),
        (r"\b(?:wrapped )?DEK\b", "data key"),
    )
)
_INDEX = re.compile(r"[Ii]ndex '(.+?)'(?=[\s:;.,]|$)")


def plain(words: str) -> str:
    """Foreign words in terms that users know."""
    for pattern, word in _TERMS:
        words = pattern.sub(word, words)
    return words


def index_in(words: str) -> str:
    """The index that foreign words speak of, as a message names it."""
    found = _INDEX.search(words)
    return f"index {found[1]!r}" if found else "this index"


def missing(name: str, target: str) -> str:
    """What is said of an index that is not there."""
    return f"There is no index {name!r} {'at' if '://' in target and not target.startswith('s3:') else 'in'} {target}."


def nearest(name: str, names: list[str]) -> str:
    """A question behind it, where there is an index of such a name."""
    by_letters = {one.lower(): one for one in names}
    found = difflib.get_close_matches(name.lower(), by_letters, n=1)
    return f" Did you mean {by_letters[found[0]]!r}?" if found else ""
