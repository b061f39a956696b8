"""`validate [FILE…]`: every problem of estate and recipe files, with file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from portability import errors
from portability.cli.call import Call
from portability.cli.exit_codes import DONE, REFUSED
from portability.cli.verb import verb


def register(app: typer.Typer) -> None:
    """Add the verb."""
    verb(
        app,
        "validate",
        examples=["validate", "validate plans/estate.yaml plans/pool-to-silo.yaml", "validate plans -o json"],
    )(validate)


def validate(
    call: Call,
    *,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE...", help="Files or directories; the estate's when left out.")
    ] = None,
) -> int | None:
    """Check estate and recipe files without calling AWS. Any problem is exit 3."""
    from portability.cli.wiring import steps_known
    from portability.plan.load import validate as problems_of

    chosen = [*files] if files else _default(call)
    for path in chosen:
        if not path.exists():
            raise errors.FileInvalid("there is no such file", where=str(path), next="portability init")
    problems = problems_of(chosen, steps_known())
    value = {
        "version": 1,
        "files": [str(path) for path in chosen],
        "problems": [{"file": one.file, "line": one.line, "path": one.path, "text": one.text} for one in problems],
    }
    text = "\n".join(str(problem) for problem in problems) or f"{', '.join(map(str, chosen))}: no problem found"
    call.screen.result(text, value)
    return REFUSED if problems else DONE


def _default(call: Call) -> list[Path]:
    """The estate and the recipes beside it."""
    estate = call.asked.estate_file
    return [estate.parent] if estate.exists() and estate.suffix in (".yaml", ".yml") else [estate]
