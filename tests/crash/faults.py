"""What the network does to a command at a fault point: cut, mute, hold, refuse. One fault is armed at a time."""

from __future__ import annotations

import enum
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from tests.crash.points import Point, name_of
from tests.support.wire import Call, Reply, Wire


class Cut(enum.StrEnum):
    """What becomes of the call at a point.

    Its process is stopped before it arrives, after it took effect unheard, after it was answered, or while it is on
    its way. Or the process goes on: the connection breaks once it took effect (`MUTED`), or nothing happens (`NOTED`).
    """

    BEFORE = "before"
    LOST = "lost"
    KEPT = "kept"
    HELD = "held"
    MUTED = "muted"
    NOTED = "noted"


PASSING = frozenset({Cut.LOST, Cut.KEPT, Cut.MUTED, Cut.NOTED})
"""The call reaches the engine at once."""

GOING_ON = frozenset({Cut.MUTED, Cut.NOTED})
"""So do the calls after it."""


Answering = Callable[[Call, str], Reply | None]
"""What is answered in place of the engine, by call and name."""


@dataclass(eq=False)
class Faulty(Wire):
    """A wire with a fault. `reached` is set once the armed point is; from then on no later call gets through."""

    journal: str = ""
    reached: threading.Event = field(default_factory=threading.Event)
    answering: Answering | None = None
    names: list[str] = field(default_factory=list)  # of the mutating calls since `forget`
    accepted: list[Call] = field(default_factory=list)  # the mutating calls that the engine did, since `forget`
    _point: Point | None = None
    _cut: Cut | None = None
    _closed: bool = False
    _seen: Counter[str] = field(default_factory=Counter)
    _any: int = 0  # stop at this many mutating calls from now, whatever they are
    _point_name: str = ""
    _marked: set[int] = field(default_factory=set)
    _open: threading.Event = field(default_factory=threading.Event)
    _release: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def cutting(self, point: Point | int, cut: Cut) -> Iterator[None]:
        """Inside the block the point (or the nth mutating call) stops its process; at its end what waits is dropped.

        A held call is let through by `release` only.
        """
        self.reached.clear()
        self._open = threading.Event()
        self._release = threading.Event()
        with self._lock:
            self._seen.clear()
            self._marked.clear()
            self._point, self._any = (point, 0) if isinstance(point, Point) else (None, point)
            self._cut, self._closed = cut, False
        try:
            yield
        finally:
            with self._lock:
                self._point, self._any, self._cut, self._closed = None, 0, None, False
            self._open.set()

    def release(self) -> None:
        """The held call reaches the engine now."""
        self._release.set()

    @contextmanager
    def refusing(self, answering: Answering) -> Iterator[None]:
        """Inside the block `answering` may answer in place of the engine."""
        with self._lock:
            self._seen.clear()
        self.answering = answering
        try:
            yield
        finally:
            self.answering = None

    @property
    def last(self) -> str:
        """The name of the call that was at the point."""
        return self._point_name

    def forget(self) -> None:
        super().forget()
        with self._lock:
            self.names = []
            self.accepted = []

    def passes(self, call: Call) -> bool:
        if not super().passes(call):
            return False
        waiting, release = self._open, self._release
        with self._lock:
            if not call.mutating:
                return True
            name = name_of(call, self.journal)
            self.names.append(name)
            self._seen[name] += 1
            if self._closed:
                stopped = "dropped"
            elif self._is_the_point(Point(name, self._seen[name])):
                stopped, self._point_name = "at the point", name
                self._marked.add(id(call))
                self._closed = self._cut not in GOING_ON
            else:
                stopped = ""
            cut = self._cut
        if stopped == "dropped":
            waiting.wait()
            return False
        if not stopped or cut in PASSING:
            return True
        self.reached.set()
        (release if cut is Cut.HELD else waiting).wait()
        return cut is Cut.HELD

    def answers(self, call: Call) -> bool:
        if not super().answers(call):
            return False
        if id(call) not in self._marked or self._cut not in (Cut.LOST, Cut.MUTED):
            return True
        waiting, cut = self._open, self._cut
        self.reached.set()
        if cut is Cut.LOST:
            waiting.wait()
        return False

    def heard(self, call: Call, status: int) -> None:
        if call.mutating and status < HTTPStatus.BAD_REQUEST:
            with self._lock:
                self.accepted.append(call)

    def told(self, call: Call) -> None:
        if id(call) in self._marked and self._cut in (Cut.KEPT, Cut.NOTED):
            self.reached.set()

    def instead(self, call: Call) -> Reply | None:
        if self.answering is None:
            return None
        return self.answering(call, name_of(call, self.journal) if call.mutating else "")

    def _is_the_point(self, here: Point) -> bool:
        if self._any:
            self._any -= 1
            return self._any == 0
        return self._point == here


# ------------------------------------------------------------------------------------------------------------- answers


class Refusal(enum.StrEnum):
    """The classes of errors that a service answers with."""

    THROTTLED = "throttled"
    BROKEN = "broken"
    DENIED = "denied"
    EXPIRED = "expired"
    LIMITED = "limited"


_JSON = {
    Refusal.THROTTLED: (400, "ThrottlingException"),
    Refusal.BROKEN: (500, "InternalServerError"),
    Refusal.DENIED: (400, "AccessDeniedException"),
    Refusal.EXPIRED: (400, "ExpiredTokenException"),
    Refusal.LIMITED: (400, "LimitExceededException"),
}
_REST = {Refusal.THROTTLED: 429, Refusal.DENIED: 403, Refusal.EXPIRED: 403, Refusal.LIMITED: 429}
_XML = frozenset({"s3", "sts"})
_XML_CODES = {Refusal.THROTTLED: "SlowDown", Refusal.DENIED: "AccessDenied", Refusal.EXPIRED: "ExpiredToken"}


def refusal(call: Call, why: Refusal) -> Reply:
    """The answer of that class, in the protocol of the call's service. Source: AWS, common errors."""
    status, code = _JSON[why]
    if call.service in _XML:
        code = _XML_CODES.get(why, code)
        text = f"<Error><Code>{code}</Code><Message>made by the campaign</Message></Error>"
        if call.service == "sts":
            text = f"<ErrorResponse>{text}</ErrorResponse>"
        return Reply({Refusal.THROTTLED: 503, Refusal.BROKEN: 500}.get(why, 403), text.encode())
    if call.service in ("apigateway", "lambda"):
        status = _REST.get(why, status)
    kind = {"Content-Type": "application/x-amz-json-1.0", "x-amzn-ErrorType": code}
    return Reply(status, json.dumps({"__type": code, "message": "made by the campaign"}).encode(), kind)
