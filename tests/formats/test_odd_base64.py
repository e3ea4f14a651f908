"""Vectors in base64 of which a few are none: the message is about these, and its option loads the others."""

from __future__ import annotations

import base64
import json
import struct
from typing import TYPE_CHECKING, Any

import pytest
from advised import says
from rows_read import rows_read

from cyborg_ingest.errors import MappingError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

VECTORS = [[0.25, -0.5, 0.125], [1.5, 0.75, -2.0], [0.5, 0.25, 1.0]]
CUT = base64.b64encode(struct.pack("<3f", *VECTORS[0])[:-1]).decode()


def written(vector: Sequence[float]) -> str:
    """As OpenAI has it with `encoding_format="base64"`."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def plain(path: Path, vectors: Sequence[Any]) -> Path:
    rows = [{"id": str(row), "vector": vector} for row, vector in enumerate(vectors)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def answers(path: Path, vectors: Sequence[Any]) -> Path:
    rows = [
        {"custom_id": str(row), "response": {"status_code": 200, "body": {"data": [{"embedding": vector}]}}}
        for row, vector in enumerate(vectors)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.mark.parametrize("lines", [plain, answers])
@pytest.mark.parametrize("place", [0, 3])
@pytest.mark.parametrize(
    ("odd", "why"),
    [("!!!!", "is not base64: '!!!!'"), (CUT, f"is 11 bytes, no multiple of the 4 that a number has: '{CUT}'")],
)
def test_the_one_that_is_no_vector_is_named_and_then_rejected(
    lines: Any, place: int, odd: str, why: str, tmp_path: Path
) -> None:
    vectors: list[Any] = [*map(written, VECTORS)]
    vectors.insert(place, odd)
    path = lines(tmp_path / "rows.jsonl", vectors)
    with pytest.raises(MappingError) as caught:
        rows_read(path)
    says(str(caught.value), "{} Others are base64 of float32: --vector-encoding base64 rejects those that are not.")
    assert f"One {why}. Others" in str(caught.value)
    found = rows_read(path, vector_encoding="base64")
    assert found.vectors == VECTORS
    assert [(one.row, one.detail) for one in found.rejected] == [(place, f"the vector {why}")]


def test_half_of_them_are_enough_where_they_are_as_long_as_vectors_are(tmp_path: Path) -> None:
    long = [0.5 + number for number in range(8)]
    path = plain(tmp_path / "rows.jsonl", ["missing!", written(long)])
    with pytest.raises(MappingError, match=r"One is not base64: 'missing!'\. Others are base64"):
        rows_read(path)
    assert rows_read(path, vector_encoding="base64").vectors == [long]


@pytest.mark.parametrize("vectors", [["alpha one", "AACAPw=="], ["alpha one", "beta two", "gamma"]])
def test_texts_of_which_one_is_base64_by_chance_are_not_said_to_be_that(vectors: list[str], tmp_path: Path) -> None:
    path = plain(tmp_path / "rows.jsonl", vectors)
    with pytest.raises(MappingError, match=r"One holds 'alpha' at position 0, which is not a number"):
        rows_read(path)


def test_among_lists_a_vector_in_base64_is_rejected_with_the_option_that_reads_it(tmp_path: Path) -> None:
    path = plain(tmp_path / "rows.jsonl", [VECTORS[0], "!!!!", written(VECTORS[1]), "[1, 2, 3]"])
    wrong = [one.detail for one in rows_read(path).rejected]
    assert wrong == [
        "the vector is text, not a list of numbers",
        "the vector is text, not a list of numbers; --vector-encoding base64 reads it",
        "the vector is text, not a list of numbers; --vector-encoding text reads it",
    ]
    says(wrong[1], "; --vector-encoding {} reads it")
    found = rows_read(path, vector_encoding="base64")
    assert (found.ids, found.vectors) == (["0", "2"], VECTORS[:2])
    assert [one.detail for one in found.rejected] == [
        "the vector is not base64: '!!!!'",
        "the vector is not base64: '[1, 2, 3]'",
    ]
