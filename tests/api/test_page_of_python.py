"""docs/python.md does what it says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from where import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PAGE = (ROOT / "docs" / "python.md").read_text("utf-8")


def test_its_programs_run_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 6
    for block in blocks:
        exec(block, names)  # noqa: S102 - it is what is documented
    told = capsys.readouterr().out
    assert "1 more rows are in the index" in told
    assert "The vectors have 3 dimensions, index 'docs' has 4" in told
    assert re.search(r"^0\.0 (a|g0|p) ", told, re.MULTILINE)
