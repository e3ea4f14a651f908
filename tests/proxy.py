"""A proxy of real sockets between the loader and the real service, which breaks requests on purpose.

Faults befall `POST /v1/vectors/upsert_binary` only, unless `others` picks some for the other paths.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import random
import socket
import socketserver
import struct
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UPSERT = "/v1/vectors/upsert_binary"

Answer = tuple[int, dict[str, str], bytes]


class Fault:
    """What befalls one request: `handle` gets the connection and a function that forwards it."""

    def __init__(self, name: str, handle: Callable[[socket.socket, Callable[[], Answer]], bool]) -> None:
        self.name = name
        self.handle = handle


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _answer(connection: socket.socket, answer: Answer) -> bool:
    status, headers, body = answer
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(body)}",
        *(f"{k}: {v}" for k, v in headers.items()),
    ]
    connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
    return True


def reset_before(connection: socket.socket, _forward: Callable[[], Answer]) -> bool:
    _reset(connection)
    return False


def reset_after(connection: socket.socket, forward: Callable[[], Answer]) -> bool:
    forward()
    _reset(connection)
    return False


def truncated(connection: socket.socket, forward: Callable[[], Answer]) -> bool:
    status, _headers, body = forward()
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    connection.sendall(head + body[: len(body) // 2])
    connection.close()
    return False


def half_closed(connection: socket.socket, forward: Callable[[], Answer]) -> bool:
    """Answer, and hang up without saying so: the next request on the connection finds nobody."""
    _answer(connection, forward())
    connection.shutdown(socket.SHUT_RDWR)
    connection.close()
    return False


def garbage(connection: socket.socket, forward: Callable[[], Answer]) -> bool:
    forward()
    return _answer(connection, (200, {}, b"<html>it works</html>"))


def status(code: int, **headers: str) -> Callable[[socket.socket, Callable[[], Answer]], bool]:
    """Answer with a status of its own, without forwarding."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def handle(connection: socket.socket, _forward: Callable[[], Answer]) -> bool:
        return _answer(connection, (code, named, b'{"detail":"from the proxy"}'))

    return handle


def held_back(seconds: float) -> Callable[[socket.socket, Callable[[], Answer]], bool]:
    """Forward only after so long, when the client has given up."""

    def handle(connection: socket.socket, forward: Callable[[], Answer]) -> bool:
        threading.Event().wait(seconds)
        forward()
        with contextlib.suppress(OSError):
            connection.close()
        return False

    return handle


def all_faults(delay: float) -> list[Fault]:
    """Every kind there is."""
    found = [Fault(one.__name__, one) for one in (reset_before, reset_after, truncated, half_closed, garbage)]
    found += [Fault(f"status {code}", status(code)) for code in (413, 429, 500, 502, 503, 504)]
    found += [
        Fault("429 with Retry-After", status(429, Retry_After="1")),
        Fault("held back", held_back(delay)),
    ]
    return found


class Proxy:
    """Listens on 127.0.0.1 and forwards to a service; `choose` picks the fault of an upsert, or none.

    `others` does so for every other path, of which it gets the name and the number of the request, from 1.
    """

    def __init__(
        self,
        port: int,
        choose: Callable[[int, bytes], Fault | None],
        *,
        others: Callable[[str, int], Fault | None] = lambda _path, _number: None,
        listen: int = 0,
    ) -> None:
        self.asked: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()
        self.injected: Counter[str] = Counter()
        self.upserts = 0
        self.headers: list[dict[str, str]] = []
        self.largest = 0
        self._choose = choose
        self._others = others
        self._lock = threading.Lock()
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                outer._serve(self.request, port)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """A connection that the client gave up is no news."""

        self._server = Server(("127.0.0.1", listen), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _serve(self, connection: socket.socket, port: int) -> None:
        reader = connection.makefile("rb")
        with contextlib.suppress(OSError, ValueError):
            while True:
                request = reader.readline()
                if not request:
                    return
                method, path, _ = request.decode().split(" ", 2)
                headers = http.client.parse_headers(reader)
                body = reader.read(int(headers.get("Content-Length", 0)))

                forward = functools.partial(_forward, port, method, path, body, dict(headers.items()))
                self.headers.append(dict(headers.items()))
                fault = self._fault(path, body)
                try:
                    if not (fault.handle(connection, forward) if fault else _answer(connection, forward())):
                        return
                except (ConnectionError, http.client.HTTPException):
                    _reset(connection)
                    return

    def _fault(self, path: str, body: bytes) -> Fault | None:
        with self._lock:
            self.asked[path] += 1
            if path != UPSERT:
                fault = self._others(path, self.asked[path])
                self.broken[path] += fault is not None
                return fault
            self.upserts += 1
            self.largest = max(self.largest, len(body))
            fault = self._choose(self.upserts, body)
            if fault is not None:
                self.injected[fault.name] += 1
            return fault

    @contextlib.contextmanager
    def running(self) -> Iterator[Proxy]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def _forward(port: int, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
    upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        upstream.request(method, path, body, {name: value for name, value in headers.items() if name != "Host"})
        answer = upstream.getresponse()
        return answer.status, {"Content-Type": "application/json"}, answer.read()
    finally:
        upstream.close()


def every(number: int, fault: Fault) -> Callable[[int, bytes], Fault | None]:
    """The fault befalls every so-manieth upsert, the first one among them."""
    return lambda upsert, _body: fault if upsert % number == 1 else None


def at_random(share: float, faults: list[Fault], seed: int) -> Callable[[int, bytes], Fault | None]:
    """One of the faults befalls this share of the upserts."""
    chance = random.Random(seed)
    return lambda _upsert, _body: chance.choice(faults) if chance.random() < share else None
