"""The one writer of a run: every write goes through here, carries the lease check, and is sent until it is definite.

Appends, checkpoints and the heartbeat take turns under one lock. An append that has to be repeated renews the lease
between its attempts, so that it does not starve the heartbeat; the local deadline decides in any case.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from portability import errors
from portability.journal import rows
from portability.journal.lease import Clock, Timing
from portability.journal.table import WRITE, Change, Check, Key, Member, Scalar, Sending, Table
from portability.retry import RETRYABLE, Retry

Heartbeat = Literal["thread", "hand", "steady"]
"""`thread`: one beats in the background. `hand`: the owner calls `pulse`. `steady`: for virtual time, where a beat is
due whenever the clock has moved on, `look` sends it: as if a thread had beaten all the while."""

ATTEMPTS = 200
"""Far more than a lease lasts with real pauses: the deadline ends the attempts."""

AGAIN: tuple[type[Exception], ...] = (*RETRYABLE, errors.NoDefiniteAnswer, errors.EndpointDown)
"""What a later attempt may outlive."""


class Writer:
    """Holds a lease: `fence` is its number. Every method may be called from any thread."""

    def __init__(
        self,
        table: Table,
        run: str,
        fence: int,
        *,
        write: str,
        sent: float,
        timing: Timing,
        clock: Clock,
        retry: Retry,
        new_id: Callable[[], str],
        heartbeat: Heartbeat,
    ) -> None:
        self.table, self.run, self.fence = table, run, fence
        self.lock = threading.RLock()
        self.new_id = new_id
        self.clock = clock
        self._write = write
        self.background: Callable[[], float | None] = lambda: None
        self._timing = timing
        self._retry = dataclasses.replace(retry, attempts=max(retry.attempts, ATTEMPTS))
        self._sent = sent
        self._tried = sent
        self._why_lost = ""
        self._trouble = ""
        self._mode = heartbeat
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        if heartbeat == "thread":
            self._thread = threading.Thread(target=self._beat, name=f"heartbeat {run}", daemon=True)
            self._thread.start()

    @property
    def horizon(self) -> float:
        """Seconds within which what was sent and not answered lands, or never does."""
        return self._timing.horizon

    @property
    def threaded(self) -> bool:
        """Whether a thread beats and flushes."""
        return self._thread is not None

    def look(self) -> None:
        """Raise `LeaseLost` unless the lease is certainly ours now. Local; see `Held.look`."""
        if self._mode == "steady" and not self._why_lost and self.clock.monotonic() - self._sent >= self._timing.beat:
            self.renew()
        if self._why_lost:
            raise self._lost()
        if self.clock.monotonic() - self._sent > self._timing.patience:
            trouble = f"; last trouble: {self._trouble}" if self._trouble else ""
            raise self.lose(f"it could not be renewed in time{trouble}")

    def renew(self) -> None:
        """Send one beat. Raises `LeaseLost` where another has raised the fence, else what the one attempt met."""
        with self.lock:
            if self._why_lost:
                raise self._lost()
            sent = self._tried = self.clock.monotonic()
            beat = Change(self._lease, put=self._beat_put(), add={"beat": 1}, expect={"fence": self.fence})
            try:
                self.table.transact([beat], token=self.new_id())
            except errors.ConditionFailed:
                raise self.lose("another process has raised the lease fence") from None
            self._renewed(sent)

    def pulse(self) -> float:
        """What the heartbeat does: renew if it is due, flush what waits; seconds until there is something to do."""
        if self.clock.monotonic() - self._tried >= self._between:
            self.renew()
        waits = self.background()
        beat = max(0.0, self._tried + self._between - self.clock.monotonic())
        return beat if waits is None else min(beat, waits)

    def wake(self) -> None:
        """Something waits to be flushed."""
        self._wake.set()

    def commit(
        self,
        put: Mapping[str, Scalar],
        members: Sequence[Member],
        *,
        token: str,
        expect: Mapping[str, Scalar],
        foreign: Sequence[dict[str, Any]] = (),
    ) -> None:
        """Change LEASE and `members` in one transaction; counts as a renewal.

        Raises `LeaseLost`; `ConditionFailed` of `foreign` alone, after which the write will never land; what AWS
        answered where it refused the request.
        """
        with self.lock:
            lease = Change(
                self._lease,
                put={**self._beat_put(), **put, WRITE: token},
                add={"beat": 1},
                expect={"fence": self.fence, WRITE: self._write, **expect},
            )
            sending = Sending(self.table, [lease, *members], token, token, foreign)
            sent = self.clock.monotonic()
            try:
                self._send(sending)
            except errors.ConditionFailed as refused:
                self._judge(refused, len(members))
                if not sending.uncertain or self._void(token):
                    raise _foreign_only(refused, 1 + len(members)) from None
            self._write = token
            self._renewed(sent)

    def write(self, members: Sequence[Member]) -> None:
        """Write `members`, in transactions that hold the lease fence to be ours. Raises `LeaseLost`."""
        check = Check(self._lease, {"fence": self.fence})
        with self.lock:
            try:
                token = self.new_id()
                self._send(Sending(self.table, [check, *members], token, token))
            except errors.ConditionFailed as refused:
                self._judge(refused, len(members))
                raise

    def close(self, why: str) -> None:
        """Stop the heartbeat and write nothing more."""
        with self.lock:
            self._why_lost = self._why_lost or why
        self._stop.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=1.0)

    def lose(self, why: str) -> errors.LeaseLost:
        """Note that the lease is lost; the first reason stands. Returns the error to raise."""
        self._why_lost = self._why_lost or why
        self._stop.set()
        self._wake.set()
        return self._lost()

    # ------------------------------------------------------------------------------------------------------------ parts

    @property
    def _lease(self) -> Key:
        return rows.run_key(self.run, rows.LEASE)

    @property
    def _between(self) -> float:
        """A renewal that failed is tried again sooner."""
        return self._timing.beat if self._tried == self._sent else self._timing.beat / 10

    def _beat_put(self) -> dict[str, Scalar]:
        return {"beat_ms": round(self.clock.now() * 1000)}

    def _renewed(self, sent: float) -> None:
        self._sent = max(self._sent, sent)
        self._tried = self._sent
        self._trouble = ""

    def _lost(self) -> errors.LeaseLost:
        return errors.LeaseLost(
            f"run {self.run}: this process does not hold the lease (number {self.fence}): {self._why_lost}",
            next=f"portability status {self.run}",
            changed="This process wrote nothing more.",
        )

    def _send(self, sending: Sending) -> None:
        tried = False

        def before() -> None:
            nonlocal tried
            if tried:
                self._renew_between()
            tried = True
            self.look()

        for again in (True, False):
            try:
                sending.go(self._retry, before=before, also=(errors.EndpointDown,))
                return
            except (errors.ConditionFailed, errors.LeaseLost):
                raise
            except errors.Unauthorised:
                if not (again and self._still_ours(sending)):
                    raise
            except BaseException as error:
                if sending.uncertain:
                    self.lose(f"a write may land late ({type(error).__name__})")
                raise

    def _renew_between(self) -> None:
        if self.clock.monotonic() - self._tried < self._between:
            return
        try:
            self.renew()
        except AGAIN as error:
            self._trouble = type(error).__name__

    def _still_ours(self, sending: Sending) -> bool:
        """Whether to sign once more: the signature was refused, so this process may have stood still.

        The journal says whose lease it is, before anything is signed again. False where it cannot be read.
        """
        if sending.uncertain:
            self.lose("a write may land late (Unauthorised)")
            return False
        try:
            row = self.table.get(self._lease)
        except errors.PortabilityError:
            return False
        if row is None or row.get("fence") != self.fence:
            raise self.lose("another process has raised the lease fence") from None
        return True

    def _judge(self, refused: errors.ConditionFailed, members: int) -> None:
        """Raise what a refused member means; return where only foreign writes were refused."""
        if refused.failed[0]:
            row = refused.old[0]
            if row is None or row.get("fence") != self.fence:
                raise self.lose("another process has raised the lease fence") from refused
            self.lose("the head moved under the lease")
            raise rows.broken(self.run, "its head moved under a lease that was held") from refused
        if any(refused.failed[1 : 1 + members]):
            self.lose("the journal is not as this process left it")
            raise rows.broken(self.run, "a row stands where only this process may write") from refused

    def _void(self, token: str) -> bool:
        """Change what an earlier attempt of `token`, perhaps still on its way, is conditional on: it can never land.

        False where it has landed meanwhile.
        """
        mark = self.new_id()
        void = Change(self._lease, put={WRITE: mark}, add={}, expect={"fence": self.fence, WRITE: self._write})
        try:
            self._send(Sending(self.table, [void], mark, mark))
        except errors.ConditionFailed as refused:
            row = refused.old[0]
            if row is not None and row.get(WRITE) == token:
                return False
            self._judge(refused, 0)
        self._write = mark
        return True

    def _beat(self) -> None:
        wait = self._timing.beat
        while not self._stop.is_set():
            self._wake.wait(wait)
            self._wake.clear()
            if self._stop.is_set():
                return
            try:
                wait = self.pulse()
            except errors.LeaseLost:
                return
            except errors.PortabilityError as error:
                # Tried again soon; if it lasts, the deadline ends the run.
                self._trouble = type(error).__name__
                wait = self._timing.beat / 10
            except BaseException as error:
                self.lose(f"the heartbeat broke ({type(error).__name__})")
                raise


def _foreign_only(refused: errors.ConditionFailed, ours: int) -> errors.ConditionFailed:
    return errors.ConditionFailed(
        refused.what,
        operation=refused.operation,
        aws_code=refused.aws_code,
        old=refused.old[ours:],
        failed=refused.failed[ours:],
    )
