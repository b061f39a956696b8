"""The contract of a step, rule by rule. Each takes a case and makes as many fresh scenes as it needs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import get_args

import msgspec

from portability import errors
from portability.model.change import Change
from portability.model.run import Entry
from portability.model.status import Fact
from portability.steps.base import Phase, Step
from portability.testing.breaking import ContractBroken, Killed, hold
from portability.testing.step_run import Points, StepRun, step_of
from portability.testing.step_scene import StepCase


def it_is_a_step(case: StepCase) -> None:
    """It has the three verbs, a phase there is, and options that are a schema."""
    scene = case()
    made = step_of(scene.hands(Points(), read_only=True), scene.plan, scene.step)
    hold(isinstance(made, Step), f"{type(made).__name__} lacks one of uses, phase, preview, apply, undo")
    hold(made.phase in get_args(Phase), f"its phase is {made.phase!r}; there are: {', '.join(get_args(Phase))}")
    options = getattr(type(made), "With", msgspec.Struct)
    hold(issubclass(options, msgspec.Struct), "its `With` is no msgspec.Struct")
    hold(_frozen(made), "its fields can be set: a step is a frozen value")


def a_preview_changes_nothing(case: StepCase) -> None:
    """It makes no mutating call, leaves the world as it is, and says the same when asked again."""
    scene = case()
    before, run = scene.inventory(), StepRun(scene)
    said = [run.preview(_no_effect()) for _ in range(2)]
    hold(scene.inventory() == before, "the world is another after a preview")
    hold(said[0] == said[1], f"asked twice, it says {said[0]} and {said[1]}")


def the_plan_is_what_the_run_does(case: StepCase) -> None:
    """The Changes it previews are those it records before it acts; where it previews none, it does nothing."""
    scene = case()
    run = StepRun(scene)
    planned = run.preview(_no_effect())
    before, points = scene.inventory(), Points()
    run.to_the_step(points)
    mine = [entry for entry in run.entries() if entry.step == scene.step]
    wanted = {change.identity for change in planned if change.acts and change.kind not in scene.elsewhere}
    done = {change.identity for change in _intents(mine) if change.acts and change.kind not in scene.elsewhere}
    hold(done == wanted, f"planned {sorted(wanted)}, recorded {sorted(done)}")
    effects = [point for point in points.met if "journal" not in point]
    if effects:
        first = points.met.index(effects[0])
        hold(any("intent" in point for point in points.met[:first]), "its first effect came before any `intend`")
    if not planned:
        hold(not effects, "it previews nothing, and made a mutating call")
        if len(scene.plan.steps) == 1:
            hold(scene.inventory() == before, "it previews nothing, and the world is another")


def a_repeat_changes_nothing(case: StepCase) -> None:
    """Killed where its outcome is about to be recorded, twice, it ends in the world of one clean run."""
    wanted, scene = _clean(case), case()
    run = StepRun(scene)
    for _ in range(2):
        _killed(run, Points(on=f"before the journal write: {Fact.DONE.value}"))
    run.to_the_step()
    _same(scene.inventory(), wanted, "repeated twice after all of its effects")
    intents = [change.identity for change in _intents(run.entries())]
    hold(len(intents) == len(set(intents)), f"an intent is recorded twice: {intents}")


def killed_anywhere_it_resumes_to_the_same_world(case: StepCase) -> None:
    """At every point, and after it: the next process ends where a clean run does, with one outcome."""
    wanted, every = _clean(case), case().every
    for number in itertools.count(step=every):
        scene = case()
        run = StepRun(scene)
        points = Points(number)
        if not _killed(run, points):
            return
        run.to_the_step()
        _same(scene.inventory(), wanted, f"killed {points.ended}")
        ends = [entry for entry in run.entries() if entry.step == scene.step and entry.fact is Fact.DONE]
        hold(len(ends) <= 1, f"killed {points.ended}, its outcome is recorded {len(ends)} times")


def undone_it_leaves_the_world_as_it_was(case: StepCase) -> None:
    """`undo` takes back what the run did, and may be repeated; what cannot be taken back refuses."""
    scene = case()
    before, run = scene.inventory(), StepRun(scene)
    run.to_the_step()
    if not scene.undoable:
        try:
            run.cancel()
        except errors.PortabilityError:
            return
        raise ContractBroken("its undo returned, and the scene says that it cannot be taken back")
    try:
        run.cancel(Points(on=f"before the journal write: {Fact.UNDONE.value}"))
    except Killed:
        run.cancel()
    _same(scene.inventory(), before, "undone, and undone again")


def killed_anywhere_it_can_be_undone(case: StepCase) -> None:
    """At every point: a cancel then leaves nothing."""
    first = case()
    if not first.undoable:
        return
    for number in itertools.count(step=first.every):
        scene = case()
        before, run = scene.inventory(), StepRun(scene)
        points = Points(number)
        if not _killed(run, points):
            return
        run.cancel()
        _same(scene.inventory(), before, f"killed {points.ended}, then undone")


def an_undo_killed_anywhere_is_finished_by_the_next(case: StepCase) -> None:
    """At every point of the undo: the next process leaves nothing."""
    first = case()
    if not first.undoable:
        return
    for number in itertools.count(step=first.every):
        scene = case()
        before, run = scene.inventory(), StepRun(scene)
        run.to_the_step()
        points = Points(number)
        try:
            run.cancel(points)
        except Killed:
            run.cancel()
        if points.ended is None:
            return
        _same(scene.inventory(), before, f"the undo was killed {points.ended}, and undone again")


def a_lost_lease_ends_it(case: StepCase) -> None:
    """Where `watch` says that the lease is lost, that reaches the engine, and nothing else is tried."""
    clean = Points()
    StepRun(case()).to_the_step(clean)
    effects = [number for number, point in enumerate(clean.met) if "journal" not in point]
    for number in effects[:3]:
        run = StepRun(case())
        points = Points(number, end=lambda: errors.LeaseLost("another took over", next=errors.AGAIN))
        try:
            run.to_the_step(points)
        except errors.LeaseLost:
            hold(points.after_the_end == 0, f"{points.after_the_end} more effects were tried after the lease was lost")
            continue
        except Exception as other:
            msg = f"a lost lease came out as {type(other).__name__}"
            raise ContractBroken(msg) from other
        hold(points.ended is None, "a lost lease was swallowed: the step went on")


def nothing_private_is_told(case: StepCase) -> None:
    """Neither journal nor progress events hold a text that the scene calls private."""
    scene = case()
    run = StepRun(scene)
    run.to_the_step()
    rows = run.table.query(f"RUN#{run.entries()[0].run}")
    kept = [*(str(row) for row in rows if row["sk"] != "HEADER"), *run.told]
    for number, text in enumerate(scene.private):
        hold(not any(text in one for one in kept), f"private text number {number} is in the journal or an event")


STEP_RULES: Mapping[str, Callable[[StepCase], None]] = MappingProxyType(
    {
        rule.__name__: rule
        for rule in (
            it_is_a_step,
            a_preview_changes_nothing,
            the_plan_is_what_the_run_does,
            a_repeat_changes_nothing,
            killed_anywhere_it_resumes_to_the_same_world,
            undone_it_leaves_the_world_as_it_was,
            killed_anywhere_it_can_be_undone,
            an_undo_killed_anywhere_is_finished_by_the_next,
            a_lost_lease_ends_it,
            nothing_private_is_told,
        )
    }
)
"""Every rule of a step by its name."""


# ------------------------------------------------------------------------------------------------------------ the parts


def _frozen(made: Step) -> bool:
    try:
        object.__getattribute__(made, "__dataclass_params__")
    except AttributeError:
        return not vars(made) if hasattr(made, "__dict__") else True
    return bool(made.__dataclass_params__.frozen)  # type: ignore[attr-defined]


def _no_effect() -> Points:
    points = Points(0, end=lambda: ContractBroken("a preview made a mutating call"))
    points.inside = True
    return points


def _intents(entries: list[Entry]) -> Iterator[Change]:
    return (msgspec.convert(one.data["change"], Change) for one in entries if one.fact is Fact.INTENT)


def _clean(case: StepCase) -> object:
    scene = case()
    StepRun(scene).to_the_step()
    return scene.inventory()


def _killed(run: StepRun, points: Points) -> bool:
    """Whether the process died at its point: false where there are fewer."""
    try:
        run.to_the_step(points)
    except Killed:
        return True
    return points.ended is not None


def _same(found: object, wanted: object, when: str) -> None:
    if found == wanted:
        return
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        names = [name for name in {*found, *wanted} if found.get(name) != wanted.get(name)]
        shown = "; ".join(f"{name}: {found.get(name)!r}, not {wanted.get(name)!r}" for name in sorted(names, key=str))
        raise ContractBroken(f"{when}, the world is another: {shown[:2000]}")
    raise ContractBroken(f"{when}, the world is another: {str(found)[:1000]}, not {str(wanted)[:1000]}")
