"""What happens, told to whoever listens: the screen, `--events`, the log. Nothing here is journaled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Observer(Protocol):
    """Called from the runner and, through `Context.progress`, from steps; may be called from any thread.

    `event` is one of `step_started`, `step_done`, `step_skipped`, `step_failed`, `step_undone`, `parked`, `flipped`,
    `soaking`, `reversed`, `ending`, `completed`, `unwound`, or a step's own progress event.
    """

    def __call__(self, event: str, /, **fields: Any) -> None:
        """Fields are names, ids, counts and seconds; never values."""


def silent(_event: str, /, **_fields: Any) -> None:
    """An observer that listens to nothing."""


def both(*observers: Observer) -> Observer:
    """Tell every one of `observers`, in order."""

    def tell(event: str, /, **fields: Any) -> None:
        for observer in observers:
            observer(event, **fields)

    return tell


def for_step(observer: Observer, run: str, step: str) -> Callable[..., None]:
    """An observer that adds the run and the step to everything."""

    def tell(event: str, /, **fields: Any) -> None:
        observer(event, run=run, step=step, **fields)

    return tell
