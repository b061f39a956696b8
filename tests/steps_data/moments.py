"""What a run told, and something that happens in the midst of one of its steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from portability.model.estate import Hooks
from portability.model.status import Fact
from tests.steps_data.run_world import Estate42, Process


def facts(world: Estate42) -> list[Fact]:
    return [entry.fact for entry in world.entries() if not entry.step]


def notes(world: Estate42) -> dict[str, dict[str, object]]:
    return {str(entry.data["about"]): entry.data for entry in world.entries() if entry.fact is Fact.NOTE}


def at(process: Process, step: str, label: str, effect: Callable[[], None], *, once: bool = True) -> None:
    """Let something happen in the midst of a step, at a named call."""
    done: list[str] = []

    def on_trap(seen: str) -> None:
        if process.armed and seen == label and not (once and done):
            done.append(seen)
            effect()

    process.trap_from = step
    process.on_trap = on_trap


def prescribed(world: Estate42, step: str, **of_recipe: Any) -> None:
    """Give one step of the plan gates, hooks or a policy; the estate lets hooks run."""
    steps = [msgspec.structs.replace(spec, **of_recipe) if spec.id == step else spec for spec in world.plan.steps]
    declared = msgspec.structs.replace(world.plan.estate, hooks=Hooks(enabled=True))
    world.plan = msgspec.structs.replace(world.plan, steps=steps, estate=declared)
