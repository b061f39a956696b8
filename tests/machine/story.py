"""What an operator does over one example, and what is held against the world after everything they said."""

from __future__ import annotations

from dataclasses import dataclass, field

from portability import errors
from portability.journal.rows import KEYS, POSITION, run_key
from portability.model.run import RunView
from portability.model.status import Fact, Goal, ParkReason, RunState
from portability.steps.directory import STAMP
from tests.machine.town import Town
from tests.machine.trouble import HERE, Refuse, Trouble
from tests.machine.turn import Turn

TURNS_TO_THE_END = 16
"""More commands than it may take to bring any run to its end."""


@dataclass
class Story:
    """Commands said over a town; `turns` says what each came to. What broke is raised as `AssertionError`."""

    town: Town
    turns: list[str] = field(default_factory=list)

    def say(self, verb: str, trouble: Trouble | None = None, host: str = HERE) -> Turn:
        """One command, with what befalls it; where it ends well it has kept its promise."""
        turn = Turn(self.town, trouble, host=host)
        view = turn.run(verb)
        self.turns.append(f"{verb}: {turn.said}" + (f" ({'; '.join(turn.traps)})" if turn.traps else ""))
        if view is not None and turn.drove and verb != "repair":
            broken = promised(view, self.town)
            assert not broken, f"{verb} ended well, but {broken}"
        self._no_false_alarm(verb, turn)
        if turn.drove and not (turn.dead or isinstance(turn.error, errors.LeaseLost) or isinstance(trouble, Refuse)):
            assert not self.town.fenced, f"I3: {verb} left the tenant paused ({turn.said})"
        return turn

    def _no_false_alarm(self, verb: str, turn: Turn) -> None:
        """A difference is told only where something was changed behind the run's back, or slipped through."""
        told = isinstance(turn.error, errors.Mismatch) and not isinstance(turn.error, errors.StampMoved)
        alarmed = told and "by somebody else" not in turn.said
        assert not alarmed or self.town.foul or self.town.slipped, f"a false alarm: {verb}: {turn.said}"
        assert not isinstance(turn.error, errors.JournalBroken), f"I5: {turn.said}"

    def holds(self) -> None:
        town = self.town
        town.look()
        assert not town.broken, "; ".join(town.broken)
        assert town.of_neighbours() == town.untouched, "I4: a neighbour was changed"
        if not town.run:
            return
        if town.open() and town.serving == "source" and town.world.target.items and not town.foul:
            assert any(change.kind == "copy" for change, _ in town.view().intents()), "I6: not in the inventory"
        journal = town.journal(HERE)
        assert journal.verify(town.run) == len(town.entries())
        told, done = town.facts().count(Fact.FLIPPED), len(town.flips)
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
        town.land(before=float("inf"))
        self.holds()
        if town.run:
            assert town.facts().count(Fact.FLIPPED) == len(town.flips)
            left = left_behind(town)
            assert not left, f"I6: {left}"


def next_verb(town: Town, last: str) -> str:
    """What an operator says next, by what the run tells of itself; `last` was said before."""
    view = town.view()
    if view.reason == ParkReason.MISMATCH and last != "repair":
        return "repair"
    if view.goal is Goal.COMPLETE or view.state is RunState.SOAKING:
        return "complete"
    if view.state in (RunState.UNWINDING, RunState.STUCK):
        return "cancel"
    if town.shape.seed % 3 == 0 and view.serving == "source" and last != "cancel":
        return "cancel"
    return "cutover" if view.postponed or view.state is RunState.REVERSED else "resume"


ENDS: dict[Goal, tuple[RunState, str]] = {
    Goal.MIGRATE: (RunState.SOAKING, "target"),
    Goal.CUTOVER: (RunState.SOAKING, "target"),
    Goal.REVERSE: (RunState.REVERSED, "source"),
    Goal.COMPLETE: (RunState.COMPLETED, "target"),
    Goal.CANCEL: (RunState.UNWOUND, "source"),
}


def promised(view: RunView, town: Town) -> str:
    """What a command that ended well promised and did not keep, in words; "" where it kept its word."""
    if (view.state, town.serving) != ENDS[view.goal]:
        return f"asked to {view.goal} the run is {view.state} and the {town.serving} serves"
    return left_behind(town) if view.ended else ""


def left_behind(town: Town) -> str:
    """What a run that ended left where nothing may be left, in words."""
    if STAMP in town.record:
        return "the stamp is still on the directory record"
    if town.old.items:
        return f"the side that does not serve still holds {sorted(town.old.items)}"
    pk = run_key(town.run, "").pk
    kept = [key.sk for key in town.table.rows if key.pk == pk and key.sk.startswith((POSITION, KEYS))]
    return f"the journal still keeps {kept}" if kept else ""
