"""What the application was told, line by line, and whether the tenant's data agrees.

One writer, one file, append-only JSON lines: an `attempt` before each request, then any number of `refused`, then one
outcome. An `ack` is on disk before the writer goes on, so that no promise is forgotten by a kill. A writer never
touches a key again once an outcome on it was `unknown`: that write may land at any time.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from portability.sandbox.clients import client
from portability.sandbox.seed import find_shape
from portability.sandbox.shape import WRITE_ID

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from mypy_boto3_dynamodb import DynamoDBClient

    from portability.sandbox.shape import Shape

Operation = Literal["Put", "Update", "Delete"]
Kind = Literal["attempt", "refused", "ack", "unknown", "rejected", "gave_up"]
Key = tuple[str, ...]
ReadItems = Callable[[str], Iterable[tuple[Key, str | None]]]
_FINAL: set[Kind] = {"ack", "unknown", "rejected", "gave_up"}


@dataclass(frozen=True)
class Line:
    """One line. `mono` is seconds of this host's monotonic clock, `wall` of the epoch; `value` is unique per write."""

    kind: Kind
    writer: str
    number: int
    op: Operation
    store: str
    key: Key
    value: str
    mono: float
    wall: float


@dataclass(frozen=True)
class Problem:
    """One key whose state contradicts what its writer was told; None stands for an absent item, "" for a seeded one."""

    kind: Literal["lost", "stale", "resurrected"]
    store: str
    key: Key
    expected: str | None
    observed: str | None


@dataclass(frozen=True)
class Verdict:
    """What became of the acknowledged writes: `found` of them are accounted for, by their effect or a later one's.

    `pauses` are milliseconds per writer, each from the first refused try to the next accepted write.
    """

    acknowledged: int
    found: int
    lost: int
    stale: int
    resurrected: int
    refused: int
    unknown: int
    pauses: dict[str, list[float]]
    problems: tuple[Problem, ...] = field(default=(), repr=False)

    @property
    def ok(self) -> bool:
        """True when every acknowledged write is accounted for."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """The verdict as JSON can hold it."""
        return asdict(self)


class Ledger:
    """The writing end, for one writer."""

    def __init__(
        self,
        path: Path,
        writer: str,
        *,
        mono: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._writer = writer
        self._mono = mono
        self._wall = wall

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def note(self, kind: Kind, number: int, *, op: Operation, store: str, key: Key, value: str) -> None:
        """Append one line; an `ack` is forced to disk."""
        line = Line(kind, self._writer, number, op, store, key, value, self._mono(), self._wall())
        self._file.write(json.dumps(asdict(line), separators=(",", ":")) + "\n")
        self._file.flush()
        if kind == "ack":
            os.fsync(self._file.fileno())


def read(path: Path) -> Iterator[Line]:
    """The lines of a ledger; a last line that a kill cut short is not one."""
    with path.open(encoding="utf-8") as file:
        for text in file:
            if text.endswith("\n"):
                line = json.loads(text)
                yield Line(**line | {"key": tuple(line["key"])})


def check(ledgers: Iterable[Path], read_items: ReadItems) -> Verdict:
    """Hold the final state of a tenant's stores against its writers' ledgers.

    `read_items(store)` yields the key and the `writeId` (or None) of each of the tenant's items. Per key the last
    acknowledged write decides; writes of unknown outcome after it may have happened or not.
    """
    everything = [list(read(path)) for path in ledgers]
    histories: dict[tuple[str, Key], list[tuple[Line, Kind]]] = defaultdict(list)
    pauses: dict[str, list[float]] = defaultdict(list)
    for lines in everything:
        for attempt, kind in _outcomes(lines):
            histories[attempt.store, attempt.key].append((attempt, kind))
        for writer, lengths in pause(lines).items():
            pauses[writer] += lengths
    observed = {(store, key): value or "" for store in {s for s, _ in histories} for key, value in read_items(store)}
    for history in histories.values():
        history.sort(key=lambda entry: entry[0].mono)
    verdicts = [_judge(*where, history, observed.get(where)) for where, history in histories.items()]
    problems = [problem for problem in verdicts if problem is not None]
    kinds = [kind for history in histories.values() for _, kind in history]
    promised = {where for where, history in histories.items() if any(kind == "ack" for _, kind in history)}
    return Verdict(
        acknowledged=kinds.count("ack"),
        found=kinds.count("ack") - sum((problem.store, problem.key) in promised for problem in problems),
        lost=sum(problem.kind == "lost" for problem in problems),
        stale=sum(problem.kind == "stale" for problem in problems),
        resurrected=sum(problem.kind == "resurrected" for problem in problems),
        refused=sum(line.kind == "refused" for lines in everything for line in lines),
        unknown=kinds.count("unknown"),
        pauses=dict(pauses),
        problems=tuple(problems),
    )


def pause(lines: Iterable[Line]) -> dict[str, list[float]]:
    """Per writer the milliseconds of each pause: from the first refused try to the next accepted write."""
    since: dict[str, float] = {}
    pauses: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        if line.kind == "refused":
            since.setdefault(line.writer, line.mono)
        elif line.kind == "ack" and line.writer in since:
            pauses[line.writer].append(round(1000 * (line.mono - since.pop(line.writer)), 3))
    return dict(pauses)


def items_of(dynamodb: DynamoDBClient, shape: Shape, tenant: str) -> ReadItems:
    """What `check` asks for, read from the tables that serve the tenant now, strongly consistent."""

    def read_items(store: str) -> Iterator[tuple[Key, str | None]]:
        keys = shape.stores[store]
        for item in shape.read_items(dynamodb, tenant, store):
            yield keys.plain(item), item.get(WRITE_ID, {}).get("S")

    return read_items


def check_tenant(ledgers: Iterable[Path], *, shape: str, tenant: str) -> Verdict:
    """`check` against the endpoints of the environment."""
    return check(ledgers, items_of(client("dynamodb"), find_shape(shape), tenant))


def _outcomes(lines: Sequence[Line]) -> Iterator[tuple[Line, Kind]]:
    """Each attempt with its outcome; one without was in flight when its writer was killed, so it is unknown."""
    ends: dict[tuple[str, int], Kind] = {(line.writer, line.number): line.kind for line in lines if line.kind in _FINAL}
    for line in lines:
        if line.kind == "attempt":
            yield line, ends.get((line.writer, line.number), "unknown")


def _judge(store: str, key: Key, history: Sequence[tuple[Line, Kind]], seen: str | None) -> Problem | None:
    """Compare one key's state with its history, in the order its one writer made it."""
    last: Line | None = None  # acknowledged
    perhaps: list[Line] = []  # unknown, after it
    for attempt, kind in history:
        if kind == "ack":
            last, perhaps = attempt, []
        elif kind == "unknown":
            perhaps.append(attempt)
        elif kind == "rejected" and not perhaps:  # an update found no item where one was promised, or seeded
            return Problem("lost", store, key, last.value if last else "", None)
    if last is None:
        return None
    expected = None if last.op == "Delete" else last.value
    possible = {expected, *(None if each.op == "Delete" else each.value for each in perhaps)}
    if seen in possible:
        return None
    if expected is None:
        return Problem("resurrected", store, key, None, seen)
    return Problem("lost" if seen is None else "stale", store, key, expected, seen)
