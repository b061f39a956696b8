"""The model of a cutover: stamp, gates, fence, drain over two shards, flip, abort, tripwire, and the way back.

Two keys, each in a shard of its own; two routers, where the application decides whether and where it writes; one
directory record. A process dies at any point and a rival takes over, what it sent being on its way still; a guardian,
or an operator, lifts a fence at any moment, by the journal alone. Syncing a key is one step: `moving` has its parts.

Two kinds of fence:

* `epoch`: a router caches the record. Without a stamp in it, it writes plainly, and such a write may be on its way for
  long; with one, the write is a transaction that checks the epoch.
* `policy`: the fence is not in the record. Each router learns of it, and of its lifting, in its own time.

The flip is as where directory and journal lie apart, which allows more than one transaction over both does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.model.cutover_outside import RULES, Outside
from tests.model.cutover_state import (
    ANNOUNCED,
    AT_REST,
    CANARY,
    CHECK,
    DRAIN,
    FIND,
    FLIP,
    FLIPPING,
    GATES,
    GAVE_UP,
    LIFT,
    LIFT_SENT,
    LIFTED,
    LIFTING,
    NAMES,
    OFF,
    OPENED,
    PARK,
    PLAIN,
    PROVEN,
    RAISE,
    RAISING,
    RECORD,
    RETURN,
    SEND,
    SERVES,
    SETTLE,
    SIDES,
    SILENT,
    SLIPPED,
    SOAK,
    STAMP,
    STAMPED,
    SYNC,
    UNPROVEN,
    WAIT,
    WATCH,
    WATCHING,
    Journal,
    State,
    Step,
    become,
    carried,
    quiet,
    replaced,
    send,
    set_channel,
)

__all__ = ["RULES", "Cutover"]


@dataclass(frozen=True)
class Cutover(Outside):
    """A process in the order of a cutover, and all that happens to it."""

    def first(self) -> State:
        """The source serves; everything was copied and the forward channel is current."""
        return State(self.writes, self.crashes, self.losses, self.guardians, self.slips, self.attempts)

    def canonical(self, state: State) -> State:
        """The routers differ in nothing but their names."""
        one, other = state.routers
        return state if one <= other else state._replace(routers=(other, one))

    # -------------------------------------------------------------------------------------------------------- promises

    def wrong(self, state: State) -> str | None:
        """Two sides that accept, an acknowledged write that is not where the tenant is served, or a slip forgotten."""
        serving = state.record.serving
        if self._accepts(state, 0) and self._accepts(state, 1):
            return "both sides accept the tenant's writes"
        for at, name in enumerate(NAMES):
            held, slip = state.values[serving][at], state.slipped[at]
            if held != state.acknowledged[at] and not (held == slip > state.acknowledged[at]):
                return f"the {SIDES[serving]} serves, and its {name} is not what was acknowledged last"
            if slip and slip not in (state.values[0][at], state.values[1][at]):
                return f"a write of {name} got past the fence, and was overwritten before anyone knew"
        if state.at == SOAK:
            back = state.channels[serving]
            if any(state.slipped):
                return "a write got past the fence, and nobody was told"
            if not any(back.unread) and not any(back.parked) and state.values[0] != state.values[1]:
                return "the run soaks, all is quiet, and the sides differ"
        return None

    def rests(self, state: State) -> bool:
        """The run soaks or is parked, and the tenant can write."""
        return state.at in AT_REST and not state.record.fenced and (state.record.serving == 1 or not state.policy)

    def _accepts(self, state: State, side: int) -> bool:
        """Whether a write at this side could be accepted at this very moment."""
        record = state.record
        if side == 0 and any(router.flying >= 0 for router in state.routers):
            return True
        if self.fence == "policy":
            return record.serving == 1 if side == 1 else any(not router.denies for router in state.routers)
        if side == 0 and any(router.epoch == PLAIN for router in state.routers):
            return True
        return record.serving == side and not record.fenced

    # ----------------------------------------------------------------------------------------------------------- steps

    def steps(self, state: State) -> Iterator[Step]:
        """Everything that may happen next."""
        yield from self._application(state)
        yield from self._slip(state)
        yield from self._channels(state)
        yield from self._land(state)
        yield from self._guardian(state)
        yield from self._crash(state)
        yield from getattr(self, f"_{state.at.replace(' ', '_')}")(state)

    # The process, in the order of a cutover.

    def _down(self, state: State) -> Iterator[Step]:
        yield "a rival takes over", state._replace(at=FIND)

    def _find_out(self, state: State) -> Iterator[Step]:
        """What an earlier process left: the flip stands, a fence is announced, or neither."""
        journal, leg = state.journal, state.leg
        if journal.serving != leg:
            yield "the journal says that the flip stands", state._replace(at=SETTLE)
            return
        synced = become(state, leg, SYNC)
        if journal.announced and "lifted on resume" in self.rules:
            guess = state if "found out first" in self.rules else synced
            yield "the journal says that a fence was announced", guess._replace(at=LIFTING)
        else:
            yield "nothing was begun", synced._replace(at=STAMP)

    def _stamp(self, state: State) -> Iterator[Step]:
        """The stamp is put where there is none; our own is kept."""
        record = state.record if state.record.epoch else state.record._replace(epoch=1, act=STAMPED)
        yield "the record is stamped", state._replace(record=record, at=WAIT)

    def _wait(self, state: State) -> Iterator[Step]:
        """No router has a record from before the stamp, and nothing sent under one is on its way."""
        if self.fence == "epoch":
            if "stamp before fence" in self.rules and any(router.epoch == PLAIN for router in state.routers):
                return
            if "in-flight waited out" in self.rules and any(router.flying >= 0 for router in state.routers):
                return
        if "way back pinned first" in self.rules:
            state = self._open_way_back(state)
        yield "the stamp has been there long enough, and the way back is proven", state._replace(at=GATES)

    def _open_way_back(self, state: State) -> State:
        """The reverse channel is pinned, and writes nothing but its canary."""
        back = 1 - state.leg
        pinned = set_channel(state, back, state.channels[back]._replace(pinned=True))
        return become(pinned, back, CANARY if "canary only" in self.rules else SYNC)

    def _gates(self, state: State) -> Iterator[Step]:
        """The record is looked at; then the fence is announced."""
        if state.record.fenced:
            yield "the record is fenced by nobody known: parked", quiet(state)._replace(at=GAVE_UP)
            return
        announced = state.record.epoch + 1 if "intent before effect" in self.rules else 0
        journal = state.journal._replace(announced=announced)
        yield "the fence is announced", state._replace(journal=journal, epoch=state.record.epoch, at=ANNOUNCED)

    def _announced(self, state: State) -> Iterator[Step]:
        yield "the raise is sent", send(state, RAISE)._replace(at=RAISING)

    def _raising(self, state: State) -> Iterator[Step]:
        yield from self._given_up(state)

    def _hold(self, state: State) -> Iterator[Step]:
        """Probes are refused by every router, and what was on its way before has landed."""
        yield from self._given_up(state)
        if "drain after the fence" not in self.rules:
            yield from self._prove(state)
        if self.fence == "policy":
            every = all if "all routers" in self.rules else any
            if not every(router.denies for router in state.routers):
                return
            if "in-flight waited out" in self.rules and any(router.flying >= 0 for router in state.routers):
                return
        elif not state.record.fenced and state.record.epoch == state.epoch:
            return
        yield "the fence holds", state._replace(at=DRAIN)

    def _drain(self, state: State) -> Iterator[Step]:
        """Each shard shows a record from after the fence, or is silent; then the channel parks."""
        yield from self._given_up(state)
        if "drain after the fence" in self.rules:
            yield from self._prove(state)
        for key, name in enumerate(NAMES):
            if state.proof[key] == UNPROVEN:
                yield f"{name}'s shard shows nothing", state._replace(proof=replaced(state.proof, key, SILENT))
        every = all if "drain per shard" in self.rules else any
        if every(proof != UNPROVEN for proof in state.proof):
            parking = become(state, state.leg, PARK) if "parked before the flip" in self.rules else state
            yield "the shards are drained", parking._replace(at=CHECK)

    def _prove(self, state: State) -> Iterator[Step]:
        """A canary of this drain comes out of a shard: everything before it in that shard was dealt with."""
        for key, name in enumerate(NAMES):
            if state.proof[key] == UNPROVEN and not state.channels[state.leg].unread[key]:
                yield f"{name}'s shard shows the canary", state._replace(proof=replaced(state.proof, key, PROVEN))

    def _check(self, state: State) -> Iterator[Step]:
        """Nothing is parked, and the sides of a silent shard's unit are equal."""
        source, target = state.values
        compared = "silent shards compared" in self.rules
        differ = compared and any(
            proof == SILENT and source[key] != target[key] for key, proof in enumerate(state.proof)
        )
        if differ or any(state.channels[state.leg].parked):
            yield "something is not settled", state._replace(at=LIFTING)
        else:
            yield "all is settled and equal", state._replace(at=SEND)

    def _send(self, state: State) -> Iterator[Step]:
        yield from self._given_up(state)
        yield "the flip is sent", send(state, FLIP)._replace(at=FLIPPING)

    def _flipping(self, state: State) -> Iterator[Step]:
        yield from self._given_up(state)

    def _given_up(self, state: State) -> Iterator[Step]:
        """The pause has lasted too long, or no answer comes. What was sent is not called back by that."""
        yield "the process gives up", state._replace(at=LIFTING)

    # The abort.

    def _lifting(self, state: State) -> Iterator[Step]:
        """The record is read: the flip came first, or someone has lifted the fence, or it is lifted now."""
        record, announced = state.record, state.journal.announced
        if self.fence == "policy" and "epoch before unfence" not in self.rules:
            yield "the fence is lifted", state._replace(at=OPENED)
        elif record.epoch > announced and not record.fenced and record.act == SERVES:
            yield "the flip came first", state._replace(at=RECORD)
        elif record.epoch > announced and not record.fenced and record.act == LIFTED:
            yield "the fence was lifted already", state._replace(at=OPENED)
        else:
            yield "the lift is sent", send(state._replace(epoch=record.epoch), LIFT)._replace(at=LIFT_SENT)

    def _lift_sent(self, state: State) -> Iterator[Step]:
        """Its answer is waited for; where it is lost the record is read again."""
        yield from ()

    def _opened(self, state: State) -> Iterator[Step]:
        """It is recorded, the channel syncs again, and what slipped past is the tenant's after all."""
        leg = state.leg
        settled = become(carried(state), leg, SYNC)._replace(
            journal=state.journal._replace(announced=0),
            policy=False,
            proof=(UNPROVEN, UNPROVEN),
            epoch=0,
        )
        if state.attempts and self._back_open(state):
            yield "the fence is open again; another attempt", settled._replace(at=GATES, attempts=state.attempts - 1)
        elif state.attempts:
            yield "the fence is open again; from the start", settled._replace(at=STAMP, attempts=state.attempts - 1)
        else:
            yield "the fence is open again; parked", quiet(settled)._replace(at=GAVE_UP)

    def _back_open(self, state: State) -> bool:
        return state.channels[1 - state.leg].state != OFF

    # After the flip.

    def _record(self, state: State) -> Iterator[Step]:
        journal = Journal(announced=0, serving=1 - state.leg)
        yield "the flip is recorded", state._replace(journal=journal, at=SETTLE)

    def _settle(self, state: State) -> Iterator[Step]:
        """The channel to the new side watches the old one; the way back parks."""
        back = 1 - state.leg
        if state.journal.watched or "tripwire" not in self.rules:
            yield "the way back begins to write", self._return_begun(state)
            return
        opened = set_channel(state, back, state.channels[back]._replace(pinned=True))
        yield "the old side is watched", become(become(opened, state.leg, WATCH), back, PARK)._replace(at=WATCHING)

    def _watching(self, state: State) -> Iterator[Step]:
        """A record from the old side stops the run; without any the watch ends, and nothing slips any more."""
        watching = state.channels[state.leg]
        if any(watching.parked):
            told = state._replace(slipped=(0, 0), slips=0)
            yield "a write got past the fence: parked, and told", quiet(told)._replace(at=SLIPPED)
        elif not any(watching.unread):
            over = state._replace(journal=state.journal._replace(watched=True), slips=0)
            yield "the watch is over", self._return_begun(over)

    def _return_begun(self, state: State) -> State:
        """The forward channel ends; the way back syncs."""
        back = 1 - state.leg
        ended = become(state, state.leg, OFF) if "watch before sync" in self.rules else become(state, state.leg, SYNC)
        opened = set_channel(ended, back, ended.channels[back]._replace(pinned=True))
        return become(opened, back, SYNC)._replace(at=RETURN)

    def _return(self, state: State) -> Iterator[Step]:
        """The way back has drained once."""
        back = state.channels[1 - state.leg]
        if not any(back.unread) and not any(back.parked):
            yield "the run soaks", state._replace(at=SOAK)

    def _soak(self, state: State) -> Iterator[Step]:
        """The operator may ask for the way back: the same, with the sides swapped."""
        if state.leg + 1 < self.legs:
            turned = state._replace(leg=1, attempts=self.attempts, journal=state.journal._replace(watched=False))
            yield "reverse is asked for", turned._replace(at=FIND, proof=(UNPROVEN, UNPROVEN), epoch=0)

    def _gave_up(self, state: State) -> Iterator[Step]:
        yield from ()

    def _slipped(self, state: State) -> Iterator[Step]:
        yield from ()
