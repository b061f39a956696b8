"""Who holds a lease, whether that process is certainly gone, and how long a silent one is watched.

There is no absolute expiry and no clock is compared with another's: a watcher that sees the beat unchanged for a whole
lease on its own monotonic clock may take over, and a holder stops when two thirds have passed since it *sent* its last
successful renewal. Source: Linux proc(5), namespaces(7).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from portability import errors
from portability.model.estate import JournalTable, seconds
from portability.model.run import Entry, Header, Holder, Lease
from portability.model.status import Fact


class Clock(Protocol):
    """Time, injected (what `steps.base.Clock` is to a step)."""

    def now(self) -> float:
        """Epoch seconds, for people."""

    def monotonic(self) -> float:
        """Seconds for measuring."""

    def sleep(self, seconds: float, /) -> None:
        """Sleep; returns early when the run is asked to stop."""


@dataclass(frozen=True)
class Timing:
    """Seconds: `lease` is how long a silent holder keeps it, `beat` how often it renews."""

    lease: float
    beat: float
    horizon: float
    far_horizon: float

    @classmethod
    def of(cls, table: JournalTable) -> Timing:
        """As the estate says. Raises `Refused` where a beat cannot keep the lease."""
        timing = cls(
            lease=seconds(table.lease),
            beat=seconds(table.beat),
            horizon=seconds(table.horizon),
            far_horizon=seconds(table.far_horizon),
        )
        if timing.beat * 2 > timing.patience:
            msg = f"journal.beat {table.beat} cannot keep a lease of {table.lease}: at most a third of it"
            raise errors.Refused(msg, next="set journal.beat and journal.lease in plans/estate.yaml")
        return timing

    @property
    def patience(self) -> float:
        """How long after sending its last successful renewal a holder goes on."""
        return self.lease * 2 / 3


class Liveness(Protocol):
    """Whether a holder's process is certainly gone."""

    def gone(self, holder: Holder) -> bool:
        """True only where this machine can tell; a holder elsewhere, or one that cannot be seen, may live."""


PROC = Path("/proc")


def this_holder(name: str, proc: Path = PROC) -> Holder:
    """This process, as a lease names it; `name` is `user@host`."""
    pid = os.getpid()
    started = _started(proc, pid)
    return Holder(
        name=name,
        host=socket.gethostname(),
        boot=_boot(proc),
        namespace=_namespace(proc),
        pid=pid,
        started=started or "",
    )


class ThisHost:
    """Liveness by `/proc`: same machine, same boot, same PID namespace, and no process of that pid and start time."""

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc

    def gone(self, holder: Holder) -> bool:
        """See `Liveness`. Where there is no `/proc` the answer is always False, and the holder is watched."""
        if not (holder.boot and holder.namespace and holder.started):
            return False
        if (holder.host, holder.boot, holder.namespace) != (
            socket.gethostname(),
            _boot(self._proc),
            _namespace(self._proc),
        ):
            return False
        try:
            os.kill(holder.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        started = _started(self._proc, holder.pid)
        # Unreadable (/proc may hide other users' processes) is not gone.
        return started is not None and started != holder.started


def _boot(proc: Path) -> str:
    with suppress(OSError):
        return (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def _namespace(proc: Path) -> str:
    with suppress(OSError):
        return str((proc / "self/ns/pid").readlink())
    return ""


def _started(proc: Path, pid: int) -> str | None:
    """Field 22 of `/proc/<pid>/stat`; "" for one that has exited and was not reaped yet; None if it cannot be read."""
    try:
        stat = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold blanks and brackets
    state, threads, started = fields[0], int(fields[17]), fields[19]
    return "" if state in {"Z", "X"} and threads <= 1 else started


# --------------------------------------------------------------------------------------- how long writes may still land


@dataclass(frozen=True)
class Waited:
    """Writes of the holders replaced up to lease number `fence` may land for `left` seconds more; the rest is over."""

    fence: int = 0
    left: float = 0.0


def late_for(entries: Sequence[Entry], waited: Waited, *, liveness: Liveness, timing: Timing) -> float:
    """For how many seconds from now a write of a replaced holder may still land; 0.0 where none can.

    A clean release by a process between does not end it. Only what processes have waited themselves counts: how long
    ago an entry was written no clock tells, since one may be hours from another, so time in which there was no process
    is waited again.
    """
    left = waited.left
    for entry in entries:
        if entry.fence <= waited.fence or (holder := replaced_by(entry)) is None:
            continue
        if entry.data["same_host"] or liveness.gone(holder):
            left = max(left, timing.horizon)
        else:
            # A holder whose lease was broken may go on for a lease before it notices.
            left = max(left, timing.far_horizon + (timing.lease if entry.fact is Fact.LEASE_BROKEN else 0.0))
    return left


def replaced_by(entry: Entry) -> Holder | None:
    """The holder that this entry replaced: it took its lease over, or broke it."""
    if entry.fact not in (Fact.RESUMED, Fact.LEASE_BROKEN) or entry.data.get("previous") is None:
        return None
    return msgspec.convert(entry.data["previous"], Holder)


def takeover(previous: Holder | None, *, same_host: bool, me: Holder) -> dict[str, object]:
    """The data of a RESUMED or LEASE_BROKEN entry that `late_for` reads."""
    return {"previous": msgspec.to_builtins(previous), "same_host": same_host, "boot": me.boot}


# ------------------------------------------------------------------------------------------------------------- messages


def held_elsewhere(header: Header, lease: Lease, now: float) -> errors.LeaseHeld:
    """Who holds the run, and how long ago they were heard of: `… (bo@laptop, last beat 4 s ago)`."""
    tenant, run = header.tenant, header.run
    if lease.holder is None:
        msg = f"{tenant} has run {run} to {_target(header)}, which nobody holds at this moment."
        return errors.LeaseHeld(msg, next=f"portability resume {run}")
    age = max(0, round(now - lease.beat_at))
    msg = f"{tenant} is being migrated by run {run} ({lease.holder.name}, last beat {age} s ago)."
    return errors.LeaseHeld(msg, next=f"Wait: --lock-timeout 10m   Look: portability lock show {tenant}")


def _target(header: Header) -> str:
    return f"{header.plan.target.tier}@{header.plan.target.placement}"
