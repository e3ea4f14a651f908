"""How long it takes until the first word: `--help` and `--version` against the imports that they cannot avoid."""

from __future__ import annotations

import sys

from measure import FOLDER, Table, median, run

CASES = {
    'python -c "import typer, rich"': [sys.executable, "-c", "import typer, rich"],
    "cyborg-ingest --version": [sys.executable, "-m", "cyborg_ingest", "--version"],
    "cyborg-ingest --help": [sys.executable, "-m", "cyborg_ingest", "--help"],
    "cyborg-ingest upsert --help": [sys.executable, "-m", "cyborg_ingest", "upsert", "--help"],
}


def main(rounds: int) -> None:
    """One table."""
    table = Table("startup", ("what", "ms", "spread", "/ imports"), "Start-up, wall time")
    walls: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(rounds):
        for name, command in CASES.items():
            walls[name].append(run(["sh", "-c", 'exec "$@" > /dev/null', "sh", *command]).wall * 1000)
    first = next(iter(walls.values()))
    for name, values in walls.items():
        each = median([one / two for one, two in zip(values, first, strict=True)])
        table.add(name, f"{median(values):.0f}", f"{min(values):.0f} to {max(values):.0f}", f"{each:.2f}")
    table.show()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
