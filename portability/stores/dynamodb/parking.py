"""Keys that wait: durably in the journal before the stream position moves past what told of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from portability.stores.base import DOUBT, Key, Ledger
from portability.stores.dynamodb import unwritable
from portability.stores.dynamodb.layout import KeyId, Layout

CANARY = "canary"
"""The group of this tool's own keys that are in a table now, so that they are removed whatever happens."""

EXPIRED = "expired|"
"""Before the group of keys that DynamoDB itself deleted: after the flip such a deletion is nobody's slip."""

_OTHERS = frozenset({DOUBT, unwritable.GROUP, CANARY})


def is_pending(group: str) -> bool:
    """Whether keys of a group keep a flip from happening: canaries are ours, and what expired goes on both sides."""
    return group != CANARY and not group.startswith(EXPIRED)


class Parking:
    """The parked keys of one channel by group. Thread-safe. A key is parked once while its group waits."""

    def __init__(self, layout: Layout, ledger: Ledger, channel: str) -> None:
        self._layout = layout
        self._ledger = ledger
        self._channel = channel
        self._lock = threading.Lock()
        self._batches: dict[str, tuple[str, list[Key]]] = {}
        self._known: dict[str, set[KeyId]] = {}

    def load(self) -> None:
        """Take up what an earlier process parked."""
        for id_, (group, keys) in self._ledger.parked(self._channel).items():
            if group not in _OTHERS:
                self._remember(id_, group, keys)

    def park(self, group: str, keys: Sequence[Key], *, expired: bool = False) -> int:
        """Park the keys that are not parked in this group yet; how many those were."""
        group = f"{EXPIRED}{group}" if expired else group
        with self._lock:
            known = self._known.get(group, set())
            new = [key for key in keys if self._layout.key_id(key) not in known]
        if new:
            self._remember(self._ledger.park(self._channel, group, new), group, new)
        return len(new)

    def groups(self) -> set[str]:
        """The groups that have keys."""
        with self._lock:
            return {group.removeprefix(EXPIRED) for group, _ in self._batches.values()}

    def take(self, group: str) -> dict[str, list[Key]]:
        """The group's batches by the journal's id. From now on its keys may be parked again."""
        both = {group, f"{EXPIRED}{group}"}
        with self._lock:
            for each in both:
                self._known.pop(each, None)
            return {id_: keys for id_, (owner, keys) in self._batches.items() if owner in both}

    def release(self, ids: Sequence[str]) -> None:
        """These batches were synced."""
        self._ledger.unpark(self._channel, list(ids))
        with self._lock:
            for id_ in ids:
                self._batches.pop(id_, None)

    @property
    def written(self) -> list[Key]:
        """The parked keys that somebody wrote or deleted: those that merely expired are left out."""
        with self._lock:
            return [key for group, keys in self._batches.values() if not group.startswith(EXPIRED) for key in keys]

    def __len__(self) -> int:
        with self._lock:
            return sum(len(keys) for _, keys in self._batches.values())

    def durable(self) -> dict[str, int]:
        """Keys by group as the journal has them now, this tool's own left out: a consistent read."""
        counts: dict[str, int] = {}
        for group, keys in self._ledger.parked(self._channel).values():
            if group != CANARY:
                counts[group] = counts.get(group, 0) + len(keys)
        return counts

    def _remember(self, id_: str, group: str, keys: Sequence[Key]) -> None:
        with self._lock:
            self._batches[id_] = (group, list(keys))
            self._known.setdefault(group, set()).update(self._layout.key_id(key) for key in keys)
