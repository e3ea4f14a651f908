"""Whatever the HTTP libraries raise, and whatever stands before the service, has one message and one exit code."""

from __future__ import annotations

import datetime
import http.client
import inspect
import ipaddress
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import requests
import urllib3
from conftest import KEY
from typer.testing import CliRunner
from wire import answer, answering

import cyborg_ingest
from cyborg_ingest.cli import app
from cyborg_ingest.errors import (
    AccessError,
    ArgumentError,
    IngestError,
    NoIndexError,
    TargetError,
    UsageError,
)
from cyborg_ingest.facts import Noted
from cyborg_ingest.settings.options import LoadSettings, TargetSettings
from cyborg_ingest.targets.hosts import fault_of, is_loopback
from cyborg_ingest.targets.opening import open_client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from service import Service

    from cyborg_ingest.facts import Event


class Chunked:
    """As much of an answer as an error asks it for."""

    length_remaining = None

    def tell(self) -> int:
        return 0


def _made(kind: type[BaseException]) -> BaseException:
    """An error of a kind, with arguments that its constructor takes."""
    pool = urllib3.HTTPConnectionPool("host")
    tries: list[tuple[Any, ...]] = [
        ("words",), (), (pool, "words"), (pool, "url", "words"), (pool, "url", ConnectionResetError()),
        ("a", b"b", 0, 1, "c"), ("a", "b", 0),
        (Chunked(), b"zz"),
        ("a", "b", 0, 1, "c"), ("words", OSError()), ("host", pool, OSError()), (pool, "url"), (1, 2), (b"x", 2),
    ]  # fmt: skip
    for arguments in tries:
        try:
            return kind(*arguments)
        except (TypeError, AttributeError):
            continue
    pytest.fail(f"{kind} takes other arguments")


def _kinds() -> list[type[BaseException]]:
    """All exceptions that the libraries beneath can raise."""
    found = {UnicodeError, UnicodeDecodeError, UnicodeEncodeError, ValueError, OSError, TimeoutError, ConnectionError,
             ConnectionResetError, BrokenPipeError, ConnectionRefusedError, ConnectionAbortedError, PermissionError,
             FileNotFoundError, InterruptedError}  # fmt: skip
    for module in (requests.exceptions, urllib3.exceptions, http.client, ssl, socket):
        found |= {
            one for name, one in inspect.getmembers(module, inspect.isclass)
            if issubclass(one, Exception) and not name.startswith("_")
            and one.__module__.partition(".")[0] in {"requests", "urllib3", "http", "ssl", "socket"}
        }  # fmt: skip
    return sorted(found, key=lambda one: f"{one.__module__}.{one.__qualname__}")


@pytest.mark.parametrize("kind", _kinds(), ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
@pytest.mark.parametrize("place", ["request", "send"])
def test_all_that_the_libraries_raise_becomes_one_of_our_errors(
    monkeypatch: pytest.MonkeyPatch, kind: type[BaseException], place: str
) -> None:
    owner: Any = requests.Session if place == "request" else requests.adapters.HTTPAdapter
    real, thrown = getattr(owner, place), [_made(kind)]

    def broken(self: Any, *arguments: Any, **named: Any) -> Any:
        if thrown:
            raise thrown.pop()
        return real(self, *arguments, **named)

    monkeypatch.setattr(owner, place, broken)
    whole = answer(b'{"result": 7}')
    with answering(lambda connection, _path: connection.sendall(whole)) as url:
        with cyborg_ingest.connect(url) as client:
            index = client.index("some", KEY)
            with pytest.raises(TargetError) as caught:
                index.count()
            assert url in str(caught.value)
            assert KEY.hex() not in str(caught.value)
            assert index.count() == 7  # and the next request finds a good connection


# TLS


def certificate(folder: Path, *, days: tuple[int, int] = (-1, 1), name: str = "127.0.0.1") -> tuple[str, str]:
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    try:
        named: Any = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        named = x509.DNSName(name)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName([named]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "key.pem").write_bytes(pem)
    return str(folder / "cert.pem"), str(folder / "key.pem")


def secured(files: tuple[str, str]) -> Any:
    """A server that shows this certificate, and says nothing more."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as one:
                    one.recv(1000)
            except OSError:
                pass

    threading.Thread(target=serve, daemon=True).start()
    return listener


@pytest.mark.parametrize(
    ("made", "trusted", "said", "not_said"),
    [
        ({"days": (-3, -1)}, True, "has expired", "ca_cert"),
        ({"days": (1, 3)}, True, "clock", "ca_cert"),
        ({"name": "127.0.0.2"}, True, "another name than '127.0.0.1'", "ca_cert"),
        ({"name": "elsewhere.test"}, True, "another name than '127.0.0.1'", "ca_cert"),
        ({}, False, "ca_cert=FILE", "expired"),
    ],
)
def test_each_fault_of_a_certificate_has_its_own_next_step(
    tmp_path: Path, made: dict[str, Any], trusted: bool, said: str, not_said: str
) -> None:
    files = certificate(tmp_path, **made)
    with secured(files) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        ca_cert = tmp_path / "cert.pem" if trusted else None
        with cyborg_ingest.connect(url, ca_cert=ca_cert) as client, pytest.raises(TargetError) as caught:
            client.list_indexes()
    assert said in str(caught.value)
    assert not_said not in str(caught.value)
    assert type(caught.value) is TargetError  # asking again changes nothing


@pytest.mark.parametrize("how", ["nowhere", "a directory", "no certificate", "nothing in it"])
@pytest.mark.parametrize("named", ["--ca-cert", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_that_cannot_be_read_are_a_wrong_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, named: str
) -> None:
    place = tmp_path / "certificates"
    if how == "a directory":
        place.mkdir()
    elif how != "nowhere":
        place.write_bytes(b"rubbish" if how == "no certificate" else b"")
    if named.startswith("-"):
        settings = TargetSettings(target="https://127.0.0.1:9", ca_cert=place)
    else:
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        monkeypatch.setenv(named, str(place))
        settings = TargetSettings(target="https://127.0.0.1:9")
    with pytest.raises(UsageError, match="It takes a PEM file") as caught:
        open_client(settings)
    assert named in str(caught.value)
    assert str(place) in str(caught.value)


# Proxies, gateways, redirects


def test_what_stays_on_this_machine_goes_through_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, bytes]] = []
    with answering(lambda connection, _path: connection.sendall(answer(b"{}")), seen) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy)
        whole = answer(b'{"indexes": []}')
        with answering(lambda connection, _path: connection.sendall(whole)) as url:
            for address in (url, url.replace("127.0.0.1", "localhost")):
                with cyborg_ingest.connect(address) as client:
                    assert client.list_indexes() == []
        assert not seen
        with cyborg_ingest.connect("http://elsewhere.test") as client, pytest.raises(TargetError):
            client.list_indexes()
        assert [path for path, _ in seen] == ["http://elsewhere.test/v1/indexes/list"]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("code", "said"), [(407, "a user and a password"), (403, "whatever the API key")])
def test_a_proxy_is_not_taken_for_the_service(
    monkeypatch: pytest.MonkeyPatch, scheme: str, code: int, said: str
) -> None:
    page = answer(b"<html>denied by the proxy</html>", code, Content_Type="text/html")
    with answering(lambda connection, _path: connection.sendall(page)) as proxy:
        monkeypatch.setenv(f"{scheme}_proxy", proxy)
        with cyborg_ingest.connect(f"{scheme}://elsewhere.test", "the key") as client:
            with pytest.raises(AccessError, match=said) as caught:
                client.list_indexes()
    assert "CyborgDB service" not in str(caught.value)
    assert "does not permit" not in str(caught.value)


def test_a_proxy_without_an_address_is_said_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://ada:s3cret@:x")
    with cyborg_ingest.connect("http://elsewhere.test") as client, pytest.raises(IngestError) as caught:
        client.list_indexes()
    assert "s3cret" not in str(caught.value)


def test_a_gateway_is_not_taken_for_the_service_either() -> None:
    for code, kind, said in ((403, AccessError, "gateway"), (401, AccessError, "login"), (404, TargetError, "Is it a")):
        page = answer(b"<html>no</html>", code)
        with answering(lambda connection, _path, page=page: connection.sendall(page)) as url:  # type: ignore[misc]
            with cyborg_ingest.connect(url) as client, pytest.raises(kind, match=said) as caught:
                client.index("some", KEY).describe()
            assert not isinstance(caught.value, NoIndexError)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("https://elsewhere.test/v1", "https://elsewhere.test; the keys are not sent there"),
        ("//elsewhere.test:9/v1", "http://elsewhere.test:9; the keys are not sent there"),
        ("http://user:pass@elsewhere.test/", "http://elsewhere.test; the keys"),
        ("/other", "another path of its own"),
        ("http://[", "to nowhere"),
        ("http://a..b/\u20ac", "the keys are not sent there"),
    ],
)
def test_a_redirect_is_named_and_never_followed(code: int, location: str, said: str) -> None:
    seen: list[tuple[str, bytes]] = []
    head = f"HTTP/1.1 {code} X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    with answering(lambda connection, _path: connection.sendall(head), seen) as url:
        with cyborg_ingest.connect(url, "the key") as client, pytest.raises(TargetError) as caught:
            client.index("some", KEY).describe()
    assert said in str(caught.value)
    assert "pass" not in str(caught.value)
    assert len(seen) == 1


def test_a_redirect_that_drops_https_is_named(tmp_path: Path) -> None:
    files = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    head = b"HTTP/1.1 308 X\r\nLocation: http://127.0.0.1:9/v1\r\nContent-Length: 0\r\n\r\n"

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with context.wrap_socket(listener.accept()[0], server_side=True) as one:
                one.recv(65536)
                one.sendall(head)

        threading.Thread(target=serve, daemon=True).start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with cyborg_ingest.connect(url, "the key", ca_cert=tmp_path / "cert.pem") as client:
            with pytest.raises(TargetError, match="http://127.0.0.1:9, without https: the keys are not sent"):
                client.list_indexes()


# Addresses and options


@pytest.mark.parametrize(
    "host",
    ["a..b", ".a", "x" * 70, "a b", "a\tb", "a\nb", "a<b", "a_b..c", "\u20ac" * 64, "a" + ".b" * 130, "a,b", "[::g]"],
)
def test_a_host_that_cannot_be_is_a_wrong_target(host: str) -> None:
    with pytest.raises(UsageError) as caught:
        cyborg_ingest.connect(f"http://{host}:8000")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "host", ["a", "a.b", "a-b.c", "my_service", "xn--nxasmq6b", "b\u00fccher.example", "10.0.0.1", "::1"]
)
def test_a_host_that_can_be_is_taken(host: str) -> None:
    assert fault_of(host) is None


@pytest.mark.parametrize(
    ("target", "is_one"),
    [
        ("http://127.0.0.1", True), ("http://127.9.9.9:80", True), ("http://[::1]:80", True),
        ("http://localhost", True),
        ("http://LOCALHOST.:80", True), ("http://a.localhost", True), ("http://127.1", True), ("http://0.0.0.0", True),
        ("http://[::ffff:127.0.0.1]", True), ("http://10.0.0.1", False), ("http://localhost.example", False),
        ("http://127.0.0.1.example", False), ("http://128.0.0.1", False), ("http://[::2]", False), ("http://a", False),
    ],
)  # fmt: skip
def test_this_machine_is_told_by_its_names(target: str, is_one: bool) -> None:
    assert is_loopback(target) is is_one


def test_plain_http_beyond_this_machine_is_said_unless_one_says_that_it_may_be() -> None:
    for target, allow, said in (
        ("http://elsewhere.test:8000", False, True), ("http://elsewhere.test:8000", True, False),
        ("http://10.0.0.1", False, True), ("https://elsewhere.test", False, False), ("http://127.0.0.1", False, False),
    ):  # fmt: skip
        heard: list[Event] = []
        with open_client(TargetSettings(target=target, allow_plain_http=allow), heard.append):
            notes = [one.text for one in heard if isinstance(one, Noted)]
        assert len(notes) == said
        assert all("--allow-plain-http" in one and target in one for one in notes)


WRONG_OPTIONS = [
    ("--timeout", "inf"), ("--timeout", "nan"), ("--timeout", "1e20"), ("--timeout", "0"), ("--timeout", "-1"),
    ("--timeout", "1" * 400), ("--retry-max-wait", "nan"), ("--retry-max-wait", "inf"), ("--retry-max-wait", "-1"),
    ("--retry-max-wait", "1e20"), ("--retries", "-1"), ("--target", "http://a..b"), ("--target", "http://" + "x" * 70),
    ("--target", "http://a b"), ("--target", "http://a:0"), ("--ca-cert", "nowhere.pem"),
]  # fmt: skip


@pytest.mark.parametrize(("option", "value"), WRONG_OPTIONS, ids=lambda one: one[:20])
def test_what_cannot_be_asked_for_is_exit_code_2_in_one_line(option: str, value: str) -> None:
    target = [] if option == "--target" else ["--target", "https://127.0.0.1:9"]
    ended = CliRunner().invoke(app, ["index", "list", *target, option, value])
    assert ended.exit_code == 2
    assert ended.stderr.count("\n") == 1
    assert option in ended.stderr or value in ended.stderr


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e20, 0, -1, "5", None, True])
def test_a_program_is_told_too(value: Any) -> None:
    for name in ("timeout", "connect_timeout"):
        with pytest.raises(ArgumentError, match=name):
            cyborg_ingest.connect("http://127.0.0.1:9", **{name: value})


def test_no_wait_of_a_load_is_without_end() -> None:
    for name in ("timeout", "retry_max_wait", "drain_timeout"):
        for value in (float("nan"), float("inf"), 1e20):
            with pytest.raises(UsageError, match="--"):
                LoadSettings(**{"sources": ("a",), "index": "a", name: value})  # type: ignore[arg-type]


# Keys


@pytest.fixture
def filled(secured_service: Service) -> Iterator[str]:
    from conftest import ROOT_KEY  # noqa: PLC0415

    from cyborg_ingest.model import CreateOptions  # noqa: PLC0415

    with cyborg_ingest.connect(secured_service.url, ROOT_KEY) as client:
        index = client.create("bordered", KEY, CreateOptions(dimension=4))
        index.upsert_binary(["a"], np.ones((1, 4), np.float32))
        yield secured_service.url
        index.delete()


def test_a_wrong_key_is_exit_code_2(filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from conftest import ROOT_KEY  # noqa: PLC0415

    np.save(tmp_path / "rows.npy", np.ones((5, 4), np.float32))
    other = bytes(range(1, 33))
    for api_key, index_key in ((None, KEY), ("wrong", KEY), (ROOT_KEY, other)):
        monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", index_key.hex())
        monkeypatch.delenv("CYBORG_INGEST_API_KEY", raising=False)
        if api_key:
            monkeypatch.setenv("CYBORG_INGEST_API_KEY", api_key)
        with pytest.raises(AccessError) as caught:
            cyborg_ingest.load(tmp_path / "rows.npy", index="bordered", target=filled)
        assert caught.value.exit_code == 2
        assert caught.value.report is not None
        assert caught.value.report.exit_code == 2
        assert caught.value.report.rows["acknowledged"] == 0


def token(service: Service, index: str, permissions: list[str]) -> str:
    from conftest import ROOT_KEY  # noqa: PLC0415

    made = requests.post(
        f"{service.url}/v1/indexes/{index}/users",
        json={"permissions": permissions, "index_key": KEY.hex()},
        headers={"X-API-Key": ROOT_KEY},
        timeout=30,
    ).json()
    return next(str(value) for value in made.values() if str(value).startswith("cdbk_"))


def test_who_has_a_token_is_not_told_to_create(
    secured_service: Service, filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "rows.npy", np.ones((5, 4), np.float32))
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", KEY.hex())
    monkeypatch.setenv("CYBORG_INGEST_API_KEY", token(secured_service, "bordered", ["read", "write"]))
    with pytest.raises(NoIndexError, match="takes the service's root key") as caught:
        cyborg_ingest.load(tmp_path / "rows.npy", index="none", target=filled)
    assert "create=True" not in str(caught.value)
    with pytest.raises(AccessError, match="root key, not a cdbk_ token"):
        cyborg_ingest.load(tmp_path / "rows.npy", index="none", target=filled, create=True)
    monkeypatch.setenv("CYBORG_INGEST_API_KEY", token(secured_service, "bordered", ["read"]))
    with pytest.raises(AccessError, match="read and write") as denied:
        cyborg_ingest.load(tmp_path / "rows.npy", index="bordered", target=filled)
    assert denied.value.exit_code == 2
