"""What outlives its step: entered after the step is done, again on resume, left when its closer is done."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from portability.engine.route import Station
from portability.steps.base import Context, Resident


@dataclass
class Residents:
    """The running residents of one process, oldest first."""

    values: dict[str, Any] = field(default_factory=dict)
    _managers: dict[str, AbstractContextManager[Any]] = field(default_factory=dict)

    def enter(self, stop: Station, context: Context) -> None:
        """Start the step's resident, if it has one and it is not running."""
        if stop.id in self.values or not isinstance(stop.step, Resident):
            return
        manager = stop.step.resident(context)
        self.values[stop.id] = manager.__enter__()
        self._managers[stop.id] = manager

    def leave(self, step_id: str) -> None:
        """Stop a resident whose closing step is done."""
        manager = self._managers.pop(step_id, None)
        self.values.pop(step_id, None)
        if manager is not None:
            manager.__exit__(None, None, None)

    def leave_all(self) -> None:
        """Stop every resident, youngest first: the process is leaving, what they keep is durable."""
        for step_id in reversed(list(self._managers)):
            self.leave(step_id)
