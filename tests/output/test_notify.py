"""What is sent to whoever hears of a load, and how long that may take."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from listener import listening_to_all

from cyborg_ingest.output import posting
from cyborg_ingest.output.hearers import Ending
from cyborg_ingest.output.notify import Notifier
from cyborg_ingest.settings.options import NotifySettings
from cyborg_ingest.settings.scrubbing import KNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

RESULT = {"status": "ok", "exit_code": 0, "rows": {"read": 3}, "sources": [{"uri": "private/place"}], "error": None}
ENDING = Ending(RESULT, 1.0)


def of(**options: Any) -> Notifier:
    return Notifier(NotifySettings(**options), is_dry=False)


@pytest.fixture
def dripping() -> Iterator[str]:
    """A server whose answer never ends, a byte at a time."""
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection:
            while not over.wait(0.1):
                try:
                    connection.sendall(b"H")
                except OSError:
                    return

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=drip, args=(connection,)).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        over.set()
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_an_answer_that_drips_is_given_up(dripping: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "SECONDS", 1.0)
    one, began = of(ping_url=f"{dripping}/x", webhook=f"{dripping}/hook"), time.monotonic()
    one.begin()
    assert time.monotonic() - began < 0.5  # the load goes on
    assert len(list(one.end(ENDING))) == 3
    assert time.monotonic() - began < 3


def test_the_beginning_arrives_before_the_end_also_where_it_fails_at_first() -> None:
    with listening_to_all() as listener:
        listener.way = 503
        one = of(ping_url=f"{listener.url}/x")
        one.begin()
        threading.Timer(0.3, setattr, (listener, "way", 200)).start()
        assert list(one.end(ENDING)) == []
    assert listener.paths[-1] == "/x/0"
    assert set(listener.paths[:-1]) == {"/x/start"}


def test_a_webhook_keeps_its_address_as_it_is() -> None:
    with listening_to_all() as listener:
        assert list(of(webhook=f"{listener.url}/a/?token=x%20y").end(ENDING)) == []
    assert (listener.paths, listener.heard[0].query) == (["/a/"], {"token": ["x y"]})
    assert listener.heard[0].body == RESULT


def test_an_address_is_known_in_parts_and_common_words_are_none() -> None:
    of(
        ping_url="https://hc.example/ping/abcdefgh-1234-5678",
        webhook="https://hooks.example/services/T1/5ecret5ecret?t=5ecret5ecret2",
    )
    for text in (
        "url: /ping/abcdefgh-1234-5678/start",
        "abcdefgh-1234-5678",
        "/services/T1/5ecret5ecret",
        "t=5ecret5ecret2",
    ):
        assert "***" in KNOWN.scrub(text), text
    for text in ("ping", "services and pings", "https://hc.example/", "T1"):
        assert KNOWN.scrub(text) == text


def test_a_host_alone_is_no_secret() -> None:
    of(ping_url="http://127.0.0.1:8000")
    assert KNOWN.scrub("http://127.0.0.1:8000 does not answer") == "http://127.0.0.1:8000 does not answer"


def test_settings_do_not_show_addresses() -> None:
    assert "5ecret" not in repr(
        NotifySettings(ping_url="https://hc.example/5ecret", webhook="https://x.example/5ecret")
    )
