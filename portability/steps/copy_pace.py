"""How fast a copy goes, looked at while it runs: what an operator asks of it, how the shared tables bear it."""

from __future__ import annotations

from dataclasses import dataclass, field

from portability.model.rate import Rate, parse_rate
from portability.model.run import Throughput, Tuning
from portability.steps.base import Context
from portability.steps.table_pressure import EVERY as BETWEEN_PRESSURE
from portability.steps.table_pressure import TablePressure
from portability.steps.unit_pool import MOST, Crew
from portability.stores.throttle import Meter, Throttle

BETWEEN_TUNING, BETWEEN_FIGURES = 2.0, 5.0
"""Seconds between two looks at what an operator asks, and between two tellings of the figures."""

UNLIMITED = "none"
"""The rate that lifts a limit."""


@dataclass
class CopyPace:
    """`look` is called every second or so by one thread; `count` by any."""

    ctx: Context
    throttle: Throttle
    crew: Crew
    rate: Rate
    pressure: TablePressure | None
    _items: Meter = field(init=False)
    _adopted: str = ""
    _unknown_told: bool = False
    _due: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._items = Meter(self.ctx.clock.monotonic)

    def count(self, items: int) -> None:
        """Items were copied."""
        self._items.add(items)

    def look(self) -> None:
        """Do what is due. Raises what the journal raises."""
        if self._is_due("tuning", BETWEEN_TUNING):
            self._adopt(self.ctx.tuning())
        if self.pressure is not None and self._is_due("pressure", BETWEEN_PRESSURE):
            self._yield_to_others(self.pressure)
        if self._is_due("figures", BETWEEN_FIGURES):
            self._tell()

    def _is_due(self, what: str, every: float) -> bool:
        now = self.ctx.clock.monotonic()
        if now < self._due.get(what, now):
            return False
        self._due[what] = now + every
        return True

    def _adopt(self, asked: Tuning | None) -> None:
        if asked is None or asked.id == self._adopted:
            return
        if asked.rate is not None:
            self.rate = parse_rate(None if asked.rate == UNLIMITED else asked.rate)
            self.throttle.grant(self.rate)
        if asked.units is not None:
            self.crew.resize(max(1, min(MOST, asked.units)))
        self._adopted = asked.id
        known = self.ctx.view.step(self.ctx.step).notes.get("tuned", {})
        if known.get("request") != asked.id:
            self.ctx.note("tuned", rate=self.rate.text, units=self.crew.size, by=asked.by, request=asked.id)
        self.ctx.progress("tuned", rate=self.rate.text or UNLIMITED, units=self.crew.size, by=asked.by)

    def _yield_to_others(self, pressure: TablePressure) -> None:
        before = pressure.pressed
        pressure.look()
        if pressure.pressed:
            self.throttle.slow_down(hold=BETWEEN_PRESSURE)
        if pressure.pressed is None:
            if not self._unknown_told:
                self._unknown_told = True
                self.ctx.note("table_pressure", known=False, why=pressure.why)
                self.ctx.progress("table_pressure", about=f"is not watched: {pressure.why}")
        elif pressure.pressed != bool(before):
            self.ctx.note("table_pressure", known=True, pressed=pressure.pressed)
            said = "rises: the copy makes room" if pressure.pressed else "is as before the copy: it recovers"
            self.ctx.progress("table_pressure", about=said)

    def _tell(self) -> None:
        read, write = self.throttle.read, self.throttle.write
        told = Throughput(
            items=self._items.rate(),
            wcu=write.rate,
            rcu=read.rate,
            granted=self.rate.text,
            allowed_wcu=write.allowed,
            allowed_rcu=read.allowed,
            units=self.crew.size,
            throttled=self.throttle.throttled,
            pressed=None if self.pressure is None else self.pressure.pressed,
            at=self.ctx.clock.now(),
        )
        self.ctx.save_throughput(told)
        self.ctx.progress(
            "pace",
            wcu=round(told.wcu, 1),
            rcu=round(told.rcu, 1),
            granted=told.granted,
            units=told.units,
            throttled=told.throttled,
            pressed=told.pressed,
        )
