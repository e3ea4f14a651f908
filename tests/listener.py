"""A server that hears of loads, in good and in bad ways."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Heard:
    """A request that came."""

    path: str
    query: dict[str, list[str]]
    body: Any
    """What JSON it was, or else its bytes."""
    authorization: str | None = None


@dataclass
class Listener:
    """What it was sent; `way` says what it does: a status, `hang` or `close`."""

    url: str
    way: int | str = 200
    heard: list[Heard] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def paths(self) -> list[str]:
        return [one.path for one in self.heard]


@contextlib.contextmanager
def listening_to_all() -> Iterator[Listener]:
    """A listener that runs within the `with`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_json = self.headers["Content-Type"] == "application/json"
            found = json.loads(body) if is_json else body
            listener.heard.append(Heard(parts.path, parse_qs(parts.query), found, self.headers["Authorization"]))
            if listener.way == "hang":
                listener.over.wait(30)
            if isinstance(listener.way, str):
                self.close_connection = True
                return
            self.send_response(listener.way)
            if listener.way == 302:
                self.send_header("Location", f"{listener.url}/elsewhere")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"OK")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        listener = Listener(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield listener
        finally:
            listener.over.set()
            server.shutdown()
            thread.join()
