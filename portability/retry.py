"""The one retry policy, handed down as an argument: how often, and how long between two attempts.

`call` repeats what may be repeated: after a throttle or a transaction conflict, where nothing was done, and after a
5xx, where the service may have acted. Who repeats only a part of what it sent (batches) counts attempts itself.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import tenacity

from portability import errors

T = TypeVar("T")

RETRYABLE: tuple[type[Exception], ...] = (errors.Throttled, errors.TransactionConflict, errors.Unavailable)
"""Errors that a repeated idempotent call may outlive."""


@dataclass(frozen=True)
class Retry:
    """Full-jitter exponential back-off.

    `attempts` counts the first try; `base` and `cap` are seconds; `sleep` and `rng` are injected.
    """

    attempts: int = 8
    base: float = 0.05
    cap: float = 5.0
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    rng: random.Random = field(default_factory=random.Random, repr=False)

    def call(self, effect: Callable[[], T], *, on: tuple[type[Exception], ...] = RETRYABLE) -> T:
        """Run `effect` until it returns or `attempts` are spent; the last error is raised as it was."""
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.attempts),
            wait=self._jitter,
            retry=tenacity.retry_if_exception_type(on),
            sleep=self.sleep,
            reraise=True,
        )
        return retrying(effect)

    def pause(self, attempt: int) -> float:
        """Seconds to wait after the `attempt`-th failure (1 is the first)."""
        return self.rng.uniform(0.0, min(self.cap, self.base * 2.0 ** (attempt - 1)))

    def _jitter(self, state: tenacity.RetryCallState) -> float:
        return self.pause(state.attempt_number)
