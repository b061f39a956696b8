"""After the flip: a record of this tenant on the side just fenced is a write that slipped through.

A slip stops the run until its two sides hold the same, or until an operator has said, in words the journal keeps, that
the serving side wins over the old side as it was seen. A further write there is a further slip.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from portability import errors
from portability.steps.base import Context
from portability.steps.catch_up import POLL
from portability.steps.channels import Channels
from portability.steps.cutover.leg import Leg
from portability.stores.base import Compared, Key
from portability.stores.dynamodb.parking import is_pending

SLIPS, OVERRULED = "slips", "overruled"
"""The notes about slips that stopped the run, and about those an operator overruled."""

SHOWN = 20
"""Hashes of slipped keys that a note names, per store."""


def watch(ctx: Context, leg: Leg, watching: Channels, *, within: float) -> None:
    """Watch the old side until the next `within` seconds were read past. Raises `Mismatch` for a slip that matters.

    They count from here, for whoever goes on with it too: by another process's clock nobody can tell when the flip was.
    A slip whose two sides hold the same by now, or that an operator overruled, lets the run go on.
    """
    until = ctx.clock.monotonic() + within
    while True:
        ctx.check()
        _refuse_slips(ctx, leg, watching)
        lag = watching.lag()
        now = ctx.clock.monotonic()
        ctx.progress("watching", seconds_left=max(0.0, until - now))
        if lag.seconds is not None and now - lag.seconds >= until:
            # Once more: the last records may have come between the two looks.
            _refuse_slips(ctx, leg, watching)
            return
        ctx.clock.sleep(POLL)


def carry_out(ctx: Context, leg: Leg, watching: Channels) -> None:
    """Bring the serving side's state over the slips that were overruled. Idempotent; the way back is open."""
    for store in _overruled(ctx):
        keys = slipped(ctx.ledger.parked(watching.by_store[store].name).values())
        watching.moves[store].sync(leg.flow.opposite, keys)


def slipped(kept: Iterable[tuple[str, list[Key]]]) -> list[Key]:
    """The slipped keys among (group, keys) that a watching channel keeps: it was empty at the flip."""
    return list({repr(sorted(key.items())): key for group, keys in kept if is_pending(group) for key in keys}.values())


def decided(compared: Compared, keys: int) -> dict[str, Any]:
    """What an operator's word holds for: so many keys, and the old side (the origin) as it is."""
    return {"keys": keys, "items": compared.source_items, "digest": compared.source_digest}


def _refuse_slips(ctx: Context, leg: Leg, watching: Channels) -> None:
    seen, overruled = watching.slips(), _overruled(ctx)
    differing: dict[str, list[str]] = {}
    for store, channel in watching.by_store.items():
        keys = slipped(ctx.ledger.parked(channel.name).values())
        hashes = seen.get(store, [])
        if keys:
            compared = watching.moves[store].compare_keys(leg.flow, keys)
            hashes = [one.key_hash for one in compared.differences]
            if decided(compared, len(keys)) == overruled.get(store):
                hashes = []
        if hashes:
            differing[store] = hashes
    if not differing:
        return
    counts = {store: len(hashes) for store, hashes in differing.items()}
    ctx.note(SLIPS, stores={store: hashes[:SHOWN] for store, hashes in differing.items()}, counts=counts)
    counted = ", ".join(f"{count} of {store}" for store, count in sorted(counts.items()))
    raise errors.Mismatch(
        f"writes reached the old side after it was fenced: {counted}; nothing was discarded",
        next=f"portability verify {ctx.run}",
        changed=f"The {leg.after} serves; the way back only collects keys until this is settled.",
    )


def _overruled(ctx: Context) -> Mapping[str, Any]:
    stores: Mapping[str, Any] = ctx.view.step(ctx.step).notes.get(OVERRULED, {}).get("stores", {})
    return stores
