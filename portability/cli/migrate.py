"""`migrate` and `resume`: begin a run, or go on with one."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portability import errors
from portability.cli.call import Call
from portability.cli.confirm import confirm
from portability.cli.durations import LockTimeout, parse_duration
from portability.cli.plan import preview, show_planned
from portability.cli.turn import Turn, show_outcome
from portability.cli.verb import verb

if TYPE_CHECKING:
    from portability.cli.planning import Planned
    from portability.journal.base import Held
    from portability.model.plan import Plan
    from portability.model.run import RunView

Until = Annotated[str | None, typer.Option("--until", metavar="STEP", help="Park after this step (exit 7).")]
Postpone = Annotated[
    bool, typer.Option("--postpone-cutover", help="Park before the cutover (exit 7), until `run cutover`.")
]


class Wait(enum.StrEnum):
    """What to stay for."""

    SOAK = "soak"


WaitFor = Annotated[Wait | None, typer.Option("--wait", help="`soak`: stay until the soak is over.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    verb(
        app,
        "migrate",
        examples=[
            "migrate tenant-42 --to premium",
            "migrate tenant-42 --to premium --dry-run",
            "migrate tenant-42 --to premium --yes --reason upgrade --change-ref CHG-1042",
            "migrate tenant-42 --to premium --plan tenant-42.plan",
            "migrate tenant-42 --to premium --yes --postpone-cutover",
        ],
    )(migrate)
    verb(app, "resume", examples=["resume", "resume tenant-42", "resume r-01J8… --wait soak"])(resume)


def migrate(
    call: Call,
    *,
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="The tenant's id.")],
    to: Annotated[str | None, typer.Option("--to", metavar="TIER[@PLACEMENT]", help="Where the tenant goes.")] = None,
    plan: Annotated[Path | None, typer.Option("--plan", metavar="FILE", help="Perform this saved plan.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="The preview of `plan`, and nothing else.")] = False,
    until: Until = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    confirm_: Annotated[
        str | None, typer.Option("--confirm", metavar="TENANT", help="Do not ask; the tenant's id instead of --yes.")
    ] = None,
    postpone_cutover: Postpone = False,
    wait: WaitFor = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the audit trail.")] = "",
    change_ref: Annotated[str, typer.Option("--change-ref", metavar="REF", help="A change record's id.")] = "",
    lock_timeout: LockTimeout = "0s",
) -> int | None:
    """Move a tenant, or go on with its run to the same tier.

    A run is gone on with where it is parked or its holder is gone.
    """
    if to is None and plan is None:
        raise errors.UsageMistake("where to? --to is missing", next=f"portability migrate {tenant} --to TIER")
    if confirm_ is not None and confirm_ != tenant:
        raise errors.UsageMistake(f"--confirm says {confirm_!a}, the tenant is {tenant}", next=f"--confirm {tenant}")
    saved = _saved(call, plan, tenant, to) if plan else None
    to = to or f"{saved.target.tier}@{saved.target.placement}" if saved else to or ""
    if dry_run:
        return preview(call, tenant, to, None, exact=False, detailed=False)
    turn = Turn(call, until=until, postpone_cutover=postpone_cutover, wait_soak=wait is Wait.SOAK)
    patience = parse_duration(lock_timeout, "--lock-timeout")
    found = turn.adopt(tenant, to, wait=patience)
    if found is not None:
        return _gone_on(turn, found, patience)
    held = _begin(turn, tenant, to, saved, Asking(yes or confirm_ is not None, reason, change_ref))
    return 0 if held is None else turn.drive(held)


@dataclass(frozen=True)
class Asking:
    """What `migrate` was told about asking and about the audit trail."""

    confirmed: bool
    reason: str
    change_ref: str


def _begin(turn: Turn, tenant: str, to: str, saved: Plan | None, asking: Asking) -> Held | None:
    """Start a run; None where the tenant is there already."""
    from portability.cli import planning
    from portability.plan.compile import NothingToDo

    call = turn.call
    if saved is not None:
        # A saved plan was read before it was handed in: it is its own confirmation, and it must still hold.
        planned: Planned | NothingToDo = planning.fresh(call.desk, saved)
    else:
        planned = planning.make_plan(call.desk, tenant, to)
    if isinstance(planned, NothingToDo):
        turn.nothing(planned, to)
        return None
    turn.check_until(planned.plan)
    if not planned.blocks and saved is None and not asking.confirmed:
        with call.screen.aside():
            show_planned(call, planned)
        confirm(call, f"Move {tenant} to {to}?", word=tenant, flag=f"--yes, or --confirm {tenant}")
    return turn.start(planned, reason=asking.reason, change_ref=asking.change_ref)


def _gone_on(turn: Turn, found: Held | RunView, patience: float) -> int:
    from portability.model.run import RunView

    if not isinstance(found, RunView):
        return turn.drive(found)
    run = found.header.run
    if turn.wait_soak:
        return turn.take(run, goal=None, wait=patience)
    turn.call.screen.tell(f"{found.header.tenant} was moved by run {run}, which soaks: nothing to do")
    show_outcome(turn.call, run)
    return 0


def _saved(call: Call, file: Path, tenant: str, to: str | None) -> Plan:
    from portability.plan.saved import read_plan

    saved = read_plan(file, accounts=[call.desk.account])
    there = (saved.target.tier, f"{saved.target.tier}@{saved.target.placement}")
    if saved.tenant != tenant or (to is not None and to not in there):
        raise errors.PlanRejected(
            f"{file} is a plan for {saved.tenant} to {there[1]}",
            next=f"portability plan {tenant} --to {to or 'TIER'} --out FILE",
        )
    return saved


def resume(
    call: Call,
    *,
    named: Annotated[str | None, typer.Argument(metavar="TENANT|RUN", help="The only open run when left out.")] = None,
    until: Until = None,
    postpone_cutover: Postpone = False,
    wait: WaitFor = None,
    lock_timeout: LockTimeout = "0s",
) -> int | None:
    """Go on with a run, towards what it was last asked for. A soaking run gets one bounded pass, or --wait soak."""
    from portability.cli import operations

    run = operations.find_run(call.desk, named)
    turn = Turn(call, until=until, postpone_cutover=postpone_cutover, wait_soak=wait is Wait.SOAK)
    return turn.resume(run, wait=parse_duration(lock_timeout, "--lock-timeout"))
