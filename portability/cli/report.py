"""`report RUN --format html|md|json`."""

from __future__ import annotations

import enum
import json
from pathlib import Path
from typing import Annotated

import typer

from portability.cli.call import Call
from portability.cli.steer import Run
from portability.cli.turn import look
from portability.cli.verb import verb


class Format(enum.StrEnum):
    """How it is written."""

    HTML = "html"
    MD = "md"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    verb(
        app,
        "report",
        examples=[
            "report r-01J8… --format md",
            "report tenant-42 --format html --out run.html",
            "report r-01J8… --format json",
        ],
    )(report)


def report(
    call: Call,
    *,
    run: Run,
    format_: Annotated[Format, typer.Option("--format", help="How it is written.")] = Format.MD,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where to; stdout when left out.")] = None,
) -> int | None:
    """Write up a run: steps, figures, cutover certificate, journal. Names, counts and hashes; no item values."""
    from portability.cli import operations
    from portability.cli.files import write_whole
    from portability.report import documents

    found = operations.find_run(call.desk, run)
    seen, entries = look(call, found), call.desk.journal.entries(found)
    if call.asked.machine or format_ is Format.JSON:
        text = json.dumps(documents.report_object(seen, entries), indent=2, ensure_ascii=False) + "\n"
    elif format_ is Format.HTML:
        text = documents.report_html(seen, entries)
    else:
        text = documents.report_markdown(seen, entries)
    if out is None:
        call.screen.raw(text)
        return None
    write_whole(out, text, root=call.root)
    call.screen.tell(f"written to {out}")
    return None
