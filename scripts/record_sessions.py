"""Draw the pictures of docs/: what real commands show on a terminal, against the real engine and the real service.

python scripts/record_sessions.py [NAME...]
"""

from __future__ import annotations

import io
import itertools
import os
import re
import secrets
import shutil
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
from rich.console import Console
from rich.style import Style
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from service import Service, running  # noqa: E402 - lies among the tests
from terminal import Cell, Terminal, on_terminal  # noqa: E402 - the same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WIDTH, NARROW = 100, 60
DIMENSION = 384
HOME = "/home/ada"
COLOURS = {"brown": "yellow", "default": None}


class Session:
    """What is to be seen of some commands, one after another: screens, each below what is new in it."""

    def __init__(self, width: int = WIDTH) -> None:
        self.width = width
        self._lines: list[Text] = []
        self._shown: list[str] = []

    @contextmanager
    def runs(self, words: str) -> Iterator[Terminal]:
        """The command on a terminal; what stands there at its end is seen."""
        prompt = Text(f"$ cyborg-ingest {words}", "bold")
        self._lines += [*([Text()] if self._lines else []), prompt]
        self._shown = []
        with on_terminal(*words.split(), width=self.width) as terminal:
            yield terminal
            terminal.ended()
            self.sees(terminal)

    def sees(self, terminal: Terminal) -> None:
        """What stands on the terminal now; of what was seen before only that there was something."""
        rows = [_text(row) for row in terminal.cells]
        known = 0
        while known < min(len(rows), len(self._shown)) and rows[known].plain == self._shown[known]:
            known += 1
        if self._shown and known < len(self._shown):
            self._lines.append(Text("···", "dim"))
        self._lines += rows[known:]
        self._shown = [row.plain for row in rows]

    def draw(self, path: Path) -> None:
        """Write the picture."""
        console = Console(
            record=True, width=self.width, file=io.StringIO(), force_terminal=True, color_system="truecolor"
        )
        for line in self._lines:
            text = line.copy()
            for own, shown in ((str(Path.home()), HOME), (quote(str(Path.home()), safe=""), quote(HOME, safe=""))):
                text.plain = text.plain.replace(own, shown)
            console.print(text, overflow="fold", no_wrap=False)
        # no font is loaded from elsewhere: each reader has one of equal width
        svg = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="cyborg-ingest"), flags=re.DOTALL)
        path.write_text(re.sub("Fira Code", "ui-monospace", svg), "utf-8")
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


def _text(row: list[Cell]) -> Text:
    line = Text()
    for (name, is_bold), cells in itertools.groupby(row, lambda cell: (cell.colour, cell.is_bold)):
        colour = re.sub(r"^bright(?=[a-z])", "bright_", COLOURS.get(name, name) or "")
        colour = f"#{colour}" if re.fullmatch("[0-9a-f]{6}", colour) else colour
        line.append("".join(cell.text for cell in cells), Style(color=colour or None, bold=is_bold or None))
    line.rstrip()
    return line


def at(share: int) -> Callable[[list[str]], object]:
    """Whether a bar has come so far, in percent."""
    return lambda lines: any(int(found[1]) >= share for line in lines if (found := re.search(r"(\d+)% [━╸╺]", line)))


def has(text: str) -> Callable[[list[str]], object]:
    """Whether this stands there, wherever lines are wrapped."""
    return lambda lines: re.search(text, " ".join(" ".join(lines).split()))


def first_load(service: Service) -> Session:  # noqa: ARG001 - the engine is enough
    """A first load, half-way and at its end; and a question to the index."""
    session = Session()
    with session.runs("upsert vectors.npy --index images --create") as terminal:
        terminal.until(at(45))
        session.sees(terminal)
    return session


def narrow(service: Service) -> Session:  # noqa: ARG001 - the same
    """The same on 60 columns."""
    session = Session(NARROW)
    with session.runs("upsert vectors.npy --index photos --create") as terminal:
        terminal.until(at(45))
        session.sees(terminal)
    return session


def stall(service: Service) -> Session:
    """A service that answers no more, is gone, and comes again."""
    session = Session()
    with session.runs(f"upsert some.npy --index images --target {service.url} --create") as terminal:
        terminal.until(at(30))
        _signal(service, signal.SIGSTOP)
        terminal.until(has(r"stalled [89] s"))
        session.sees(terminal)
        _signal(service, signal.SIGCONT)
        terminal.until(at(50))
        service.kill()
        terminal.until(has(r"Retry [3-8] of 8 in [2-9] s"))
        session.sees(terminal)
        service.start()
    return session


def stop(service: Service) -> Session:
    """Ctrl-C, and the same command again."""
    session = Session()
    words = f"upsert some.npy --index stopped --target {service.url} --create"
    with session.runs(words) as terminal:
        terminal.until(at(40))
        _signal(service, signal.SIGSTOP)
        terminal.process.send_signal(signal.SIGINT)
        terminal.until(has("stopping .* to resume"))
        session.sees(terminal)
        _signal(service, signal.SIGCONT)
    with session.runs(words):
        pass
    return session


def verify(service: Service) -> Session:  # noqa: ARG001 - the engine is enough
    """A comparison, half-way and at its end."""
    session = Session()
    with on_terminal("upsert", "vectors.npy", "--index", "compared", "--create") as terminal:
        terminal.ended()
    with session.runs("verify vectors.npy --index compared") as terminal:
        terminal.until(has(r"[3-9]\d% [━╸╺ ]+ \S+ left [\d,]+ rows 0 differ"))
        session.sees(terminal)
    return session


def _signal(service: Service, number: signal.Signals) -> None:
    assert service.process is not None  # noqa: S101 - it runs
    service.process.send_signal(number)


SESSIONS: dict[str, Callable[[Service], Session]] = {
    "first-load": first_load, "narrow": narrow, "stall": stall, "ctrl-c": stop, "verify": verify,
}  # fmt: skip


@contextmanager
def _home() -> Iterator[Path]:
    """A home as long as the one that is shown, so that lines are wrapped alike; with rows to load."""
    home = Path("/tmp") / secrets.token_hex(2)  # noqa: S108 - its name is random, and it must be new
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CYBORG", "XDG_"))}
    os.environ.clear()
    os.environ.update(kept, HOME=str(home), COLORTERM="truecolor")
    os.chdir(home)
    vectors = np.random.default_rng(7).standard_normal((200_000, DIMENSION), np.float32)
    np.save("vectors.npy", vectors)
    np.save("some.npy", vectors[:40_000])
    try:
        yield home
    finally:
        os.chdir("/")
        shutil.rmtree(home)


def main() -> None:
    """Draw all, or those that are named."""
    with _home() as home:
        chosen: dict[str, Any] = {name: SESSIONS[name] for name in sys.argv[1:] or SESSIONS}
        for name, record in chosen.items():
            with running(home / name, port=8000) as service:
                record(service).draw(ROOT / "docs" / f"{name}.svg")


if __name__ == "__main__":
    main()
