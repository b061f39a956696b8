"""`verify` as functions: compare both sides of a run as a whole, under its lease; or one key, read-only."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from portability import errors
from portability.cli.wiring import Desk
from portability.engine.observer import Observer
from portability.engine.runner import Options, Runner
from portability.model.run import RunView
from portability.model.status import Fact, ParkReason, RunState, Status
from portability.steps.channels import Channels
from portability.steps.cutover.tripwire import slipped
from portability.steps.verify_data import verify_all
from portability.stores.base import Difference, Flow, channel_name
from portability.stores.dynamodb.digest import key_hash

if TYPE_CHECKING:
    from portability.engine.context import RunContext
    from portability.journal.base import Held


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


def flow_of(view: RunView) -> Flow:
    """The way data goes now: from the side that serves."""
    return Flow.FORWARD if view.serving == "source" else Flow.REVERSE


def refuse_too_early(view: RunView) -> None:
    """Raise `UsageMistake` where the two sides are not meant to be equal."""
    run = view.header.run
    if view.ended:
        raise errors.UsageMistake(f"run {run} is {view.state}: one side is left", next=f"portability report {run}")
    if view.state in (RunState.UNWINDING, RunState.STUCK):
        raise errors.UsageMistake(f"run {run} is being taken back", next=f"portability cancel {run}")
    if not view.header.plan.moving:
        raise errors.UsageMistake(f"run {run} moves no data", next=f"portability status {run}")
    copies = [spec.id for spec in view.header.plan.steps if spec.uses == "copy_data"]
    if any(view.step(step).status is not Status.DONE for step in copies):
        raise errors.UsageMistake(f"the copy of run {run} is not finished", next=f"portability resume {run}")


def compare_run(desk: Desk, run: str, *, repair: bool, wait: float, observer: Observer) -> dict[str, dict[str, Any]]:
    """Take the run's lease, let its channels catch up, compare every unit of every store; figures per store.

    With `repair` the side that does not serve is made equal to the one that does. The run is left as it was found.
    Raises `Mismatch` for a difference that lasts.
    """
    before = desk.journal.view(run)
    refuse_too_early(before)
    held = desk.journal.acquire(run, desk.holder, wait=wait)
    runner = desk.runner(held, Options(), observer)
    outcome = before.what
    try:
        with ExitStack() as stack:
            stack.callback(runner.residents.leave_all)
            return _compare(held, runner, repair=repair)
    except errors.PortabilityError as error:
        outcome = f"{error.code} {error.what}"
        raise
    finally:
        put_back(held, before, outcome)


def _compare(held: Held, runner: Runner, *, repair: bool) -> dict[str, dict[str, Any]]:
    view = held.view()
    flow, context = flow_of(view), None
    for station in runner.route.lasting(view):
        context = runner.context(station)
        runner.residents.enter(station, context)
    found = [one for one in runner.residents.values.values() if isinstance(one, Channels) and one.flow is flow]
    if context is None or not found:
        raise errors.UsageMistake(
            f"no channel of run {held.run} runs from the side that serves", next=f"portability resume {held.run}"
        )
    stores = verify_all(_flowing(context, flow), found[-1], repair=repair)
    return {store: dict(figures) for store, figures in stores.items()}


def _flowing(context: RunContext, flow: Flow) -> RunContext:
    import dataclasses

    return dataclasses.replace(context, flow=flow)


def put_back(held: Held, before: RunView, outcome: str) -> None:
    """Leave the run in the state it was found in: a parked one is parked again, for the same reason."""
    try:
        if before.state is RunState.PARKED:
            held.append(Fact.PARKED, {"reason": before.reason or ParkReason.GATE.value, "what": outcome[:2000]})
        elif before.state is RunState.RUNNING:
            held.append(Fact.PARKED, {"reason": ParkReason.SIGNAL.value, "what": "verified by an operator"})
        held.release()
    except errors.PortabilityError:
        held.abandon()


def look_at_key(desk: Desk, run: str, store: str | None, key: str) -> KeyLook:
    """Compare one key on both sides, read-only; the origin is the side that serves.

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
    sides = (planned.source, planned.target) if flow is Flow.FORWARD else (planned.target, planned.source)
    origin = desk.observing.dynamodb(region=sides[0].region, role=sides[0].role)
    typed = _late(desk, view, planned.store, key)
    if typed is None:
        typed = _typed(key, origin.describe(sides[0].table) or {}, sides[0].table)
    (move,) = [one for one in desk.moves(plan, desk.observing) if one.store == planned.store]
    compared = move.compare_keys(flow, [typed])
    differences: list[Difference] = compared.differences
    items = [desk.observing.dynamodb(region=side.region, role=side.role).get(side.table, typed) or {} for side in sides]
    attributes = sorted(items[0].keys() | items[1].keys())
    return KeyLook(
        store=planned.store,
        origin=sides[0].table,
        destination=sides[1].table,
        on_origin=compared.source_items > 0,
        on_destination=compared.target_items > 0,
        why=differences[0].why if differences else None,
        key_hash=differences[0].key_hash if differences else "",
        origin_digest=compared.source_digest,
        destination_digest=compared.target_digest,
        attributes=[name for name in attributes if items[0].get(name) != items[1].get(name)] if differences else [],
    )


def _late(desk: Desk, view: RunView, store: str, named: str) -> dict[str, Any] | None:
    """The key of a late write by its hash."""
    if "=" in named:
        return None
    kept = desk.journal.parked_keys(view.header.run, channel_name(store, flow_of(view).opposite))
    return next((key for key in slipped(kept.items()) if key_hash(key) == named), None)


def _typed(text: str, described: dict[str, Any], table: str) -> dict[str, Any]:
    names = [part["AttributeName"] for part in described.get("KeySchema", [])]
    types = {one["AttributeName"]: one["AttributeType"] for one in described.get("AttributeDefinitions", [])}
    given = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
    if not names or sorted(given) != sorted(names):
        raise errors.UsageMistake(
            f"--key {text!a} is no key of {table}", next=f"--key {','.join(f'{name}=…' for name in names)}"
        )
    return {name: {types[name]: given[name]} for name in names}


def as_plain(look: KeyLook) -> dict[str, Any]:
    """For `-o json`."""
    return {"version": 1, **msgspec.to_builtins(look)}
