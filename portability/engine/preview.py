"""What a plan would do, from what is observed. Every client here is read-only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from portability.engine.context import Observation
from portability.model.change import Change
from portability.steps.base import Factual, Step


def facts(observation: Observation, steps: Iterable[Step]) -> dict[str, Any]:
    """Structural facts of every moving store and of every step that rests on some, by name; for the plan's digest."""
    found: dict[str, Any] = {f"store {move.store}": move.facts() for move in observation.moves}
    for step in steps:
        if isinstance(step, Factual):
            found[step.uses] = dict(step.facts(observation))
    return found


def changes(observation: Observation, steps: Iterable[tuple[str, Step]]) -> list[Change]:
    """Every step's Changes, in the order of the plan; `steps` are (id, step) pairs."""
    return [
        msgspec.structs.replace(change, step=step_id) for step_id, step in steps for change in step.preview(observation)
    ]
