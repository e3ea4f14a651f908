"""Who calls from Python reads of keywords, and never of a flag of the command line."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest
from where import ROOT

from cyborg_ingest.settings.keywords import in_python

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = ROOT / "cyborg_ingest"

SAID = {
    "--metric is 'dot'; it takes cosine.": "metric='dot'; it takes cosine.",
    "--batch-rows is 0; it must be at least 1.": "batch_rows is 0; it must be at least 1.",
    "say so with --allow-empty.": "say so with allow_empty=True.",
    "say --no-header; if not, --header.": "say header=False; if not, header=True.",
    "Say it with --format json.": "Say it with format='json'.",
    "Say it with --format.": "Say it with format.",
    "Decide with --vector-column emb.": "Decide with vector_column='emb'.",
    "Decide with --vector-column 'my emb', or not": "Decide with vector_column='my emb', or not",
    "--vector-column takes another": "vector_column takes another",
    "--metadata-columns tag would load it.": "metadata_columns='tag' would load it.",
    "leave --max-age out.": "leave max_age out.",
    "raise --max-row-bytes to 5": "raise max_row_bytes to 5",
    "--limit 5, --max-delete 10%": "limit=5, max_delete='10%'",
    "continue with --max-errors N; then run the same command": "continue with max_errors=N; then run the same call",
    "Give --target http://HOST:PORT for": "Give target='http://HOST:PORT' for",
    "(--ids /data/ids.txt)": "(ids='/data/ids.txt')",
    "let it wait with --lock-wait 10m.": "let it wait with lock_wait='10m'.",
    "--id-template '{file}-{row}'": "id_template='{file}-{row}'",
    "as cyborg-ingest runs list --all says": "as cyborg-ingest runs list --all says",
    "cyborg-ingest index list --target x, --create": "cyborg-ingest index list --target x, create=True",
    "a -- b, --": "a -- b, --",
}  # fmt: skip


@pytest.mark.parametrize("text", SAID)
def test_options_become_keywords_with_their_values(text: str) -> None:
    assert in_python(text) == SAID[text]


def test_a_keyword_may_have_another_name_for_its_caller() -> None:
    assert in_python("Give --index-key-file.", {"index_key_file": "key"}) == "Give key."


def texts() -> Iterator[str]:
    """All that the package says anywhere, with X for what is put into it."""
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0]
        if room in {"cli", "output", "scheduling", "doctor"} or "options" in path.parts:
            continue  # what people at a terminal read
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(one.value) if isinstance(one, ast.Constant) else "X" for one in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_no_message_that_a_program_can_meet_keeps_a_flag() -> None:
    flags = [text for text in texts() if re.search(r"(?<!\w)--[a-z]", text)]
    assert len(flags) > 200
    kept = [text for text in flags if re.search(r"--[a-z]", re.sub(r"cyborg-ingest .*", "", in_python(text)))]
    assert kept == []
