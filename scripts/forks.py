"""Tasks in forked processes, each in a process group and a folder of its own, so that whatever they do can be ended."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import tempfile
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterator

Task = TypeVar("Task")

MEMORY = 8 << 30
"""Bytes of address space of a process; a change may well make a loop without end that keeps all it makes."""
LOST = 70
"""The exit code of a process in which the task itself fails."""


def pool(
    tasks: deque[Task], run: Callable[[Task], int], limit: Callable[[Task], float], jobs: int
) -> Iterator[tuple[Task, int | None, float]]:
    """Run each task, `jobs` at once; yield it with its exit code (None: too late) and its seconds.

    Who takes what is yielded may put more tasks into the queue.
    """
    running: dict[int, tuple[Task, float, str]] = {}
    try:
        while tasks or running:
            while tasks and len(running) < jobs:
                task, folder = tasks.popleft(), tempfile.mkdtemp(prefix="mutant-")
                running[_fork(run, task, folder)] = (task, time.monotonic(), folder)
            time.sleep(0.02)
            for process, (task, started, folder) in list(running.items()):
                seconds = time.monotonic() - started
                code, is_over = _outcome(process, is_late=seconds > limit(task))
                if is_over:
                    del running[process]
                    _clear(process, folder)
                    yield task, code, seconds
    finally:
        for process, (_, _, folder) in running.items():
            _outcome(process, is_late=True)
            _clear(process, folder)


def _outcome(process: int, *, is_late: bool) -> tuple[int | None, bool]:
    """The exit code, and whether the process is over; one that is late is ended, and has none."""
    ended, status = os.waitpid(process, os.WNOHANG)
    if ended:
        return os.waitstatus_to_exitcode(status), True
    if is_late:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
    return None, is_late


def _clear(process: int, folder: str) -> None:
    """End what a process has started and left behind, and take its folder away."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def _fork(run: Callable[[Task], int], task: Task, folder: str) -> int:
    """Run a task without a word; what it returns is the exit code."""
    process = os.fork()
    if process:
        with contextlib.suppress(OSError):
            os.setpgid(process, process)
        return process
    code = LOST
    try:
        os.setpgid(0, 0)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        os.chdir(folder)
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        code = run(task)
    finally:
        os._exit(code)
