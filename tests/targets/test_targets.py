"""What the real service and the real engine do, and what we make of it: sharing, locks, keys, TLS."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cyborgdb
import numpy as np
import pytest
import requests
from advised import run, says
from conftest import KEY, ROOT_KEY
from proxy import Fault, Proxy, status
from service import Service, free_port, running

import cyborg_ingest
from cyborg_ingest.errors import (
    AccessError,
    ConnectionLostError,
    IndexExistsError,
    MissingExtraError,
    NoIndexError,
    StorageError,
    TargetError,
    UsageError,
)
from cyborg_ingest.model import CreateOptions
from cyborg_ingest.settings import keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Engine

VECTORS = np.random.default_rng(5).standard_normal((30, 4)).astype(np.float32)
IDS = [f"row-{row}" for row in range(30)]
METADATA: list[Any] = [{"row": row} for row in range(30)]
CONTENTS: list[Any] = [f"text {row}" for row in range(30)]
OTHER = bytes(range(1, 33))
FOUR = CreateOptions(dimension=4)


def fill(target: str, index: str, api_key: str | None = None) -> None:
    with cyborg_ingest.connect(target, api_key) as client, client.create(index, KEY, FOUR) as one:
        one.upsert_binary(IDS, VECTORS, METADATA, CONTENTS)


def seen(url: str, index: str) -> list[tuple[str, bytes, Any, Any]]:
    """The rows as the official SDK reads them."""
    rows = cyborgdb.Client(url).load_index(index, KEY).get(IDS)
    return [
        (row["id"], np.array(row["vector"], "<f4").tobytes(), row["metadata"], _text(row["contents"])) for row in rows
    ]


def _text(contents: Any) -> Any:
    return contents.decode() if isinstance(contents, bytes) else contents


EXPECTED = [
    (identity, vector.tobytes(), metadata, contents)
    for identity, vector, metadata, contents in zip(IDS, VECTORS, METADATA, CONTENTS, strict=True)
]


# An index of one is an index of the other


def test_what_the_engine_wrote_a_running_service_serves(service: Service) -> None:
    fill(f"disk:{service.data}", "beside")
    assert seen(service.url, "beside") == EXPECTED
    # it is the service's now
    with cyborg_ingest.connect(f"disk:{service.data}") as client, client.index("beside", KEY) as one:
        with pytest.raises(StorageError, match="Another process has it open.*target='http"):
            one.upsert_binary(["more"], VECTORS[:1])
    with cyborg_ingest.connect(service.url) as client, client.index("beside", KEY) as one:
        one.upsert_binary(["more"], VECTORS[:1])
        assert one.count() == 31


def test_what_the_engine_wrote_a_later_service_serves_and_the_other_way_round(tmp_path: Path) -> None:
    directory = tmp_path / "later"
    fill(f"disk:{directory / 'data'}", "first")
    with running(directory) as service:
        assert seen(service.url, "first") == EXPECTED
        fill(service.url, "second")
    with cyborg_ingest.connect(f"disk:{directory / 'data'}") as client, client.index("second", KEY) as one:
        found = [row for row in one.get(IDS) if row.vector is not None]
        assert [(row.id, row.vector.tobytes(), row.metadata, row.contents) for row in found] == EXPECTED  # type: ignore[union-attr]
        one.upsert_binary(IDS[:1], VECTORS[1:2])
        assert one.count() == 30


WRITER = """
import sys, numpy as np, cyborg_ingest
with cyborg_ingest.connect(sys.argv[1]) as client, client.index("locked", bytes(range(32))) as index:
    index.upsert_binary(["from another process"], np.ones((1, 4), np.float32))
"""


def other_process(target: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WRITER, target], capture_output=True, text=True, timeout=60, check=False
    )


def test_closing_an_index_frees_it_for_other_processes(tmp_path: Path) -> None:
    target = f"disk:{tmp_path / 'data'}"
    with cyborg_ingest.connect(target) as client:
        with client.create("locked", KEY, FOUR) as index:
            index.upsert_binary(IDS, VECTORS)
            refused = other_process(target)
            assert refused.returncode == 1
            assert "IndexBusyError" in refused.stderr
            assert "Another process has it open" in refused.stderr
        done = other_process(target)
        assert done.returncode == 0, done.stderr
        with client.index("locked", KEY) as index:
            assert index.count() == 31


def test_the_engine_writes_nothing_of_its_own_to_the_terminal(tmp_path: Path) -> None:
    program = (
        "import sys, numpy as np, cyborg_ingest\n"
        "with cyborg_ingest.connect(sys.argv[1]) as c, c.create('i', bytes(range(32)), "
        "cyborg_ingest.model.CreateOptions(dimension=4)) as i:\n"
        "    try: i.upsert_binary(['a'], np.ones((1, 3), np.float32))\n"
        "    except ValueError as error: print(error)\n"
        "with cyborg_ingest.connect(sys.argv[1]) as c, c.index('i', bytes(range(1, 33))) as i:\n"
        "    try: i.count()\n"
        "    except ValueError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, f"disk:{tmp_path}"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    assert "dimension" in done.stdout
    assert "this is not the key of the index." in done.stdout


# Creating


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (CreateOptions(dimension=4, metric="cosine"), (4, "cosine")),
        (CreateOptions(dimension=4, metric="squared_euclidean"), (4, "squared_euclidean")),
        (CreateOptions(), (0, "euclidean")),
    ],
)
def test_an_index_is_made_as_asked(engine: Engine, options: CreateOptions, said: tuple[int, str]) -> None:
    with engine.connect() as client, client.create(engine.name(), KEY, options) as index:
        found = index.describe()
        assert (found.dimension, found.metric) == said
        with pytest.raises(IndexExistsError, match="already"):
            client.create(index.name, KEY, options)
        index.delete()
        with pytest.raises(NoIndexError):
            client.index(index.name, KEY).describe()


def test_metadata_schema_text_fields_and_bm25_reach_the_index(engine: Engine) -> None:
    options = CreateOptions(
        dimension=4, metadata_schema={"year": {"filterable": False}}, text_fields=("body",), bm25_k1=1.5, bm25_b=0.5
    )
    with engine.connect() as client, client.create(engine.name(), KEY, options) as index:
        found = index.describe()
        assert found.metadata_schema["year"]["filterable"] is False
        assert found.metadata_schema["body"]["full_text"] is True
        assert found.bm25 is not None
        assert (found.bm25["k1"], found.bm25["b"]) == (1.5, 0.5)


def test_the_free_engine_makes_half_an_index_whole(tmp_path: Path) -> None:
    import cyborgdb_core  # noqa: PLC0415

    target = f"disk:{tmp_path / 'data'}"
    storage = cyborgdb_core.StorageConfig.disk(str(tmp_path / "data"))
    engine = cyborgdb_core.Client(storage_config=storage)
    cyborgdb_core.create_index_kms(storage, "envelope", cyborgdb_core.KMSBlob(provider="none", version=1, created_at=1))
    engine.create_index("bare", KEY, dimension=4)
    del engine
    with cyborg_ingest.connect(target) as client:
        for name in ("envelope", "bare"):
            with client.create(name, KEY, FOUR) as index:
                index.upsert_binary(IDS, VECTORS)
                assert index.count() == 30
    with running(tmp_path) as service:
        for name in ("envelope", "bare"):
            assert len(seen_ids(service.url, name)) == 30


def seen_ids(url: str, index: str) -> list[str]:
    return [str(row["id"]) for row in cyborgdb.Client(url).load_index(index, KEY).get(IDS, include=["vector"])]


# Keys


def test_a_wrong_index_key_is_named_whether_the_service_is_warm_or_cold(tmp_path: Path) -> None:
    with running(tmp_path) as one:
        fill(one.url, "keys")
        with cyborg_ingest.connect(one.url) as client:
            with pytest.raises(AccessError, match="CYBORG_INGEST_INDEX_KEY"):
                client.index("keys", OTHER).count()
        one.stop()
        one.start()
        with cyborg_ingest.connect(one.url) as client:
            with pytest.raises(TargetError, match="this is not the key of index .*CYBORG_INGEST_INDEX_KEY"):
                client.index("keys", OTHER).count()
            with pytest.raises(AccessError, match="CYBORG_INGEST_INDEX_KEY"):
                client.index("keys").count()
            assert client.index("keys", KEY).count() == 30


def test_the_embedded_engine_names_a_wrong_key_too(tmp_path: Path) -> None:
    fill(f"disk:{tmp_path}", "keys")
    with cyborg_ingest.connect(f"disk:{tmp_path}") as client:
        with pytest.raises(AccessError, match="not the key of the index"):
            client.index("keys", OTHER).count()
        with pytest.raises(AccessError, match="CYBORG_INGEST_INDEX_KEY"):
            client.index("keys").describe()


@pytest.mark.parametrize(
    ("api_key", "words"),
    [
        (None, "CYBORG_INGEST_API_KEY"),
        ("wrong", "CYBORG_INGEST_API_KEY"),
        ("cdbk_short", "CYBORG_INGEST_API_KEY"),
    ],
)
def test_a_wrong_api_key_is_named(secured_service: Service, api_key: str | None, words: str) -> None:
    with cyborg_ingest.connect(secured_service.url, api_key) as client:
        with pytest.raises(AccessError, match=words) as caught:
            client.index("nope", KEY).describe()
    assert api_key is None or api_key not in str(caught.value)


def token(service: Service, index: str, permissions: list[str]) -> str:
    answer = requests.post(
        f"{service.url}/v1/indexes/{index}/users",
        json={"permissions": permissions, "index_key": KEY.hex()},
        headers={"X-API-Key": ROOT_KEY},
        timeout=30,
    )
    assert answer.ok, answer.text
    return str(next(value for value in answer.json().values() if str(value).startswith("cdbk_")))


def test_a_token_needs_read_and_write(secured_service: Service) -> None:
    fill(secured_service.url, "tokens", ROOT_KEY)
    with cyborg_ingest.connect(secured_service.url, token(secured_service, "tokens", ["read", "write"])) as client:
        client.index("tokens", KEY).upsert_binary(["by token"], VECTORS[:1])
        assert client.index("tokens", KEY).count() == 31
        with pytest.raises(AccessError, match="root key"):
            client.list_indexes()
    with cyborg_ingest.connect(secured_service.url, token(secured_service, "tokens", ["write"])) as client:
        with pytest.raises(AccessError, match="read and write"):
            client.index("tokens", KEY).upsert_binary(["denied"], VECTORS[:1])


# Connections


def test_an_idle_connection_that_the_service_closed_costs_nothing(service: Service) -> None:
    fill(service.url, "idle")
    with cyborg_ingest.connect(service.url) as client:
        index = client.index("idle", KEY)
        index.upsert_binary(IDS, VECTORS)
        time.sleep(5.6)  # the service hangs up after 5 s
        index.upsert_binary(IDS, VECTORS)
        assert index.traffic.requests == 2


def test_netrc_is_not_read(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ada password s3cret\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Proxy(service.port, lambda _upsert, _body: None).running() as proxy:
        with cyborg_ingest.connect(proxy.url, "the key") as client:
            client.list_indexes()
        assert "Authorization" not in proxy.headers[0]
        assert proxy.headers[0]["X-API-Key"] == "the key"


def test_a_redirect_is_not_followed_with_the_keys(service: Service) -> None:
    fill(service.url, "moved")
    fault = Fault("moved", status(307, Location="http://user:pass@elsewhere.test:9/v1"))
    with Proxy(service.port, lambda _upsert, _body: fault).running() as proxy:
        with cyborg_ingest.connect(proxy.url) as client, pytest.raises(TargetError, match="elsewhere.test:9") as caught:
            client.index("moved", KEY).upsert_binary(IDS, VECTORS)
    assert "pass" not in str(caught.value)


def test_nobody_there_is_said_at_once() -> None:
    with cyborg_ingest.connect(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(ConnectionLostError, match="Is the service running, and the port right"):
            client.list_indexes()


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service behind TLS, with a certificate of its own."""
    folder = tmp_path_factory.mktemp("tls")
    with running(folder, certificate=certificate(folder)) as one:
        yield one


def certificate(folder: Path) -> tuple[Path, Path]:
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


def test_a_certificate_is_verified_unless_one_says_otherwise(
    secure: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # what the user names for this run wins over what is set for the machine
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate(tmp_path)[0]))
    assert secure.certificate is not None
    with cyborg_ingest.connect(secure.url) as client, pytest.raises(TargetError, match="ca_cert=FILE"):
        client.list_indexes()
    with cyborg_ingest.connect(secure.url, ca_cert=secure.certificate[0]) as client:
        assert client.list_indexes() == []
    with cyborg_ingest.connect(secure.url, insecure=True) as client:
        assert client.list_indexes() == []


def test_https_and_http_are_not_mixed_up_in_silence(secure: Service, service: Service) -> None:
    with cyborg_ingest.connect(secure.url.replace("https", "http")) as client:
        with pytest.raises(TargetError, match="https"):
            client.list_indexes()
    with cyborg_ingest.connect(service.url.replace("http", "https")) as client:
        with pytest.raises(TargetError, match=f"http://127.0.0.1:{service.port}"):
            client.list_indexes()


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("localhost:8000", "Did you mean http://localhost:8000"),
        ("./data", "Did you mean disk:./data"),
        ("ftp://host", "has no scheme that is known"),
        ("http://", "names no host"),
        ("http://ada:secret@host", "holds a user or password"),
        ("http://host/v1", "more than host and port"),
        ("s3:bucket", "names no bucket"),
        ("disk:", "names no directory"),
    ],
)
def test_a_target_that_cannot_be_is_said_before_anything_is_sent(target: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        cyborg_ingest.connect(target)
    assert "secret" not in str(caught.value)


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cyborgdb_core", None)
    with pytest.raises(MissingExtraError, match=r"cyborg-ingest\[embedded\]"):
        cyborg_ingest.connect("disk:nowhere")


def test_looking_does_not_make_a_directory(tmp_path: Path) -> None:
    with cyborg_ingest.connect(f"disk:{tmp_path / 'none'}") as client:
        assert client.list_indexes() == []
        with pytest.raises(NoIndexError, match="no directory"):
            client.index("i", KEY).describe()
    assert not (tmp_path / "none").exists()


# A KMS


@pytest.fixture(scope="module")
def kms_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that keeps keys in a KMS: moto's, on this machine."""
    import boto3  # noqa: PLC0415
    from moto.server import ThreadedMotoServer  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("kms")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    account = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }
    kms = boto3.client(
        "kms", endpoint_url=account["AWS_ENDPOINT_URL"], region_name="us-east-1",
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    entry = {"provider": "aws-kms", "key_id": key_id, "region": "us-east-1"}
    (folder / "cyborgdb.yaml").write_text(json.dumps({"kms": {"registry": {"vault": entry}}}))  # JSON is YAML
    try:
        with running(folder, environment={**account, "CYBORGDB_CONFIG_FILE": str(folder / "cyborgdb.yaml")}) as one:
            yield one
    finally:
        server.stop()


def test_an_index_behind_a_kms_is_made_and_filled_without_a_key(kms_service: Service, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", VECTORS)
    bodies: list[bytes] = []
    with Proxy(kms_service.port, lambda _upsert, body: bodies.append(body)).running() as proxy:
        for create in (True, False):
            report = cyborg_ingest.load(
                tmp_path / "rows.npy", index="vaulted", target=proxy.url, create=create,
                kms_name="vault" if create else None, verify="full",
            )  # fmt: skip
            assert report.rows["acknowledged"] == 30
            assert report.verify is not None
            assert report.verify["differences"] == 0
        assert bodies
        assert all("index_key" not in json.loads(body) for body in bodies)
        _follow_what_is_said_of_a_key(proxy.url, tmp_path)
    with cyborg_ingest.connect(f"disk:{kms_service.data}") as client:
        for key in (None, KEY):
            with pytest.raises(AccessError, match="kept by a KMS .aws-kms.: only a service can open it"):
                client.index("vaulted", key).describe()
    assert not (Path(os.environ["CYBORG_INGEST_CONFIG_DIR"]) / "keys").exists()


def _follow_what_is_said_of_a_key(target: str, folder: Path) -> None:
    """A key that is given, or that an earlier index of this name has left, is none of an index behind a KMS."""
    info, kept = ("index", "info", "vaulted", "--target", target), keys.kept_key_path(target, "vaulted")
    (folder / "key").write_text(KEY.hex())
    code, told = run(*info, "--index-key-file", folder / "key")
    assert code == 2, told
    says(told, "Its key is kept by a KMS: give none (no CYBORG_INGEST_INDEX_KEY, no --index-key-file, no key file that")
    keys.keep_new_key(kept, key=KEY)
    code, told = run(*info)
    assert (code, "give none" in told, f"is kept in {kept}." in told) == (2, True, True), told
    shutil.rmtree(kept.parents[1])
    code, told = run(*info)
    assert code == 0, told
