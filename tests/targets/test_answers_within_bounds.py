"""An answer has a largest size and a time for the whole of it, however it is made, and a shape."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
import time
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import KEY
from wire import answer, answering

import cyborg_ingest
from cyborg_ingest.errors import (
    ConnectionLostError,
    IngestError,
    OversizedAnswerError,
    TargetError,
    ThrottledError,
    TooLargeError,
    UnavailableError,
)
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.settings.options import TargetSettings
from cyborg_ingest.settings.scrubbing import Secrets
from cyborg_ingest.targets.answers import retry_after
from cyborg_ingest.targets.manage import names
from cyborg_ingest.targets.wire import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyborg_ingest.targets.base import Client, Index

MIB = 1 << 20
HEAD = b"HTTP/1.1 200 OK\r\n"


def _endless(head: bytes, piece: bytes) -> Callable[[socket.socket, str], None]:
    def write(connection: socket.socket, _path: str) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(piece)

    return write


def _dripping(head: bytes, piece: bytes) -> Callable[[socket.socket, str], None]:
    def write(connection: socket.socket, _path: str) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(piece)
            time.sleep(0.1)

    return write


def _once(data: bytes) -> Callable[[socket.socket, str], None]:
    return lambda connection, _path: connection.sendall(data)


ENDLESS = {
    "body": _endless(HEAD + b"\r\n", b" " * MIB),
    "length": _endless(HEAD + b"Content-Length: 1000000000000000\r\n\r\n", b" " * MIB),
    "chunks": _endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"100000\r\n" + b" " * MIB + b"\r\n"),
    "small chunks": _endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 10_000),
    "one chunk": _endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffff\r\n", b" " * MIB),
    "size of a chunk": _endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * MIB),
    "trailers": _endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a: " + b"b" * 60_000 + b"\r\n"),
    "header": _endless(HEAD + b"a: ", b"b" * MIB),
    "headers": _endless(HEAD, b"a: " + b"b" * 60_000 + b"\r\n"),
    "100 continue": _endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000),
    "gzip": _once(answer(gzip.compress(b" " * 400 * MIB, 9), Content_Encoding="gzip")),
    "deflate": _once(answer(zlib.compress(b" " * 400 * MIB, 9), Content_Encoding="deflate")),
}
DRIPPING = {
    "body": _dripping(HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "chunks": _dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "status": _dripping(b"HTTP/1.1 200 ", b"O"),
    "headers": _dripping(HEAD, b"a: b\r\n"),
    "100 continue": _dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "an error": _dripping(b"HTTP/1.1 401 X\r\nContent-Length: 100000\r\n\r\n", b" "),
}

REQUESTS: dict[str, Callable[[Client, Index], object]] = {
    "list": lambda client, _index: client.list_indexes(),
    "create": lambda client, _index: client.create("new", KEY, CreateOptions(dimension=4)),
    "describe": lambda _client, index: index.describe(),
    "count": lambda _client, index: index.count(),
    "get": lambda _client, index: index.get(["a", "b", "c"]),
    "query": lambda _client, index: index.query(np.ones(4, np.float32), 3),
    "upsert": lambda _client, index: index.upsert_binary(["a"], np.ones((1, 4), np.float32)),
    "train": lambda _client, index: index.train(),
    "training": lambda _client, index: index.is_training(),
    "delete": lambda _client, index: index.delete(),
}


def ask(url: str, name: str, timeout: float = 20.0) -> object:
    with cyborg_ingest.connect(url, timeout=timeout) as client, client.index("some", KEY) as index:
        return REQUESTS[name](client, index)


@pytest.mark.parametrize("kind", ENDLESS)
@pytest.mark.parametrize("name", ["count", "get"])
def test_an_answer_without_end_takes_little_memory_and_time(kind: str, name: str) -> None:
    with answering(ENDLESS[kind]) as url:
        tracemalloc.start()
        begun = time.monotonic()
        try:
            with pytest.raises(
                ConnectionLostError, match="Is it a CyborgDB service|broke the connection|time"
            ) as caught:
                ask(url, name, timeout=4)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert caught.value.exit_code == 3
    assert peak < (130 if name == "get" else 30) * MIB
    assert time.monotonic() - begun < 18


@pytest.mark.parametrize("kind", DRIPPING)
def test_a_byte_now_and_then_does_not_outlast_the_time_out(kind: str) -> None:
    with answering(DRIPPING[kind]) as url:
        begun = time.monotonic()
        with pytest.raises(ConnectionLostError, match="timeout sets"):
            ask(url, "count", timeout=0.6)
        assert 0.5 < time.monotonic() - begun < 20  # without a bound it has no end


def test_large_words_of_an_error_cost_nothing_and_change_nothing() -> None:
    words = json.dumps({"detail": "x" * 10_000_000}).encode()
    for code, kind in ((503, UnavailableError), (400, TargetError)):
        with answering(_once(answer(words, code))) as url:
            tracemalloc.start()
            try:
                with pytest.raises(kind, match=f"HTTP {code}") as caught:
                    ask(url, "count")
                assert tracemalloc.get_traced_memory()[1] < 20 * MIB
            finally:
                tracemalloc.stop()
        assert len(str(caught.value)) < 1000


def test_rows_that_are_too_many_bytes_together_are_asked_for_in_smaller_numbers() -> None:
    """Each row has 20 MB of contents: not more than one fits into an answer."""
    asked: list[int] = []
    seen: list[tuple[str, bytes]] = []

    def write(connection: socket.socket, _path: str) -> None:
        ids = json.loads(seen[-1][1].partition(b"\n\n")[2] or seen[-1][1][seen[-1][1].index(b"{") :])["ids"]
        asked.append(len(ids))
        rows = [{"id": one, "vector": [1.0], "contents": "x" * 20_000_000} for one in ids]
        connection.sendall(answer(json.dumps({"results": rows}).encode()))

    with answering(write, seen) as url, cyborg_ingest.connect(url) as client:
        index: Any = client.index("some", KEY)
        index._dimension = 1
        assert [len(row.contents) for row in index.get(["a", "b", "c"])] == [20_000_000] * 3
    assert asked == [3, 1, 2, 1, 1]


def test_ids_that_are_too_many_for_a_gateway_are_asked_for_in_smaller_numbers() -> None:
    seen: list[tuple[str, bytes]] = []

    def write(connection: socket.socket, _path: str) -> None:
        ids = json.loads(seen[-1][1][seen[-1][1].index(b"{") :])["ids"]
        body = json.dumps({"results": [{"id": one, "vector": [1.0]} for one in ids]}).encode()
        connection.sendall(answer(body) if len(ids) < 3 else answer(b"too large", 413))

    with answering(write, seen) as url, cyborg_ingest.connect(url) as client:
        assert [row.id for row in client.index("some", KEY).get(list("abcdefgh"))] == list("abcdefgh")
    with answering(_once(answer(b"", 413))) as url, pytest.raises(TooLargeError):
        ask(url, "get")


def test_a_training_that_outlasts_the_time_out_is_waited_for_and_not_begun_again() -> None:
    asked: list[str] = []
    info = {"index_name": "some", "dimension": 4, "metric": "cosine", "n_lists": 1}

    def write(connection: socket.socket, path: str) -> None:
        asked.append(path.rpartition("/")[2])
        times = asked.count("training-status")
        if asked[-1] == "train":
            time.sleep(3)  # longer than the client waits
        body = {**info, "is_trained": times > 2, "training_indexes": ["some"] if times < 3 else []}
        connection.sendall(answer(json.dumps(body).encode()))

    with answering(write) as url:
        with cyborg_ingest.connect(url, timeout=1.5, retries=5, retry_max_wait=0.01) as client:
            client.index("some", KEY).train()
    assert asked.count("train") == 1
    assert asked.count("training-status") >= 3


def test_an_answer_that_is_compressed_all_the_same_is_read() -> None:
    body = b'{"result": 7}'
    for packed, coding in ((gzip.compress(body), "gzip"), (zlib.compress(body), "deflate"), (body, "identity")):
        with answering(_once(answer(packed, Content_Encoding=coding))) as url:
            assert ask(url, "count") == 7
    for packed, coding in ((gzip.compress(body)[:-9], "gzip"), (b"rubbish", "gzip"), (body, "br")):
        with answering(_once(answer(packed, Content_Encoding=coding))) as url:
            with pytest.raises(ConnectionLostError):
                ask(url, "count")


WRONG = [
    b"{}", b"[]", b"null", b"7", b'"text"', b"true", b'{"results": null}', b'{"results": {}}', b'{"results": [1]}',
    b'{"results": [{}]}', b'{"results": [{"id": 1}]}', b'{"results": [{"id": "a", "vector": "no"}]}',
    b'{"results": [{"id": "a", "vector": ["1"]}]}', b'{"results": [{"id": "a", "vector": [[1]]}]}',
    b'{"results": [{"id": "a", "vector": [1, [2]]}]}', b'{"results": [{"id": "a", "vector": [true]}]}',
    b'{"results": [{"id": "a", "vector": [1' + b"0" * 400 + b"]}]}", b'{"results": [{"id": "a", "metadata": 5}]}',
    b'{"results": [{"id": "a", "contents": []}]}', b'{"results": [{"id": "a", "distance": "near"}]}',
    b'{"results": [{"id": "a", "distance": true}], "result": true}', b'{"results": [{"id": "other", "vector": [1]}]}',
    b'{"result": "7"}', b'{"result": -1}', b'{"result": 1.5}', b'{"result": 1' + b"0" * 5000 + b"}", b'{"result": NaN}',
    b'{"indexes": "abc", "training_indexes": "abc"}', b'{"indexes": [1], "training_indexes": [null]}',
    b'{"status": 1}', b'{"status": null, "message": []}', b'{"status": "error", "message": 5}',
    b'{"index_name": "some", "dimension": "4", "metric": "cosine", "is_trained": false, "n_lists": 1}',
    b'{"index_name": "some", "dimension": 4, "metric": null, "is_trained": false, "n_lists": 1}',
    b'{"index_name": "some", "dimension": 4, "metric": "cosine", "is_trained": "no", "n_lists": 1}',
    b'{"index_name": "some", "dimension": -4, "metric": "cosine", "is_trained": false, "n_lists": 1}',
    b'{"index_name": "some", "dimension": 4, "metric": "cosine", "is_trained": false}',
    b'{"index_name": 5, "dimension": 4, "metric": "cosine", "is_trained": false, "n_lists": 1, "bm25": []}',
    b'{"index_name": "some", "dimension": 4, "metric": "cosine", "is_trained": false, "n_lists": 1, "bm25": []}',
    b'{"index_name": "s", "dimension": 4, "metric": "c", "is_trained": false, "n_lists": 1, "metadata_schema": 5}',
    b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b"",
]  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_json_of_another_shape_is_named_whatever_was_asked(name: str) -> None:
    bodies = [one for one in WRONG if name != "get" or b"distance" not in one]  # of no concern to it
    body = b""

    def write(connection: socket.socket, _path: str) -> None:
        connection.sendall(answer(body))

    with answering(write) as url:
        for body in bodies:
            with pytest.raises(TargetError) as caught:
                ask(url, name)
            assert caught.value.exit_code == 3, body
            assert url in str(caught.value)
            assert len(str(caught.value)) < 500


def test_each_part_of_an_answer_that_is_missing_is_named() -> None:
    whole = {"index_name": "some", "dimension": 4, "metric": "cosine", "is_trained": False, "n_lists": 1}
    for name in whole:
        lacking = {key: value for key, value in whole.items() if key != name}
        with answering(_once(answer(json.dumps(lacking).encode()))) as url:
            with pytest.raises(ConnectionLostError, match=f"no '{name}'"):
                ask(url, "describe")
    with answering(_once(answer(json.dumps(whole).encode()))) as url:
        assert ask(url, "describe").dimension == 4  # type: ignore[attr-defined]


def test_a_change_that_failed_by_the_services_own_words_is_an_error() -> None:
    words = {"status": "error", "message": "Training failed for 'some': internal error during training"}
    for name in ("create", "train", "delete"):
        with answering(_once(answer(json.dumps(words).encode()))) as url:
            with pytest.raises(TargetError, match="Training failed for 'some'"):
                ask(url, name)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("100000000000000000000", 1e20), ("7", 7.0), (" 7 ", 7.0), ("\u00b2", None), ("\u0663", None), ("-5", None),
        ("1.5", None), ("soon", None), ("", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("Wed, 21 Oct 2015", None),
        ("Mon, 99 Foo 2015 99:99:99 GMT", None), ("9" * 400, float("inf")),
    ],
)  # fmt: skip
def test_what_is_asked_for_as_a_wait_is_read_or_passed_over(value: str, seconds: float | None) -> None:
    assert retry_after(Answer(503, {"Retry-After": value}, b"")) == seconds


@pytest.mark.parametrize("value", ["1" + "0" * 20, "\xb2", "-1", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_no_wait_that_is_asked_for_is_longer_than_the_option_says(value: str) -> None:
    with answering(_once(answer(b'{"detail": "busy"}', 429, Retry_After=value))) as url:
        begun = time.monotonic()
        with pytest.raises(ThrottledError):
            names(TargetSettings(target=url, retries=2, retry_max_wait=0.05))
        assert time.monotonic() - begun < 20


def test_a_detail_of_any_shape_is_said_or_passed_over() -> None:
    shapes: list[Any] = [
        5, None, [], [5], [{}], [{"loc": 5, "msg": []}], [{"loc": None}], {"a": 1}, [[1]], True, "", "x" * 5000,
    ]  # fmt: skip
    for shape in shapes:
        for body in (json.dumps({"detail": shape}), json.dumps([shape]), json.dumps(shape)):
            with answering(_once(answer(body.encode(), 422))) as url:
                with pytest.raises(TargetError, match="HTTP 422") as caught:
                    ask(url, "count")
                assert "None: " not in str(caught.value)


@pytest.mark.parametrize("key", ["k3y", "a'b\\c\"d", "ab%/cd", "Mixed-Case"])
def test_an_echoed_key_is_not_shown_in_any_form(key: str) -> None:
    secrets = Secrets(key, KEY)
    assert secrets.scrub(f"bad {key}") == "bad ***"
    for form in (json.dumps(key)[1:-1], repr(key)[1:-1], KEY.hex(), KEY.hex().upper(), repr(KEY)[2:-1]):
        assert form not in secrets.scrub(f"an error holds {form} in it")
    with answering(_once(answer(json.dumps({"detail": f"bad {key} {KEY.hex()}"}).encode(), 401))) as url:
        with cyborg_ingest.connect(url, key) as client, pytest.raises(IngestError) as caught:
            client.list_indexes()
        assert key not in str(caught.value)
        with cyborg_ingest.connect(url, key) as client, pytest.raises(IngestError) as caught:
            client.index("some", KEY).count()
        assert key not in str(caught.value)
        assert KEY.hex() not in str(caught.value)


def test_secrets_without_a_key_change_nothing() -> None:
    assert Secrets().scrub("a text") == "a text"
    assert "k3y" not in repr(Secrets("k3y"))


def test_an_oversized_answer_is_one_that_may_pass() -> None:
    with answering(ENDLESS["length"]) as url, pytest.raises(OversizedAnswerError, match="more than 4,000,000 bytes"):
        ask(url, "count")


ROWS = np.ones((500, 3000), np.float32)
"""As base64 8 MB: more than the sockets of both sides hold."""


def _sent(seconds: float, timeout: float, connect_timeout: float) -> None:
    """An upsert to a service that reads nothing for so long."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                time.sleep(seconds)
                left = None
                seen = b""
                while left is None or left > 0:
                    piece = connection.recv(MIB)
                    seen, left = seen + piece if left is None else b"", None if left is None else left - len(piece)
                    if left is None and b"\r\n\r\n" in seen:
                        head, _, rest = seen.partition(b"\r\n\r\n")
                        left = int(head.lower().partition(b"content-length: ")[2].split()[0]) - len(rest)
                connection.sendall(answer(b'{"status": "success", "message": "Upserted 500 vectors"}'))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with cyborg_ingest.connect(url, timeout=timeout, connect_timeout=connect_timeout) as client:
            client.index("some", KEY).upsert_binary([str(row) for row in range(500)], ROWS)


def test_a_service_that_reads_slowly_has_the_time_of_an_answer() -> None:
    _sent(1.0, timeout=20, connect_timeout=0.3)


def test_a_service_that_reads_nothing_is_given_up() -> None:
    begun = time.monotonic()
    with pytest.raises(ConnectionLostError, match="timeout sets") as caught:
        _sent(20.0, timeout=0.6, connect_timeout=5)
    assert caught.value.outcome_unknown
    assert time.monotonic() - begun < 18
