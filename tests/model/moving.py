"""The model of how data moves: writer, copy, channel, parking, doubt, crash, take-over, and a flip that trusts them.

Two keys, each alone in a unit with a copying thread of its own, and one poller with one position. A crash is also a
take-over: a rival that knows only the journal goes on, and what the dead process had sent may land at any time
until its horizon. The flip is one step here; how it comes about is `cutover`.

There is no clock. "The horizon passes" is a step after which nothing late is left: that is what a horizon means.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import NamedTuple

RULES = {
    "pin first": "a position is durable before the first item is read",
    "strong read": "sync reads the source strongly consistently",
    "answered and absent": "only what was answered and is absent is deleted, not an unprocessed key",
    "checkpoint after acknowledgement": "a cursor is saved only after its writes are acknowledged",
    "parking": "keys of an unfinished unit are parked, not synced",
    "durable parking": "they are parked durably before the position advances",
    "parked keys synced": "parked keys are synced when the unit is done",
    "release after sync": "a parked key leaves the journal after its sync",
    "position after sync": "a position advances only after the sync",
    "one sync at a time": "a key is never in two in-flight syncs",
    "doubt": "the key of a write without a definite answer is recorded as doubtful",
    "inherited doubt": "who takes over doubts every key it syncs while a write of the old process may land",
    "synced again": "doubtful keys are synced again",
    "horizon": "they are synced again after the horizon, not before",
    "sign, look, send": "a process that lost its lease sends nothing after the horizon",
    "drained": "the stream is read past the fence before the flip",
    "parked set empty": "no key is parked at the flip",
    "doubtful set empty": "nothing flips while a doubt is younger than its horizon",
    "take-over waited out": "nothing flips while a write of a replaced process may land",
}
"""The rules of moving data, by the names of the mutations that take them out."""

NAMES = ("a", "b")

ABSENT, CURRENT, OLD = range(3)
"""All there is to know of a value: none, the tenant's last, or an earlier one. Two of those are equally stale."""

IDLE, READ, LOST, ACKNOWLEDGED, DONE = range(5)
"""A unit's copy. LOST: the page's write got no answer, and the key is synced before the page counts as acknowledged."""

TO_DEAL, DEALT, SAVED_EARLY = 1, 2, 3
"""A record that was read, whose position is not saved; SAVED_EARLY only where a rule is taken out. 0: there is none."""

DURABLY, IN_MEMORY = 1, 2
"""How a key is parked; IN_MEMORY only where a rule is taken out. 0: it is not."""

YOUNG, DUE = 1, 2
"""A doubt, before and after its horizon. 0: there is none."""

RUNNING, FENCED, FLIPPED = range(3)

BATCH, PARKED, DOUBT, COPY = "what was learnt", "what was parked", "what was doubtful", "what the page lost"


class Sync(NamedTuple):
    """A sync on its way: why, and the value it read at the source."""

    why: str
    value: int


class Key(NamedTuple):
    """One key, its unit, and what the process and the journal know of both. Durable fields come last."""

    source: int = CURRENT  # CURRENT or ABSENT: what was acknowledged last, after the flip by the target
    before: int = CURRENT  # the source one write ago: what a weak read may see
    target: int = ABSENT
    copy: int = IDLE
    page: int = ABSENT  # what the page holds
    learnt: int = 0
    told: bool = False  # the channel knows that the unit is done
    syncs: tuple[Sync, ...] = ()
    late: tuple[int, ...] = ()  # values that writes without an answer may still put on the target
    older: tuple[int, ...] = ()  # the same, of processes that were replaced
    unread: bool = False  # the stream holds a record that was not read
    cursor: bool = False  # the unit is done
    parked: int = 0
    doubt: int = 0


class Run(NamedTuple):
    """What both keys share, and what the environment may still do."""

    writes: int
    losses: int
    crashes: int
    pinned: bool = False
    taken: bool = False  # this process took over, and the horizon of the one before it has not passed
    phase: int = RUNNING


State = tuple[Key, Key, Run]
Step = tuple[str, State]
KeyStep = tuple[str, Key, Run]


@dataclass(frozen=True)
class Moving:
    """`without` names the rule that is taken out; there may be so many writes, lost answers and crashes."""

    without: str = ""
    writes: int = 2
    losses: int = 1
    crashes: int = 1
    rules: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        if self.without and self.without not in RULES:
            raise ValueError(f"no such rule: {self.without}")
        object.__setattr__(self, "rules", frozenset(RULES) - {self.without})

    def first(self) -> State:
        """Both keys exist at the source; nothing was done yet."""
        return Key(), Key(), Run(self.writes, self.losses, self.crashes)

    def canonical(self, state: State) -> State:
        """The keys differ in nothing but their names: what holds with them one way round holds the other."""
        one, other, run = state
        return state if one <= other else (other, one, run)

    def wrong(self, state: State) -> str | None:
        """A stale key whose sync is not pending, durably; after the flip any stale key."""
        for name, key in zip(NAMES, state[:2], strict=True):
            if key.target != key.source:
                if state[2].phase == FLIPPED:
                    return f"the target serves, and its {name} is not what was acknowledged last"
                if not pending(key):
                    return f"the target's {name} is stale, and no sync of it is pending durably"
        return None

    def rests(self, state: State) -> bool:
        """The target serves."""
        return state[2].phase == FLIPPED

    def steps(self, state: State) -> Iterator[Step]:
        """Everything that may happen next: to one key, and to the run."""
        one, other, run = state
        for name, key, left in self._one(one, run):
            yield name, (key, other, left)
        for name, key, left in self._other(other, run):
            yield name, (one, key, left)
        if run.phase == RUNNING:
            yield from self._run(one, other, run)
        yield from self._flip(one, other, run)

    # Of the run.

    def _run(self, one: Key, other: Key, run: Run) -> Iterator[Step]:
        if not run.pinned:
            yield "the stream is pinned", (one, other, run._replace(pinned=True))
        learnt = {one.learnt, other.learnt}
        early = "position after sync" not in self.rules
        if (DEALT in learnt and TO_DEAL not in learnt) or (early and learnt & {TO_DEAL, DEALT}):
            yield "the position is saved", (position_saved(one), position_saved(other), run)
        if run.crashes:
            left = run._replace(crashes=run.crashes - 1, taken=run.pinned)
            yield "the process dies, and a rival takes over", (taken_over(one), taken_over(other), left)
        waited = not run.taken or "take-over waited out" not in self.rules
        if waited and one.told and other.told:
            yield "the fence holds", (one, other, run._replace(phase=FENCED))
        if run.taken:
            if "sign, look, send" in self.rules:
                one, other = one._replace(older=()), other._replace(older=())
            yield "the horizon of the replaced process passes", (one, other, run._replace(taken=False))

    def _flip(self, one: Key, other: Key, run: Run) -> Iterator[Step]:
        """The target serves once the stream is drained and nothing is under way, parked or doubtful."""
        if run.phase == FENCED and self._settled(one) and self._settled(other):
            yield "the flip", (one, other, run._replace(phase=FLIPPED))

    def _settled(self, key: Key) -> bool:
        return not (
            key.syncs
            or key.learnt in (TO_DEAL, SAVED_EARLY)
            or (key.unread and "drained" in self.rules)
            or (key.parked and "parked set empty" in self.rules)
            or (key.doubt and "doubtful set empty" in self.rules)
        )

    # Of one key. What may happen to it depends on it and on the run alone, so it is worked out once.

    @cached_property
    def _one(self) -> OfOneKey:
        return OfOneKey(NAMES[0], self.rules)

    @cached_property
    def _other(self) -> OfOneKey:
        return OfOneKey(NAMES[1], self.rules)


class OfOneKey:
    """Everything that may happen to one key."""

    def __init__(self, name: str, rules: frozenset[str]) -> None:
        self.name = name
        self.rules = rules
        self._steps = cache(lambda key, run: tuple(self._all(key, run)))

    def __call__(self, key: Key, run: Run) -> tuple[KeyStep, ...]:
        """Name, key and run after each step."""
        return self._steps(key, run)

    def _all(self, key: Key, run: Run) -> Iterator[KeyStep]:
        yield from self._landing(key, run)
        if run.phase == FLIPPED:
            yield from self._served(key, run)
            return
        if run.phase == RUNNING:
            yield from self._written(key, run)
            yield from self._copied(key, run)
        yield from self._read(key, run)
        yield from self._dealt(key, run)
        yield from self._mended(key, run)
        yield from self._synced(key, run)
        yield from self._horizon(key, run)

    def _written(self, key: Key, run: Run) -> Iterator[KeyStep]:
        """The tenant puts or deletes the item; from the pin on the stream has a record of it."""
        if not run.writes:
            return
        left = run._replace(writes=run.writes - 1)
        stale = outdated(key)._replace(unread=run.pinned)
        if "strong read" not in self.rules:
            stale = stale._replace(before=OLD if key.source else ABSENT)
        yield f"the tenant puts {self.name}", stale._replace(source=CURRENT), left
        if key.source:
            yield f"the tenant deletes {self.name}", stale._replace(source=ABSENT), left

    def _served(self, key: Key, run: Run) -> Iterator[KeyStep]:
        """After the flip the tenant writes at the target."""
        yield f"the tenant puts {self.name} at the target", outdated(key)._replace(source=CURRENT, target=CURRENT), run

    def _copied(self, key: Key, run: Run) -> Iterator[KeyStep]:
        """The page is read, written, acknowledged, the cursor saved and the channel told; any of it may be the last."""
        if key.copy == IDLE and (run.pinned or "pin first" not in self.rules):
            copy = READ if key.source else ACKNOWLEDGED  # a page without items needs no write
            yield f"the page of {self.name} is read", key._replace(copy=copy, page=key.source), run
        if key.copy == READ and not key.syncs:  # the copy holds the key while it writes
            copied = key._replace(copy=ACKNOWLEDGED, page=ABSENT)
            yield f"the page of {self.name} is written", copied._replace(target=key.page), run
            if run.losses:
                lost = self._doubted(copied._replace(copy=LOST, late=sent(key.late, key.page)))
                yield f"the write of {self.name}'s page gets no answer", lost, run._replace(losses=run.losses - 1)
        if key.copy == LOST:
            yield from self._begun(key, run, COPY)
        early = key.copy == READ and "checkpoint after acknowledgement" not in self.rules
        if early and not key.cursor:
            yield f"the cursor of {self.name} is saved", key._replace(cursor=True), run
        if key.copy == ACKNOWLEDGED:
            done = key._replace(cursor=True, copy=DONE, told=True)
            yield f"the cursor of {self.name} is saved, and the channel told", done, run
        if key.copy == DONE and not key.told:  # a rival finds the cursor
            yield f"the channel is told that {self.name} is done", key._replace(told=True), run

    def _read(self, key: Key, run: Run) -> Iterator[KeyStep]:
        """A turn of the poller reads a record; positions of earlier turns may not be saved yet."""
        if key.unread and key.learnt in (0, DEALT):
            yield f"the record of {self.name} is read", key._replace(unread=False, learnt=TO_DEAL), run

    def _dealt(self, key: Key, run: Run) -> Iterator[KeyStep]:
        """A learnt key is synced where its unit is done, else parked."""
        if key.learnt not in (TO_DEAL, SAVED_EARLY):
            return
        if key.told or "parking" not in self.rules:
            yield from self._begun(key, run, BATCH)
        else:
            how = DURABLY if "durable parking" in self.rules else IN_MEMORY
            yield f"{self.name} is parked", dealt(key)._replace(parked=how), run

    def _mended(self, key: Key, run: Run) -> Iterator[KeyStep]:
        """What has waited long enough is synced: the parked keys of a finished unit, the doubts past their horizon."""
        if key.parked and key.told and "parked keys synced" in self.rules:
            yield from self._begun(key, run, PARKED)
        if key.doubt == DUE:
            if "synced again" in self.rules:
                yield from self._begun(key, run, DOUBT)
            else:
                yield f"the doubt of {self.name} is forgotten", key._replace(doubt=0), run

    def _begun(self, key: Key, run: Run, why: str) -> Iterator[KeyStep]:
        """A sync holds the key, takes over the doubt, and reads the source."""
        busy = any(sync.why == why for sync in key.syncs) or len(key.syncs) > 1
        if busy or (key.syncs and "one sync at a time" in self.rules):
            return
        if run.taken and "inherited doubt" in self.rules:
            key = key._replace(doubt=YOUNG)
        if why == PARKED and "release after sync" not in self.rules:
            key = key._replace(parked=0)
        seen = {key.source: "reads"}
        if "strong read" not in self.rules:
            seen.setdefault(key.before, "still sees the value before of")
        if "answered and absent" not in self.rules:
            seen.setdefault(ABSENT, "takes for absent, having no answer,")
        for value, how in seen.items():
            syncs = tuple(sorted((*key.syncs, Sync(why, value))))
            yield f"the sync of {why} {how} {self.name}", key._replace(syncs=syncs), run

    def _synced(self, key: Key, run: Run) -> Iterator[KeyStep]:
        """A sync's write is acknowledged; or it gets no answer, the key is doubtful, and it is synced anew."""
        for sync in key.syncs:
            left = key._replace(syncs=tuple(other for other in key.syncs if other != sync))
            written = ticked_off(left._replace(target=sync.value), sync.why)
            yield f"the sync of {sync.why} writes {self.name}", written, run
            if run.losses:
                lost = self._doubted(left._replace(late=sent(key.late, sync.value)))
                name = f"the write of {self.name} by the sync of {sync.why} gets no answer"
                yield name, lost, run._replace(losses=run.losses - 1)

    def _doubted(self, key: Key) -> Key:
        return key._replace(doubt=YOUNG) if "doubt" in self.rules else key

    def _horizon(self, key: Key, run: Run) -> Iterator[KeyStep]:
        """A doubt's horizon passes: nothing that was sent before it lands any more."""
        if key.doubt != YOUNG:
            return
        due = key._replace(doubt=DUE)
        if "horizon" in self.rules:
            due = due._replace(late=(), older=() if "sign, look, send" in self.rules else key.older)
        yield f"the horizon of {self.name}'s doubt passes", due, run

    def _landing(self, key: Key, run: Run) -> Iterator[KeyStep]:
        """A write that was given up lands all the same. It stays: another one of that value may land too."""
        for value in key.late:
            yield f"the write of {self.name} without an answer lands", key._replace(target=value), run
        for value in key.older:
            yield f"the replaced process's write of {self.name} lands", key._replace(target=value), run


def pending(key: Key) -> bool:
    """Whether whoever comes next copies or syncs this key, by what the journal and the stream say alone."""
    return not key.cursor or key.unread or key.learnt in (TO_DEAL, DEALT) or key.parked == DURABLY or key.doubt > 0


def position_saved(key: Key) -> Key:
    """The key with its record behind the saved position."""
    return key._replace(learnt=SAVED_EARLY if key.learnt in (TO_DEAL, SAVED_EARLY) else 0)


def dealt(key: Key) -> Key:
    """The key with what was learnt of it synced or parked."""
    return key._replace(learnt=0 if key.learnt == SAVED_EARLY else DEALT)


def ticked_off(key: Key, why: str) -> Key:
    """What a finished sync was for is done. A doubt that is young again stays."""
    if why == BATCH:
        return dealt(key)
    if why == PARKED:
        return key._replace(parked=0)
    if why == COPY:
        return key._replace(copy=ACKNOWLEDGED)
    return key._replace(doubt=0 if key.doubt == DUE else key.doubt)


def taken_over(key: Key) -> Key:
    """The key as a rival finds it: memory is gone, and whatever was on its way may land."""
    flying = [sync.value for sync in key.syncs] + ([key.page] if key.copy == READ else [])
    return key._replace(
        copy=DONE if key.cursor else IDLE,
        page=ABSENT,
        learnt=0,
        told=False,
        syncs=(),
        late=(),
        older=sent(key.older, *key.late, *flying),
        unread=key.unread or key.learnt in (TO_DEAL, DEALT),
        parked=DURABLY if key.parked == DURABLY else 0,
        doubt=YOUNG if key.doubt else 0,  # no clock tells how old it is: its horizon begins anew
    )


def outdated(key: Key) -> Key:
    """The key as one more write leaves it: whatever held the current value holds an old one."""
    return key._replace(
        target=older(key.target),
        page=older(key.page),
        syncs=tuple(Sync(why, older(value)) for why, value in key.syncs),
        late=sent((), *map(older, key.late)),
        older=sent((), *map(older, key.older)),
    )


def older(value: int) -> int:
    """What a value is after the next write."""
    return OLD if value == CURRENT else value


def sent(late: tuple[int, ...], *values: int) -> tuple[int, ...]:
    """The values that may land, these among them."""
    return tuple(sorted({*late, *values}))
