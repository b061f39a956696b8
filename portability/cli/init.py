"""`init`: the journal table, three policies, an estate file to start from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from portability.cli.call import Call
from portability.cli.files import write_whole
from portability.cli.verb import verb

POLICIES = Path("policies")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    verb(app, "init", examples=["init", "init --config plans/estate.yaml --no-table"])(init)


def init(
    call: Call,
    *,
    no_table: Annotated[bool, typer.Option("--no-table", help="Write the files only; call AWS for nothing.")] = False,
    policies_to: Annotated[
        Path, typer.Option("--policies", metavar="DIRECTORY", help="Where the IAM policies go.")
    ] = POLICIES,
) -> int | None:
    """Write an estate file where there is none, make the journal table, write three least-privilege IAM policies."""
    written, kept = _estate_and_recipes(call)
    value: dict[str, Any] = {"version": 1, "written": written, "kept": kept, "journal": None, "journal_made": None}
    if str(call.asked.estate_file) in written:
        text = _said(written, kept) + (
            f"\nThe estate file is an example: make {call.asked.estate_file} say what your estate is,"
            "\nthen: portability validate, and portability init again for the journal table and the policies."
        )
        call.screen.outcome(text, value)
        return None
    written += _policies(call, policies_to)
    table = call.desk.estate.journal.table
    made = None if no_table else call.desk.unchecked_journal.create()
    value |= {"journal": table, "journal_made": made}
    told = {True: "made", False: "is there already", None: "was not looked at"}[made]
    call.screen.outcome(f"{_said(written, kept)}\njournal table {table} {told}\nNext: portability doctor", value)
    return None


def _estate_and_recipes(call: Call) -> tuple[list[str], list[str]]:
    """Copy the shipped example files that are not there; never replaces one."""
    from portability.plan.load import shipped_plans

    estate = call.asked.estate_file
    written: list[str] = []
    kept: list[str] = []
    if estate.exists():
        return written, [str(estate)]
    for file in sorted(shipped_plans().iterdir(), key=lambda file: file.name):
        if not file.is_file() or not file.name.endswith(".yaml"):
            continue
        target = estate if file.name == "estate.yaml" else estate.parent / file.name
        fresh = write_whole(target, file.read_bytes().decode(), root=call.root, replace=False)
        (written if fresh else kept).append(str(target))
    return written, kept


def _policies(call: Call, folder: Path) -> list[str]:
    """Write the policies: they are generated, so they are replaced."""
    from portability.cli.policies import policies

    written = []
    for name, document in policies(call.desk.estate).items():
        path = folder / f"portability-{name}.json"
        write_whole(path, json.dumps(document, indent=2) + "\n", root=call.root)
        written.append(str(path))
    return written


def _said(written: list[str], kept: list[str]) -> str:
    return "\n".join([*(f"wrote {path}" for path in written), *(f"kept  {path}" for path in kept)])
