"""How long this tenant's writes have been paused, and how long they may be."""

from __future__ import annotations

from portability import errors
from portability.model.status import ParkReason
from portability.steps.base import Clock


class PauseSpent(errors.Parked):
    """The pause reached what the estate allows: the cutover takes itself back and may try again."""


class Pause:
    """Begins when it is made: before the fence is raised. Measured on the monotonic clock; figures are milliseconds.

    `limit` and `lifts_within` are seconds: the writes are to pass again within the limit, so the time a lift takes to
    reach the application is kept back.
    """

    def __init__(self, clock: Clock, *, limit: float, lifts_within: float, run: str) -> None:
        self._clock = clock
        self._limit = limit - lifts_within
        self._run = run
        self._began = self._lapped = clock.monotonic()
        self.figures: dict[str, int] = {}

    @property
    def left(self) -> float:
        """Seconds until the flip must have been sent."""
        return self._limit - (self._clock.monotonic() - self._began)

    @property
    def ms(self) -> int:
        """Milliseconds since it began."""
        return round((self._clock.monotonic() - self._began) * 1000)

    def lap(self, name: str) -> None:
        """Keep the time since the last lap under `name`."""
        now = self._clock.monotonic()
        self.figures[name] = round((now - self._lapped) * 1000)
        self._lapped = now

    def spent(self) -> None:
        """Raise `PauseSpent` when nothing is left."""
        if self.left <= 0:
            raise PauseSpent(
                f"the pause reached its limit after {self.ms} ms ({', '.join(self.figures) or 'nothing'} done)",
                reason=ParkReason.GATE,
                next=f"portability resume {self._run}",
            )
