"""Progress off a terminal: a line where a step begins and ends, and one per 5 % or 15 s in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from portability.model.run import RunView
from portability.report.columns import widest
from portability.report.gauge import Gauges, StepGauge, StoreGauge
from portability.report.text import count, plain, size, span

EVERY = 15.0
"""Seconds after which a step that goes on says so."""

PART = 0.05
SOONEST = 1.0
"""A line per 5 %, but not more than one a second."""

SCARCE = 22 * 3600.0
"""Seconds: what is left of a stream's day is told from here on."""

NAME, LONGEST_NAME = 14, 40
RUN_WORDS = {
    "soaking": "soaking: the old side is kept current; `reverse` brings it back, `complete` deletes it",
    "reversed": "reversed: the source serves, with everything written since",
    "ending": "ending in {seconds} s: until then something that was sent before may still land",
    "completed": "completed: the old copy is gone",
    "unwound": "unwound: everything this run made was taken back",
    "parked": "parked: {reason}",
}


class Lines:
    """An observer that writes plain lines. `write` gets one line at a time."""

    def __init__(
        self, write: Callable[[str], None], view: RunView, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._write, self._monotonic = write, monotonic
        self._gauges = Gauges(view, monotonic)
        self._name = widest(self._gauges.steps, least=NAME, most=LONGEST_NAME)
        self._told: dict[tuple[str, str], tuple[float, float]] = {}
        self._lock = threading.Lock()

    def __call__(self, event: str, /, **fields: Any) -> None:
        """See `engine.observer.Observer`."""
        with self._lock:
            step = self._gauges.take(event, fields)
            if step is None:
                if event in RUN_WORDS:
                    self._write(RUN_WORDS[event].format_map(_Known(fields)))
                return
            if event.startswith("step_"):
                self._write(self._ended(step) if event != "step_started" else f"{step.id:<{self._name}} started")
            elif event in ("copied", "compared"):
                store = str(fields.get("store", ""))
                gauge = step.stores[event, store]
                if self._due(step.id, f"{event} {store}", gauge.part):
                    self._write(f"{step.id:<{self._name}} {figures(event, store, gauge, self._monotonic())}")
            elif self._due(step.id, event, None):
                said = SAID[event](step) if event in SAID else plain(step.said)
                self._write(f"{step.id:<{self._name}} {said}")

    def _due(self, step: str, what: str, part: float | None) -> bool:
        now = self._monotonic()
        before = self._told.get((step, what))
        if before is not None:
            moved = part is not None and part - before[1] >= PART - 1e-9 and now - before[0] >= SOONEST
            if now - before[0] < EVERY and not moved:
                return False
        self._told[step, what] = (now, part or 0.0)
        return True

    def _ended(self, step: StepGauge) -> str:
        took = step.seconds(self._monotonic())
        after = "" if took is None or step.status == "skipped" else f" in {span(took)}"
        totals = "".join(
            f"  {plain(store)} {count(gauge.done)} items {event}" for (event, store), gauge in step.stores.items()
        )
        why = f": {plain(step.said)}" if step.status == "failed" else ""
        return f"{step.id:<{self._name}} {step.status}{after}{totals}{why}"


class _Known(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return f"({key} not told)"


DOING = {"copied": "copying", "compared": "comparing"}
"""What an event that counts items says is being done."""


def figures(event: str, store: str, gauge: StoreGauge, now: float) -> str:
    """`copying Order  1,200 of ~12,000 items (10 %)  1.1 MiB  210 items/s`."""
    said = f"{DOING[event]} {plain(store)}  {count(gauge.done)}"
    said += f" of ~{count(gauge.expected)} items ({(gauge.part or 0.0):.0%})" if gauge.expected else " items"
    if gauge.bytes:
        said += f"  {size(gauge.bytes)}"
    rate = gauge.rate(now)
    return said + (f"  {count(rate)} items/s" if rate is not None else "")


def pace(told: Mapping[str, Any]) -> str:
    """`at 490 WCU/s of 500wcu, 130 RCU/s, 4 units at a time, 3 answers throttled`."""
    of = f" of {plain(told['granted'])}" if told.get("granted") else ""
    said = f"at {count(told['wcu'])} WCU/s and {count(told['rcu'])} RCU/s{of}, {told['units']} units at a time"
    if told.get("throttled"):
        said += f", {count(told['throttled'])} answers throttled"
    return said + (", making room for other tenants" if told.get("pressed") else "")


def lag(step: StepGauge) -> str:
    """`0.4 s behind, 12 keys waiting`."""
    seconds = step.lag.get("seconds")
    said = "not yet at the tip" if seconds is None else f"{span(float(seconds))} behind"
    said += f", {count(step.lag.get('backlog') or 0)} keys waiting"
    for name in ("parked", "doubtful"):
        if step.lag.get(name):
            said += f", {count(step.lag[name])} {name}"
    left = step.lag.get("retention_left")
    return said if left is None or left > SCARCE else f"{said}, unread changes are kept for {span(left)} more"


SAID: Mapping[str, Callable[[StepGauge], str]] = {"pace": lambda step: pace(step.pace), "lag": lag}
"""Events that have a figure of their own."""
