"""The journal's part that a store writes through, in memory. It outlives the objects that use it, as the table does."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

Key = dict[str, Any]


class Crash(Exception):
    """The process died here."""


class MemoryLedger:
    """What two processes of one run share. `fail_on` names a method whose next call raises before it does anything."""

    def __init__(self, run: str = "r-1") -> None:
        self.run = run
        self.positions: dict[str, dict[str, str]] = {}
        self.batches: dict[str, dict[str, tuple[str, list[Key]]]] = {}
        self.users: dict[str, list[str]] = {}
        self.told: list[str] = []  # every write, in order
        self.saved: list[dict[str, str]] = []  # every saving of positions, in order
        self.fail_on: str = ""
        self._ids = itertools.count(1)
        self._lock = threading.RLock()

    def _write(self, what: str) -> None:
        if self.fail_on == what:
            raise Crash(what)
        self.told.append(what)

    def save_positions(self, channel: str, positions: Mapping[str, str]) -> None:
        with self._lock:
            self._write("save_positions")
            self.saved.append(dict(positions))
            mine = self.positions.setdefault(channel, {})
            for shard, at in positions.items():
                if at:
                    mine[shard] = at
                else:
                    mine.pop(shard, None)

    def load_positions(self, channel: str) -> dict[str, str]:
        with self._lock:
            return dict(self.positions.get(channel, {}))

    def places(self, channel: str = "Order.forward") -> dict[str, str]:
        """The positions of shards."""
        return {name: at for name, at in self.load_positions(channel).items() if not name.endswith("|")}

    def park(self, channel: str, group: str, keys: Sequence[Key]) -> str:
        with self._lock:
            self._write(f"park {group}")
            id_ = f"k{next(self._ids)}"
            self.batches.setdefault(channel, {})[id_] = (group, deepcopy(list(keys)))
            return id_

    def parked(self, channel: str) -> dict[str, tuple[str, list[Key]]]:
        with self._lock:
            return deepcopy(self.batches.get(channel, {}))

    def unpark(self, channel: str, ids: Sequence[str]) -> None:
        with self._lock:
            self._write("unpark")
            for id_ in ids:
                self.batches.get(channel, {}).pop(id_, None)

    def drop_channel(self, channel: str) -> None:
        with self._lock:
            self._write("drop_channel")
            self.positions.pop(channel, None)
            self.batches.pop(channel, None)

    def stream_users(self, table: str, *, add: bool | None = None) -> list[str]:
        with self._lock:
            users = self.users.setdefault(table, [])
            if add is True and self.run not in users:
                users.append(self.run)
            if add is False and self.run in users:
                users.remove(self.run)
            return list(users)
