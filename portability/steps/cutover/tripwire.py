"""After the flip: a record of this tenant on the side just fenced is a write that slipped through."""

from __future__ import annotations

from portability import errors
from portability.steps.base import Context
from portability.steps.catch_up import POLL
from portability.steps.channels import Channels
from portability.steps.cutover.leg import Leg
from portability.stores.dynamodb.parking import CANARY


def watch(ctx: Context, leg: Leg, watching: Channels, *, until: float) -> None:
    """Watch the old side until `until` (epoch seconds) has been read past. Raises `Mismatch` for a slip that matters.

    A slip whose two sides hold the same by now (the operator settled it) lets the run go on.
    """
    while True:
        ctx.check()
        _refuse_slips(ctx, leg, watching)
        lag = watching.lag()
        now = ctx.clock.now()
        ctx.progress("watching", seconds_left=max(0.0, until - now))
        if lag.seconds is not None and now - lag.seconds >= until:
            # Once more: the last records may have come between the two looks.
            _refuse_slips(ctx, leg, watching)
            return
        ctx.clock.sleep(POLL)


def _refuse_slips(ctx: Context, leg: Leg, watching: Channels) -> None:
    seen = {store: list(hashes) for store, hashes in watching.slips().items()}
    kept = {
        store: [key for group, keys in ctx.ledger.parked(channel.name).values() if group != CANARY for key in keys]
        for store, channel in watching.by_store.items()
    }
    for store, keys in kept.items():
        if keys and store not in seen:
            hashes = [one.key_hash for one in watching.moves[store].compare_keys(leg.flow, keys).differences]
            if hashes:
                seen[store] = hashes
    differing = {store: hashes for store, hashes in seen.items() if not _settled(leg, watching, store, kept[store])}
    if not differing:
        return
    ctx.note("slips", stores={store: hashes[:20] for store, hashes in differing.items()})
    counted = ", ".join(f"{len(hashes)} of {store}" for store, hashes in sorted(differing.items()))
    raise errors.Mismatch(
        f"writes reached the old side after it was fenced: {counted}; nothing was discarded",
        next=f"portability verify {ctx.run}",
        changed=f"The {leg.after} serves; the way back only collects keys until this is settled.",
    )


def _settled(leg: Leg, watching: Channels, store: str, keys: list[dict[str, object]]) -> bool:
    """Whether the slipped keys, where they are known, hold the same on both sides."""
    return bool(keys) and not watching.moves[store].compare_keys(leg.flow, keys).differences
