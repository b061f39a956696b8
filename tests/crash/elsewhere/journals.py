"""R18: journals of every release, at every moment of theirs, are gone on with to an end; newer ones are refused.

They are committed: `record_journals` left them, with the estate as it was at each write. A trial is a moment: whoever
comes by then goes on with the run, and asks for what is left, until the tenant is free again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from portability import errors
from portability.model.run import SUPPORTED_SCHEMAS, RunView
from portability.model.status import Goal, ParkReason, RunState
from tests.crash.elsewhere.base import Around, Made, Trials
from tests.crash.elsewhere.moments import Moment, files, head, moments, restored
from tests.steps_data.run_plan import RUN, TENANT
from tests.steps_data.run_world import Estate42, Process

NEWER = "newer"
ASKS = 8
NEXT = {RunState.SOAKING: Goal.COMPLETE, RunState.REVERSED: Goal.CANCEL}


class NotGoneOnWith(AssertionError):
    """A journal that does not read, or a run that does not come to its end."""


@dataclass(frozen=True)
class Journals:
    """The row."""

    says: str = "journals of every release at every moment, gone on with to the end; newer ones refused"
    figure: int | None = None

    @contextmanager
    def opened(self, around: Around) -> Iterator[Trials]:
        yield OfJournals()


@dataclass(frozen=True)
class OfJournals:
    """Trials by release, journey and the number of the moment."""

    read: dict[str, list[Moment]] = field(default_factory=dict)

    def names(self, seed: int) -> Sequence[str]:
        return [f"{name}/{which}" for name in files() for which in (*range(len(self._moments(name))), NEWER)]

    def run(self, name: str) -> Made:
        journey, _, which = name.rpartition("/")
        elsewhere = head(files()[journey])["elsewhere"]
        if which == NEWER:
            for moment in self._moments(journey):
                _refuses(restored(moment, elsewhere=elsewhere))
            return Made(frozenset({"newer"}))
        estate = restored(self._moments(journey)[int(which)], elsewhere=elsewhere)
        view = _view(estate)
        ended = _goes_on(estate)
        try:
            estate.check_end(ended.serving)
        except AssertionError as error:
            raise NotGoneOnWith(f"from {_state(view)} to {_state(ended)}: {error}") from error
        return Made(frozenset({f"{journey.partition('/')[0]} {_state(view)}"}))

    def _moments(self, journey: str) -> list[Moment]:
        if journey not in self.read:
            self.read[journey] = list(moments(files()[journey]))
        return self.read[journey]


def _view(estate: Estate42) -> RunView:
    journal = Process(estate).journal()
    journal.verify(RUN)
    return journal.view(RUN)


def _goes_on(estate: Estate42) -> RunView:
    """Resume, and ask for what is left, until the run has ended."""
    said: list[str] = []
    for _ in range(ASKS):
        view = _view(estate)
        if view.ended:
            return view
        goal = NEXT.get(view.state) if view.state else None
        if view.state is RunState.PARKED and view.reason == ParkReason.POSTPONED:
            goal = Goal.CUTOVER
        try:
            Process(estate).go(goal)
        except errors.PortabilityError as error:
            said.append(f"{type(error).__name__}: {error}")
    raise NotGoneOnWith(f"still {_state(_view(estate))} after {ASKS} turns: {said[-3:]}")


def _refuses(estate: Estate42) -> None:
    """A journal of a schema after the last we know: nothing acts on it, and nothing is written."""
    newer = max(SUPPORTED_SCHEMAS) + 1
    for row in estate.table.rows.values():
        if "schema" in row:
            row["schema"] = newer
    before: dict[Any, Any] = {key: dict(row) for key, row in estate.table.rows.items()}
    free = Process(estate).journal().active(TENANT) is None
    for act in (Process(estate).journal().view, Process(estate).journal().verify):
        with contextlib.suppress(errors.JournalNewer):
            act(RUN)
            raise NotGoneOnWith(f"{act.__name__} reads schema {newer}")
    if not free:
        with contextlib.suppress(errors.JournalNewer):
            Process(estate).go()
            raise NotGoneOnWith(f"a run of schema {newer} is gone on with")
    if estate.table.rows != before:
        raise NotGoneOnWith(f"a journal of schema {newer} was written to")


def _state(view: RunView) -> str:
    """Where a run is, in words: `parked (postponed)`, `running copy-data started, fenced`."""
    begun = [f" {step.id} {step.status}" for step in view.steps.values()][-1:]
    fenced = ", fenced" if view.fenced else ""
    return f"{view.state}{f' ({view.reason})' if view.reason else ''}{''.join(begun)}{fenced}"
