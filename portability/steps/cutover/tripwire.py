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
from portability.stores.base import Channel, Compared, Key, key_word
from portability.stores.dynamodb.parking import is_pending

SLIPS, OVERRULED = "slips", "overruled"
"""The notes about slips that stopped the run, and about those an operator overruled."""

LOST = "lost"
"""The group of keys whose records may have been lost."""

SHOWN = 20
"""Hashes of slipped keys that a note names, per store."""


def watch(ctx: Context, leg: Leg, watching: Channels, back: Channels, *, within: float) -> None:
    """Watch the old side until the next `within` seconds were read past. Raises `Mismatch` for a slip that matters.

    They count from here, for whoever goes on with it too: by another process's clock nobody can tell when the flip was.
    A slip whose two sides hold the same by now, or that an operator overruled, lets the run go on. Where the old side's
    records were lost, what differs and is not known to have changed on the serving side counts as slipped.
    """
    until = ctx.clock.monotonic() + within
    while True:
        ctx.check()
        _refuse_slips(ctx, leg, watching)
        lag = watching.lag()
        now = ctx.clock.monotonic()
        ctx.progress("watching", seconds_left=max(0.0, until - now))
        if lag.seconds is not None and now - lag.seconds >= until:
            _suspect(ctx, leg, watching, back)
            # Once more: the last records may have come between the two looks.
            _refuse_slips(ctx, leg, watching)
            return
        ctx.clock.sleep(POLL)


def _suspect(ctx: Context, leg: Leg, watching: Channels, back: Channels) -> None:
    """Keep as slips what a slip may have changed whose record is lost: a repeat finds the same, and new ones."""
    for store, channel in watching.by_store.items():
        if not channel.lag().lost:
            continue
        channel.mark()  # what changed before the flip is excused no longer
        move, differing = watching.moves[store], list[Key]()
        for unit in move.units(leg.flow):
            ctx.check()
            compared = move.compare(leg.flow, unit, repair=False)
            ctx.progress("compared", store=store, unit=unit, items=compared.source_items, repaired=0)
            differing += [one.key for one in compared.differences]
        ctx.check()
        differing += [one.key for one in move.strays(leg.flow)]
        _read_past(ctx, back.by_store[store])
        kept = [ctx.ledger.parked(each.name).values() for each in (back.by_store[store], channel)]
        known = {key_word(key) for of in kept for _, keys in of for key in keys}
        if suspects := [key for key in differing if key_word(key) not in known]:
            ctx.ledger.park(channel.name, LOST, suspects)


def _read_past(ctx: Context, back: Channel) -> None:
    """Wait until the way back has read what the serving side did until now; it may have lost records itself."""
    now = ctx.clock.monotonic()
    while True:
        ctx.check()
        lag = back.lag()
        if lag.lost or (lag.seconds is not None and ctx.clock.monotonic() - lag.seconds >= now):
            return
        ctx.clock.sleep(POLL)


def carry_out(ctx: Context, leg: Leg, watching: Channels) -> None:
    """Bring the serving side's state over the slips that were overruled. Idempotent; the way back is open."""
    for store in _overruled(ctx):
        keys = slipped(ctx.ledger.parked(watching.by_store[store].name).values())
        watching.moves[store].sync(leg.flow.opposite, keys)


def slipped(kept: Iterable[tuple[str, list[Key]]]) -> list[Key]:
    """The slipped keys among (group, keys) that a watching channel keeps: it was empty at the flip."""
    return list({key_word(key): key for group, keys in kept if is_pending(group) for key in keys}.values())


def decided(compared: Compared, keys: int) -> dict[str, Any]:
    """What an operator's word holds for: so many keys, and the old side (the origin) as it is."""
    return {"keys": keys, "items": compared.source_items, "digest": compared.source_digest}


def _refuse_slips(ctx: Context, leg: Leg, watching: Channels) -> None:
    seen, overruled = watching.slips(), _overruled(ctx)
    differing: dict[str, list[str]] = {}
    lost = False
    for store, channel in watching.by_store.items():
        kept = ctx.ledger.parked(channel.name).values()
        keys, hashes = slipped(kept), seen.get(store, [])
        if keys:
            compared = watching.moves[store].compare_keys(leg.flow, keys)
            hashes = [one.key_hash for one in compared.differences]
            if decided(compared, len(keys)) == overruled.get(store):
                hashes = []
        if hashes:
            differing[store] = hashes
            lost = lost or any(group == LOST for group, _ in kept)
    if not differing:
        return
    counts = {store: len(hashes) for store, hashes in differing.items()}
    ctx.note(SLIPS, stores={store: hashes[:SHOWN] for store, hashes in differing.items()}, counts=counts)
    counted = ", ".join(f"{count} of {store}" for store, count in sorted(counts.items()))
    raise errors.Mismatch(
        f"writes reached the old side after it was fenced: {counted}; nothing was discarded"
        + ("; its change records were lost, so whatever differs counts as such a write" if lost else ""),
        next=f"portability verify {ctx.run}",
        changed=f"The {leg.after} serves; the way back only collects keys until this is settled.",
    )


def _overruled(ctx: Context) -> Mapping[str, Any]:
    stores: Mapping[str, Any] = ctx.view.step(ctx.step).notes.get(OVERRULED, {}).get("stores", {})
    return stores
