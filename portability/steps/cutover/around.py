"""What else of the tenant goes over with a flip: its users before it, its API key with it and after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from portability.model.plan import Location
from portability.steps import api_key, users
from portability.steps.base import Context
from portability.steps.cutover.leg import Leg
from portability.steps.cutover.routing import routing
from portability.stores.base import Flow


@dataclass(frozen=True)
class Around:
    """The acts, replaceable as one."""

    carry: Callable[[Context, Flow], Mapping[str, Any]] = users.carry
    value_now: Callable[[Context, Location], str | None] = api_key.value_now
    switch_plan: Callable[[Context, Location], float] = api_key.switch_plan
    carry_late: Callable[[Context, Flow], Mapping[str, Any]] = users.carry_late

    def bring_users(self, ctx: Context, leg: Leg) -> None:
        """Carry the users again, so that who was disabled or deleted meanwhile is so on the other side too."""
        if ctx.plan.moves_identity:
            ctx.note("users carried", **self.carry(ctx, leg.flow))

    def bring_late_users(self, ctx: Context, leg: Leg) -> None:
        """Carry who signed up between the carrying before the flip and the flip: no fence holds a sign-up."""
        if ctx.plan.moves_identity:
            ctx.note("late users carried", **self.carry_late(ctx, leg.flow))

    def fields(self, ctx: Context, leg: Leg) -> dict[str, str | None]:
        """What the flip writes: the staged routing, and the API key's value as it is now (kept nowhere else)."""
        fields = routing(ctx, leg.after)
        value = self.value_now(ctx, leg.destination)
        if ctx.estate.directory.api_key is not None and value is not None:
            fields[ctx.estate.directory.api_key] = value
        return fields
