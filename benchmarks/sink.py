"""A server that takes every upsert and throws it away: what is left is the client's own cost.

    python sink.py PORT

It answers as a service with one empty index does. Bodies are read and dropped without a look.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import threading

DESCRIBE = {
    "index_name": "bench", "is_trained": False, "dimension": 0, "metric": "euclidean", "n_lists": 1,
    "metadata_schema": {}, "bm25": None,
}  # fmt: skip
ANSWERS = {
    b"/v1/health": {"status": "healthy"},
    b"/v1/indexes/describe": DESCRIBE,
    b"/v1/vectors/num_vectors": {"result": 0},
    b"/v1/vectors/get": {"results": []},
    b"/v1/vectors/upsert_binary": {"status": "success", "message": "Upserted"},
    b"/v1/vectors/upsert": {"status": "success", "message": "Upserted"},
}
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def serve(connection: socket.socket) -> None:
    """Answer one client until it hangs up."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    room = bytearray(1 << 20)
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return
            data += piece
        head, _, rest = data.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        left = int(found[1]) - len(rest) if found else 0
        while left > 0:
            left -= connection.recv_into(room, min(left, len(room)))
        data = b""
        answer = json.dumps(ANSWERS.get(head.split(b" ")[1], {})).encode()
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer)
        )


def main() -> None:
    """Listen on 127.0.0.1 until the process is ended."""
    server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    print("ready", flush=True)
    while True:
        connection, _ = server.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
