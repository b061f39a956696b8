"""What must hold between the fields of a recipe, and the order its steps run in."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence

from portability.model.estate import seconds
from portability.model.recipe import Recipe, StepSpec
from portability.plan.document import Path, shown
from portability.plan.shape import suggestion

Problems = Iterator[tuple[Path, str]]

PHASES = ("prepare", "flip", "soak", "retire")
"""The order of phases: what retires never stands before what flips."""


def check_recipe(recipe: Recipe, known: Collection[str], phases: Mapping[str, str] | None = None) -> Problems:
    """Every problem between fields; `known` are the kinds of step there are, `phases` theirs where they are known."""
    if not recipe.steps:
        yield ("steps",), "at least one is needed"
    first: dict[str, int] = {}
    for index, step in enumerate(recipe.steps):
        if step.id in first:
            yield ("steps", index, "id"), f"{shown(step.id)} is the id of two steps"
        first.setdefault(step.id, index)
    for index, step in enumerate(recipe.steps):
        yield from _step(("steps", index), step, first.keys(), known)
    yield from _order(recipe, first, phases or {})


def _step(path: Path, step: StepSpec, ids: Collection[str], known: Collection[str]) -> Problems:
    if step.uses not in known:
        yield (*path, "uses"), f"there is no step {shown(step.uses)}{suggestion(step.uses, known)}"
    for name, others in (("needs", step.needs), ("closes", step.closes)):
        for position, other in enumerate(others):
            here = (*path, name, position)
            if other == step.id:
                yield here, f"{shown(other)} is this step itself"
            elif other not in ids:
                near = suggestion(other, set(ids) - {step.id})
                yield here, f"there is no step with the id {shown(other)}{near}"
    if seconds(step.retry.base) > seconds(step.retry.cap):
        yield (*path, "retry"), f"base {step.retry.base} is longer than cap {step.retry.cap}"


def _order(recipe: Recipe, first: Mapping[str, int], phases: Mapping[str, str]) -> Problems:
    if len(first) != len(recipe.steps):
        return
    loop = cycle(recipe.steps)
    if loop:
        yield ("steps", first[loop[0]], "needs"), f"these steps wait for each other: {' -> '.join(loop)}"
        return
    order = ordered(recipe.steps)
    place = {step.id: index for index, step in enumerate(order)}
    for step in order:
        for position, other in enumerate(step.closes):
            if place.get(other, -1) > place[step.id]:
                yield ("steps", first[step.id], "closes", position), f"{shown(other)} runs after this step"
    reached = 0
    for step in order:
        if step.uses not in phases:
            continue
        phase = PHASES.index(phases[step.uses])
        if phase < reached:
            text = f"{step.uses} belongs to {PHASES[phase]}, but a step of {PHASES[reached]} runs before it"
            yield ("steps", first[step.id]), text
        reached = max(reached, phase)


def cycle(steps: Sequence[StepSpec]) -> list[str]:
    """A loop of ids, the first again at the end; [] where `needs` has none."""
    needs = {step.id: [other for other in step.needs if other != step.id] for step in steps}
    done: set[str] = set()
    for start in needs:
        trail: list[str] = []
        work: list[tuple[str, bool]] = [(start, False)]
        while work:
            name, leaving = work.pop()
            if leaving:
                trail.pop()
                done.add(name)
            elif name in trail:
                return [*trail[trail.index(name) :], name]
            elif name in needs and name not in done:
                trail.append(name)
                work.append((name, True))
                work.extend((other, False) for other in reversed(needs[name]))
    return []


def ordered(steps: Sequence[StepSpec]) -> list[StepSpec]:
    """Topological by `needs`, file order breaking ties. Steps of a loop are left out."""
    place: dict[str, int] = {step.id: index for index, step in enumerate(steps)}
    waits: dict[str, set[str]] = {step.id: {other for other in step.needs if other in place} for step in steps}
    followers: dict[str, list[str]] = {step.id: [] for step in steps}
    for name, others in waits.items():
        for other in others:
            followers[other].append(name)
    ready = [place[name] for name, others in waits.items() if not others]
    heapq.heapify(ready)
    order: list[StepSpec] = []
    while ready:
        step = steps[heapq.heappop(ready)]
        order.append(step)
        for name in followers[step.id]:
            waits[name].discard(step.id)
            if not waits[name]:
                heapq.heappush(ready, place[name])
    return order
