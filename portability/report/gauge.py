"""What events add up to: per step its state, per store the items and their rate, the channel's lag."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from portability.model.run import RunView

WINDOW, SHORTEST = 30.0, 1.0
"""Seconds over which a rate is taken, at most and at least."""

WORDS = {
    "users": "{done} users",
    "fenced": "this tenant's writes are paused (fence {fence})",
    "unfenced": "this tenant's writes go on: {why}",
    "flipped": "the {serving} serves now",
    "waiting": "waiting for {about}",
    "archived": "{items} items archived",
    "erased": "{items} items of {store} deleted",
    "watching": "watching for late writes, {seconds_left:.0f} s left",
    "soaking": "soaking, {seconds_left:.0f} s left",
    "tuned": "tuned by {by}: rate {rate}, {units} units at a time",
    "table_pressure": "throttling of the shared tables {about}",
    "rebaselining": "comparing the way back whole: {hours} hours without a process",
}
"""What a step's event says to people."""


@dataclass
class StoreGauge:
    """One store in one step: `done` and `expected` are items; `expected` is None where nobody knows."""

    done: int = 0
    bytes: int = 0
    expected: int | None = None
    recent: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, now: float, items: int, size: int) -> None:
        """Count a page."""
        self.done += items
        self.bytes += size
        self.recent.append((now, items))
        while self.recent and now - self.recent[0][0] > WINDOW:
            self.recent.popleft()

    def rate(self, now: float) -> float | None:
        """Items a second over the window; None while that is too short to tell."""
        over = now - self.recent[0][0] if self.recent else 0.0
        return sum(items for _, items in self.recent) / over if over >= SHORTEST else None

    @property
    def part(self) -> float | None:
        """How much of the expected is done, 0 to 1."""
        return min(1.0, self.done / self.expected) if self.expected else None


@dataclass
class StepGauge:
    """One step of this process's turn."""

    id: str
    status: str = "pending"
    began: float | None = None
    ended: float | None = None
    stores: dict[tuple[str, str], StoreGauge] = field(default_factory=dict)  # by what is done (an event) and store
    lag: dict[str, Any] = field(default_factory=dict)
    pace: dict[str, Any] = field(default_factory=dict)
    said: str = ""

    def seconds(self, now: float) -> float | None:
        """How long it has taken."""
        return None if self.began is None else (self.ended or now) - self.began


class Gauges:
    """The steps of a run, brought up to date by events. Not thread-safe: its owner holds a lock."""

    def __init__(self, view: RunView, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self.steps = {spec.id: StepGauge(spec.id, view.step(spec.id).status.value) for spec in view.header.plan.steps}
        self.expected = {
            change.name: int(change.estimate["items"])
            for change in view.header.plan.changes
            if change.estimate and "items" in change.estimate
        }

    def take(self, event: str, fields: dict[str, Any]) -> StepGauge | None:
        """Count one event; the step it was about."""
        step_id = str(fields.get("step", ""))
        if not step_id:
            return None
        step = self.steps.setdefault(step_id, StepGauge(step_id))
        now = self._monotonic()
        if event == "step_started":
            step.status, step.began, step.ended = "started", now, None
        elif event in ("step_done", "step_skipped", "step_failed", "step_undone"):
            step.status, step.ended = event.removeprefix("step_"), now
            step.said = str(fields.get("error", ""))
            if event == "step_done":
                self._correct(step)
        elif event in ("copied", "compared"):
            store = str(fields.get("store", ""))
            gauge = step.stores.setdefault((event, store), StoreGauge(expected=self.expected.get(store)))
            gauge.add(now, int(fields.get("items") or 0), int(fields.get("bytes") or 0))
        elif event == "lag":
            step.lag = fields
        elif event == "pace":
            step.pace = fields
        else:
            step.said = said(event, fields)
        return step

    def _correct(self, step: StepGauge) -> None:
        """A copy may have found more than was estimated, which was hours old: a comparison will too."""
        for (event, store), gauge in step.stores.items():
            if event == "copied":
                self.expected[store] = max(self.expected.get(store, 0), gauge.done)


def said(event: str, fields: dict[str, Any]) -> str:
    """An event as a sentence; one that has no words of its own as its name and fields."""
    try:
        told = WORDS.get(event, "").format_map(fields)
    except (KeyError, ValueError):
        told = ""
    if event == "flipped" and fields.get("pause_ms") is not None:
        told += f"; this tenant's writes were paused {fields['pause_ms']:,.0f} ms"
    if told:
        return told
    pairs = [f"{name} {value}" for name, value in fields.items() if name not in ("run", "step") and value is not None]
    return " ".join([event, *pairs])
