"""No key in any message: every form of it, at every border where foreign words come in or go out."""

from __future__ import annotations

import json
import random
import re
import secrets
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from engine_calls import CALLS, FOUR, ROW, breaking
from key_forms import FORMS, pieces
from proxy import Fault, Proxy, _answer
from typer.testing import CliRunner

import cyborg_ingest
from cyborg_ingest import cli
from cyborg_ingest.errors import IngestError, TargetError
from cyborg_ingest.settings.scrubbing import MASK, Secrets
from cyborg_ingest.targets import embedded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from service import Service

AMBIGUOUS = [
    bytes.fromhex("9437a5b926eec234577d3a302ac2df3a8b9ce8db146b44c35c62a624479c1bee"),
    bytes.fromhex("dede84ad72f25c1d00b57156a687601ac39a8496a7a9c3200b0b2de5b2455632"),
]
"""Keys with a backslash that, in the repr of a text, looks like a part of the escape behind it."""

BEFORE, BEHIND = "get(): Invoked by <Index object at 0x7f12>, ids=['row-17'], key=", ", more from 2024-01-01 12:00"


def seeded(name: str) -> bytes:
    """A key of a test: the same in every run, another for every name."""
    return random.Random(name).randbytes(32)


def hidden(text: str, form: str, key: bytes) -> None:
    """Nothing of the key is in a text, whatever escapes the text itself is told in."""
    seen = re.sub(r"\\\\", r"\\", text)
    assert not [piece for piece in pieces(form, key) if piece in text or piece in seen], (form, text)


@pytest.mark.parametrize("form", FORMS)
def test_a_key_is_taken_out_in_every_form(form: str) -> None:
    for seed in range(60):
        key = random.Random(seed).randbytes(32)
        found = Secrets(None, key).scrub(f"{BEFORE}{FORMS[form](key)}{BEHIND}")
        assert MASK in found
        hidden(found, form, key)
        assert found.startswith(BEFORE.removesuffix("key="))  # and nothing else is
        assert found.endswith(BEHIND)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "key", [b"\\" * 16 + b"'" * 16, b"\0" * 31 + b"\1", b"%2B+" * 8, "äöü€".encode() * 4 + b"1234567", b"A" * 32]
)
def test_keys_of_odd_bytes_are_taken_out_too(key: bytes, form: str) -> None:
    key = (key + b"x" * 32)[:32]
    found = Secrets(None, key).scrub(f"{BEFORE}{FORMS[form](key)}{BEHIND}")
    assert MASK in found
    assert FORMS[form](key) not in found


def test_ordinary_words_stay_as_they_are() -> None:
    key = random.Random(1).randbytes(32)
    texts = [
        "disk:/data, index 'docs', upserting 1,000 rows: The dimension of the vectors (3) is not 4.",
        "vectors [0.1, 0.25, -3, 4, 5, 6, 7, 8, 9, 10], 2024-01-01T00:00:00 e3b0c44298fc1c149afbf4c8996fb924",
        f"another key: {random.Random(2).randbytes(32).hex()}",
        "\x1b[31mred\x1b[0m \\x00 %20 \u202e",
        "",
    ]
    for text in texts:
        assert Secrets("an api key", key).scrub(text) == text


@pytest.mark.parametrize(
    "api_key", ["k3y", "cdbk_0123456789abcdef", "root/key+with=signs&more", "schlüssel-für-den-dienst"]
)
def test_a_services_key_is_taken_out_whole(api_key: str) -> None:
    found = Secrets(api_key).scrub(f"bad {api_key}, {api_key!r}, {json.dumps(api_key)}")
    assert found == f"bad {MASK}, '{MASK}', \"{MASK}\""


def test_several_keys_are_known_at_once_and_none_is_shown_by_a_repr() -> None:
    first, second = random.Random(1).randbytes(32), b"\x01" * 31 + b"\x02"  # its repr has no quote in it
    both = Secrets("an-api-key", first)
    both.add(second)
    both.add(None)
    both.add(b"")
    assert both.scrub(f"{first.hex()} and {second!r} and an-api-key") == f"{MASK} and b'{MASK}' and {MASK}"
    assert first.hex() not in repr(both)


def test_a_text_without_an_end_costs_little() -> None:
    key = seeded("a text without an end costs")
    found = Secrets(None, key).scrub("x" * 20_000_000 + key.hex())
    assert len(found) <= 1_000_000


# The borders


ENGINE_KEYS = [*AMBIGUOUS, *map(seeded, CALLS)]


@pytest.mark.parametrize(("call", "key"), list(zip(CALLS, ENGINE_KEYS, strict=False)), ids=CALLS)
def test_no_form_of_the_key_passes_the_border_of_the_engine(tmp_path: Path, call: str, key: bytes) -> None:
    forms = list(FORMS)
    kinds = (ValueError, TypeError, RuntimeError, KeyError, OSError)
    errors = [kinds[number % 5](f"{BEFORE}{FORMS[form](key)}{BEHIND}") for number, form in enumerate(forms)]
    for form, (_, act) in zip(forms, breaking(tmp_path, key, call, errors), strict=True):
        with pytest.raises(TargetError) as caught:
            act()
        hidden(str(caught.value), form, key)
        assert "row-17" in str(caught.value)


def test_a_binding_that_lists_its_arguments_tells_neither_key_nor_rows(tmp_path: Path) -> None:
    key = seeded("a binding that lists its arguments")
    words = (
        f"upsert(): incompatible function arguments.\n\nInvoked with: <obj>, [[0.25, 0.5]]; kwargs: index_key={key!r}"
    )
    for _, act in breaking(tmp_path, key, "upsert", [TypeError(words)]):
        with pytest.raises(TargetError) as caught:
            act()
        assert "incompatible function arguments" in str(caught.value)
        assert "0.25" not in str(caught.value)
        assert "Invoked" not in str(caught.value)


STATUSES = [
    (400, {}, "text"), (401, {}, "text"), (403, {}, "text"), (404, {}, "text"), (422, {}, "list"), (500, {}, "text"),
    (503, {}, "text"), (413, {}, "text"), (418, {}, "text"), (307, {"Location": "https://{}.example/x"}, "text"),
]  # fmt: skip


def test_no_form_of_a_key_passes_the_border_of_a_service(service: Service) -> None:
    key = seeded("no form of a key passes the border of a")
    forms = iter(list(FORMS) * len(STATUSES))
    told: list[str] = []

    def echo(connection: Any, _forward: Callable[[], Any]) -> bool:
        status, headers, shape = STATUSES[(len(told) - 1) // len(FORMS)]
        words = f"{BEFORE}{FORMS[told[-1]](key)}{BEHIND}"
        detail: Any = [{"loc": ["body", words], "msg": words, "input": words}] if shape == "list" else words
        given = {name: value.format(key.hex()) for name, value in headers.items()}
        return _answer(connection, (status, given, json.dumps({"detail": detail}).encode()))

    with (
        Proxy(service.port, lambda *_: Fault("echo", echo)).running() as proxy,
        cyborg_ingest.connect(proxy.url) as client,
    ):
        index = client.create(secrets.token_hex(4), key, FOUR)
        for form in forms:
            told.append(form)
            with pytest.raises(TargetError) as caught:
                index.upsert_binary(["a"], ROW)
            hidden(str(caught.value), form, key)
            hidden(str(caught.value), "hex", key)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    np.save(tmp_path / "rows.npy", np.ones((3, 4), np.float32))
    return tmp_path / "rows.npy"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", [ValueError, KeyError])
def test_nothing_that_a_failed_command_leaves_behind_has_the_key(
    rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, kind: type[Exception]
) -> None:
    """A bug prints its traceback: the error that the border did not see, and all that stands in it."""
    key = seeded(f"{form} {kind.__name__}")
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", key.hex())
    monkeypatch.setenv("CYBORG_INGEST_STATE_DIR", str(tmp_path / "state"))

    def fail(*_: object, **__: object) -> None:
        raise kind(f"{BEFORE}{FORMS[form](key)}{BEHIND}")

    monkeypatch.setattr(embedded.EmbeddedIndex, "upsert_binary", fail)
    shown = CliRunner().invoke(
        cli.app, ["upsert", str(rows), "--index", "x", "--target", f"disk:{tmp_path / 'data'}", "--create", "--json"]
    )
    assert shown.exit_code == 70
    assert "Traceback" in shown.output
    hidden(shown.output, form, key)
    for path in (tmp_path / "state").rglob("*"):
        if path.is_file():
            hidden(path.read_text(errors="replace"), form, key)


def test_the_report_of_an_error_has_no_key(rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = seeded("the report of an error has no")
    monkeypatch.setenv("CYBORG_INGEST_INDEX_KEY", key.hex())
    real = embedded.EmbeddedIndex._engine

    class Refusing:
        def __init__(self, engine: Any) -> None:
            self._engine = engine

        def __getattr__(self, name: str) -> Any:
            return getattr(self._engine, name)

        def upsert(self, *_: object, **more: object) -> None:
            raise ValueError(f"refused: {more}")

    monkeypatch.setattr(embedded.EmbeddedIndex, "_engine", lambda self: Refusing(real(self)))
    with pytest.raises(IngestError) as caught:
        cyborg_ingest.load(str(rows), index="x", target=f"disk:{tmp_path / 'data'}", create=True)
    assert caught.value.report is not None
    hidden(str(caught.value), "repr", key)
    hidden(json.dumps(caught.value.report.to_dict()), "repr", key)
    assert MASK in str(caught.value.report.error)


CHILD = """
import sys, threading, warnings
from cyborg_ingest.output import streams
from cyborg_ingest.settings.scrubbing import KNOWN
streams.make_unbreakable()
key = bytes.fromhex(sys.argv[1])
KNOWN.add(key)
def fail():
    raise ValueError(f"in a thread: {key!r}")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
warnings.warn(f"a warning: {key.hex()}")
print("printed:", list(key), file=sys.stderr)
raise SystemExit(streams.say(f"said: {key!r}"))
"""


def test_what_others_write_to_the_streams_has_no_key() -> None:
    import subprocess  # noqa: PLC0415

    key = seeded("what others write to the streams has no")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, key.hex()], capture_output=True, text=True, timeout=60, check=True
    )
    for word in ("in a thread", "a warning", "printed"):
        assert word in done.stderr
    for form in ("repr", "hex", "a tuple"):
        hidden(done.stderr + done.stdout, form, key)
    assert done.stdout.replace('"', "'") == f"said: b'{MASK}'\n"  # a key may have a quote in it
