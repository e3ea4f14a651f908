"""A server of real sockets that answers every request with bytes of the test's choosing."""

from __future__ import annotations

import contextlib
import http.client
import socketserver
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator


def answer(body: bytes, status: int = 200, **headers: str) -> bytes:
    """A whole answer."""
    named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} X\r\n{named}Content-Length: {len(body)}\r\n\r\n".encode() + body


@contextlib.contextmanager
def answering(
    write: Callable[[socket.socket, str], None], seen: list[tuple[str, bytes]] | None = None
) -> Iterator[str]:
    """The address of a server that lets `write` answer, which gets the connection and the path."""
    over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            reader = self.request.makefile("rb")
            with contextlib.suppress(OSError):
                while not over.is_set() and (line := reader.readline()):
                    headers = http.client.parse_headers(reader)
                    body = reader.read(int(headers.get("Content-Length", 0)))
                    if seen is not None:
                        seen.append((line.decode().split()[1], headers.as_bytes() + body))
                    write(self.request, line.decode().split()[1])

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that gave up is no news."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            over.set()
            server.shutdown()
            thread.join()
