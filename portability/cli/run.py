"""`run list|logs|pause|tune|cutover|tick`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from portability.cli.call import Call
from portability.cli.durations import LockTimeout, parse_duration
from portability.cli.steer import Run
from portability.cli.turn import Turn, show_outcome
from portability.cli.verb import verb

if TYPE_CHECKING:
    from portability.model.run import RunView


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    verb(app, "list", examples=["run list", "run list --open -o json"])(list_)
    verb(app, "logs", examples=["run logs tenant-42", "run logs r-01J8… -o jsonl"])(logs)
    verb(app, "pause", examples=["run pause tenant-42"])(pause)
    verb(app, "tune", examples=["run tune tenant-42 rate=250wcu", "run tune r-01J8… rate=500wcu+1500rcu units=8"])(tune)
    verb(app, "cutover", examples=["run cutover r-01J8…"])(cutover)
    verb(app, "tick", examples=["run tick", "run tick r-01J8… --for 5m"])(tick)


def list_(
    call: Call,
    *,
    only_open: Annotated[bool, typer.Option("--open", help="Leave out runs that ended.")] = False,
    tenant: Annotated[str | None, typer.Option("--tenant", metavar="TENANT", help="Of this tenant only.")] = None,
) -> int | None:
    """List runs, the newest first."""
    from portability.cli import operations

    views = operations.every_run(call.desk, tenant=tenant)
    show_runs(call, [view for view in views if not (only_open and view.ended)])
    return None


def logs(call: Call, *, run: Run) -> int | None:
    """Tell what a run did, one line per journal entry."""
    from portability.cli import operations
    from portability.report.entries import entry_object, entry_text

    entries = call.desk.journal.entries(operations.find_run(call.desk, run))
    text = "\n".join(entry_text(entry) for entry in entries)
    call.screen.result(text, [entry_object(entry) for entry in entries])
    return None


def pause(call: Call, *, run: Run) -> int | None:
    """Ask a run's process to park it at the next safe point."""
    from portability.cli import operations

    found = operations.find_run(call.desk, run)
    lease = call.desk.journal.ask(found, "pause", by=call.desk.operator)
    holder = lease.holder.name if lease.holder else "nobody"
    value = {"version": 1, "run_id": found, "asked": holder, "lease_fence": lease.fence}
    call.screen.outcome(f"asked {holder} to park run {found}; see: portability status {found} --watch", value)
    return None


def tune(
    call: Call,
    *,
    run: Run,
    settings: Annotated[
        list[str],
        typer.Argument(
            metavar="SETTING=VALUE...",
            help="rate=500wcu, rate=1500rcu, rate=500wcu+1500rcu or rate=none (no limit); units=1 to 64.",
        ),
    ],
) -> int | None:
    """Change the rate or the units of a copy while it runs.

    Acts on a copy in another process within seconds, and on a parked one when it is resumed.
    """
    from portability.cli import operations

    found = operations.find_run(call.desk, run)
    tuning = operations.tune(call.desk, found, settings)
    told = " ".join(f"{name} {value}" for name, value in (("rate", tuning.rate), ("units", tuning.units)) if value)
    value = {"version": 1, "run_id": found, "asked": {"rate": tuning.rate, "units": tuning.units}}
    call.screen.result(f"asked the copy of run {found} for {told}; see: portability status {found}", value)
    return None


def cutover(call: Call, *, run: Run, lock_timeout: LockTimeout = "0s") -> int | None:
    """Cut over a run that was postponed or reversed."""
    from portability.cli import operations
    from portability.model.status import Goal

    found = operations.find_run(call.desk, run)
    operations.allow(call.desk.journal.view(found), Goal.CUTOVER)
    return Turn(call).take(found, goal=Goal.CUTOVER, wait=parse_duration(lock_timeout, "--lock-timeout"))


def tick(
    call: Call,
    *,
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="The only open run when left out.")] = None,
    for_: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="How long the pass of a soak may last.")
    ] = "60s",
    lock_timeout: LockTimeout = "0s",
) -> int | None:
    """Go on with a run once, for a scheduler.

    Of a soak it is one bounded pass. A run that is parked or was killed is driven to its goal, the cutover included.
    What an operator postponed is left alone (exit 7).
    """
    from portability.cli import operations
    from portability.model.status import ParkReason, RunState

    turn = Turn(call, tick=parse_duration(for_, "--for"))
    wait = parse_duration(lock_timeout, "--lock-timeout")
    found = operations.find_run(call.desk, run)
    view = call.desk.journal.view(found)
    if view.state is RunState.PARKED and view.reason == ParkReason.POSTPONED:
        call.screen.tell(f"run {found} is postponed: {view.what}")
        show_outcome(call, found)
        return operations.resting_code(view)
    return turn.resume(found, wait=wait)


def show_runs(call: Call, views: list[RunView]) -> None:
    """A table of runs, as the result."""
    from portability.report.columns import row, widest
    from portability.report.status_object import place
    from portability.report.text import moment, plain

    rows: list[dict[str, Any]] = [
        {
            "run_id": view.header.run,
            "tenant": view.header.tenant,
            "from": place(view.header.plan.source),
            "to": place(view.header.plan.target),
            "state": view.state.value if view.state else None,
            "reason": view.reason or None,
            "serving": view.serving,
            "begun": view.header.at,
            "operator": view.header.operator,
        }
        for view in views
    ]
    tenant = widest((plain(one["tenant"]) for one in rows), least=16, most=40)
    way = widest((f"{one['from']} -> {one['to']}" for one in rows), least=16, most=40)
    lines = [
        row(
            (
                one["run_id"],
                plain(one["tenant"]),
                f"{one['from']} -> {one['to']}",
                f"{one['state'] or '':<10}  {moment(one['begun'])}",
            ),
            (29, tenant, way + 1),
            room=None,
        )
        for one in rows
    ]
    call.screen.result("\n".join(lines) or "no runs", {"version": 1, "runs": rows})
