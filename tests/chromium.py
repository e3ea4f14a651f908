"""A real Chromium without a window, as Debian packages it; where there is none it is unpacked, and not installed.

What it says of pages it says on standard error; nothing of its own goes through a network.
"""

from __future__ import annotations

import contextlib
import http.server
import os
import re
import shutil
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "chromium"

_ALONE = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-extensions",
    "--enable-logging=stderr",
)  # fmt: skip

_OF_ITS_OWN = re.compile(r"^(https?://)?(update\.googleapis|clients2\.google|accounts\.google)\.com[:/]")
"""What Chromium asks whichever page it shows, and whatever is switched off."""


@dataclass(frozen=True)
class Chromium:
    """The program; `folder` is its own."""

    path: Path
    folder: Path
    libraries: tuple[Path, ...] = ()
    requests: list[str] = field(default_factory=list)
    """What was asked of the network since it was last cleared."""
    proxy: str = ""

    def dumped(self, page: Path) -> tuple[str, list[str]]:
        """The document once it was loaded, and what the console said."""
        done = self._ran("--dump-dom", page.as_uri())
        return done.stdout.decode(), [one for one in done.stderr.decode().splitlines() if ":CONSOLE" in one]

    def pictured(self, page: Path, picture: Path, *, width: int, is_dark: bool) -> bytes:
        """What it looks like, as PNG."""
        mode = f"--blink-settings=preferredColorScheme={0 if is_dark else 1}"
        self._ran(mode, f"--window-size={width},900", f"--screenshot={picture}", page.as_uri())
        return picture.read_bytes()

    def _ran(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        own = [f"--user-data-dir={self.folder / 'profile'}", f"--proxy-server={self.proxy}"]
        command = [str(self.path), *_ALONE, *own, "--proxy-bypass-list=<-loopback>", *words]
        environment = {**os.environ, "HOME": str(self.folder)}
        if self.libraries:
            environment["LD_LIBRARY_PATH"] = os.pathsep.join(map(str, self.libraries))
            if not Path("/etc/fonts").exists():
                environment["FONTCONFIG_PATH"] = str(self.folder / "unpacked/etc/fonts")
        done = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr.decode()[-2000:]
        return done


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Chromium]:
    """One whose requests are all seen within the `with`; the test is skipped where it cannot be had."""
    found = shutil.which(NAME)
    path, libraries = (Path(found), ()) if found else _unpacked(folder)
    requests: list[str] = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not _OF_ITS_OWN.search(self.path):
                requests.append(self.path)
            with contextlib.suppress(OSError):  # it has not waited for the answer
                self.send_error(404)

        def do_CONNECT(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield Chromium(path, folder, libraries, requests, f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


def _unpacked(folder: Path) -> tuple[Path, tuple[Path, ...]]:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        pytest.skip(f"{NAME} is not installed, and this is no Debian")
    for name in ("archives/partial", "lists/partial"):
        (folder / name).mkdir(parents=True)
    own = ["-o", f"Dir::Cache::archives={folder / 'archives'}", "-o", "Debug::NoLocking=1"]
    get = ["apt-get", *own, "-qq", "-y", "--download-only", "--no-install-recommends", "install", NAME]
    done = subprocess.run(get, capture_output=True, check=False, timeout=600)
    if done.returncode:
        lists = ["-o", f"Dir::State::lists={folder / 'lists'}"]
        subprocess.run(["apt-get", *own, *lists, "-qq", "update"], capture_output=True, check=False, timeout=300)
        done = subprocess.run([*get[:1], *lists, *get[1:]], capture_output=True, check=False, timeout=600)
    if done.returncode:
        pytest.skip(f"{NAME} is not installed, and cannot be downloaded: {done.stderr.decode()[-200:]}")
    root = folder / "unpacked"
    for package in (folder / "archives").glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=True)
        package.unlink()
    libraries = {one.parent for one in root.glob("usr/lib/*-linux-gnu*/**/*.so*")}
    return root / "usr/lib/chromium/chromium", tuple(sorted(libraries))
