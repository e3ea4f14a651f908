"""What a reader sees of a page."""

from __future__ import annotations

from html.parser import HTMLParser


class Read(HTMLParser):
    """What a reader sees: the text of each element, and tables by the heading above them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.heading = ""
        self._inside: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "br", "hr", "img"}:
            self._inside.append(tag)
        if tag in {"h1", "h2", "h3", "h4"}:
            self.heading = ""
        if tag == "table":
            self.tables[self.heading] = []
        if tag == "tr":
            self.tables[self.heading].append([])
        if tag in {"td", "th"}:
            self.tables[self.heading][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        where = self._inside[-1] if self._inside else ""
        if where != "style":
            self.texts.append(data)
        if where in {"h1", "h2", "h3", "h4"}:
            self.heading += data.strip()
        if where in {"td", "th"}:
            self.tables[self.heading][-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())
