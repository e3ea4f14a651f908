"""A real Pushgateway, as Debian packages it: where there is none, its package is unpacked. Nothing is installed."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "prometheus-pushgateway"


def program(folder: Path) -> str:
    """Where the program is; the test is skipped where it cannot be had."""
    found = shutil.which(NAME)
    if found is not None:
        return found
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        pytest.skip(f"{NAME} is not installed, and this is not a Debian")
    for update in (False, True):
        if update and subprocess.run(["apt-get", "update"], capture_output=True, check=False, timeout=300).returncode:
            continue
        done = subprocess.run(["apt-get", "download", NAME], cwd=folder, capture_output=True, check=False, timeout=300)
        for package in folder.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "unpacked")], check=True)
            return str(folder / "unpacked/usr/bin" / NAME)
    pytest.skip(f"{NAME} is not installed, and cannot be downloaded: {done.stderr.decode()[-200:]}")


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """The address of one that runs within the `with`."""
    log = folder / "log"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [program(folder), f"--web.listen-address=127.0.0.1:{port}"]
    with log.open("wb") as out, subprocess.Popen(words, stdout=out, stderr=out) as process:
        try:
            deadline = time.monotonic() + 60
            while not _answers(port):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"http://127.0.0.1:{port}/-/ready", timeout=5).ok
    return False


def gauges(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """What Prometheus' own parser reads: name -> labels -> value; ours alone, without their prefix."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            if re.match("cyborg_ingest_", one.name):
                labels = {name: value for name, value in one.labels.items() if name != "instance"}
                assert family.type == "gauge", one
                assert tuple(sorted(labels.items())) not in found.get(one.name.removeprefix("cyborg_ingest_"), {}), one
                found.setdefault(one.name.removeprefix("cyborg_ingest_"), {})[tuple(sorted(labels.items()))] = one.value
    return found


def kept_by(url: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """The gauges that a Pushgateway shows."""
    return gauges(requests.get(f"{url}/metrics", timeout=30).content.decode())
