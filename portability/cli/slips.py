"""`verify` after a tripwire slip: what reached the old side late, and an operator's word that the serving side wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from portability import errors
from portability.cli.compare_sides import flow_of, put_back
from portability.cli.wiring import Desk
from portability.model.run import RunView
from portability.model.status import Fact, Status
from portability.steps.cutover.tripwire import OVERRULED, SLIPS, decided, slipped
from portability.stores.base import Difference, channel_name

WORD = "--overrule"


@dataclass(frozen=True)
class Late:
    """A store's late writes. `keys` are all that reached the old side; `differing` those whose sides are not equal."""

    store: str
    keys: int
    differing: Sequence[Difference]
    decided: dict[str, Any]


def stopped_by_slips(view: RunView) -> str | None:
    """The leg that flipped and was stopped by slips, and is not settled; None where there is none."""
    step = view.step(str(view.flipped.get("step", "")))
    return step.id if SLIPS in step.notes and step.status in (Status.STARTED, Status.FAILED) else None


def look(desk: Desk, view: RunView) -> list[Late]:
    """Each store's late writes as they are now, read-only and without the lease; stores without any are left out."""
    plan, run = view.header.plan, view.header.run
    watched = flow_of(view).opposite
    found = []
    for move in desk.moves(plan, desk.observing):
        keys = slipped(desk.journal.parked_keys(run, channel_name(move.store, watched)).items())
        if keys:
            compared = move.compare_keys(watched, keys)
            found.append(Late(move.store, len(keys), compared.differences, decided(compared, len(keys))))
    return found


def count(late: Sequence[Late]) -> int:
    """How many late writes are on the old side and not, as they are, on the serving one."""
    return sum(len(one.differing) for one in late)


def overrule(desk: Desk, run: str, number: int, *, wait: float) -> list[Late]:
    """Record that the serving side wins over the `number` late writes that differ now; the resume carries it out.

    Nothing is written to either side here. Raises `UsageMistake` where there are more or fewer by now.
    """
    before = desk.journal.view(run)
    held = desk.journal.acquire(run, desk.holder, wait=wait)
    outcome = before.what
    try:
        step, late = stopped_by_slips(held.view()), look(desk, held.view())
        if step is None or count(late) != number:
            raise errors.UsageMistake(
                f"{count(late)} late writes differ now, and {WORD} says {number}", next=f"portability verify {run}"
            )
        stores = {one.store: one.decided for one in late}
        held.append(Fact.NOTE, {"about": OVERRULED, "writes": number, "stores": stores, "by": desk.operator}, step=step)
        outcome = f"{number} late writes were overruled by {desk.operator}"
    finally:
        put_back(held, before, outcome)
    return late


def as_plain(late: Sequence[Late], *, overruled: bool) -> dict[str, Any]:
    """For `-o json`: counts and hashes of keys."""
    return {
        "version": 1,
        "late_writes": [
            {
                "store": one.store,
                "keys": one.keys,
                "differing": [{"key_hash": each.key_hash, "why": each.why} for each in one.differing],
            }
            for one in late
        ],
        "overruled": overruled,
    }
