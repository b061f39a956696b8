"""What a cutover is in at one moment, and how a write, a record and a sync change it."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

T = TypeVar("T")

SIDES = ("source", "target")
NAMES = ("a", "b")

STAMPED, RAISED, LIFTED, SERVES = "stamped", "fenced", "lifted", "flipped"
PLAIN, OUTDATED = -1, -2
"""What a router knows of the epoch: a record without a stamp, or one whose epoch is over."""
OFF, SYNC, PARK, CANARY, WATCH = "off", "sync", "park", "canary", "watch"
UNPROVEN, PROVEN, SILENT = range(3)
RAISE, LIFT, FLIP = "raise", "lift", "flip"

# Where the process is.
(DOWN, FIND, STAMP, WAIT, GATES, ANNOUNCED, RAISING, HOLD, DRAIN, CHECK, SEND, FLIPPING) = (
    "down", "find out", "stamp", "wait", "gates", "announced", "raising", "hold", "drain", "check", "send", "flipping"
)  # fmt: skip
LIFTING, LIFT_SENT, OPENED, RECORD, SETTLE, WATCHING, RETURN, SOAK, GAVE_UP, SLIPPED = (
    "lifting", "lift sent", "opened", "record", "settle", "watching", "return", "soak", "gave up", "slipped"
)  # fmt: skip
AT_REST = {SOAK, GAVE_UP, SLIPPED}
GONE = {DOWN, GAVE_UP, SLIPPED}


class Record(NamedTuple):
    """The directory record: who serves, and the stamp (epoch 0: none)."""

    serving: int = 0
    epoch: int = 0
    fenced: bool = False
    act: str = STAMPED


class Channel(NamedTuple):
    """One direction. Bits by key; `unread` and `parked` are durable, `state` is the process's."""

    state: str = OFF
    pinned: bool = False
    unread: tuple[bool, bool] = (False, False)
    parked: tuple[bool, bool] = (False, False)


class Router(NamedTuple):
    """A place where the application writes. `epoch` of the record it has; `denies` the tenant, for a policy."""

    epoch: int = PLAIN
    denies: bool = False
    flying: int = -1  # the key of a write that nothing can refuse any more


class Journal(NamedTuple):
    """What outlives a process: the epoch a FENCED entry announced (0: none), who serves, and the end of the watch."""

    announced: int = 0
    serving: int = 0
    watched: bool = False


class State(NamedTuple):
    """Everything."""

    writes: int
    crashes: int
    losses: int
    guardians: int
    slips: int
    attempts: int
    at: str = FIND
    leg: int = 0  # the side that is left
    epoch: int = 0  # the process's: of the stamp it acts under
    record: Record = Record()
    journal: Journal = Journal()
    policy: bool = False  # what the policy says
    routers: tuple[Router, Router] = (Router(), Router())
    values: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))  # by side, by key
    acknowledged: tuple[int, int] = (0, 0)
    slipped: tuple[int, int] = (0, 0)  # what got past the fence and was neither carried over nor reported
    channels: tuple[Channel, Channel] = (Channel(pinned=True), Channel())
    proof: tuple[int, int] = (UNPROVEN, UNPROVEN)
    wire: tuple[tuple[str, int], ...] = ()  # requests on their way: kind, and the epoch they are conditional on


Step = tuple[str, State]


def accept(state: State, side: int, key: int) -> State:
    """The tenant's write is acknowledged at this side. A slip that it meets there has become an ordinary write."""
    if state.values[side][key] == state.slipped[key]:
        state = state._replace(slipped=replaced(state.slipped, key, 0))
    value = fresh(state)
    after = write(state, side, key, value)
    return after._replace(acknowledged=replaced(state.acknowledged, key, value))


def write(state: State, side: int, key: int, value: int) -> State:
    """An item changes at this side, and its stream tells so. Writing what is there makes no record."""
    if state.values[side][key] == value:
        return state
    held = replaced(state.values[side], key, value)
    values = (held, state.values[1]) if side == 0 else (state.values[0], held)
    channel = state.channels[side]
    if channel.pinned:
        state = set_channel(state, side, channel._replace(unread=replaced(channel.unread, key, True)))
    return state._replace(values=values)


def deal(state: State, flow: int, key: int) -> State:
    """A record is read, and its key synced or parked as the channel's state says."""
    channel = state.channels[flow]
    channel = channel._replace(unread=replaced(channel.unread, key, False))
    if channel.state == SYNC:
        return sync(set_channel(state, flow, channel), flow, key)
    return set_channel(state, flow, channel._replace(parked=replaced(channel.parked, key, True)))


def sync(state: State, flow: int, key: int) -> State:
    """The other side gets what this side holds. A slip that arrives in time has become an ordinary write."""
    value = state.values[flow][key]
    after = write(state, 1 - flow, key, value)
    if value == state.slipped[key] > state.acknowledged[key] and state.record.serving == flow:
        return after._replace(
            slipped=replaced(state.slipped, key, 0), acknowledged=replaced(state.acknowledged, key, value)
        )
    return after


def carried(state: State) -> State:
    """The side that a slip went to goes on serving: it is a write as any other."""
    acknowledged = tuple(slip or known for slip, known in zip(state.slipped, state.acknowledged, strict=True))
    return state._replace(acknowledged=(acknowledged[0], acknowledged[1]), slipped=(0, 0))


def send(state: State, kind: str) -> State:
    """A request is on its way, conditional on the epoch that the process knows."""
    return state._replace(wire=(*state.wire, (kind, state.epoch)))


def become(state: State, flow: int, what: str) -> State:
    """A channel's state is changed."""
    return set_channel(state, flow, state.channels[flow]._replace(state=what))


def quiet(state: State) -> State:
    """No channel runs; positions and parked keys stay."""
    return become(become(state, 0, OFF), 1, OFF)


def set_channel(state: State, flow: int, channel: Channel) -> State:
    """The state with this channel in it."""
    one, other = state.channels
    return state._replace(channels=(channel, other) if flow == 0 else (one, channel))


def spend(state: State) -> State:
    """One write of the tenant less to come."""
    return state._replace(writes=state.writes - 1)


def fresh(state: State) -> int:
    """A value later than every other."""
    return 1 + max(*state.values[0], *state.values[1], *state.acknowledged, *state.slipped)


def replaced(pair: tuple[T, T], at: int, value: T) -> tuple[T, T]:
    """The pair with one of its two changed."""
    return (value, pair[1]) if at == 0 else (pair[0], value)
