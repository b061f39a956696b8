"""All that happens to a cutover from outside: the application, the channels, the wire, a guardian, death."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.model.cutover_state import (
    AT_REST,
    DOWN,
    FLIP,
    FLIPPING,
    GONE,
    HOLD,
    LIFT,
    LIFT_SENT,
    LIFTED,
    LIFTING,
    NAMES,
    OFF,
    OPENED,
    OUTDATED,
    PLAIN,
    RAISE,
    RAISED,
    RAISING,
    RECORD,
    SERVES,
    SIDES,
    SYNC,
    UNPROVEN,
    Record,
    Router,
    State,
    Step,
    accept,
    deal,
    fresh,
    quiet,
    replaced,
    set_channel,
    spend,
    sync,
    write,
)

RULES = {
    "stamp before fence": "the stamp precedes the fence by the time an application may cache the record",
    "in-flight waited out": "a write that began before the stamp, or the fence, is waited out",
    "intent before effect": "the journal says that a fence comes before it is raised",
    "all routers": "a fence holds when every router refuses",
    "way back pinned first": "the reverse channel is pinned before the fence",
    "canary only": "before the flip the reverse channel writes its canary, and nothing else",
    "drain after the fence": "a shard's proof is from after the fence held",
    "drain per shard": "every shard proves that it was read past the fence",
    "silent shards compared": "the units of a shard that proved nothing are compared inside the fence",
    "parked before the flip": "from the drain on the forward channel parks",
    "flip by epoch": "the flip is conditional on the epoch",
    "epoch before unfence": "the next epoch is written before a fence is lifted",
    "abort by epoch": "a fence is lifted on condition of the epoch",
    "lifted on resume": "whoever finds a fence announced takes it back",
    "found out first": "on resume no channel syncs before it is known which side serves",
    "tripwire": "after the flip the old side is watched before the way back may write there",
    "watch before sync": "the forward channel ends before the way back writes",
}
"""The rules of a cutover, by the names of the mutations that take them out."""


@dataclass(frozen=True)
class Outside:
    """`without` names the rule that is taken out; the rest is how much may happen. `slips`: writes past the fence."""

    without: str = ""
    fence: str = "epoch"
    legs: int = 1
    writes: int = 2
    crashes: int = 1
    losses: int = 1
    guardians: int = 0
    slips: int = 0
    attempts: int = 1
    rules: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        if self.without and self.without not in RULES:
            raise ValueError(f"no such rule: {self.without}")
        object.__setattr__(self, "rules", frozenset(RULES) - {self.without})

    # The application.

    def _application(self, state: State) -> Iterator[Step]:
        for at, router in enumerate(state.routers):
            if router.flying >= 0:
                landed = self._set_router(state, at, router._replace(flying=-1))
                yield f"a write of {NAMES[router.flying]} lands at the source", accept(landed, 0, router.flying)
            if self.fence == "policy":
                yield from self._behind_a_policy(state, at, router)
            else:
                yield from self._behind_the_epoch(state, at, router)

    def _behind_the_epoch(self, state: State, at: int, router: Router) -> Iterator[Step]:
        """A router reads the record when it likes. A stamp in it makes each write a transaction."""
        record = state.record
        now = record.epoch or PLAIN
        if router.epoch != now:
            yield f"router {at} reads the record", self._set_router(state, at, router._replace(epoch=now))
        for key in self._writable(state):
            if router.epoch == PLAIN and router.flying < 0:
                flying = self._set_router(spend(state), at, router._replace(flying=key))
                yield f"router {at} sends a write of {NAMES[key]} without a check", flying
            if router.epoch == record.epoch and not record.fenced:
                yield f"the {SIDES[record.serving]} accepts {NAMES[key]}", accept(spend(state), record.serving, key)

    def _behind_a_policy(self, state: State, at: int, router: Router) -> Iterator[Step]:
        """A router learns of the policy when it does. The old side is denied; the new one never is."""
        if router.denies != state.policy:
            yield f"router {at} learns of the policy", self._set_router(state, at, router._replace(denies=state.policy))
        for key in self._writable(state):
            if state.record.serving == 1:
                yield f"the target accepts {NAMES[key]}", accept(spend(state), 1, key)
            elif not router.denies and router.flying < 0:
                flying = self._set_router(spend(state), at, router._replace(flying=key))
                yield f"router {at} lets a write of {NAMES[key]} through", flying

    def _writable(self, state: State) -> tuple[int, ...]:
        """The keys that may be written next: the first is `a`, since until then nothing tells the keys apart."""
        if not state.writes:
            return ()
        return (0,) if state.writes == self.writes and state.slips == self.slips else (0, 1)

    def _set_router(self, state: State, at: int, router: Router) -> State:
        one, other = state.routers
        return state._replace(routers=(router, other) if at == 0 else (one, router))

    def _slip(self, state: State) -> Iterator[Step]:
        """The application breaks its promise: a write gets past the fence, before the watch is over."""
        left = state.record.serving != state.leg and not state.journal.watched
        if not state.slips or state.at in AT_REST or not (state.record.fenced or left):
            return
        keys = (0,) if state.writes == self.writes else (0, 1)
        for key in keys:
            value = fresh(state)
            slipped = replaced(state.slipped, key, value)
            written = write(state._replace(slips=state.slips - 1), state.leg, key, value)
            yield f"a write of {NAMES[key]} gets past the fence", written._replace(slipped=slipped)

    # The channels: each direction reads its records, and syncs or parks.

    def _channels(self, state: State) -> Iterator[Step]:
        for flow, channel in enumerate(state.channels):
            if channel.state == OFF:
                continue
            for key, name in enumerate(NAMES):
                if channel.unread[key]:
                    yield (
                        f"the channel from the {SIDES[flow]} deals with {name}: {channel.state}",
                        deal(state, flow, key),
                    )
                if channel.parked[key] and channel.state == SYNC:
                    released = set_channel(state, flow, channel._replace(parked=replaced(channel.parked, key, False)))
                    yield (
                        f"the channel from the {SIDES[flow]} syncs {name}, which was parked",
                        sync(released, flow, key),
                    )

    # The wire: what was sent is applied once, under its condition. Its sender may have given it up, or be gone.

    def _land(self, state: State) -> Iterator[Step]:
        waits = {RAISING: RAISE, FLIPPING: FLIP, LIFT_SENT: LIFT}.get(state.at)
        for request in state.wire:
            kind, epoch = request
            left = state._replace(wire=tuple(other for other in state.wire if other is not request))
            applied = self._applied(left, kind, epoch)
            what = f"the {kind} {'takes effect' if applied is not None else 'is refused'}"
            after = left if applied is None else applied
            if waits != kind or request != state.wire[-1]:
                yield f"{what}, unheard", after
                continue
            yield what, self._answered(after, kind, accepted=applied is not None)
            if state.losses:
                lost = after._replace(losses=state.losses - 1, at=LIFTING)
                yield f"{what}, and the answer is lost", lost

    def _applied(self, state: State, kind: str, epoch: int) -> State | None:
        """The state with the request in effect; None where its condition refuses it."""
        record = state.record
        if kind == RAISE and record.epoch == epoch:
            return self._stamped(state, Record(record.serving, epoch + 1, True, RAISED))
        if kind == LIFT and (record.epoch == epoch or "abort by epoch" not in self.rules):
            return self._stamped(state, Record(record.serving, max(record.epoch, epoch) + 1, False, LIFTED))
        if kind == FLIP and ((record.epoch == epoch and record.fenced) or "flip by epoch" not in self.rules):
            return self._stamped(state, Record(1 - state.leg, record.epoch + 1, False, SERVES))
        return None

    def _stamped(self, state: State, record: Record) -> State:
        """A new epoch: what a router knows of an earlier one is refused from now on."""
        one, other = (
            router._replace(epoch=OUTDATED) if router.epoch > 0 and router.epoch != record.epoch else router
            for router in state.routers
        )
        return state._replace(record=record, routers=(one, other))

    def _answered(self, state: State, kind: str, *, accepted: bool) -> State:
        match kind, accepted:
            case "raise", True:
                policy = self.fence == "policy"
                return state._replace(at=HOLD, epoch=state.epoch + 1, policy=policy)
            case "flip", True:
                return state._replace(at=RECORD)
            case "lift", True:
                return state._replace(at=OPENED)
            case _:
                return state._replace(at=LIFTING)

    # Others.

    def _guardian(self, state: State) -> Iterator[Step]:
        """Anybody may take an announced fence back, at any moment, by epoch."""
        if state.guardians and state.journal.announced and state.record.fenced:
            lifted = self._applied(state._replace(guardians=state.guardians - 1), LIFT, state.record.epoch)
            if lifted is not None:
                yield "a guardian lifts the fence", lifted._replace(policy=False)

    def _crash(self, state: State) -> Iterator[Step]:
        """The process dies; what it had sent is on its way."""
        if state.crashes and state.at not in GONE:
            forgotten = quiet(state)._replace(crashes=state.crashes - 1, at=DOWN, epoch=0, proof=(UNPROVEN, UNPROVEN))
            yield "the process dies", forgotten
