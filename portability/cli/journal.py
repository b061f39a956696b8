"""`journal show|export|verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from portability import errors
from portability.cli.call import Call
from portability.cli.steer import Run
from portability.cli.verb import verb


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    verb(app, "show", examples=["journal show r-01J8…", "journal show tenant-42 -o json"])(show)
    verb(app, "export", examples=["journal export r-01J8… --out run.jsonl"])(export)
    verb(app, "verify", examples=["journal verify r-01J8…"])(verify)


def show(call: Call, *, run: Run) -> int | None:
    """Show a run's entries with their hashes."""
    from portability.cli import operations
    from portability.report.entries import entry_object, entry_text

    found = operations.find_run(call.desk, run)
    entries = call.desk.journal.entries(found)
    text = "\n".join(f"{entry.seq:>5} {entry.hash[:12]} {entry_text(entry)}" for entry in entries)
    call.screen.result(text, {"version": 1, "run_id": found, "entries": [entry_object(entry) for entry in entries]})
    return None


def export(
    call: Call,
    *,
    run: Run,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where to; stdout when left out.")] = None,
) -> int | None:
    """Write header and entries as JSON lines. For an audit archive; refuses a journal that does not verify."""
    import msgspec

    from portability.cli import operations
    from portability.cli.files import write_whole

    found = operations.find_run(call.desk, run)
    journal = call.desk.journal
    number = journal.verify(found)
    encoder = msgspec.json.Encoder(order="sorted")
    lines = [encoder.encode({"header": journal.header(found)})]
    lines += [encoder.encode({"entry": entry}) for entry in journal.entries(found)[:number]]
    text = b"\n".join(lines).decode() + "\n"
    if out is None:
        call.screen.raw(text)
        return None
    write_whole(out, text, root=call.root)
    call.screen.outcome(
        f"{out}: {number} entries", {"version": 1, "run_id": found, "entries": number, "file": str(out)}
    )
    return None


def verify(call: Call, *, run: Run) -> int | None:
    """Check sequence, hash chain, head and legality. An edit, deletion, reorder or cut tail is exit 11."""
    from portability.cli import operations

    found = operations.find_run(call.desk, run)
    try:
        number = call.desk.journal.verify(found)
    except errors.JournalBroken:
        call.run = found
        raise
    head = call.desk.journal.lease(found).head
    value = {"version": 1, "run_id": found, "entries": number, "intact": True, "head": head}
    call.screen.result(f"run {found}: {number} entries, chain and head intact ({head[:12]}…)", value)
    return None
