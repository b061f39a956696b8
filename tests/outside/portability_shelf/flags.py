"""A flag service: one JSON file with a flag a tenant, written whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


def unwatched(_what: str) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class Flags:
    """The service's client. `watch` is called before every write."""

    file: Path
    watch: Callable[[str], None] = unwatched

    def all(self) -> dict[str, str]:
        """Every tenant's flag."""
        found: dict[str, str] = json.loads(self.file.read_text()) if self.file.exists() else {}
        return found

    def put(self, tenant: str, flag: str | None) -> None:
        """Set a tenant's flag; None takes it away."""
        self.watch("put flag")
        flags = self.all()
        flags.pop(tenant, None)
        if flag is not None:
            flags[tenant] = flag
        self.file.write_text(json.dumps(flags))
