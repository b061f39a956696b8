"""`doctor [TENANT]`: what is ready, what is unknown, what is in the way, each with its fix."""

from __future__ import annotations

from typing import Annotated

import typer

from portability.cli.call import Call
from portability.cli.exit_codes import DONE, REFUSED
from portability.cli.verb import verb

STATUS, WIDE, WIDEST = 8, 14, 32


def register(app: typer.Typer) -> None:
    """Add the verb."""
    verb(app, "doctor", examples=["doctor", "doctor tenant-42", "doctor tenant-42 --to premium -o json"])(doctor)


def doctor(
    call: Call,
    *,
    tenant: Annotated[str | None, typer.Argument(metavar="TENANT", help="Look at this tenant's move too.")] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="TIER[@PLACEMENT]", help="Towards this tier; every other one when left out."),
    ] = None,
) -> int | None:
    """Look at everything a move needs, read-only. Something blocked is exit 3."""
    from portability.cli.checkup import look
    from portability.report.columns import row, widest
    from portability.report.text import plain

    checks = look(call.desk, tenant, to)
    wide = widest((plain(check.about) for check in checks), least=WIDE, most=WIDEST)
    lines = []
    for check in checks:
        cells = (check.status, plain(check.about), plain(check.text))
        lines.append(row(cells, (STATUS, wide), room=call.screen.room))
        if check.fix:
            label = "Next" if check.status == "ready" else "Fix"
            lines.append(f"{'':<{STATUS + 1 + wide}} {label}: {plain(check.fix)}")
    blocked = sum(check.status == "blocked" for check in checks)
    lines.append(f"{len(checks)} looked at, {blocked} blocked")
    value = {"version": 1, "blocked": blocked, "checks": [vars(check) for check in checks]}
    call.screen.result("\n".join(lines), value)
    return REFUSED if blocked else DONE
