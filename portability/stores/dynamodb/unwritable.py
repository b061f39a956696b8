"""Keys whose item the destination refuses for what it is: kept, durably, until a sync of them succeeds."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from portability.stores.base import Key, Ledger
from portability.stores.dynamodb import digest
from portability.stores.dynamodb.layout import KeyId, Layout

GROUP = "unwritable"


class Unwritable:
    """The unwritable keys of one direction, by reason. They block every gate. Thread-safe."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._keys: dict[KeyId, tuple[Key, str, str]] = {}  # key, reason, the journal's id
        self._lock = threading.Lock()
        self._ledger: Ledger | None = None
        self._channel = ""

    def attach(self, ledger: Ledger, channel: str) -> None:
        """Keep them in the journal from now on, and take up those that an earlier process left there."""
        with self._lock:
            self._ledger, self._channel = ledger, channel
            unsaved = [(key, reason) for key, reason, id_ in self._keys.values() if not id_]
            for id_, (group, keys) in ledger.parked(channel).items():
                if group == GROUP:
                    self._keys |= {self._layout.key_id(key): (key, "refused before", id_) for key in keys}
        self.add(unsaved)

    def add(self, refused: Sequence[tuple[Key, str]]) -> None:
        """Record refusals, before whatever read these keys moves on."""
        for key, reason in refused:
            key_id = self._layout.key_id(key)
            with self._lock:
                before = self._keys.get(key_id)
            if before is not None and before[2]:
                with self._lock:
                    self._keys[key_id] = (key, reason, before[2])
                continue
            id_ = self._ledger.park(self._channel, GROUP, [key]) if self._ledger is not None else ""
            with self._lock:
                self._keys[key_id] = (key, reason, id_)

    def written(self, keys: Iterable[KeyId]) -> None:
        """These keys were synced: they are unwritable no more."""
        with self._lock:
            if not self._keys:
                return
            freed = [key_id for key_id in keys if key_id in self._keys]
            ids = [id_ for key_id in freed if (id_ := self._keys.pop(key_id)[2])]
            left = {id_ for _, _, id_ in self._keys.values()}
        ids = [id_ for id_ in ids if id_ not in left]
        if ids and self._ledger is not None:
            self._ledger.unpark(self._channel, ids)

    @property
    def keys(self) -> list[Key]:
        """The keys, to be tried again."""
        with self._lock:
            return [key for key, _, _ in self._keys.values()]

    def __len__(self) -> int:
        with self._lock:
            return len(self._keys)

    def __str__(self) -> str:
        with self._lock:
            shown = [f"{digest.key_hash(key)} ({reason})" for key, reason, _ in list(self._keys.values())[:5]]
            more = len(self._keys) - len(shown)
        return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
