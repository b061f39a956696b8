"""What the engine is handed: everything outside it, already built."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from portability.aws.session import Aws
from portability.retry import Retry
from portability.steps.base import Clock
from portability.stores.base import Move


@dataclass(frozen=True)
class World:
    """One run's surroundings.

    `write_elsewhere` is None where the directory shares account and region with the journal, so that a flip is one
    transaction with its entry; else it performs the foreign writes in a transaction of their own.
    """

    aws: Aws
    moves: Sequence[Move]
    clock: Clock
    retry: Retry
    rng: random.Random
    write_elsewhere: Callable[[Sequence[dict[str, Any]]], None] | None = None
