"""A step of somebody else's: the tenant's flag says where it is served."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from portability.model.change import Change, Sign
from portability.model.estate import Value
from portability.steps.base import Context, Observe, Output, Phase

from .flags import Flags

_BEFORE = "flag before"


class SetFlagWith(Value, frozen=True, kw_only=True):
    """Options of `set_flag`."""

    file: str  # the flag service's file
    flag: str = "own"  # what the tenant's flag says after the move


@dataclass(frozen=True)
class SetFlag:
    """Set the tenant's flag; an undo puts back what was there."""

    with_: SetFlagWith
    service: Callable[[Path], Flags] = field(default=Flags)
    uses: ClassVar[str] = "set_flag"
    phase: ClassVar[Phase] = "prepare"
    With: ClassVar[type[SetFlagWith]] = SetFlagWith

    def preview(self, ctx: Observe) -> Sequence[Change]:
        """`~ flag` where it says something else."""
        return [self._change(ctx.plan.tenant)] if self._now(ctx) != self.with_.flag else []

    def apply(self, ctx: Context) -> Output:
        """Note what is there, then set it."""
        if _BEFORE not in ctx.view.step(ctx.step).notes:
            ctx.note(_BEFORE, flag=self._now(ctx))
        ctx.intend(self._change(ctx.plan.tenant), existed=self._now(ctx) is not None)
        ctx.check()
        if self._now(ctx) != self.with_.flag:
            self._flags.put(ctx.plan.tenant, self.with_.flag)
        return {"flag": self.with_.flag}

    def undo(self, ctx: Context) -> None:
        """Put back what was there before the run, if the run came as far as noting it."""
        noted = ctx.view.step(ctx.step).notes.get(_BEFORE)
        if noted is not None and self._now(ctx) != noted["flag"]:
            self._flags.put(ctx.plan.tenant, noted["flag"])

    @property
    def _flags(self) -> Flags:
        return self.service(Path(self.with_.file))

    def _now(self, ctx: Observe) -> str | None:
        return self._flags.all().get(ctx.plan.tenant)

    def _change(self, tenant: str) -> Change:
        return Change(step="", sign=Sign.CHANGE, kind="flag", name=tenant, after={"flag": self.with_.flag})
