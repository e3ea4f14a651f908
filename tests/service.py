"""The real CyborgDB service in a process of its own, on 127.0.0.1 and in a directory of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_START_SECONDS = 60


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Service:
    """A service that can be started, stopped, killed and started again on the same directory and port."""

    directory: Path
    root_key: str | None = None
    certificate: tuple[Path, Path] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def start(self) -> None:
        """Start it and wait until it answers. The environment is what its own `main.py` sets."""
        for name in ("home", "tmp", "data"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        inherited = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
        environment = {
            **inherited,
            "HOME": str(self.directory / "home"),
            "TMPDIR": str(self.directory / "tmp"),
            "CYBORGDB_DISK_PATH": str(self.data),
            "KMP_DUPLICATE_LIB_OK": "TRUE",
            "OMP_NUM_THREADS": "1",
            "PORT": str(self.port),
            "CYBORGDB_SERVICE_LOG_LEVEL": "WARNING",
            **({"CYBORGDB_SERVICE_ROOT_KEY": self.root_key} if self.root_key else {}),
            **self.environment,
        }
        command = [sys.executable, "-m", "uvicorn", "cyborgdb_service.app:app", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--log-level", "warning"]
        if self.certificate:
            command += ["--ssl-certfile", str(self.certificate[0]), "--ssl-keyfile", str(self.certificate[1])]
        with (self.directory / "service.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.directory, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                if self.certificate:
                    socket.create_connection(("127.0.0.1", self.port), 1).close()
                    return
                with urllib.request.urlopen(f"{self.url}/v1/health", timeout=1) as answer:  # noqa: S310 - our own
                    if answer.status == 200:
                        return
            time.sleep(0.05)
        raise RuntimeError(f"the service did not start:\n{(self.directory / 'service.log').read_text()[-3000:]}")

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None

    def stop(self) -> None:
        """End it in good order."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
            self.process = None


@contextlib.contextmanager
def running(directory: Path, **options: object) -> Iterator[Service]:
    """A service that runs inside the `with`."""
    directory.mkdir(parents=True, exist_ok=True)
    service = Service(directory, **options)  # type: ignore[arg-type]
    try:
        service.start()
        yield service
    finally:
        service.stop()
