"""The journal, written once above the narrow table: `base.Journal` for DynamoDB and for memory."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping

from portability import errors
from portability.journal import chain, lease, rows
from portability.journal.base import Held
from portability.journal.held import HeldRun
from portability.journal.lease import Clock, Liveness, ThisHost, Timing
from portability.journal.reader import Reader
from portability.journal.table import ABSENT, WRITE, Change, Check, Member, Put, Row, Sending, Table
from portability.journal.writer import Heartbeat, Writer
from portability.model.estate import JournalTable
from portability.model.run import Entry, Header, Holder, Lease, RunView, Throughput, Tuning, advance
from portability.model.status import Fact
from portability.retry import Retry


def fresh_id() -> str:
    """A write id: unique, and short enough for a transaction's token (AWS: 36 characters)."""
    return uuid.uuid4().hex


class TableJournal(Reader):
    """See `base.Journal`. `heartbeat` says who beats for the runs it hands out; see `writer.Heartbeat`."""

    def __init__(
        self,
        table: Table,
        spec: JournalTable,
        clock: Clock,
        retry: Retry,
        *,
        liveness: Liveness | None = None,
        heartbeat: Heartbeat = "thread",
        new_id: Callable[[], str] = fresh_id,
    ) -> None:
        super().__init__(table)
        self._timing = Timing.of(spec)
        self._clock = clock
        self._retry = retry
        self._liveness = liveness or ThisHost()
        self._heartbeat = heartbeat
        self._new_id = new_id

    def create(self) -> bool:
        """Ensure the table; True if it was made now."""
        return self.table.ensure()

    def check(self) -> None:
        """Raise `JournalMissing` unless the table is there and has the right keys."""
        self.table.check()

    # --------------------------------------------------------------------------------------------------- taking a lease

    def start(self, header: Header, holder: Holder, *, write_id: str) -> Held:
        """One transaction: LEASE, TENANT/ACTIVE and LAST, HEADER, entry, RUNS index, PLAN spent; see `base.Journal`."""
        run, target = header.run, header.plan.target
        head, header_hash = rows.header_row(header)
        data = {"header": header_hash, "tenant": header.tenant, "digest": header.plan.digest}
        first = self._entry(
            Fact.RUN_STARTED, data, run=run, after=(0, chain.GENESIS), by=holder, fence=1, write_id=write_id
        )
        to = f"{target.tier}@{target.placement}"
        members: list[Member] = [
            Put(rows.run_key(run, rows.LEASE), self._new_lease(first, holder), ABSENT),
            Put(rows.active_key(header.tenant), {"run": run, "to": to, WRITE: write_id}, ABSENT),
            Put(rows.plan_key(header.plan.digest, header.plan.made), {"run": run}, ABSENT),
            Put(rows.run_key(run, rows.HEADER), head, ABSENT),
            Put(rows.entry_key(run, 1), chain.entry_row(first), ABSENT),
            Put(rows.index_key(run), {"tenant": header.tenant}, ABSENT),
            Put(rows.last_key(header.tenant), {"run": run, WRITE: write_id}),
        ]
        sent = self._clock.monotonic()
        try:
            Sending(self.table, members, write_id, self._new_id()).go(self._retry)
        except errors.ConditionFailed as refused:
            raise self._why_not(header, refused) from None
        found = self.lease(run)
        if found.head == first.hash:
            view = advance(RunView(header=header), first)
            return self._held(view, first, holder, sent=sent)
        return self._started_before(found, holder)

    def acquire(self, run: str, holder: Holder, *, wait: float = 0.0) -> Held:
        """Take a released lease, or take over one whose holder is gone; see `base.Journal`."""
        began = self._clock.monotonic()
        seen: tuple[int, int] | None = None
        since = began
        while True:
            now = self._clock.monotonic()
            row = self._lease_row(run)
            found = rows.lease_of(row, run)
            if seen != (found.fence, found.beat):
                seen, since = (found.fence, found.beat), self._clock.monotonic()
            unchanged = now - since
            free = found.holder is None or unchanged >= self._timing.lease or self._liveness.gone(found.holder)
            if free:
                held = self._take(row, found, holder)
                if held is not None:
                    return held
                continue
            left = began + wait - now
            pause = max(0.01, min(self._timing.beat, left, self._timing.lease - unchanged))
            if left > 0:
                self._clock.sleep(pause)
            if left <= 0 or self._clock.monotonic() - now < pause * 0.99:
                # Patience has ended, or the sleep has: the operator asked this command to stop.
                raise lease.held_elsewhere(self.header(run), found, self._clock.now())

    def ask(self, run: str, what: str, *, by: str) -> Lease:
        """Leave a request for the run's present holder; see `base.Journal`."""
        found = self.lease(run)
        if found.holder is None:
            msg = f"nobody holds run {run} at this moment: there is nobody to ask"
            raise errors.Refused(msg, next=f"portability status {run}")
        write_id = self._new_id()
        row = {"what": what, "by": by, WRITE: write_id}
        Sending(self.table, [Put(rows.ask_key(run, found.fence), row)], write_id, write_id).go(self._retry)
        return found

    def asked(self, run: str, fence: int) -> str | None:
        """What somebody asked of the holder of lease number `fence`, or None."""
        row = self.table.get(rows.ask_key(run, fence))
        return None if row is None else str(row["what"])

    def tune(self, run: str, tuning: Tuning) -> None:
        """Leave what is asked of the run's copy; see `base.Journal`."""
        header, write_id = self.header(run), self._new_id()
        asked: dict[str, str | int] = {"by": tuning.by, WRITE: write_id}
        asked |= {} if tuning.rate is None else {"rate": tuning.rate}
        asked |= {} if tuning.units is None else {"units": tuning.units}
        members: list[Member] = [
            Change(rows.run_key(run, rows.TUNE), put=asked, add={}, expect={}),
            Check(rows.active_key(header.tenant), {"run": run}),
        ]
        try:
            Sending(self.table, members, write_id, write_id).go(self._retry)
        except errors.ConditionFailed:
            msg = f"run {run} is not the active one of {header.tenant}: it has nothing left to copy"
            raise errors.Refused(msg, next=f"portability status {run}") from None

    def tuned(self, run: str) -> Tuning | None:
        """What was asked of the run's copy, or None."""
        row = self.table.get(rows.run_key(run, rows.TUNE))
        return None if row is None else rows.tuning_of(row, run)

    def throughput(self, run: str) -> Throughput | None:
        """What the run's copy told of itself last, or None."""
        row = self.table.get(rows.run_key(run, rows.THROUGHPUT))
        return None if row is None else rows.throughput_of(row, run)

    def break_lease(self, run: str, *, fence: int, reason: str, by: str) -> None:
        """Raise the lease fence and release it; journaled. Raises `LeaseHeld` if `fence` is not the observed one."""
        row = self._lease_row(run)
        found = rows.lease_of(row, run)
        view, _ = self._load(run, found)
        if found.fence != fence:
            raise lease.held_elsewhere(view.header, found, self._clock.now())
        if found.holder is None:
            msg = f"nobody holds the lease of run {run}: there is nothing to break"
            raise errors.Refused(msg, next=f"portability resume {run}")
        _refuse_ended(view, "break")
        nobody = Holder(name=by, host="", boot="", namespace="", pid=0, started="")
        gone = self._liveness.gone(found.holder)
        data = {**lease.takeover(found.holder, same_host=gone, me=nobody), "reason": reason}
        entry = self._entry(Fact.LEASE_BROKEN, data, run=run, after=(found.seq, found.head), by=nobody, fence=fence + 1)
        advance(view, entry)
        try:
            self._raise_fence(row, found, entry, None)
        except errors.ConditionFailed:
            raise lease.held_elsewhere(view.header, self.lease(run), self._clock.now()) from None

    # ------------------------------------------------------------------------------------------------------------ parts

    def _take(self, row: Row, found: Lease, holder: Holder) -> Held | None:
        """Raise the observed fence by one and journal it; None where another was quicker."""
        run = found.run
        view, entries = self._load(run, found)
        _refuse_ended(view, "resume")
        waited = rows.waited_of(self.table.get(rows.run_key(run, rows.LATE)), run)
        gone = found.holder is not None and self._liveness.gone(found.holder)
        data = lease.takeover(found.holder, same_host=gone, me=holder)
        entry = self._entry(
            Fact.RESUMED, data, run=run, after=(found.seq, found.head), by=holder, fence=found.fence + 1
        )
        after = advance(view, entry)
        sent = self._clock.monotonic()
        try:
            self._raise_fence(row, found, entry, holder)
        except errors.ConditionFailed:
            return None
        late_for = lease.late_for([*entries, entry], waited, liveness=self._liveness, timing=self._timing)
        broken = entries[-1].fact is Fact.LEASE_BROKEN
        previous = lease.replaced_by(entries[-1] if broken else entry)
        return self._held(after, entry, holder, sent=sent, previous=previous, late_for=late_for)

    def _started_before(self, found: Lease, holder: Holder) -> Held:
        """The run that an earlier call with this write id started; ours only where nobody has written since."""
        view, entries = self._load(found.run, found)
        if (found.fence, found.seq, found.holder) != (1, 1, holder):
            raise lease.held_elsewhere(view.header, found, self._clock.now())
        held = self._held(view, entries[0], holder, sent=self._clock.monotonic())
        held.reread()
        return held

    def _raise_fence(self, row: Row, found: Lease, entry: Entry, holder: Holder | None) -> None:
        change = Change(
            rows.run_key(found.run, rows.LEASE),
            put={
                "holder": rows.holder_text(holder),
                "fence": entry.fence,
                "seq": entry.seq,
                "head": entry.hash,
                "beat_ms": round(self._clock.now() * 1000),
                WRITE: entry.write_id,
            },
            add={"beat": 1},
            expect={name: row[name] for name in ("holder", "fence", "beat", "seq", "head", WRITE)},
        )
        put = Put(rows.entry_key(found.run, entry.seq), chain.entry_row(entry), ABSENT)
        Sending(self.table, [change, put], entry.write_id, entry.write_id).go(self._retry)

    def _held(
        self,
        view: RunView,
        last: Entry,
        holder: Holder,
        *,
        sent: float,
        previous: Holder | None = None,
        late_for: float = 0.0,
    ) -> HeldRun:
        writer = Writer(
            self.table,
            last.run,
            last.fence,
            write=last.write_id,
            sent=sent,
            timing=self._timing,
            clock=self._clock,
            retry=self._retry,
            new_id=self._new_id,
            heartbeat=self._heartbeat,
        )
        return HeldRun(writer, view, last.hash, holder, previous=previous, late_for=late_for)

    def _entry(
        self,
        fact: Fact,
        data: Mapping[str, object],
        *,
        run: str,
        after: tuple[int, str],
        by: Holder,
        fence: int,
        write_id: str = "",
    ) -> Entry:
        """A sealed run fact that follows the head `after` = (seq, hash)."""
        seq, prev = after
        return chain.sealed(
            Entry(
                run=run,
                seq=seq + 1,
                step="",
                fact=fact,
                data=chain.guarded(data),
                at=self._clock.now(),
                by=by.name,
                fence=fence,
                write_id=write_id or self._new_id(),
                prev=prev,
                hash="",
            )
        )

    def _new_lease(self, first: Entry, holder: Holder) -> Row:
        return {
            "holder": rows.holder_text(holder),
            "fence": first.fence,
            "beat": 1,
            "beat_ms": round(self._clock.now() * 1000),
            "seq": first.seq,
            "head": first.hash,
            WRITE: first.write_id,
        }

    def _why_not(self, header: Header, refused: errors.ConditionFailed) -> errors.PortabilityError:
        """What a refused start means: the tenant's run, the spent plan, or a run id that exists."""
        _, active, plan, *_ = refused.old
        if active is not None:
            run = str(active["run"])
            return lease.held_elsewhere(self.header(run), self.lease(run), self._clock.now())
        if plan is not None:
            msg = f"this plan was used by run {plan['run']}; a plan is used once"
            again = f"portability plan {header.tenant} --to {header.plan.target.tier}"
            return errors.PlanRejected(msg, next=again)
        msg = f"the journal has a run {header.run} already"
        return errors.Refused(msg, next=f"portability status {header.run}")

    def _load(self, run: str, found: Lease) -> tuple[RunView, list[Entry]]:
        """The run up to the head that the lease names, held to its chain. Raises `JournalBroken`."""
        known = self._entry_rows(run)[: found.seq]
        view = chain.verify(run, self._header_row(run), known, found, found)
        return view, [chain.entry_of(row, run) for row in known]


def _refuse_ended(view: RunView, verb: str) -> None:
    """A process that died before it gave the lease of an ended run back is still named there."""
    if view.ended:
        run = view.header.run
        msg = f"run {run} is {view.state}: nothing is left to {verb}"
        raise errors.Refused(msg, next=f"portability report {run} --format md")
