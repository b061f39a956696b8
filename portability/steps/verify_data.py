"""Prove that both sides hold the same items, by re-reading both."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from portability import errors
from portability.model.change import Change, Sign
from portability.model.estate import Duration, Value, seconds
from portability.steps.base import Context, Observe, Output, Phase
from portability.steps.channels import Channels
from portability.steps.late_writes import horizon_left
from portability.steps.unit_pool import run_units
from portability.stores.base import Channel, Compared, Difference, Flow, Key, Move, key_word

SHOWN = 5
"""Hashes of differing keys named in an error, per store."""


class VerifyWith(Value, frozen=True, kw_only=True):
    """Options of `verify_data`."""

    repair: bool = False  # sync keys that differ after settling, instead of stopping the run
    workers: Annotated[int, Meta(ge=1, le=64)] = 4  # units compared at a time, over all stores
    patience: Duration = "60s"  # how long, beyond the horizon of doubtful writes, pending keys may take to settle


@dataclass(frozen=True)
class VerifyData:
    """Compare every unit of every store on both sides, and list keys that only the destination has.

    After catching up a difference that lasts is a bug or a foreign write: it stops the run (exit 11) unless `repair`
    is set.
    """

    with_: VerifyWith = field(default_factory=VerifyWith)
    uses: ClassVar[str] = "verify_data"
    phase: ClassVar[Phase] = "prepare"
    With: ClassVar[type[VerifyWith]] = VerifyWith

    def preview(self, ctx: Observe) -> Sequence[Change]:
        """`= verify` for each store: it reads."""
        return [
            Change(step="", sign=Sign.SAME, kind="verify", name=move.store, detail="every item compared on both sides")
            for move in ctx.moves
        ]

    def apply(self, ctx: Context) -> Output:
        """Compare; raises `Mismatch` with counts and key hashes."""
        if not ctx.moves:
            return {"stores": {}}
        channels: Channels = ctx.resident("open_channel")
        stores = verify_all(
            ctx,
            channels,
            repair=self.with_.repair,
            workers=self.with_.workers,
            patience=seconds(self.with_.patience),
        )
        return {"stores": stores, "freshness": channels.token}

    def undo(self, ctx: Context) -> None:
        """Nothing: it changed nothing, or made the target equal to the source."""


def verify_all(
    ctx: Context, channels: Channels, *, repair: bool, workers: int = 4, patience: float = 60.0
) -> dict[str, dict[str, Any]]:
    """Settle, mark, and compare every unit of every store in the direction of `channels`; figures per store.

    A store's figures are `units`, `items`, `digest` (32 hex digits), `checked` (items read at the origin), `repaired`,
    `unsettled` (units that changed while they were compared: the keys are in `Channels.changed`). Raises `Mismatch`.
    """
    channels.settle(patience=patience + horizon_left(ctx))
    channels.mark()
    moves = [channels.moves[store] for store in channels.by_store]
    jobs = {
        f"{move.store}/{unit}": partial(_compare, ctx, move, channels.flow, unit=unit, repair=repair)
        for move in moves
        for unit in move.units(channels.flow)
    }
    compared = run_units(moves, jobs, workers)
    by_store: dict[str, list[Compared]] = {move.store: [] for move in moves}
    for name, one in compared.items():
        by_store[name.partition("/")[0]].append(one)
    strays = {move.store: _strays(move, channels, repair=repair) for move in moves}
    found = {store: [*differences(units), *strays[store][1]] for store, units in by_store.items()}
    refuse_differences(ctx, _lasting(ctx, channels, found, patience=patience), repair=repair)
    return {store: figures(units, deleted=strays[store][0]) for store, units in by_store.items()}


def verify_some(
    ctx: Context,
    channels: Channels,
    chosen: Callable[[Move, Channel], Sequence[Key]],
    *,
    repair: bool,
    patience: float = 60.0,
) -> dict[str, dict[str, Any]]:
    """Settle, mark, and compare the keys that `chosen` names of each store, by value; figures as `verify_all`'s.

    Raises `Mismatch`. Keys that only one side has are found as far as they are among the chosen.
    """
    channels.settle(patience=patience + horizon_left(ctx))
    channels.mark()
    compared: dict[str, list[Compared]] = {}
    for store, channel in channels.by_store.items():
        move = channels.moves[store]
        keys = chosen(move, channel)
        ctx.check()
        compared[store] = [move.compare_some(channels.flow, keys, repair=repair)]
        ctx.progress("compared", store=store, unit="keys", items=len(keys), repaired=compared[store][0].repaired)
    found = {store: differences(some) for store, some in compared.items()}
    refuse_differences(ctx, _lasting(ctx, channels, found, patience=patience), repair=repair)
    return {store: figures(some) for store, some in compared.items()}


def _lasting(
    ctx: Context, channels: Channels, found: Mapping[str, Sequence[Difference]], *, patience: float
) -> Mapping[str, Sequence[Difference]]:
    """Those whose keys have not changed since the mark, by a channel that has read past the look that found them.

    A change that was still on its way is no difference: its key is in `Channels.changed` now.
    """
    if not any(found.values()):
        return found
    channels.settle(patience=patience + horizon_left(ctx))
    lasting = {}
    for store, some in found.items():
        changed = {key_word(key) for key in channels.by_store[store].changed() or ()}
        lasting[store] = [one for one in some if key_word(one.key) not in changed]
    return lasting


def differences(compared: Sequence[Compared]) -> list[Difference]:
    """What is left after settling and repair."""
    return [difference for one in compared for difference in one.differences]


def figures(compared: Sequence[Compared], *, deleted: int = 0) -> dict[str, Any]:
    """A store's figures, as `verify_all` gives them; `deleted` keys that only the destination had are repaired too."""
    total = sum(int(one.source_digest, 16) for one in compared) % 2**128
    items = sum(one.source_items for one in compared)
    return {
        "units": len(compared),
        "items": items,
        "digest": f"{total:032x}",
        "checked": items,
        "repaired": sum(one.repaired for one in compared) + deleted,
        "unsettled": sum(not one.equal for one in compared),
    }


def refuse_differences(ctx: Context, found: Mapping[str, Sequence[Difference]], *, repair: bool) -> None:
    """Raise `Mismatch` with counts by kind and a few key hashes per store, where there is any difference."""
    lines = []
    for store, some in found.items():
        if some:
            kinds = {why: sum(one.why == why for one in some) for why in sorted({one.why for one in some})}
            counted = ", ".join(f"{number} {why}" for why, number in kinds.items())
            hashes = ", ".join(one.key_hash for one in some[:SHOWN])
            lines.append(f"{store}: {counted} (keys {hashes}{', …' if len(some) > SHOWN else ''})")
    if lines:
        raise errors.Mismatch(
            "the sides differ; " + "; ".join(lines),
            next=f"portability verify {ctx.run}" + ("" if repair else " --repair"),
            changed=f"The {ctx.view.serving} serves; nothing is frozen.",
        )


def _compare(ctx: Context, move: Move, flow: Flow, halt: threading.Event, *, unit: str, repair: bool) -> Compared:
    ctx.check()
    compared = move.compare(flow, unit, repair=repair)
    if not halt.is_set():
        ctx.progress("compared", store=move.store, unit=unit, items=compared.source_items, repaired=compared.repaired)
    return compared


def _strays(move: Move, channels: Channels, *, repair: bool) -> tuple[int, list[Difference]]:
    """Keys that only the destination has: how many were synced (deleted there) with `repair`, and those left."""
    found = move.strays(channels.flow)
    if not (found and repair):
        return 0, found
    move.sync(channels.flow, [difference.key for difference in found])
    left = move.strays(channels.flow)
    return len(found) - len(left), left
