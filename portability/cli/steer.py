"""`reverse`, `cancel` and `complete`: where a run goes from where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from portability import errors
from portability.cli.call import Call
from portability.cli.confirm import confirm
from portability.cli.durations import LockTimeout, parse_duration
from portability.cli.turn import Turn
from portability.cli.verb import verb

if TYPE_CHECKING:
    from portability.model.status import Goal

Run = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or its tenant's.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask at a terminal.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    verb(app, "reverse", examples=["reverse r-01J8…", "reverse tenant-42 --yes -o json"])(reverse)
    verb(app, "cancel", examples=["cancel r-01J8…", "cancel tenant-42 --yes"])(cancel)
    verb(app, "complete", examples=["complete r-01J8… --confirm tenant-42"])(complete)


def reverse(call: Call, *, run: Run, yes: Yes = False, lock_timeout: LockTimeout = "0s") -> int | None:
    """Cut back to the source with everything written since. The run stays; `cancel` or `run cutover` end it."""
    from portability.model.status import Goal

    return _steer(call, run, Goal.REVERSE, "Cut {tenant} back to the source?", yes=yes, lock_timeout=lock_timeout)


def cancel(call: Call, *, run: Run, yes: Yes = False, lock_timeout: LockTimeout = "0s") -> int | None:
    """Take back a run that the source still serves. Deletes only what this run created."""
    from portability.model.status import Goal

    return _steer(call, run, Goal.CANCEL, "Take back the run of {tenant}?", yes=yes, lock_timeout=lock_timeout)


def complete(
    call: Call,
    *,
    run: Run,
    confirm_: Annotated[
        str | None, typer.Option("--confirm", metavar="TENANT", help="The tenant's id: the old copy is deleted.")
    ] = None,
    lock_timeout: LockTimeout = "0s",
) -> int | None:
    """Archive and delete the old copy, close the run. There is no way back from here."""
    from portability.cli import operations
    from portability.model.status import Goal

    run = operations.find_run(call.desk, run)
    view = call.desk.journal.view(run)
    operations.allow(view, Goal.COMPLETE)
    tenant = view.header.tenant
    if confirm_ is None:
        confirm(call, f"Delete the old copy of {tenant} for good?", word=tenant, flag=f"--confirm {tenant}")
    elif confirm_ != tenant:
        raise errors.UsageMistake(
            f"--confirm says {confirm_!a}, run {run} moves {tenant}",
            next=f"portability complete {run} --confirm {tenant}",
        )
    return Turn(call).take(run, goal=Goal.COMPLETE, wait=parse_duration(lock_timeout, "--lock-timeout"))


def _steer(call: Call, named: str, goal: Goal, question: str, *, yes: bool, lock_timeout: str) -> int:
    import sys

    from portability.cli import operations

    wait = parse_duration(lock_timeout, "--lock-timeout")
    run = operations.find_run(call.desk, named)
    view = call.desk.journal.view(run)
    operations.allow(view, goal)
    # Neither loses a write, and both name a run: only a person at a terminal is asked.
    if not yes and not call.asked.no_input and not call.asked.machine and sys.stdin.isatty():
        confirm(call, question.format(tenant=view.header.tenant), word=view.header.tenant, flag="--yes")
    return Turn(call).take(run, goal=goal, wait=wait)
