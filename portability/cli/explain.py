"""`explain CODE`: what an error means and what to do."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from portability import errors
from portability.cli.call import Call
from portability.cli.exit_codes import TABLE
from portability.cli.verb import verb

if TYPE_CHECKING:
    from portability.report.error_pages import Page

WIDTH = 100


def register(app: typer.Typer) -> None:
    """Add the verb."""
    verb(app, "explain", examples=["explain PORT-E105", "explain e105", "explain exit-codes"])(explain)


def explain(
    call: Call,
    *,
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", help="Of an error; or `exit-codes`. All when left out.")
    ] = None,
) -> int | None:
    """Say what an error code means and what to do about it."""
    from portability.report.error_pages import every_page

    pages = every_page()
    if code is None:
        text = "\n".join(
            f"{page.code}  exit {_codes(page):<11} {page.name:<18} {page.family.splitlines()[0]}" for page in pages
        )
        call.screen.result(text, [vars(page) for page in pages])
        return None
    if code.lower() in ("exit-codes", "exit_codes", "exit"):
        rows: list[dict[str, Any]] = [{"exit": number, "meaning": meaning} for number, meaning in TABLE.items()]
        call.screen.result("\n".join(f"{row['exit']:>4}  {row['meaning']}" for row in rows), rows)
        return None
    wanted = code.upper().removeprefix("PORT-")
    for page in pages:
        if page.code.removeprefix("PORT-") == wanted:
            text = f"{page.code} {page.name}, exit {_codes(page)}\n{page.family}\n\n{textwrap.fill(page.text, WIDTH)}"
            call.screen.result(text, vars(page))
            return None
    raise errors.UnknownName(f"there is no error {code!a}", next="portability explain")


def _codes(page: Page) -> str:
    return "/".join(map(str, page.exits))
