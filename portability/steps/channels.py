"""The channels of every moving store, one way, as one value: what residents yield and later steps ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from portability.model.plan import StoreMove
from portability.model.status import Status
from portability.steps.base import Context, Observe
from portability.steps.directory import FLIPPED, directory_of
from portability.stores.base import Channel, ChannelState, Flow, Key, Lag, Move

CLOSING = "closing"
"""The note of a retire step from which on no channel may write any more."""


@dataclass(frozen=True)
class Channels:
    """Running channels by store. `token` names this very instance: what was verified under another is stale.

    `arns` are the origins' stream ARNs as they were when these channels began.
    """

    flow: Flow
    token: str
    by_store: Mapping[str, Channel] = field(default_factory=dict)
    moves: Mapping[str, Move] = field(default_factory=dict)
    arns: Mapping[str, str | None] = field(default_factory=dict)

    def pin(self) -> None:
        """Make a position of every shard durable; positions that exist are kept."""
        for channel in self.by_store.values():
            channel.pin()

    def start(self, state: ChannelState) -> None:
        """Begin polling."""
        for channel in self.by_store.values():
            channel.start(state)

    def become(self, state: ChannelState) -> None:
        """Change what is done with keys; returns when every poller has acknowledged it."""
        for channel in self.by_store.values():
            channel.become(state)

    def unit_done(self, store: str, unit: str) -> None:
        """A copy unit is done."""
        self.by_store[store].unit_done(unit)

    def lag(self) -> Lag:
        """The worst of all: sums of keys, the longest delay, the shortest retention. Raises what a poller died of."""
        lags = [channel.lag() for channel in self.by_store.values()]
        known = [lag.seconds for lag in lags if lag.seconds is not None]
        left = [lag.retention_left for lag in lags if lag.retention_left is not None]
        return Lag(
            seconds=max(known, default=0.0) if len(known) == len(lags) else None,
            backlog=sum(lag.backlog for lag in lags),
            parked=sum(lag.parked for lag in lags),
            doubtful=sum(lag.doubtful for lag in lags),
            retention_left=min(left, default=None),
            lost=any(lag.lost for lag in lags),
        )

    def check(self) -> None:
        """Raise what a poller died of."""
        self.lag()

    def settle(self, *, patience: float) -> None:
        """Wait until every pending, parked and doubtful key is synced; raises `Parked` when patience (seconds) ends."""
        for channel in self.by_store.values():
            channel.settle(patience=patience)

    def mark(self) -> None:
        """Forget the changed keys: a full verification begins now."""
        for channel in self.by_store.values():
            channel.mark()

    def changed(self) -> dict[str, list[Key]] | None:
        """Keys changed since `mark`, by store; None if any channel lost the record of them."""
        changed: dict[str, list[Key]] = {}
        for store, channel in self.by_store.items():
            keys = channel.changed()
            if keys is None:
                return None
            changed[store] = keys
        return changed

    def slips(self) -> dict[str, list[str]]:
        """Hashes of keys seen while watching, by store; stores without any are left out."""
        seen = {store: channel.slips() for store, channel in self.by_store.items()}
        return {store: hashes for store, hashes in seen.items() if hashes}

    def counts(self) -> dict[str, dict[str, int]]:
        """Each channel's counts, by store."""
        return {store: channel.counts() for store, channel in self.by_store.items()}

    def unwritable(self) -> dict[str, int]:
        """Stores with keys that the destination refuses, and how many."""
        found = {store: counts.get("unwritable", 0) for store, counts in self.counts().items()}
        return {store: number for store, number in found.items() if number}

    def refused(self) -> list[str]:
        """What `unwritable` counts, in words: how many of which store, some of their hashes, and why."""
        return [
            f"{number} items of {store} cannot be written: {self.by_store[store].refused()}"
            for store, number in sorted(self.unwritable().items())
        ]

    def stop(self) -> None:
        """Stop every poller; positions and keys stay durable. One that fails to stop does not keep the others."""
        _each(channel.stop for channel in self.by_store.values())

    def close(self) -> None:
        """Stop every poller and delete its positions and keys; the stream goes off where this tool enabled it."""
        _each(channel.close for channel in self.by_store.values())


def open_channels(ctx: Context, flow: Flow, *, copied: bool) -> Channels:
    """Channels of every moving store, not pinned and not started. `copied`: every unit's copy is finished."""
    moves = {move.store: move for move in ctx.moves}
    return Channels(
        flow=flow,
        token=f"{ctx.step}-{ctx.rng.getrandbits(64):016x}",
        by_store={
            store: move.channel(flow, ctx.ledger, done=move.units(flow) if copied else (), taken_over=ctx.taken_over)
            for store, move in moves.items()
        },
        moves=moves,
    )


@contextmanager
def running(ctx: Context, flow: Flow, *, copied: bool) -> Iterator[Channels]:
    """Pinned and started channels for as long as a step's effect lasts.

    Left with its closing step done, they are closed; left for any other reason, what they keep stays durable.
    """
    if not ctx.moves or retiring(ctx):
        yield Channels(flow=flow, token=f"{ctx.step}-none")
        return
    channels = open_channels(ctx, flow, copied=copied)
    try:
        channels.pin()
        channels.start(state_for(ctx, flow))
        yield replace(channels, arns=stream_arns(ctx, flow))
    finally:
        if closing_step_done(ctx):
            channels.close()
        else:
            channels.stop()


def state_for(ctx: Context, flow: Flow) -> ChannelState:
    """What a channel may do as the run stands.

    It syncs only while its origin serves. A crash inside the fence leaves it parking until the cutover has found out
    what happened; after the flip its origin is the old side: syncing would write old values over new ones.
    """
    origin = "source" if flow is Flow.FORWARD else "target"
    view = ctx.view
    if view.serving != origin:
        return ChannelState.WATCH
    if not view.fenced:
        return ChannelState.SYNC
    record = directory_of(ctx).read(ctx.plan.tenant)
    stamp = None if record is None else record.stamp
    flipped = stamp is not None and stamp.act == FLIPPED and stamp.epoch > int(view.fenced_by["epoch"])
    return ChannelState.WATCH if flipped else ChannelState.PARK


def closing_step_done(ctx: Context) -> bool:
    """Whether a step that closes this one's resident is done: one that names it, or the next leg of a cutover."""
    base, _, leg = ctx.step.partition(".")
    closers = [f"{base}.{int(leg or 1) + 1}"]
    closers += [spec.id for spec in ctx.plan.steps if base in spec.closes]
    steps = ctx.view.steps
    return any(step.status is Status.DONE for step_id, step in steps.items() if step_id in closers)


def retiring(ctx: Context) -> bool:
    """Whether the old side is being deleted: from then on a channel would bring its items back."""
    retire = {spec.id for spec in ctx.plan.steps if spec.uses == "retire_source"}
    return any(CLOSING in ctx.view.step(step_id).notes for step_id in retire)


def origin_of(move: StoreMove, flow: Flow) -> tuple[str, str, str | None]:
    """Table, region and role of the side that keys come from."""
    side = move.source if flow is Flow.FORWARD else move.target
    return side.table, side.region, side.role


def stream_arns(ctx: Observe, flow: Flow) -> dict[str, str | None]:
    """The latest stream ARN of every moving DynamoDB store's origin; None where the stream is off or no table there."""
    found: dict[str, str | None] = {}
    for move in _in_dynamodb(ctx):
        description = _described(ctx, move, flow) or {}
        enabled = (description.get("StreamSpecification") or {}).get("StreamEnabled", False)
        found[move.store] = description.get("LatestStreamArn") if enabled else None
    return found


def streams_off(ctx: Observe, flow: Flow) -> list[str]:
    """Names of origin tables whose stream is off, or will be: a table still to be made begins without one.

    Where consumers are declared it is made with the stream that its model has.
    """
    off = []
    for move in _in_dynamodb(ctx):
        description = _described(ctx, move, flow)
        if description is None and ctx.estate.stores[move.store].consumers:
            description = _described(ctx, move, flow.opposite)
        if not (description and (description.get("StreamSpecification") or {}).get("StreamEnabled", False)):
            off.append(origin_of(move, flow)[0])
    return off


def _in_dynamodb(ctx: Observe) -> list[StoreMove]:
    return [move for move in ctx.plan.moving if ctx.estate.stores[move.store].in_dynamodb]


def _described(ctx: Observe, move: StoreMove, flow: Flow) -> Mapping[str, Any] | None:
    table, region, role = origin_of(move, flow)
    return ctx.aws.dynamodb(region=region, role=role).describe(table)


def _each(effects: Iterable[Callable[[], None]]) -> None:
    """Run every effect, also after one failed; the first failure is raised at the end."""
    with ExitStack() as stack:
        for effect in effects:
            stack.callback(effect)
