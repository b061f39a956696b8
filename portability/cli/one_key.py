"""`verify --key`: one key on both sides and in the channel between them, read-only and without the lease."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from portability import errors
from portability.aws.attributes import RawItem
from portability.cli.compare_sides import flow_of
from portability.cli.wiring import Desk
from portability.model.estate import Model
from portability.model.run import RunView
from portability.report.text import plain
from portability.steps.cutover.tripwire import slipped
from portability.stores.base import DOUBT, Difference, Flow, Key, channel_name
from portability.stores.dynamodb import unwritable
from portability.stores.dynamodb.digest import canonical, key_hash
from portability.stores.dynamodb.mapping import AttributeMapping
from portability.stores.dynamodb.parking import CANARY

WAITS = {DOUBT: "in doubt", unwritable.GROUP: "unwritable"}
"""Groups of the keys that a channel keeps, and what it means to be in one; in any other group a key is parked."""


@dataclass(frozen=True)
class KeyLook:
    """One key on both sides: `why` is None where they hold the same (or neither holds it)."""

    store: str
    origin: str
    destination: str
    on_origin: bool
    on_destination: bool
    why: str | None
    key_hash: str
    origin_digest: str  # of the item, 32 hex digits; zeros where there is none
    destination_digest: str
    attributes: list[str]  # names of the top-level attributes that differ
    spelt: list[str]  # names of those that are equal and came in other bytes: 1 and 1.0, a set in another order
    waits: list[str]  # what the channel keeps the key as: parked, in doubt, unwritable


def look_at_key(desk: Desk, run: str, store: str | None, key: str) -> KeyLook:
    """Compare one key on both sides; the origin is the side that serves.

    `key` is `name=value,name=value`, typed as the table's key is, or the hash under which a late write was told.
    """
    view = desk.journal.view(run)
    plan = view.header.plan
    moving = [move for move in plan.moving if store in (None, move.store)]
    if len(moving) != 1:
        names = ", ".join(move.store for move in plan.moving) or "none"
        raise errors.UsageMistake(
            f"which store? --store is one of: {names}", next="portability verify RUN --store STORE --key K"
        )
    planned, flow = moving[0], flow_of(view)
    if not plan.estate.stores[planned.store].in_dynamodb:
        raise errors.UsageMistake(
            f"--key reads DynamoDB, and {planned.store} is kept elsewhere", next=f"portability verify {run}"
        )
    sides = (planned.source, planned.target) if flow is Flow.FORWARD else (planned.target, planned.source)
    typed = _late(desk, view, planned.store, key)
    if typed is None:
        origin = desk.observing.dynamodb(region=sides[0].region, role=sides[0].role)
        typed = _typed(key, origin.describe(sides[0].table) or {}, sides[0].table)
    (move,) = [one for one in desk.moves(plan, desk.observing) if one.store == planned.store]
    compared = move.compare_keys(flow, [typed])
    differences: list[Difference] = compared.differences
    # On a way to a shared table both sides are told in its terms, as they are compared.
    pools = planned.source.model is Model.SILO and planned.target.model is Model.POOL
    mapping = AttributeMapping.of(plan.estate.stores[planned.store].attributes.of(plan.tenant))
    found: list[RawItem] = []
    for side in sides:
        got = desk.observing.items(region=side.region, role=side.role).batch_get(side.table, [typed])
        item = got.items[0] if got.items else {}
        found.append(mapping.shown(item) if pools and side.model is Model.SILO else item)
    unlike = [name for name in sorted(found[0].keys() | found[1].keys()) if found[0].get(name) != found[1].get(name)]
    differing = [name for name in unlike if not _mean_the_same(found, name)]
    return KeyLook(
        store=planned.store,
        origin=sides[0].table,
        destination=sides[1].table,
        on_origin=compared.source_items > 0,
        on_destination=compared.target_items > 0,
        why=differences[0].why if differences else None,
        key_hash=key_hash(typed),
        origin_digest=compared.source_digest,
        destination_digest=compared.target_digest,
        attributes=differing if differences else [],
        spelt=[name for name in unlike if name not in differing],
        waits=_waits(desk, view, planned.store, typed),
    )


def _mean_the_same(found: list[RawItem], name: str) -> bool:
    sides = [canonical({name: side[name]}) for side in found if name in side]
    return len(sides) > 1 and sides[0] == sides[1]


def _waits(desk: Desk, view: RunView, store: str, key: Key) -> list[str]:
    """What the channel from the serving side keeps the key as, by the journal."""
    kept = desk.journal.parked_keys(view.header.run, channel_name(store, flow_of(view)))
    wanted = canonical(key)
    groups = [of for of, keys in kept.items() if of != CANARY and any(canonical(one) == wanted for one in keys)]
    return sorted({WAITS.get(of, "parked") for of in groups})


def _late(desk: Desk, view: RunView, store: str, named: str) -> dict[str, Any] | None:
    """The key of a late write by its hash."""
    if "=" in named:
        return None
    kept = desk.journal.parked_keys(view.header.run, channel_name(store, flow_of(view).opposite))
    return next((key for key in slipped(kept.items()) if key_hash(key) == named), None)


def _typed(text: str, described: Mapping[str, Any], table: str) -> Key:
    names = [part["AttributeName"] for part in described.get("KeySchema", [])]
    types = {one["AttributeName"]: one["AttributeType"] for one in described.get("AttributeDefinitions", [])}
    given = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
    if not names or sorted(given) != sorted(names):
        raise errors.UsageMistake(
            f"--key {text!a} is no key of {table}", next=f"--key {','.join(f'{name}=…' for name in names)}"
        )
    return {name: {types[name]: given[name]} for name in names}


def as_text(look: KeyLook) -> str:
    """For people: names and hashes, never a value."""
    there = {True: "there", False: "not there"}
    lines = [
        f"{look.origin} (serves): {there[look.on_origin]}, {look.origin_digest}",
        f"{look.destination}: {there[look.on_destination]}, {look.destination_digest}",
        "both sides hold the same" if look.why is None else f"the sides differ: {look.why} ({look.key_hash})",
    ]
    if look.attributes:
        lines.append(f"attributes that differ: {', '.join(map(plain, look.attributes))}")
    if look.spelt:
        lines.append(f"equal, and only spelt differently: {', '.join(map(plain, look.spelt))}")
    lines.append(f"in the channel: {', '.join(look.waits) or 'nothing waits'}")
    return "\n".join(lines)


def as_plain(look: KeyLook) -> dict[str, Any]:
    """For `-o json`."""
    return {"version": 1, **msgspec.to_builtins(look)}
