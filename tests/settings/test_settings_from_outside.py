"""Environment, key files, lists and addresses: one line and exit code 2 where they cannot be used."""

from __future__ import annotations

import base64
import os
import pwd
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import KEY

import cyborg_ingest
from cyborg_ingest import smallfiles
from cyborg_ingest.errors import KeyFileError, SourceNotFoundError, UsageError, masked
from cyborg_ingest.settings import keys
from cyborg_ingest.settings.options import LoadSettings, TargetSettings
from cyborg_ingest.sources import typed
from cyborg_ingest.state import jobs
from cyborg_ingest.targets.opening import find_key

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("value", ["", "  ", "\n"])
def test_an_empty_variable_is_not_an_absent_one(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="CYBORG_INGEST_INDEX_KEY is set, and empty"):
        keys.index_key({"CYBORG_INGEST_INDEX_KEY": value}, None)
    with pytest.raises(UsageError, match="CYBORG_INGEST_API_KEY is set, and empty"):
        keys.api_key({"CYBORG_INGEST_API_KEY": value}, None)
    assert keys.index_key({}, None) is keys.api_key({}, None) is None
    for name, place in (
        ("CYBORG_INGEST_CONFIG_DIR", lambda: keys.kept_key_path("t", "i")),
        ("CYBORG_INGEST_STATE_DIR", lambda: jobs.state_directory(None)),
    ):
        monkeypatch.setenv(name, value)
        with pytest.raises(UsageError, match=f"{name} is set, and empty"):
            place()


HEX = KEY.hex()


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + HEX.encode() + b"\r\n",
        f"0x{HEX}".encode(),
        f"0X{HEX.upper()}\n".encode(),
        HEX.encode("utf-16"),
        "\ufeff".encode("utf-16-be") + HEX.encode("utf-16-be"),
        b"\xef\xbb\xbf" + base64.b64encode(KEY),
    ],
)
def test_a_key_file_may_have_what_editors_put_around_it(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "key").write_bytes(data)
    assert keys.index_key({}, tmp_path / "key") == KEY
    assert keys.index_key({"CYBORG_INGEST_INDEX_KEY": f"0x{HEX}"}, None) == KEY


def test_an_api_key_file_may_have_them_too(tmp_path: Path) -> None:
    for data in (b"\xef\xbb\xbfk3y\n", "k3y".encode("utf-16")):
        (tmp_path / "key").write_bytes(data)
        assert keys.api_key({}, tmp_path / "key") == "k3y"


def test_files_without_end_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zero, large = Path("/dev/zero"), tmp_path / "large"
    with large.open("wb") as out:
        out.truncate(1 << 40)
    for path, words in (
        (zero, "neither a file nor a pipe"),
        (large, "more than"),
        (tmp_path, "neither a file nor a pipe"),
    ):
        for read in (keys.index_key, keys.api_key):
            with pytest.raises(KeyFileError, match=words):
                read({}, path)
        with pytest.raises(SourceNotFoundError, match=words):
            list(typed([f"@{path}"]))
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(smallfiles, "LONGEST_SILENCE", 0.2)
    for read_it in (lambda: keys.index_key({}, tmp_path / "pipe"), lambda: list(typed([f"@{tmp_path / 'pipe'}"]))):
        with pytest.raises(UsageError, match="nothing came through the pipe"):
            read_it()


def test_a_key_and_a_list_may_come_through_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    def through(data: bytes, read: Callable[[], Any]) -> Any:
        writer = threading.Timer(0.1, (tmp_path / "pipe").write_bytes, [data])
        writer.start()
        found = read()
        writer.join()
        return found

    assert through(HEX.encode(), lambda: keys.index_key({}, tmp_path / "pipe")) == KEY
    assert through(b"a\nb\n" * 50_000, lambda: len(list(typed([f"@{tmp_path / 'pipe'}"])))) == 100_000


def test_a_directory_is_one_target_however_it_is_spelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "link").symlink_to("data")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path))
    spellings = ["../data", f"{tmp_path}/data", f"{tmp_path}/work/../data/", "~/data", f"{tmp_path}/link", "../link/."]
    assert {cyborg_ingest.connect(f"disk:{one}").target for one in spellings} == {
        f"disk:{os.path.realpath(tmp_path)}/data"
    }


BAD_TARGETS = [
    "foo:bar", "localhost:80a", "gs:bucket", "http://h:port", "http://[::1", "disk:~nouser/x", "disk:~nouser", "disk:",
    "s3:bucket", "s3://", "://", ":", "", "http://", "user:pw@", "localhost:99999999",
]  # fmt: skip


@pytest.mark.parametrize("target", BAD_TARGETS)
def test_a_target_that_is_none_is_a_wrong_option(target: str) -> None:
    with pytest.raises(UsageError) as caught:
        cyborg_ingest.connect(target)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "target",
    [
        "s3://AKIA:hunter2@bucket", "s3://hunter2@bucket/p", "s3://bucket/p?secret_key=hunter2", "htp://user:hunter2@host:80",
        "user:hunter2@host:8000", "http:user:hunter2@host", "http://user:hunter2@host", "http://hunter2@host",
        "http://host/?key=hunter2", "http://host:80?a=1&sig=hunter2", "https//user:hunter2@host", "http://u:hunter2@host:x",
        "gs:u:hunter2@bucket", "http://u:a/hunter2@host", "http://u:hunter2 x@host", "htp://u:a?hunter2@host",
    ],
)  # fmt: skip
def test_a_secret_in_a_target_is_not_shown(target: str) -> None:
    with pytest.raises(UsageError) as caught:
        cyborg_ingest.connect(target)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "s3://AKIA:hunter2@bucket/x.parquet", "https://u:hunter2@host/x.parquet", "https://h/x.parquet?sig=hunter2",
        "s3://hunter2@bucket/x", "ftp://h/x?a=1&key=hunter2", "gs://u:hunter2@b/x", "abfs://c:hunter2@a/x",
    ],
)  # fmt: skip
def test_a_secret_in_a_source_is_neither_shown_nor_kept(source: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with pytest.raises(UsageError) as caught:
        cyborg_ingest.load(source, index="i", target=f"disk:{tmp_path / 'd'}", create=True, state_dir=state)
    assert caught.value.report is not None
    assert "hunter2" not in f"{caught.value} {caught.value.report.to_dict()}"
    assert not state.exists()


def test_an_address_without_secrets_is_shown_as_it_is() -> None:
    for one in (
        "s3://bucket/a/b.parquet",
        "http://localhost:8000",
        "disk:/data",
        "https://h:1/x",
        "/a/b?c",
        "a@b.parquet"[2:],
    ):
        assert masked(one) == one


def test_without_a_home_directory_it_is_said_what_to_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a user that the system does not know, in a container."""

    def unknown(_user: object) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "CYBORG_INGEST_CONFIG_DIR", "CYBORG_INGEST_STATE_DIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="no home directory.*CYBORG_INGEST_CONFIG_DIR"):
        keys.kept_key_path("t", "i")
    with pytest.raises(UsageError, match="no home directory.*CYBORG_INGEST_STATE_DIR"):
        jobs.state_directory(None)
    with pytest.raises(UsageError, match="no home directory"):
        cyborg_ingest.connect("disk:~/d")


def test_a_key_that_was_kept_for_another_spelling_of_its_directory_is_found(tmp_path: Path) -> None:
    """Earlier versions took a path with links in it for another target."""
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    made = keys.keep_new_key(keys.kept_key_path(f"disk:{tmp_path}/link", "i"))
    with cyborg_ingest.connect(f"disk:{tmp_path}/link") as client:
        found = find_key(TargetSettings(target=f"disk:{tmp_path}/link"), client.target, "i")
        assert found is not None
        assert found.reveal() == made
        assert find_key(TargetSettings(target=client.target), client.target, "i") is None


@pytest.mark.parametrize("given", ["9" * 5000, "9" * 5000 + "%", "1" * 400 + "%", "-1", "1e3", "", "\u0663"])
def test_a_number_of_errors_that_is_none_is_a_wrong_option(given: str) -> None:
    with pytest.raises(UsageError, match="--max-errors"):
        LoadSettings(sources=("x",), index="i", max_errors=given)
