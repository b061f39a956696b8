"""Inside the fence: read every stream past it, and prove that nothing is left to sync and nothing differs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from portability import errors
from portability.model.estate import seconds
from portability.model.status import ParkReason
from portability.steps.base import Context
from portability.steps.channels import Channels, stream_arns
from portability.steps.cutover.pause import Pause
from portability.steps.verify_data import refuse_differences
from portability.stores.base import Difference
from portability.stores.dynamodb.parking import is_pending

PART = 500
"""Keys compared inside the fence before it is asked again whether the tenant may wait."""


def drain(ctx: Context, channels: Channels, *, after: float, pause: Pause) -> list[str]:
    """Drain every store's channel past `after` (epoch seconds), side by side; stores in which a shard showed nothing.

    Raises `Parked(gate)` where keys are still pending, parked or in doubt when its time is over.
    """
    patience = max(0.0, min(pause.left, seconds(ctx.estate.fence.drain)))
    with ThreadPoolExecutor(max_workers=max(1, len(channels.by_store)), thread_name_prefix="drain") as pool:
        running = {
            store: pool.submit(
                channel.drain, after=after, canary=channels.moves[store].canary(ctx.run), patience=patience
            )
            for store, channel in channels.by_store.items()
        }
    return [store for store, future in running.items() if future.result()]


def refuse_unsettled(ctx: Context, channels: Channels) -> None:
    """Raise `Parked(gate)` unless every set is empty: the pollers' own, and the journal's by consistent read."""
    lag = channels.lag()
    left = {
        store
        for store, channel in channels.by_store.items()
        if any(is_pending(group) for group, _ in ctx.ledger.parked(channel.name).values())
    }
    if lag.backlog or lag.parked or lag.doubtful or left:
        raise errors.Parked(
            f"inside the fence {lag.backlog} keys wait, {lag.parked} are parked, {lag.doubtful} in doubt"
            + (f"; kept in the journal: {', '.join(sorted(left))}" if left else ""),
            reason=ParkReason.GATE,
            next=f"portability resume {ctx.run}",
        )


def compare_changed(ctx: Context, channels: Channels, silent: list[str], *, go_on: Callable[[], None]) -> int:
    """Compare, by value, every key changed since the full verification; how many.

    Of a `silent` store every unit is compared besides, and what only the destination has: nobody told of its deletions.

    `go_on` is asked between the parts, and raises when the tenant must not wait any longer.
    Raises `Mismatch` where a side differs, `Parked(gate)` where the record of changes was lost or a stream is another.
    """
    changed = channels.changed()
    if changed is None:
        raise _again(ctx, "the record of changed keys was lost while the cutover ran")

    def whole(store: str) -> tuple[int, list[Difference]]:
        move, units = channels.moves[store], []
        for unit in move.units(channels.flow):
            go_on()
            units.append(move.compare(channels.flow, unit, repair=False))
        go_on()
        found = [*(each for unit in units for each in unit.differences), *move.strays(channels.flow)]
        # The origin is fenced: here even an unequal sum alone is a difference.
        if not found and not all(unit.equal for unit in units):
            raise _again(ctx, f"{store} was not still while it was compared inside the fence")
        return sum(unit.source_items for unit in units), found

    def compare(store: str) -> tuple[int, list[Difference]]:
        keys, move = changed[store], channels.moves[store]
        found: list[Difference] = []
        for at in range(0, len(keys), PART):
            go_on()
            found += move.compare_keys(channels.flow, keys[at : at + PART]).differences
        return whole(store) if store in silent and not found else (len(keys), found)

    with ThreadPoolExecutor(max_workers=len(changed) + 1, thread_name_prefix="compare") as pool:
        streams = pool.submit(stream_arns, ctx, channels.flow)
        by_store = dict(zip(changed, pool.map(compare, changed), strict=True))
    if streams.result() != dict(channels.arns):
        raise _again(ctx, "a change stream was replaced while the cutover ran")
    refuse_differences(ctx, {store: found for store, (_, found) in by_store.items()}, repair=False)
    return sum(compared for compared, _ in by_store.values())


def _again(ctx: Context, why: str) -> errors.Parked:
    return errors.Parked(why, reason=ParkReason.GATE, next=f"portability resume {ctx.run}")
