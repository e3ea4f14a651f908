"""A proxy of HTTP in front of the store: it loses answers, or leaves out the conditions of requests."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONDITIONS = {"if-match", "if-none-match"}


class Forwarder(http.server.ThreadingHTTPServer):
    """`loses` says of a request (method, path) whether its answer is lost; `leaves_out` are headers."""

    daemon_threads = True

    def __init__(self, port: int, loses: Callable[[str, str], bool], leaves_out: set[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.to, self.loses, self.leaves_out = port, loses, leaves_out

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Forwarder
    protocol_version = "HTTP/1.1"

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name: one for name, one in self.headers.items() if name.lower() not in self.server.leaves_out}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.to, timeout=30)
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        if self.server.loses(self.command, self.path):
            self.close_connection = True
            self.connection.close()
            return
        self.send_response_only(answer.status)
        for name, one in answer.getheaders():
            if name.lower() not in {"connection", "transfer-encoding", "content-length"}:
                self.send_header(name, one)
        size = answer.headers["content-length"] if self.command == "HEAD" else str(len(data))
        self.send_header("content-length", size)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _forward  # noqa: N815 - as the library calls them

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def forwarding(
    port: int, loses: Callable[[str, str], bool] = lambda *_: False, leaves_out: set[str] | None = None
) -> Iterator[Forwarder]:
    with Forwarder(port, loses, leaves_out or set()) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
