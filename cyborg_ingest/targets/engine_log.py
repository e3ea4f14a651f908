"""Silences the lines that the embedded engine writes to stderr by itself.

`[date][ERROR] ...` comes with every failed call, whatever `Logger.configure` was told (tried with each level),
and the same words are in the exception. The engine writes through C++ `std::cerr`, so that one stream is put
into a failed state: file descriptor 2, and with it everything else that writes to stderr, is left alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys

_BADBIT = 1
# C++ library -> (its std::cerr, the clear(state) of a stream), by the mangled names of its ABI
_LIBRARIES = {
    "linux": ("libstdc++.so.6", "_ZSt4cerr", "_ZNSt9basic_iosIcSt11char_traitsIcEE5clearESt12_Ios_Iostate"),
    "darwin": ("libc++.1.dylib", "_ZNSt3__14cerrE", "_ZNSt3__18ios_base5clearEj"),
}


def silence() -> None:
    """Make `std::cerr` mute in this process. Where that cannot be done, the engine's lines stay."""
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
