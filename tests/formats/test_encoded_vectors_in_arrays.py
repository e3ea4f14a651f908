"""Vectors as text in `.npz`, HDF5 and a `.npy` a column are read as in other formats: by their name, or where said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from advised import run
from rows_read import rows_read

from cyborg_ingest.errors import FormatError, MappingError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Writer = Callable[..., Path]

COUNT = 6
VECTORS = np.random.default_rng(4).standard_normal((COUNT, 9)).astype(np.float32)
IDS = [f"é{row}" for row in range(COUNT)]
TEXTS = np.array([json.dumps([float(one) for one in vector]) for vector in VECTORS])


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path.with_suffix(".npz"), **arrays)
    return path.with_suffix(".npz")


def hdf5(path: Path, **arrays: Any) -> Path:
    with h5py.File(path.with_suffix(".h5"), "w") as out:
        for name, values in arrays.items():
            is_text = values.dtype.kind == "U"
            out.create_dataset(name, data=values.astype(object) if is_text else values,
                               dtype=h5py.string_dtype() if is_text else None)  # fmt: skip
    return path.with_suffix(".h5")


def columns(path: Path, **arrays: Any) -> Path:
    path.mkdir()
    for name, values in arrays.items():
        np.save(path / f"{name}.npy", values)
    return path


FORMS = pytest.mark.parametrize("write", [npz, hdf5, columns])


@FORMS
def test_text_by_a_name_of_vectors_is_the_vector(tmp_path: Path, write: Writer) -> None:
    path = write(tmp_path / "rows", id=np.array(IDS), embedding=TEXTS, n=np.arange(COUNT))
    found = rows_read(path, chunk=4)
    assert (found.ids, found.vectors, found.rejected) == (IDS, VECTORS.tolist(), [])
    assert found.metadata == [{"n": row} for row in range(COUNT)]


@FORMS
def test_text_by_another_name_is_the_vector_where_it_is_named(tmp_path: Path, write: Writer) -> None:
    path = write(tmp_path / "rows", id=np.array(IDS), written=TEXTS)
    with pytest.raises(FormatError, match=r"none of its arrays holds vectors.*'written' has the shape \(6,\)"):
        rows_read(path)
    assert rows_read(path, vector_column="written").vectors == VECTORS.tolist()
    assert rows_read(path, vector_column="written", vector_encoding="text").vectors == VECTORS.tolist()


@FORMS
def test_beside_an_array_of_two_dimensions_the_name_decides(tmp_path: Path, write: Writer) -> None:
    others = np.ones((COUNT, 2), np.float32)
    named = rows_read(write(tmp_path / "named", id=np.array(IDS), embedding=TEXTS, x=others))
    assert named.vectors == VECTORS.tolist()
    by_type = rows_read(write(tmp_path / "by_type", id=np.array(IDS), embedding=others, emb_text=TEXTS))
    assert by_type.vectors == others.tolist()
    assert by_type.metadata == [{"emb_text": str(text)} for text in TEXTS]


@FORMS
def test_text_that_is_no_vector_is_refused_with_why(tmp_path: Path, write: Writer) -> None:
    path = write(tmp_path / "rows", id=np.array(IDS), embedding=np.array(["no vector"] * COUNT))
    with pytest.raises(MappingError, match=r"(?s)'embedding' .*no vector"):
        rows_read(path)
    beside = write(tmp_path / "beside", id=np.array(IDS), embedding=np.array(["no vector"] * COUNT), x=VECTORS)
    with pytest.raises(MappingError, match=r"'embedding' holds one .* Decide with --vector-column x"):
        rows_read(beside)


@FORMS
def test_a_later_text_that_is_no_vector_is_its_rows_fault(tmp_path: Path, write: Writer) -> None:
    texts = TEXTS.copy()
    texts[4] = "[1, 2, oops]"
    found = rows_read(write(tmp_path / "rows", id=np.array(IDS), vector=texts), vector_encoding="text")
    assert found.ids == [one for row, one in enumerate(IDS) if row != 4]
    (rejected,) = found.rejected
    assert (rejected.id, rejected.reason.value) == (IDS[4], "vector_invalid")
    assert "[1, 2, oops]" in rejected.detail


@FORMS
def test_halves_in_single_bytes_are_read_where_that_is_said(tmp_path: Path, write: Writer) -> None:
    """As Milvus' BulkWriter writes float16."""
    halves = VECTORS.astype(np.float16)
    path = write(tmp_path / "rows", pk=np.arange(COUNT), dense=halves.view(np.uint8))
    assert rows_read(path, vector_encoding="f16le").vectors == halves.astype(np.float32).tolist()


def test_the_plan_names_the_encoding(tmp_path: Path) -> None:
    path = npz(tmp_path / "rows", id=np.array(IDS), embedding=TEXTS)
    code, told = run("upsert", path, "--index", "i", "--target", f"disk:{tmp_path}/data", "--create", "--dry-run")
    assert (code, "vector <- embedding: text, [..]" in told) == (0, True), told
