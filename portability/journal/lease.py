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

SKEW = 1800.0
"""Seconds by which two clocks that AWS accepts signatures of may differ: fifteen minutes each way."""


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


# ------------------------------------------------------------------------------------------------ whose writes may land


def late_writers(
    entries: Sequence[Entry], replaced: Holder | None, me: Holder, *, liveness: Liveness, timing: Timing, now: float
) -> tuple[Holder | None, bool]:
    """The holder whose last writes may still land, and whether every such holder is certainly dead on this host.

    That is the holder being `replaced`, else one that was replaced, or had its lease broken, so short a time ago that
    its horizon has not passed: a clean release by the process between them does not end the horizon.
    """
    late: list[tuple[Holder, bool]] = []
    if replaced is not None:
        late.append((replaced, liveness.gone(replaced)))
    for entry in reversed(entries):
        if entry.fact not in (Fact.RESUMED, Fact.LEASE_BROKEN) or entry.data.get("previous") is None:
            continue
        holder = msgspec.convert(entry.data["previous"], Holder)
        dead_here = bool(entry.data["same_host"])
        # A holder whose lease was broken may go on for a lease before it notices.
        lasts = timing.horizon if dead_here else timing.far_horizon + timing.lease
        skew = 0.0 if me.boot and entry.data["boot"] == me.boot else SKEW
        if now - entry.at < lasts + skew:
            late.append((holder, dead_here or liveness.gone(holder)))
    if not late:
        return None, False
    return late[0][0], all(dead_here for _, dead_here in late)


def takeover(previous: Holder | None, *, same_host: bool, me: Holder) -> dict[str, object]:
    """The data of a RESUMED or LEASE_BROKEN entry that `late_writers` reads."""
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
