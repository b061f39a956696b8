"""`status`: a run as the journal tells it; with --watch until it rests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from portability.cli.call import Call
from portability.cli.durations import parse_duration
from portability.cli.exit_codes import DONE
from portability.cli.turn import show_run
from portability.cli.verb import verb

if TYPE_CHECKING:
    from portability.model.run import RunView


def register(app: typer.Typer) -> None:
    """Add the verb."""
    verb(
        app,
        "status",
        examples=["status", "status tenant-42", "status r-01J8… --watch --timeout 2h", "status tenant-42 -o json"],
    )(status)


def status(
    call: Call,
    *,
    named: Annotated[
        str | None, typer.Argument(metavar="TENANT|RUN", help="The only open run when left out, else the list.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Tell what changes until the run rests.")] = False,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="DURATION", help="With --watch: exit 12 after this long.")
    ] = None,
) -> int | None:
    """Show where a run is and what comes next. Reads the journal, takes no lease."""
    from portability.cli import operations

    if named is None:
        open_runs = operations.open_runs(call.desk)
        if len(open_runs) != 1:
            from portability.cli.run import show_runs

            show_runs(call, open_runs)
            return DONE
        named = open_runs[0].header.run
    run = operations.find_run(call.desk, named)
    call.run = run
    if not watch:
        show_run(call, run)
        return DONE
    view = operations.watch(
        call.desk, run, timeout=parse_duration(timeout, "--timeout") if timeout else None, each=_Changes(call)
    )
    show_run(call, run)
    return operations.resting_code(view)


class _Changes:
    """Tells each change of a step or of the run once."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._before: dict[str, str] = {}

    def __call__(self, view: RunView) -> None:
        now = {spec.id: view.step(spec.id).status.value for spec in view.header.plan.steps}
        now[""] = f"{view.state}, the {view.serving} serves"
        for name, said in now.items():
            if self._before.get(name) != said and (self._before or not name):
                at = time.strftime("%H:%M:%S", time.gmtime(view.last_at))
                self._call.screen.tell(f"{at}Z {name or view.header.run:<14} {said}")
        self._before = now
