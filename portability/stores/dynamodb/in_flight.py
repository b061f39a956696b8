"""A key is never in two writes at once: whoever writes a key holds it."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from portability.stores.dynamodb.layout import KeyId


class InFlight:
    """The keys being written at one side; a set is taken whole, so that two sets never wait for each other."""

    def __init__(self) -> None:
        self._held: set[KeyId] = set()
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, keys: Collection[KeyId]) -> Iterator[None]:
        """Wait until none of the keys is held, and hold them all. Raises `ValueError` for a key that occurs twice."""
        wanted = set(keys)
        if len(wanted) < len(keys):
            msg = f"{len(keys) - len(wanted)} keys occur twice in what is written together"
            raise ValueError(msg)
        with self._changed:
            self._changed.wait_for(lambda: self._held.isdisjoint(wanted))
            self._held |= wanted
        try:
            yield
        finally:
            with self._changed:
                self._held -= wanted
                self._changed.notify_all()
