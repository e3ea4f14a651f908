"""Pictures of an inspection: computed by another method, and drawn only where they say something."""

from __future__ import annotations

import json
import os
import pty
import re
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cyborg_ingest.check import components as module
from cyborg_ingest.check.components import Sample, components
from cyborg_ingest.check.inspecting import inspect
from cyborg_ingest.output.pictures import Canvas, scatter
from cyborg_ingest.output.portrait import portrait
from cyborg_ingest.settings.options import InspectSettings

if TYPE_CHECKING:
    from pathlib import Path

    from cyborg_ingest.check.inspection import Inspection

RANDOM = np.random.default_rng(7)
TERMINAL = Canvas(80, is_unicode=True)


def look(*sources: Path, **options: Any) -> Inspection:
    return inspect(InspectSettings(sources=tuple(map(str, sources)), **options))


def saved(path: Path, vectors: np.ndarray[Any, Any]) -> Path:
    np.save(path, vectors.astype(np.float32))
    return path


def clusters(rows: int = 300, dimension: int = 16) -> np.ndarray[Any, Any]:
    """Two clouds, far from each other."""
    found = RANDOM.standard_normal((rows, dimension))
    found[: rows // 3, :4] += 9
    return found


def by_eigenvectors(vectors: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The same by the covariance of the columns: points but for the signs of the axes, and shares."""
    covariance = np.cov(vectors.astype(np.float32).astype(np.float64), rowvar=False)
    values, axes = np.linalg.eigh(covariance)
    centred = vectors.astype(np.float32) - vectors.astype(np.float32).mean(axis=0, dtype=np.float64)
    return centred @ axes[:, [-1, -2]], values[[-1, -2]] / values.sum()


def test_components_are_those_of_the_covariance(tmp_path: Path) -> None:
    vectors = clusters()
    found = look(saved(tmp_path / "a.npy", vectors)).components
    points, shares = by_eigenvectors(vectors)
    assert found is not None
    assert found.explained == pytest.approx(shares)
    assert np.allclose(np.abs(found.points), np.abs(points), atol=1e-4)
    assert (found.is_telling, set(found.of), found.files) == (True, {0}, (str(tmp_path / "a.npy"),))
    assert json.loads(json.dumps(look(tmp_path / "a.npy").to_dict()))["components"] == {
        "rows": 300, "explained": list(found.explained), "is_telling": True,
    }  # fmt: skip


@pytest.mark.parametrize("scale", [1e-30, 1e37])
def test_components_of_the_smallest_and_the_largest_numbers_are_finite(scale: float) -> None:
    vectors = (clusters() / 20 * scale).astype(np.float32)
    found = components(vectors, ("a",), [0] * 300)
    assert found is not None
    assert np.isfinite(found.points).all()
    assert found.explained == pytest.approx(by_eigenvectors(vectors / np.float32(scale))[1], rel=1e-4)


def test_a_round_cloud_is_not_telling_and_two_clouds_are() -> None:
    round_ones = [RANDOM.standard_normal((rows, dimension)) for rows in (50, 1000) for dimension in (3, 64, 700)]
    for vectors in round_ones:
        found = components(vectors.astype(np.float32), ("a",), [0] * len(vectors))
        assert found is not None
        assert not found.is_telling, vectors.shape
    for dimension in (2, 8, 384):
        found = components(clusters(300, dimension).astype(np.float32), ("a",), [0] * 300)
        assert found is not None
        assert found.is_telling, dimension


def test_a_sample_is_bounded_spread_evenly_and_knows_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_ROWS", 100)
    rows = np.stack([np.arange(1000), np.arange(1000) % 7], axis=1).astype(np.float32)
    sample = Sample()
    for start in range(0, 1000, 37):
        sample.add(rows[start : start + 37], "a" if start < 500 else "b")
    found = sample.components()
    assert found is not None
    first = np.sort(found.points[:, 0])
    assert len(first) == 63  # every sixteenth
    assert np.allclose(np.diff(first), 16, atol=0.2)
    assert found.of == (0,) * 33 + (1,) * 30  # 0, 16, ..., 512 are of batches that began before 500


def test_there_are_no_components_of_few_rows_of_one_dimension_or_of_what_is_alike(tmp_path: Path) -> None:
    for vectors in (np.ones((500, 8)), clusters(19), RANDOM.standard_normal((500, 1))):
        found = look(saved(tmp_path / "a.npy", vectors))
        assert found.components is None
        assert found.to_dict()["components"] is None
        assert not [line for line in portrait(found, TERMINAL) if line.startswith("picture")]


def test_points_lie_where_they_are() -> None:
    corners = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]
    drawn = scatter(corners, TERMINAL)
    assert (len(drawn), {len(drawn[0]), len(drawn[-1])}, set(drawn[1:-1])) == (12, {60}, {""})
    assert (drawn[0][0], drawn[0][-1], drawn[-1][0], drawn[-1][-1]) == ("⠁", "⠈", "⡀", "⢀")
    plain = scatter([*corners, *[(0.0, 0.0)] * 50], Canvas(80))
    assert (plain[0][0], plain[0][-1], plain[-1][0], plain[-1][-1]) == (".", ".", "#", ".")


@pytest.mark.parametrize("columns", [0, 39, 40, 60, 120, 300])
def test_a_picture_fits_its_terminal(columns: int, tmp_path: Path) -> None:
    found = look(saved(tmp_path / "a.npy", clusters()))
    for is_unicode in (False, True):
        lines = portrait(found, Canvas(columns, is_unicode=is_unicode))
        first = next((number for number, line in enumerate(lines) if line.startswith("picture")), None)
        if columns < 40:
            assert first is None
            continue
        assert first is not None
        picture = lines[first + 1 : first + 13]
        assert all(line.startswith(" " * 10) or not line.strip() for line in picture)
        assert max(map(len, picture)) == min(columns - 1, 70)
        assert is_unicode or "".join(picture).isascii()


def test_norms_that_are_alike_are_one_line(tmp_path: Path) -> None:
    vectors = clusters()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for scale, words in ((1, "all norms are 1.00: they look normalised"), (2.5, "all norms are 2.50: not normalised")):
        lines = portrait(look(saved(tmp_path / "a.npy", vectors * scale)), Canvas())
        first = next(number for number, line in enumerate(lines) if line.startswith("norms"))
        assert lines[first] == f"norms     {words}"
        assert lines[first + 1].startswith("metadata")


def test_files_that_differ_are_named_and_those_alike_are_not(tmp_path: Path) -> None:
    def written(name: str, dimensions: list[int]) -> Path:
        rows = [{"id": f"{name}{n}", "vector": [1.0 + n] * one} for n, one in enumerate(dimensions)]
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        return tmp_path / name

    good, other = written("a.jsonl", [3] * 4), written("b.jsonl", [3, 3])
    assert not [line for line in portrait(look(good, other), Canvas()) if line.startswith("by file")]
    bad = written("c.jsonl", [3, 2, 2])
    found = look(good, other, bad)
    lines = portrait(found, Canvas())
    first = next(number for number, line in enumerate(lines) if line.startswith("by file"))
    assert lines[first] == f"by file   {bad}  3 dimensions, 2 of 3 rows cannot be loaded"
    assert [(one.dimension, one.rejected) for one in found.sources] == [(3, 0), (3, 0), (3, 2)]


def on_terminal(*words: object, columns: int, **environment: str) -> str:
    """What a terminal of so many columns gets from `inspect`."""
    import fcntl  # noqa: PLC0415
    import termios  # noqa: PLC0415

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    own = {name: value for name, value in os.environ.items() if name not in {"CI", "COLUMNS", "LINES"}}
    command = [sys.executable, "-m", "cyborg_ingest", "inspect", *map(str, words)]
    with subprocess.Popen(command, stdout=slave, stderr=subprocess.DEVNULL, env={**own, **environment}) as process:
        os.close(slave)
        data = b""
        try:
            while block := os.read(master, 1 << 16):
                data += block
        except OSError:  # Linux says so of a terminal that nobody has open any more
            pass
        assert process.wait(60) == 0
    os.close(master)
    return data.decode()


def test_a_terminal_gets_the_picture_and_a_pipe_does_not(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npy", clusters())
    text = on_terminal(path, columns=60, TERM="xterm", PYTHONIOENCODING="utf-8")
    assert re.search("[\u2801-\u28ff]", text)
    assert "picture   300 rows by their first two principal components" in text
    text = on_terminal(path, columns=60, TERM="xterm", PYTHONIOENCODING="ascii")
    assert ("picture" in text, text.isascii()) == (True, True)
    piped = subprocess.run(
        [sys.executable, "-m", "cyborg_ingest", "inspect", str(path)], capture_output=True, text=True, check=True
    )
    assert "picture" not in piped.stdout
