"""Draw `docs/progress.svg`: what the progress display shows on a terminal, half-way through a real load.

python scripts/record_progress.py
"""

from __future__ import annotations

import io
import os
import tempfile
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.text import Text

from cyborg_ingest.facts import Ended
from cyborg_ingest.loading.loader import run
from cyborg_ingest.output.display import RichDisplay, make_display
from cyborg_ingest.settings.options import LoadSettings

if TYPE_CHECKING:
    from cyborg_ingest.facts import Event

ROWS, DIMENSION = 200_000, 384
PICTURE = Path(__file__).resolve().parent.parent / "docs" / "progress.svg"


class Terminal(io.StringIO):
    """Keeps what is written, and says that it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True

    def frames(self) -> list[str]:
        """What stood on it each time that the bar was drawn anew."""
        return self.getvalue().split("\r\x1b[2K")


def main() -> None:
    """Load random vectors into an embedded index and keep the frame from the middle."""
    os.environ.update(COLUMNS="118", TERM="xterm-256color", COLORTERM="truecolor")
    for name in ("CI", "NO_COLOR"):
        os.environ.pop(name, None)
    terminal = Terminal()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["CYBORG_INGEST_CONFIG_DIR"] = os.environ["CYBORG_INGEST_STATE_DIR"] = folder
        vectors = np.random.default_rng(7).standard_normal((ROWS, DIMENSION), np.float32)
        np.save("vectors.npy", vectors)
        settings = LoadSettings(sources=("vectors.npy",), index="images", target="disk:data", create=True)
        with make_display("rich", stream=terminal) as display:
            run(settings, lambda event: _show(display, event))
    # an empty bar stands below the plan in the first frame
    head, frames = terminal.frames()[0].rpartition("\n")[0], terminal.frames()
    head = head.replace(urllib.parse.quote(folder, safe=""), "%2Fhome%2Fada").replace(folder, "/home/ada")
    middle = frames[len(frames) // 2]
    console = Console(record=True, width=118, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print("$ cyborg-ingest upsert vectors.npy --index images --target disk:data --create", highlight=False)
    console.print(Text.from_ansi(head.rstrip("\n")))
    console.print(Text.from_ansi(middle.rstrip("\n")))
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(console.export_svg(title="cyborg-ingest"), "utf-8")


def _show(display: RichDisplay, event: Event) -> None:
    if not isinstance(event, Ended):
        display(event)
        return
    display.stop()


if __name__ == "__main__":
    main()
