"""A page for a browser: one file that loads nothing and runs nothing. Foreign words are escaped by the template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyborg_ingest.errors import MissingExtraError
from cyborg_ingest.output.page import cell_text, span
from cyborg_ingest.output.plots import library, plots_of

if TYPE_CHECKING:
    from cyborg_ingest.output.page import Page

_STATES = ("acknowledged", "skipped", "rejected", "unsent")


def check_there(instead: str = "or take --format md") -> None:
    """Raise MissingExtraError where what draws pages is not installed."""
    try:
        import jinja2  # noqa: F401, PLC0415 - behind an extra

        library()
    except ImportError as error:
        raise MissingExtraError(
            f"Pages for a browser are made by jinja2 and pygal, which are not installed ({error}). Install them with "
            f"pip install 'cyborg-ingest[report]', {instead}."
        ) from None


def html(page: Page) -> str:
    """The whole page, in ASCII: whatever it is sent through, it stays what it is."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - behind an extra

    environment = Environment(
        loader=PackageLoader("cyborg_ingest.output", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(cell=cell_text, span=span)
    plots = [*plots_of(page.course), *page.plots]
    text: str = environment.get_template("page.html").render(page=page, plots=plots, shares=_shares(page))
    return text.encode("ascii", "xmlcharrefreplace").decode()


def _shares(page: Page) -> list[tuple[str, int, float]]:
    """What became of the rows: its name, how many, and which share of all in percent."""
    rows = page.rows or {}
    total = sum(rows.get(name, 0) for name in _STATES)
    return [(name, rows[name], 100 * rows[name] / total) for name in _STATES if rows.get(name)]
