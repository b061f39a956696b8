"""The cutover's side of its guardian: started before anything is frozen, told to leave when nothing is."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from portability import errors
from portability.model.estate import seconds
from portability.model.status import ParkReason
from portability.steps.base import Context
from portability.steps.guardian.orders import ARMED, FAILED, LEAVE, READY, Orders
from portability.steps.guardian.stand_by import Line

STARTS_WITHIN = 30.0
"""Seconds for a process to start and to reach the directory; nothing is frozen meanwhile."""

ARMS_WITHIN = 2.0
"""Seconds for one read of the directory; nothing is frozen meanwhile."""

LEAVES_WITHIN = 5.0
"""Seconds for a guardian to end."""

TICK = 0.2
"""Seconds of waiting after which the run is asked whether it may go on."""


class Guardian(Protocol):
    """What stands beside a fence and takes it back when nobody else does. `Parked(gate)` says that it cannot."""

    def ready(self) -> None:
        """Wait until it could do its work."""

    def arm(self, epoch: int) -> None:
        """Start its clock, before the fence of that epoch is raised."""

    def check(self) -> None:
        """Raise when it is gone: what was promised to the tenant needs it."""

    def leave(self) -> None:
        """There is nothing to take back any more."""


Beside = Callable[[Context, float], AbstractContextManager[Guardian]]
"""Starts a guardian for a run and the seconds it gives a fence, and waits for its end."""


@contextlib.contextmanager
def beside(ctx: Context, budget: float) -> Iterator[Guardian]:
    """A guardian process. Left while a fence may stand, it does at once what it is there for.

    It is in a session of its own, so that what ends this process's group or terminal does not end it. The pipe to its
    standard input is what tells it that this process is gone: no other process has the writing end.
    """
    orders = Orders(run=ctx.run, tenant=ctx.plan.tenant, estate=ctx.estate, profile=ctx.aws.profile, budget=budget)
    guardian = _Process(ctx, msgspec.json.encode(orders))
    try:
        yield guardian
    finally:
        guardian.close()


class _Process:
    """See `Guardian`."""

    def __init__(self, ctx: Context, orders: bytes) -> None:
        self._ctx = ctx
        self._armed = False
        try:
            self._process = subprocess.Popen(
                # Safe path: a folder with modules of the same names is not where this program comes from.
                [sys.executable, "-P", "-m", "portability.steps.guardian"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                start_new_session=True,
            )
        except OSError as error:
            raise self._refused(f"did not start ({error.strerror})") from None
        self._line = Line(self._process.stdout.fileno()) if self._process.stdout else Line(-1)
        self._tell(orders.decode())

    def ready(self) -> None:
        self._await(READY, STARTS_WITHIN)
        self._ctx.progress("guarded", pid=self._process.pid)

    def arm(self, epoch: int) -> None:
        self._armed = True
        self._tell(str(epoch))
        self._await(ARMED, ARMS_WITHIN)

    def check(self) -> None:
        if self._process.poll() is not None:
            raise self._refused("is gone")

    def leave(self) -> None:
        self._armed = False
        self._tell(LEAVE)

    def close(self) -> None:
        """Let it go: at once where it has nothing to do, to its work where a fence may stand."""
        if not self._armed:
            self.leave()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(LEAVES_WITHIN)
        except subprocess.TimeoutExpired:
            if not self._armed:
                self._process.kill()
            threading.Thread(target=self._process.wait, daemon=True, name="guardian").start()

    def _tell(self, word: str) -> None:
        """One that is gone is met by `check` and by the next answer that is waited for."""
        with contextlib.suppress(OSError):
            os.write(self._process.stdin.fileno(), f"{word}\n".encode()) if self._process.stdin else None

    def _await(self, word: str, within: float) -> None:
        until = time.monotonic() + within
        while (left := until - time.monotonic()) > 0:
            self._ctx.check()
            said = self._line.word(min(left, TICK))
            if said == word:
                return
            if said == "":
                raise self._refused("is gone")
            if said is not None:
                raise self._refused(f"cannot work: {said.removeprefix(FAILED).strip()}")
        raise self._refused(f"was not {word} within {within:g} s")

    def _refused(self, why: str) -> errors.Parked:
        return errors.Parked(
            f"the guardian of this cutover {why}",
            reason=ParkReason.GATE,
            next=f"portability resume {self._ctx.run}",
            changed="Nothing is frozen.",
        )


def budget_of(ctx: Context, lifts_within: float) -> float:
    """Seconds a fence may stand before it is lifted, so that writes pass again within `freeze_max`."""
    return seconds(ctx.estate.fence.freeze_max) - lifts_within
