"""Processes are kept for the next file for a while: to start one takes some tenths of a second."""

from __future__ import annotations

import atexit
import contextlib
import os
from collections import deque
from typing import IO, TYPE_CHECKING

from cyborg_ingest.apart.process import ApartError, Circumstances, Process

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEPT = 2

_idle: deque[Process] = deque()
"""It is added to and taken from in single steps: a `with` below may be ended by a garbage collection, in the midst of
anything.
"""


@contextlib.contextmanager
def borrowed(file: IO[bytes] | None = None) -> Iterator[Process]:
    """A process for one file, whose bytes are `file` where it cannot be told by its path. Raises ApartError."""
    process = _ready()
    process.file = file
    try:
        yield process
    finally:
        process.file = None
        _give_back(process)


def _give_back(process: Process) -> None:
    """Keep it for the next file, unless it is in the midst of something, or cannot let go of this file."""
    is_free = False
    try:
        if process.is_at_rest and process.is_whole():
            process.tell("end")
            is_free = True
    except ApartError:  # nothing was asked for that could be lost
        pass
    finally:
        if is_free and len(_idle) < _KEPT:
            _idle.append(process)
        else:
            process.end()


def _ready() -> Process:
    """One that is there and answers, or a new one."""
    born = Circumstances.now()
    while _idle:
        process = _idle.pop()
        with contextlib.ExitStack() as unless_it_fits:
            unless_it_fits.callback(process.end)
            if process.born == born and process.is_whole() and _begins(process):
                unless_it_fits.pop_all()
                return process
    process = Process(born)
    try:
        process.tell("begin")
    except BaseException:
        process.end()
        raise
    return process


def _begins(process: Process) -> bool:
    """Whether it still answers: after a while without a question it has ended."""
    try:
        process.tell("begin")
    except ApartError:
        return False
    return True


@atexit.register
def _end_all() -> None:
    while _idle:
        _idle.pop().end()


def _forget() -> None:
    """In a process that was forked: these are not its own."""
    while _idle:
        _idle.pop().forget()


os.register_at_fork(after_in_child=_forget)
