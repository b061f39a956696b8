"""What an operator does over one example, and what is held against the world after everything they said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from portability import errors
from portability.model.run import Entry, RunView
from portability.model.status import Fact, Goal, ParkReason, RunState
from tests.machine.trouble import HERE, Fine, Refuse, Trouble

TURNS_TO_THE_END = 16
"""More commands than it may take to bring any run to its end."""


class Process(Protocol):
    """One turn of the command: what befell it (`traps`), and how it ended; `lost`: its run was another's by then."""

    traps: list[str]
    said: str
    drove: bool
    dead: bool
    lost: bool
    error: errors.PortabilityError | None

    def run(self, verb: str) -> RunView | None:
        """Say the verb; the run as it rests then, None where the command did not end well."""


class Place(Protocol):
    """What the invariants ask of a world. `foul`: a side was changed behind the run's back; `slipped`: a write was."""

    run: str
    seed: int
    broken: list[str]
    foul: bool
    slipped: bool

    def process(self, trouble: Trouble, host: str) -> Process:
        """A new process, with what befalls it."""

    def look(self) -> None:
        """Hold who serves against what the tenant was told; what is wrong is added to `broken`."""

    def settle(self) -> None:
        """Let everything land that is on its way."""

    @property
    def serving(self) -> str:
        """`source` or `target`, as the directory says."""

    @property
    def fenced(self) -> bool:
        """Whether the tenant's writes are refused now."""

    @property
    def flipped_times(self) -> int:
        """How often this run's flip was seen in the directory."""

    def open(self) -> bool:
        """Whether the tenant has an active run."""

    def view(self) -> RunView:
        """The present run, or the last."""

    def entries(self) -> list[Entry]:
        """Its entries."""

    def verified(self) -> int:
        """Hold its journal to the chain; the number of entries. Raises `JournalBroken`."""

    def neighbours_untouched(self) -> bool:
        """Whether everything of the other tenants is as it was."""

    def inventoried(self) -> bool:
        """Whether the open run's intents tell of what is on the target."""

    def left_behind(self) -> str:
        """What a run that ended left where nothing may be left, in words."""


@dataclass
class Story:
    """Commands said over a town; `turns` says what each came to. What broke is raised as `AssertionError`."""

    town: Place
    turns: list[str] = field(default_factory=list)

    def say(self, verb: str, trouble: Trouble | None = None, host: str = HERE) -> Process:
        """One command, with what befalls it; where it ends well it has kept its promise."""
        turn = self.town.process(trouble or Fine(), host)
        view = turn.run(verb)
        self.town.open()
        self.turns.append(f"{verb}: {turn.said}" + (f" ({'; '.join(turn.traps)})" if turn.traps else ""))
        if view is not None and turn.drove and verb != "repair":
            broken = promised(view, self.town)
            assert not broken, f"{verb} ended well, but {broken}"
        self._no_false_alarm(verb, turn)
        if turn.drove and not (turn.dead or isinstance(turn.error, errors.LeaseLost) or isinstance(trouble, Refuse)):
            assert not self.town.fenced, f"I3: {verb} left the tenant paused ({turn.said})"
        return turn

    def _no_false_alarm(self, verb: str, turn: Process) -> None:
        """A difference is told only where something was changed behind the run's back, or slipped through."""
        told = isinstance(turn.error, errors.Mismatch) and not isinstance(turn.error, errors.StampMoved)
        alarmed = told and not turn.lost and "by somebody else" not in turn.said
        assert not alarmed or self.town.foul or self.town.slipped, f"a false alarm: {verb}: {turn.said}"
        assert not isinstance(turn.error, errors.JournalBroken), f"I5: {turn.said}"

    def holds(self) -> None:
        town = self.town
        town.look()
        assert not town.broken, "; ".join(town.broken)
        assert town.neighbours_untouched(), "I4: a neighbour was changed"
        if not town.run:
            return
        assert town.verified() == len(town.entries())
        assert town.inventoried(), "I6: the inventory does not tell of the copies on the target"
        told, done = self._told(), town.flipped_times
        assert told <= done, "I2: the journal tells of a flip that never was"
        assert done - told <= 1, "I2: two flips, and the journal knows of neither"

    def end(self) -> None:
        """Drive what is open to its end: commands alone, and nothing befalls them any more."""
        town, said = self.town, ""
        for _ in range(TURNS_TO_THE_END):
            if not town.open():
                break
            said = next_verb(town, said)
            self.say(said)
            self.holds()
        else:
            raise AssertionError(f"I6: the run does not end: {self.turns[-4:]}")
        town.settle()
        self.holds()
        if town.run:
            assert self._told() == town.flipped_times, "I2: a flip that the journal does not tell of"
            left = town.left_behind()
            assert not left, f"I6: {left}"

    def _told(self) -> int:
        return sum(entry.fact is Fact.FLIPPED for entry in self.town.entries())


def next_verb(town: Place, last: str) -> str:
    """What an operator says next, by what the run tells of itself; `last` was said before."""
    view = town.view()
    if view.reason == ParkReason.MISMATCH:
        return "repair" if last != "repair" else "resume"
    if view.goal is Goal.COMPLETE or view.state is RunState.SOAKING:
        return "complete"
    if view.state in (RunState.UNWINDING, RunState.STUCK):
        return "cancel"
    if town.seed % 3 == 0 and view.serving == "source" and last not in ("cancel", "repair"):
        return "cancel"
    return "cutover" if view.postponed or view.state is RunState.REVERSED else "resume"


ENDS: dict[Goal, tuple[RunState, str]] = {
    Goal.MIGRATE: (RunState.SOAKING, "target"),
    Goal.CUTOVER: (RunState.SOAKING, "target"),
    Goal.REVERSE: (RunState.REVERSED, "source"),
    Goal.COMPLETE: (RunState.COMPLETED, "target"),
    Goal.CANCEL: (RunState.UNWOUND, "source"),
}


def promised(view: RunView, town: Place) -> str:
    """What a command that ended well promised and did not keep, in words; "" where it kept its word."""
    if view.header.run != town.run:
        return ""  # another has begun a run since
    if (view.state, town.serving) != ENDS[view.goal]:
        return f"asked to {view.goal} the run is {view.state} and the {town.serving} serves"
    return town.left_behind() if view.ended else ""
