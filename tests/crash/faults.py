"""What the network does to a command at a fault point: cut, mute, hold, refuse."""

from __future__ import annotations

import enum
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from tests.crash.points import Counting, Point
from tests.support.wire import SILENCE, Call, Reply, Wire


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


Answering = Callable[[Call, Point | None], Reply | None]
"""What is answered in place of the engine, by call and, where it is mutating, its point."""


@dataclass(eq=False)
class Faulty(Wire):
    """A wire with faults. `reached` is set at an armed point; until `on` no later call of its process gets through."""

    journal: str = ""
    reached: threading.Event = field(default_factory=threading.Event)
    hit: Point | None = None  # the point that was reached last
    hits: set[Point] = field(default_factory=set)  # every one that was, since `forget`
    answering: Answering | None = None
    accepted: list[Call] = field(default_factory=list)  # the mutating calls that the engine did, since `forget`
    counting: Counting = field(default_factory=lambda: Counting(""))
    _armed: dict[Point, Cut] = field(default_factory=dict)
    _next: tuple[int | str, Cut] | None = None  # at this many mutating calls from now, or at the next of this name
    _closed: bool = False
    _marked: dict[int, Cut] = field(default_factory=dict)  # what becomes of calls that are under way
    _points: dict[int, Point] = field(default_factory=dict)  # of calls that are under way
    _open: threading.Event = field(default_factory=threading.Event)
    _release: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def cutting(self, points: Mapping[Point, Cut]) -> Iterator[None]:
        """Inside the block each point stops its process, once; at its end what waits is dropped.

        A held call is let through by `release` only.
        """
        self.on()
        with self._lock:
            self._armed, self._release = dict(points), threading.Event()
        try:
            yield
        finally:
            with self._lock:
                self._armed, self._next = {}, None
            self.on()

    @contextmanager
    def cutting_next(self, which: int | str, cut: Cut) -> Iterator[None]:
        """`cutting` at this many mutating calls from now, whatever they are, or at the next one of this name."""
        with self.cutting({}):
            self.also_next(which, cut)
            yield

    def also_next(self, which: int | str, cut: Cut) -> None:
        """Stop there too, which then is no point that was `hit`; the points met on the way there pass."""
        with self._lock:
            self._next = which, cut

    def no_more(self) -> bool:
        """What `also_next` asked for is to come no more; whether it was still to come."""
        with self._lock:
            waited, self._next = self._next is not None, None
        return waited

    def on(self) -> None:
        """The stopped process is gone: what waits is dropped, and later calls get through to the next point."""
        with self._lock:
            waiting, self._open = self._open, threading.Event()
            self._closed = False
            self.reached.clear()
        waiting.set()

    def release(self) -> None:
        """The held call reaches the engine now."""
        self._release.set()

    @contextmanager
    def refusing(self, answering: Answering) -> Iterator[None]:
        """Inside the block `answering` may answer in place of the engine."""
        self.answering = answering
        try:
            yield
        finally:
            self.answering = None

    def forget(self) -> None:
        super().forget()
        with self._lock:
            self.accepted = []
            self.counting = Counting(self.journal)
            self._marked, self._points, self.hits = {}, {}, set()

    def passes(self, call: Call) -> bool:
        if not super().passes(call):
            return False
        waiting, release = self._open, self._release
        with self._lock:
            if not call.mutating:
                return True
            point = self._points[id(call)] = self.counting.point(call)
            dropped, cut = self._closed, None if self._closed else self._cut_at(point)
            if cut is not None:
                self._marked[id(call)] = cut
                if cut is Cut.MUTED:
                    self.counting.unheard(call, point)
                self._closed = cut not in GOING_ON
        if dropped:
            waiting.wait()
            return False
        if cut is None or cut in PASSING:
            return True
        self.reached.set()
        (release if cut is Cut.HELD else waiting).wait()
        return cut is Cut.HELD

    def answers(self, call: Call) -> bool:
        if not super().answers(call):
            return False
        cut = self._marked.get(id(call))
        if cut not in (Cut.LOST, Cut.MUTED):
            return True
        waiting = self._open
        self.reached.set()
        if cut is Cut.LOST:
            waiting.wait()
        return False

    def heard(self, call: Call, status: int) -> None:
        if call.mutating and status < HTTPStatus.BAD_REQUEST:
            with self._lock:
                self.accepted.append(call)

    def told(self, call: Call) -> None:
        if self._marked.get(id(call)) in (Cut.KEPT, Cut.NOTED):
            self.reached.set()

    def instead(self, call: Call) -> Reply | None:
        if self.answering is None:
            return None
        point = self._points.get(id(call))
        reply = self.answering(call, point)
        if reply is not None and point is not None:
            with self._lock:
                self.counting.unheard(call, point)
        return reply

    def _cut_at(self, here: Point) -> Cut | None:
        if self._next is not None:
            which, cut = self._next
            if isinstance(which, int) and which > 1:
                self._next = which - 1, cut
            elif isinstance(which, int) or which == here.name:
                self._next, self.hit = None, None
                return cut
            return None
        cut_here = self._armed.pop(here, None)
        if cut_here is not None:
            self.hit = here
            self.hits.add(here)
        return cut_here


# ------------------------------------------------------------------------------------------------------------- answers


class Refusal(enum.StrEnum):
    """The classes of errors that a service answers with, or that it does not answer at all."""

    THROTTLED = "throttled"
    BROKEN = "broken"
    DENIED = "denied"
    EXPIRED = "expired"
    LIMITED = "limited"
    OUTDATED = "outdated"
    UNANSWERED = "unanswered"


_JSON = {
    Refusal.THROTTLED: (400, "ThrottlingException"),
    Refusal.BROKEN: (500, "InternalServerError"),
    Refusal.DENIED: (400, "AccessDeniedException"),
    Refusal.EXPIRED: (400, "ExpiredTokenException"),
    Refusal.LIMITED: (400, "LimitExceededException"),
    Refusal.OUTDATED: (400, "InvalidSignatureException"),
}
_REST = {
    Refusal.THROTTLED: 429,
    Refusal.DENIED: 403,
    Refusal.EXPIRED: 403,
    Refusal.LIMITED: 429,
    Refusal.OUTDATED: 403,
}
_XML = frozenset({"s3", "sts"})
_XML_CODES = {
    Refusal.THROTTLED: "SlowDown",
    Refusal.DENIED: "AccessDenied",
    Refusal.EXPIRED: "ExpiredToken",
    Refusal.OUTDATED: "RequestTimeTooSkewed",
}
_SAYS = {Refusal.OUTDATED: "Signature expired"}


def refusal(call: Call, why: Refusal) -> Reply:
    """The answer of that class, in the protocol of the call's service. Source: AWS, common errors."""
    if why is Refusal.UNANSWERED:
        return SILENCE
    status, code = _JSON[why]
    message = f"{_SAYS.get(why, 'Refused')}: made by the campaign"
    if call.service in _XML:
        code = _XML_CODES.get(why, code)
        text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        if call.service == "sts":
            text = f"<ErrorResponse>{text}</ErrorResponse>"
        return Reply({Refusal.THROTTLED: 503, Refusal.BROKEN: 500}.get(why, 403), text.encode())
    if call.service in ("apigateway", "lambda"):
        status = _REST.get(why, status)
    kind = {"Content-Type": "application/x-amz-json-1.0", "x-amzn-ErrorType": code}
    return Reply(status, json.dumps({"__type": code, "message": message}).encode(), kind)
