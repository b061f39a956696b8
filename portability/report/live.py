"""Progress on a terminal: one line per step, bars per store with their rate, the channel's lag."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.text import Text

from portability.model.run import RunView
from portability.report.gauge import Gauges, StepGauge
from portability.report.lines import RUN_WORDS, figures, lag, pace
from portability.report.text import plain, span

BAR = 24
STYLE = {"done": "green", "skipped": "dim", "failed": "bold red", "started": "bold", "undone": "yellow"}
MARK = {"pending": " ", "started": "▸", "done": "✓", "skipped": "=", "failed": "✗", "undone": "↩"}


class Live:
    """An observer that keeps a screen up to date. Everything shown is Text: markup in data stays text."""

    def __init__(self, view: RunView) -> None:
        self._gauges = Gauges(view)
        self._head = f"run {view.header.run}   {plain(view.header.tenant)} -> {view.header.plan.target.tier}"
        self._said = ""
        self._lock = threading.Lock()

    @classmethod
    @contextlib.contextmanager
    def begin(cls, stream: TextIO, view: RunView, *, color: bool) -> Iterator[Live]:
        """Show it on `stream` until the block ends; the last state stays on the screen."""
        live = cls(view)
        console = Console(file=stream, no_color=not color, highlight=False, markup=False, emoji=False)
        with RichLive(
            get_renderable=live.render,
            console=console,
            refresh_per_second=8,
            redirect_stdout=False,
            redirect_stderr=False,
        ):
            yield live

    def __call__(self, event: str, /, **fields: Any) -> None:
        """See `engine.observer.Observer`."""
        with self._lock:
            step = self._gauges.take(event, fields)
            if step is None and event in RUN_WORDS:
                self._said = plain(RUN_WORDS[event].format_map({"reason": "", **fields}))

    def render(self) -> Group:
        """The screen as it is now."""
        with self._lock:
            now = time.monotonic()
            lines = [Text(self._head, style="bold")]
            for step in self._gauges.steps.values():
                lines += _lines(step, now)
            if self._said:
                lines.append(Text(self._said))
            return Group(*lines)


def _lines(step: StepGauge, now: float) -> list[Text]:
    took = step.seconds(now)
    said = "" if took is None else span(took)
    if step.status == "started" and step.lag:
        said += f"  {lag(step)}"
    elif step.status in ("started", "failed") and step.said:
        said += f"  {plain(step.said)}"
    lines = [Text(f" {MARK.get(step.status, ' ')} {step.id:<14} {said}", style=STYLE.get(step.status, ""))]
    if step.status == "started":
        for (event, store), gauge in step.stores.items():
            part = gauge.part
            bar = "" if part is None else "█" * round(part * BAR) + "░" * (BAR - round(part * BAR)) + " "
            lines.append(Text(f"     {bar}{figures(event, store, gauge, now)}"))
        if step.pace:
            lines.append(Text(f"     {pace(step.pace)}"))
    return lines
