"""`plan TENANT --to TIER`, and `plan show FILE`."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from portability import errors
from portability.cli.call import Call
from portability.cli.exit_codes import CHANGES, DONE, REFUSED
from portability.cli.verb import verb

if TYPE_CHECKING:
    from portability.cli.planning import Planned
    from portability.model.plan import Plan
    from portability.model.run import RunView
    from portability.plan.compile import NothingToDo
    from portability.report.preview import Surroundings


class Counting(enum.StrEnum):
    """How sizes come about."""

    ESTIMATE = "estimate"
    EXACT = "exact"


To = Annotated[str | None, typer.Option("--to", metavar="TIER[@PLACEMENT]", help="Where the tenant goes.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    verb(
        app,
        "plan",
        examples=[
            "plan tenant-42 --to premium",
            "plan tenant-42 --to basic@pool-b --out tenant-42.plan",
            "plan tenant-42 --to premium --detailed-exitcode -o json",
            "plan show tenant-42.plan",
        ],
    )(plan)


def plan(
    call: Call,
    *,
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="The tenant's id; or: show FILE.")],
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="After `show`: a saved plan.")] = None,
    to: To = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Save the plan; mode 0600, single use.")
    ] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 where there is something to do.")
    ] = False,
    count: Annotated[
        Counting, typer.Option("--count", help="`exact` reads every item of the tenant.")
    ] = Counting.ESTIMATE,
) -> int | None:
    """Show what a move would do. Makes no mutating call, and says so."""
    if tenant == "show" and file is not None and to is None:
        return _show(call, file)
    if file is not None:
        raise errors.UsageMistake(f"one tenant at a time; what is {str(file)!a}?", next="portability plan --help")
    if to is None:
        raise errors.UsageMistake("where to? --to is missing", next=f"portability plan {tenant} --to TIER")
    return preview(call, tenant, to, out, exact=count is Counting.EXACT, detailed=detailed_exitcode)


def preview(call: Call, tenant: str, to: str, out: Path | None, *, exact: bool, detailed: bool) -> int:
    """Make a plan, save it where asked to, show it; the exit code."""
    from portability.cli import operations, planning
    from portability.plan.compile import NothingToDo

    view = operations.under_way(call.desk, tenant, to)
    if view is not None:
        if out is not None:
            raise operations.another_move(view)
        show_under_way(call, to, view)
        return DONE
    planned = planning.make_plan(call.desk, tenant, to, exact=exact)
    if isinstance(planned, NothingToDo):
        show_nothing(call, tenant, to, planned)
        return DONE
    if out is not None and not planned.blocks:
        from portability.plan.saved import write_plan

        write_plan(planned.plan, out, root=call.root)
    show_planned(call, planned)
    if planned.blocks:
        return REFUSED
    if out is not None:
        call.screen.tell(f"saved to {out}; perform it with: portability migrate {tenant} --to {to} --plan {out}")
    return CHANGES if detailed else DONE


def _show(call: Call, file: Path) -> int:
    from portability.plan.saved import read_plan
    from portability.report.preview import Surroundings, preview_text

    plan_ = read_plan(file)
    around = Surroundings(identity="saved plan", mutating_calls=0, rcu=0)
    call.screen.result(preview_text(plan_, around, room=call.screen.room), plan_object(plan_, around))
    return DONE


def show_planned(call: Call, planned: Planned) -> None:
    """The preview, as the result."""
    from portability.report.preview import preview_text

    around = surroundings(call, planned)
    text = preview_text(planned.plan, around, everything=bool(call.asked.verbose), room=call.screen.room)
    call.screen.result(text, plan_object(planned.plan, around))


def show_nothing(call: Call, tenant: str, to: str, nothing: NothingToDo) -> None:
    """The tenant is where it should be."""
    sent = call.desk.sent()
    at = f"{nothing.location.tier}@{nothing.location.placement}"
    text = f"{tenant} is in {at} already: nothing to do\nmutating calls made: {sent.writes}   RCU used: {sent.rcu:,.0f}"
    value = {
        "version": 1,
        "tenant": tenant,
        "to": to,
        "at": at,
        "changes": [],
        "mutating_calls": sent.writes,
        "rcu": sent.rcu,
    }
    call.screen.result(text, value)


def show_under_way(call: Call, to: str, view: RunView) -> None:
    """The tenant has a run that goes there: there is nothing to plan until it ends."""
    from portability.model.status import RunState
    from portability.report.status_object import next_steps

    run, tenant, sent = view.header.run, view.header.tenant, call.desk.sent()
    if view.state is RunState.SOAKING:
        text = f"{tenant} was moved to {to} by run {run}, which soaks: nothing to plan until it is ended"
    else:
        text = f"{tenant} has run {run} to {to}, which is {view.state}: `migrate` goes on with it, nothing to plan"
    verbs = [f"portability status {run}", *next_steps(view, driven=False)]
    lines = [text, *(f"Next: {verb_}" for verb_ in verbs)]
    lines.append(f"mutating calls made: {sent.writes}   RCU used: {sent.rcu:,.0f}")
    value = {
        "version": 1,
        "tenant": tenant,
        "to": to,
        "run_id": run,
        "state": view.state.value if view.state else None,
        "serving": view.serving,
        "changes": [],
        "next_steps": verbs,
        "mutating_calls": sent.writes,
        "rcu": sent.rcu,
    }
    call.screen.result("\n".join(lines), value)


def surroundings(call: Call, planned: Planned) -> Surroundings:
    """Who looked and what it cost."""
    from portability.report.preview import Surroundings

    sent = call.desk.sent()
    return Surroundings(
        identity=call.desk.identity,
        mutating_calls=sent.writes,
        rcu=sent.rcu,
        blocks=planned.blocks,
        warnings=[finding for finding in planned.findings if finding.level == "warn"],
    )


def plan_object(plan_: Plan, around: Surroundings) -> dict[str, Any]:
    """A plan as `-o json` prints it."""
    import msgspec

    from portability.report.preview import expected_pause

    return {
        "version": 1,
        "tenant": plan_.tenant,
        "from": msgspec.to_builtins(plan_.source),
        "to": msgspec.to_builtins(plan_.target),
        "account": plan_.account,
        "recipe": plan_.recipe,
        "digest": plan_.digest,
        "steps": [{"id": spec.id, "uses": spec.uses} for spec in plan_.steps],
        "changes": [msgspec.to_builtins(change) for change in plan_.changes],
        "estimates": {
            change.name: {**change.estimate, "exact": not change.detail.startswith("~")}
            for change in plan_.changes
            if change.kind == "copy" and change.estimate
        },
        "blocked_by": [msgspec.to_builtins(finding) for finding in around.blocks],
        "warnings": [msgspec.to_builtins(finding) for finding in around.warnings],
        "pause": {
            "fence": list(plan_.estate.fence.use),
            "most": plan_.estate.fence.freeze_max,
            "expected_s": expected_pause(plan_),
        },
        "reversible_until": "complete",
        "mutating_calls": around.mutating_calls,
        "rcu": around.rcu,
    }
