"""`init`: the journal table, three policies, an estate file to start from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from portability import errors
from portability.cli.call import Call
from portability.cli.files import write_whole
from portability.cli.verb import verb

POLICIES = Path("policies")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    examples = ["init", "init --discover", "init --config plans/estate.yaml --no-table"]
    verb(app, "init", examples=examples)(init)


def init(
    call: Call,
    *,
    discover: Annotated[
        bool, typer.Option("--discover", help="Write the estate file from what is there; changes nothing else.")
    ] = False,
    no_table: Annotated[bool, typer.Option("--no-table", help="Write the files only; call AWS for nothing.")] = False,
    policies_to: Annotated[
        Path, typer.Option("--policies", metavar="DIRECTORY", help="Where the IAM policies go.")
    ] = POLICIES,
) -> int | None:
    """Write estate file and IAM policies, make the journal table.

    An estate file that is there is kept; the policies, least privilege for each phase, are written anew.
    """
    if discover:
        _discover(call)
        return None
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


def _discover(call: Call) -> None:
    """Look at an account and write what was seen as an estate file; never over one that is there."""
    from portability.aws.session import Aws
    from portability.cli.estate_draft import draft
    from portability.cli.survey import survey

    path, asked = call.asked.estate_file, call.asked
    if path.exists():
        raise _there(path)
    region = asked.region or Aws.region_of(asked.profile)
    if region is None:
        raise errors.UsageMistake("which region?", next="portability --region REGION init --discover")
    aws = Aws(profile=asked.profile, region=region, read_only=True)
    seen = survey(aws)
    text = draft(seen)
    if not write_whole(path, text, root=call.root, replace=False):
        raise _there(path)
    guessed = text.count("# guessed")
    value = {
        "version": 1,
        "written": [str(path)],
        "account": seen.account,
        "region": seen.region,
        "tenants": len(seen.directory.tenants),
        "tiers": list(seen.tiers),
        "stores": [store.name for store in seen.stores],
        "guessed": guessed,
        "mutating_calls": aws.sent.writes,
        "rcu": aws.sent.rcu,
    }
    told = (
        f"wrote {path}: {len(seen.stores)} stores, {len(seen.tiers)} tiers; {guessed} lines are guessed and say so\n"
        f"mutating calls made: {aws.sent.writes}   RCU used: {aws.sent.rcu:,.0f}\n"
        "Next: read it, then portability validate, then portability init, then portability doctor TENANT"
    )
    call.screen.outcome(told, value)


def _there(path: Path) -> errors.Refused:
    return errors.Refused(
        f"{path} is there already", next="portability --config OTHER.yaml init --discover, and compare the two"
    )


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
