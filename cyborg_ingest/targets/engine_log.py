"""Mutes the lines that the embedded engine writes to stderr by itself, and nothing else that writes there.

`[date][ERROR] ...` comes with every failed call, whatever `Logger.configure` was told (tried: each level, a file),
and the same words are in our error, without keys. In the lines they stand as they came: of a bucket's store all that it
answers, and it may repeat a request with its session token.

The engine writes through C++ `std::cerr`, which it shares with every other library of the process. So that one is left
as it is, and so is file descriptor 2: the engine's own reference to `std::cerr`, one address in its table of what it
takes from other libraries, is made to lead to a stream that has no output. Where that cannot be done (no Linux on
x86-64 or ARM64, no /proc), a program that has the process to itself mutes all of `std::cerr`; in another's they stay.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from typing_extensions import Self

_BADBIT = 1
# C++ library -> (its std::cerr, the clear(state) of a stream), by the mangled names of its ABI
_LIBRARIES = {
    "linux": ("libstdc++.so.6", "_ZSt4cerr", "_ZNSt9basic_iosIcSt11char_traitsIcEE5clearESt12_Ios_Iostate"),
    "darwin": ("libc++.1.dylib", "_ZNSt3__14cerrE", "_ZNSt3__18ios_base5clearEj"),
}
_OSTREAM = "_ZNSoC1EPSt15basic_streambufIcSt11char_traitsIcEE"
"""The constructor std::ostream(std::streambuf*)."""
_OSTREAM_BYTES = 1024
"""More than it takes: 272 with GCC 5 to 15."""

_GLOB_DAT = {"x86_64": 6, "aarch64": 1025}
"""The relocation by which a library gets the address of another one's object, by machine: see elf(5)."""
_PT_DYNAMIC, _DT_RELA, _DT_RELASZ = 2, 7, 8
_SEGMENTS_AT, _SEGMENTS_COUNT_AT, _HEADER_BYTES, _SEGMENT_BYTES = 32, 56, 64, 56

_muted: list[Any] = []
"""The stream without output; as long as the process."""


class Owner:
    """Whose process this is: whoever has it to itself says so."""

    is_us = False


def mute(library: str) -> None:
    """Mute the engine, whose library this file is."""
    if _muted:
        return
    with contextlib.suppress(OSError, AttributeError, ValueError, KeyError):
        if sys.platform == "linux" and _redirect(library):
            return
    if Owner.is_us:
        silence()


def silence() -> None:
    """Make `std::cerr` mute in this process. Where that cannot be done, the engine's lines stay."""
    import ctypes  # noqa: PLC0415 - only where the engine is used

    if sys.platform not in _LIBRARIES:
        return
    library, stream, clear = _LIBRARIES[sys.platform]
    with contextlib.suppress(OSError, AttributeError, ValueError):
        loaded = ctypes.CDLL(library)
        cerr = ctypes.addressof(ctypes.c_char.in_dll(loaded, stream))
        # the state is in a virtual base class, whose offset stands three words before the vtable's first entry
        vtable = ctypes.c_void_p.from_address(cerr).value or 0
        offset = ctypes.c_ssize_t.from_address(vtable - 3 * ctypes.sizeof(ctypes.c_void_p)).value
        call = getattr(loaded, clear)
        call.argtypes, call.restype = [ctypes.c_void_p, ctypes.c_int], None
        call(cerr + offset, _BADBIT)


def _redirect(library: str) -> bool:
    """Let the library's reference to `std::cerr` lead to a stream without output; whether it has one."""
    import ctypes  # noqa: PLC0415 - only where the engine is used

    name, stream, _ = _LIBRARIES["linux"]
    loaded = ctypes.CDLL(name)
    cerr = ctypes.addressof(ctypes.c_char.in_dll(loaded, stream))
    with _Memory() as memory:
        places = memory.references(_base(library), cerr)
        if places:
            mute = ctypes.create_string_buffer(_OSTREAM_BYTES)
            make = getattr(loaded, _OSTREAM)
            make.argtypes, make.restype = [ctypes.c_void_p, ctypes.c_void_p], None
            make(ctypes.addressof(mute), None)
            _muted.append(mute)
        for one in places:
            memory.write(one, ctypes.addressof(mute))
    return bool(places)


def _base(library: str) -> int:
    """Where a library begins in memory. Raises ValueError."""
    wanted = [os.fsencode(os.path.realpath(library))]
    with open("/proc/self/maps", "rb") as maps:  # noqa: PTH123 - as the kernel has it, in bytes
        for line in maps:
            span, _, offset, _, _, *path = line.rstrip(b"\n").split(maxsplit=5)
            if path == wanted and int(offset, 16) == 0:
                return int(span.partition(b"-")[0], 16)
    raise ValueError(f"{library} is not loaded")


class _Segment(NamedTuple):
    kind: int
    address: int
    size: int


class _Memory:
    """This process's memory by way of /proc, where a wrong address is an error and not the end of the process.

    What is write-protected is written all the same.
    """

    def __enter__(self) -> Self:
        self._file = os.open("/proc/self/mem", os.O_RDWR | os.O_CLOEXEC)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def write(self, place: int, value: int) -> None:
        """Put an address there."""
        os.pwrite(self._file, value.to_bytes(8, "little"), place)

    def references(self, base: int, address: int) -> list[int]:
        """Where a library, which begins at `base`, keeps this address of another library's object."""
        relocations = self._relocations(base)
        kind = _GLOB_DAT[os.uname().machine]
        offsets = relocations[:, 0][relocations[:, 1] & 0xFFFFFFFF == kind]
        if not len(offsets):
            return []
        low, high = int(offsets.min()), int(offsets.max())
        kept = self._words(base + low, high - low + 8)[(offsets - low) // 8]
        return [base + int(one) for one in offsets[kept == address]]

    def _relocations(self, base: int) -> npt.NDArray[np.uint64]:
        """The library's relocations: offset, kind and symbol, addend."""
        (dynamic,) = (one for one in self._segments(base) if one.kind == _PT_DYNAMIC)
        tags, values = self._words(base + dynamic.address, dynamic.size // 16 * 16).reshape(-1, 2).T.tolist()
        entries = dict(zip(tags, values, strict=True))
        start = entries[_DT_RELA]
        start += base if start < base else 0  # some loaders write the address in, others leave the offset
        return self._words(start, entries[_DT_RELASZ]).reshape(-1, 3)

    def _segments(self, base: int) -> list[_Segment]:
        header = os.pread(self._file, _HEADER_BYTES, base)
        if header[:6] != b"\x7fELF\x02\x01":
            raise ValueError("no ELF of 64 bits, little-endian")
        first = int.from_bytes(header[_SEGMENTS_AT : _SEGMENTS_AT + 8], "little")
        count = int.from_bytes(header[_SEGMENTS_COUNT_AT : _SEGMENTS_COUNT_AT + 2], "little")
        table = self._words(base + first, count * _SEGMENT_BYTES).reshape(count, -1).tolist()
        # the first word is kind and flags; then come offset, address, physical address, size in the file, size
        return [_Segment(words[0] & 0xFFFFFFFF, words[2], words[5]) for words in table]

    def _words(self, place: int, size: int) -> npt.NDArray[np.uint64]:
        import numpy as np  # noqa: PLC0415 - only where the engine is used

        return np.frombuffer(os.pread(self._file, size, place), "<u8")
