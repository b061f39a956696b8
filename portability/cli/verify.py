"""`verify TENANT|RUN`: whether both sides are equal."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from portability import errors
from portability.cli.call import Call
from portability.cli.durations import LockTimeout, parse_duration
from portability.cli.turn import observing
from portability.cli.verb import verb

MISMATCH = errors.Mismatch.exit_code


class Mode(enum.StrEnum):
    """How much is read."""

    FULL = "full"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    verb(
        app,
        "verify",
        examples=[
            "verify tenant-42",
            "verify r-01J8… --repair",
            "verify tenant-42 --store Order --key shardId=tenant-42-3,orderId=o-0017",
        ],
    )(verify)


def verify(
    call: Call,
    *,
    named: Annotated[str, typer.Argument(metavar="TENANT|RUN", help="The run's id, or its tenant's.")],
    mode: Annotated[Mode, typer.Option("--mode", help="`full` reads every item of both sides.")] = Mode.FULL,
    repair: Annotated[
        bool, typer.Option("--repair", help="Make the side that does not serve equal to the one that does.")
    ] = False,
    key: Annotated[
        str | None, typer.Option("--key", metavar="NAME=VALUE,…", help="Look at one key only; no lease.")
    ] = None,
    store: Annotated[str | None, typer.Option("--store", metavar="STORE", help="With --key: of this store.")] = None,
    lock_timeout: LockTimeout = "0s",
) -> int | None:
    """Compare both sides of an open run. A difference that lasts is exit 11; nothing is discarded."""
    from portability.cli import operations

    run = operations.find_run(call.desk, named)
    call.run = run
    if key is not None:
        if repair:
            raise errors.UsageMistake("--repair works on whole stores", next=f"portability verify {run} --repair")
        return _one_key(call, run, store, key)
    return _whole(call, run, mode, repair=repair, wait=parse_duration(lock_timeout, "--lock-timeout"))


def _whole(call: Call, run: str, mode: Mode, *, repair: bool, wait: float) -> int:
    from portability.cli.compare_sides import compare_run, refuse_too_early
    from portability.report.text import count

    view = call.desk.journal.view(run)
    refuse_too_early(view)
    with call.driving(), observing(call, view) as observer:
        stores = compare_run(call.desk, run, repair=repair, wait=wait, observer=observer)
    value = {"version": 1, "run_id": run, "mode": mode.value, "equal": True, "stores": stores}
    lines = [
        f"{store:<14} {count(one['checked'])} items equal on both sides, "
        f"{count(one['repaired'])} repaired, {one['digest']}"
        for store, one in stores.items()
    ]
    call.screen.result("\n".join(lines), value)
    return 0


def _one_key(call: Call, run: str, store: str | None, key: str) -> int:
    from portability.cli.compare_sides import as_plain, look_at_key

    look = look_at_key(call.desk, run, store, key)
    there = {True: "there", False: "not there"}
    said = "both sides hold the same" if look.why is None else f"the sides differ: {look.why} ({look.key_hash})"
    call.screen.result(
        f"{look.origin}: {there[look.on_origin]}\n{look.destination}: {there[look.on_destination]}\n{said}",
        as_plain(look),
    )
    return 0 if look.why is None else MISMATCH
