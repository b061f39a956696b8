"""`verify TENANT|RUN`: whether both sides are equal."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from portability import errors
from portability.cli.call import Call
from portability.cli.confirm import confirm
from portability.cli.durations import LockTimeout, parse_duration
from portability.cli.turn import observing
from portability.cli.verb import verb

MODES = (
    "`full` reads every item of both sides; `sample` about 1,000 keys of each, from places taken by chance; `recent`"
    " the keys changed since the last proof: the full verification, or the flip."
)
MISMATCH = errors.Mismatch.exit_code


class Mode(enum.StrEnum):
    """How much is read."""

    FULL = "full"
    SAMPLE = "sample"
    RECENT = "recent"


LOOKED_AT = {Mode.FULL: "items", Mode.SAMPLE: "items by chance", Mode.RECENT: "items that changed"}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    verb(
        app,
        "verify",
        examples=[
            "verify tenant-42",
            "verify r-01J8… --repair",
            "verify r-01J8… --mode recent",
            "verify tenant-42 --store Order --key shardId=tenant-42-3,orderId=o-0017",
            "verify r-01J8… --repair --overrule 2",
        ],
    )(verify)


def verify(
    call: Call,
    *,
    named: Annotated[str, typer.Argument(metavar="TENANT|RUN", help="The run's id, or its tenant's.")],
    mode: Annotated[Mode, typer.Option("--mode", help=MODES)] = Mode.FULL,
    repair: Annotated[
        bool, typer.Option("--repair", help="Make the side that does not serve equal to the one that does.")
    ] = False,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="NAME=VALUE,…", help="Look at one key only, or at a late write by its hash."),
    ] = None,
    overrule: Annotated[
        int | None, typer.Option("--overrule", metavar="N", help="With --repair: the N late writes are overruled.")
    ] = None,
    store: Annotated[str | None, typer.Option("--store", metavar="STORE", help="With --key: of this store.")] = None,
    lock_timeout: LockTimeout = "0s",
) -> int | None:
    """Compare both sides of an open run. A difference that lasts is exit 11; nothing is discarded."""
    from portability.cli import operations
    from portability.cli.slips import stopped_by_slips

    run = operations.find_run(call.desk, named)
    call.run = run
    if key is not None:
        if repair:
            raise errors.UsageMistake("--repair works on whole stores", next=f"portability verify {run} --repair")
        return _one_key(call, run, store, key)
    wait = parse_duration(lock_timeout, "--lock-timeout")
    if stopped_by_slips(call.desk.journal.view(run)) is not None:
        return _late_writes(call, run, repair=repair, overruled=overrule, wait=wait)
    if overrule is not None:
        raise errors.UsageMistake(f"no late write stops run {run}", next=f"portability status {run}")
    return _whole(call, run, mode, repair=repair, wait=wait)


def _whole(call: Call, run: str, mode: Mode, *, repair: bool, wait: float) -> int:
    from portability.cli.compare_sides import compare_run, refuse_too_early
    from portability.report.text import count

    view = call.desk.journal.view(run)
    refuse_too_early(view)
    call.wrote = repair
    with call.driving(), observing(call, view) as observer:
        stores = compare_run(call.desk, run, repair=repair, wait=wait, observer=observer, mode=mode.value)
    value = {"version": 1, "run_id": run, "mode": mode.value, "equal": True, "stores": stores}
    lines = [
        f"{store:<14} {count(one['checked'])} {LOOKED_AT[mode]} equal on both sides, "
        f"{count(one['repaired'])} repaired, {one['digest']}"
        for store, one in stores.items()
    ]
    call.screen.result("\n".join(lines), value)
    return 0


def _late_writes(call: Call, run: str, *, repair: bool, overruled: int | None, wait: float) -> int:
    """After a slip: show the late writes, or record that the serving side wins over exactly so many of them."""
    from portability.cli import slips

    late = slips.look(call.desk, call.desk.journal.view(run))
    number, resume = slips.count(late), f"portability resume {run}"
    if not repair or not number:
        lines = [f"{one.store:<14} {each.key_hash}  {each.why}" for one in late for each in one.differing]
        advice = f"look: portability verify {run} --store STORE --key HASH"
        ways = f"the serving side wins: portability verify {run} --repair {slips.WORD} {number}"
        told = [*lines, advice, ways] if number else [f"every late write is on both sides alike; next: {resume}"]
        call.screen.result("\n".join(told), slips.as_plain(late, overruled=False))
        return MISMATCH if number else 0
    if overruled is None:
        confirm(call, f"{number} late writes will be overruled.", word=str(number), flag=f"{slips.WORD} {number}")
    with call.driving():
        late = slips.overrule(call.desk, run, number if overruled is None else overruled, wait=wait)
    told = [f"{number} late writes are overruled, as the journal says; next: {resume}"]
    call.screen.result("\n".join(told), slips.as_plain(late, overruled=True))
    return 0


def _one_key(call: Call, run: str, store: str | None, key: str) -> int:
    from portability.cli.one_key import as_plain, as_text, look_at_key

    look = look_at_key(call.desk, run, store, key)
    call.screen.result(as_text(look), as_plain(look))
    return 0 if look.why is None else MISMATCH
