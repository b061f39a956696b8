"""`lock show|break`."""

from __future__ import annotations

from typing import Annotated

import typer

from portability.cli.call import Call
from portability.cli.steer import Run
from portability.cli.verb import verb


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    verb(app, "show", examples=["lock show tenant-42"])(show)
    verb(app, "break", examples=['lock break r-01J8… --fence 3 --reason "host lost, INC-77"'])(break_)


def show(call: Call, *, run: Run) -> int | None:
    """Show who holds a run, its lease number and its last beat."""
    from portability.cli import operations
    from portability.report.text import plain, span

    found = operations.find_run(call.desk, run)
    lease = call.desk.journal.lease(found)
    age = max(0.0, call.desk.clock.now() - lease.beat_at)
    holder = lease.holder
    value = {
        "version": 1,
        "run_id": found,
        "holder": None if holder is None else {"name": holder.name, "host": holder.host, "pid": holder.pid},
        "lease_fence": lease.fence,
        "beat": lease.beat,
        "beat_age_seconds": round(age, 3),
        "head": {"seq": lease.seq, "hash": lease.head},
    }
    text = f"run {found}: lease {lease.fence}, held by nobody since {span(age)}"
    if holder is not None:
        text = (
            f"run {found}: lease {lease.fence}, held by {plain(holder.name)} "
            f"(pid {holder.pid} on {plain(holder.host)}), last beat {span(age)} ago\n"
            f"If that process is certainly gone: "
            f"portability lock break {found} --fence {lease.fence} --reason TEXT"
        )
    call.screen.result(text, value)
    return None


def break_(
    call: Call,
    *,
    run: Run,
    fence: Annotated[int, typer.Option("--fence", metavar="NUMBER", help="The lease number `lock show` told.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; journaled.")],
) -> int | None:
    """Take a run's lease from its holder. Needs the number that was observed, and a reason."""
    from portability import errors
    from portability.cli import operations

    if not reason.strip():
        raise errors.UsageMistake("--reason is empty", next="portability lock break RUN --fence N --reason TEXT")
    found = operations.find_run(call.desk, run)
    call.desk.journal.break_lease(found, fence=fence, reason=reason, by=call.desk.operator)
    value = {"version": 1, "run_id": found, "broken": fence}
    call.screen.outcome(f"lease {fence} of run {found} is broken; next: portability resume {found}", value)
    return None
