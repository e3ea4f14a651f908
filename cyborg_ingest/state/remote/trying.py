"""Whether a store can keep state: what is tried there is removed."""

from __future__ import annotations

import secrets

from cyborg_ingest.errors import StateError, UsageError
from cyborg_ingest.state.remote.stores import Store, TakenError


def check_store(uri: str) -> None:
    """Write, read, replace and list an object there, with conditions that hold and with others. Raises as `Store`."""
    store, path, first, second = Store(uri), f"probe-{secrets.token_hex(6)}", b"first", b"second"
    try:
        version = store.create(path, first)
        store.check_conditions(path, first)
        store.replace(path, second, version)
        found = store.read(path)
        if found is None or found.data != second:
            raise StateError(f"{uri}: an object that was just written is not what is read there. Use another store.")
        store.names("jobs")
    except TakenError:
        raise StateError(f"{uri}: somebody else writes to {path}, which nobody knows. Run the same again.") from None
    finally:
        store.remove([path])
    if store.read(path) is not None:
        raise UsageError(f"{uri}: an object that was removed is still there. What keeps state has to delete objects.")
