"""What a plan would do, from what is observed. Every client here is read-only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from portability.engine.context import Observation
from portability.model.change import Change
from portability.steps.base import Factual, Step


def facts(observation: Observation, steps: Iterable[tuple[str, Step]]) -> dict[str, Any]:
    """Structural facts of every moving store and of every step that rests on some; for the plan's digest.

    `steps` are (id, step) pairs. Facts go by the kind of step, and those of a kind's second one by its id too.
    """
    found: dict[str, Any] = {f"store {move.store}": move.facts() for move in observation.moves}
    for step_id, step in steps:
        if isinstance(step, Factual):
            name = step.uses if step.uses not in found else f"{step.uses} {step_id}"
            found[name] = dict(step.facts(observation))
    return found


def changes(observation: Observation, steps: Iterable[tuple[str, Step]]) -> list[Change]:
    """Every step's Changes, in the order of the plan; `steps` are (id, step) pairs."""
    return [
        msgspec.structs.replace(change, step=step_id) for step_id, step in steps for change in step.preview(observation)
    ]
