"""A run as one JSON object, `version` 1. Unknown is null, never invented."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from portability.model.plan import Location
from portability.model.recipe import StepSpec
from portability.model.run import Cursor, Lease, RunView, StepView
from portability.model.status import Goal, ParkReason, RunState, Status

VERSION = 1
FINISHED = (Status.DONE, Status.SKIPPED)
BEFORE_FLIP = ("preflight", "port_identity", "provision_resources", "stage_config", "open_channel", "copy_data",
               "catch_up", "verify_data")  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """A run as the journal told it at one moment; `value` is the object."""

    view: RunView
    lease: Lease
    value: dict[str, Any]
    now: float


def seen(
    *,
    view: RunView,
    lease: Lease,
    cursors: Mapping[tuple[str, str], Cursor],
    parked: Mapping[str, int],
    now: float,
) -> Seen:
    """The run as `status` tells it. `cursors` and `parked` are as the journal gives them."""
    return Seen(view, lease, _object(view, lease, cursors, parked, now), now)


def no_run(tenant: str, at: str, to: str) -> dict[str, Any]:
    """The object where there is no run because there is nothing to do."""
    return {
        "version": VERSION,
        "run_id": None,
        "tenant": tenant,
        "from": at,
        "to": to,
        "state": "nothing_to_do",
        "reason": None,
        "serving": None,
        "steps": [],
        "data": [],
        "channel": _no_channel(),
        "verify": {"checked": None, "mismatched": None},
        "cutover": _no_cutover(),
        "reversible_until": None,
        "next_steps": [],
    }


def _object(
    view: RunView,
    lease: Lease,
    cursors: Mapping[tuple[str, str], Cursor],
    parked: Mapping[str, int],
    now: float,
) -> dict[str, Any]:
    header = view.header
    blocked = blocked_by(view, parked)
    return {
        "version": VERSION,
        "run_id": header.run,
        "tenant": header.tenant,
        "from": place(header.plan.source),
        "to": place(header.plan.target),
        "state": view.state.value if view.state else None,
        "reason": view.reason or None,
        "serving": view.serving,
        "steps": [_step(spec.id, spec.uses, view.step(spec.id), now) for spec in every_step(view)],
        "data": [_store(view, move.store, cursors, parked) for move in header.plan.moving],
        "channel": _channel(view),
        "verify": _verify(view),
        "cutover": _cutover(view, blocked),
        "reversible_until": None if view.ended or view.goal is Goal.COMPLETE else "complete",
        "next_steps": next_steps(view, lease),
    }


def place(location: Location) -> str:
    """`premium`, or `basic@pool-b` where the placement is not the default one."""
    return location.tier if location.placement == "default" else f"{location.tier}@{location.placement}"


def every_step(view: RunView) -> Iterable[StepSpec]:
    """The plan's steps, and after a cutover the legs that followed it."""
    import msgspec  # noqa: PLC0415 - loaded anyhow by whoever has a view

    for spec in view.header.plan.steps:
        yield spec
        number = 2
        while f"{spec.id}.{number}" in view.steps:
            yield msgspec.structs.replace(spec, id=f"{spec.id}.{number}")
            number += 1


def _step(step_id: str, uses: str, step: StepView, now: float) -> dict[str, Any]:
    ended = step.ended_at if step.status is not Status.STARTED else now
    seconds = None if step.started_at is None or ended is None else round(max(0.0, ended - step.started_at), 3)
    return {"id": step_id, "uses": uses, "status": step.status.value, "seconds": seconds, "attempts": step.attempts}


def output_of(view: RunView, uses: str) -> dict[str, Any]:
    """The output of the latest step of that kind, {} where there is none."""
    found: dict[str, Any] = {}
    for spec in every_step(view):
        if spec.uses == uses and view.step(spec.id).output:
            found = view.step(spec.id).output
    return found


def _per_store(view: RunView, uses: str, store: str) -> dict[str, Any]:
    stores = output_of(view, uses).get("stores")
    found = stores.get(store) if isinstance(stores, dict) else None
    return found if isinstance(found, dict) else {}


def _store(
    view: RunView, store: str, cursors: Mapping[tuple[str, str], Cursor], parked: Mapping[str, int]
) -> dict[str, Any]:
    mine = [cursor for (_, unit), cursor in cursors.items() if unit.partition("/")[0] == store]
    done = _per_store(view, "copy_data", store)
    synced = _per_store(view, "cut_over", store).get("synced", _per_store(view, "catch_up", store).get("synced"))
    keys = {kind: _keys(parked, store, kind) for kind in ("parked", "doubt")}
    return {
        "store": store,
        "items": sum(cursor.items for cursor in mine) if mine else done.get("items"),
        "bytes": sum(cursor.bytes for cursor in mine) if mine else done.get("bytes"),
        "synced_keys": synced,
        "parked_keys": keys["parked"],
        "doubtful_keys": keys["doubt"],
        "repaired_keys": _per_store(view, "verify_data", store).get("repaired"),
    }


def _keys(parked: Mapping[str, int], store: str, kind: str) -> int:
    """Keys of a store's channels; those whose group is doubt have a channel name that says so."""
    total = 0
    for channel, number in parked.items():
        if store in channel.replace("/", ":").split(":"):
            total += number if ("doubt" in channel) == (kind == "doubt") else 0
    return total


def _channel(view: RunView) -> dict[str, Any]:
    """What the last step that measured a channel wrote down."""
    measured = output_of(view, "catch_up")
    return {**_no_channel(), "lag_seconds": measured.get("lag_seconds")}


def _no_channel() -> dict[str, Any]:
    return {"lag_seconds": None, "backlog": None, "retention_left_seconds": None}


def _verify(view: RunView) -> dict[str, Any]:
    stores = output_of(view, "verify_data").get("stores")
    if not isinstance(stores, dict):
        return {"checked": None, "mismatched": None}
    return {
        "checked": sum(int(one.get("checked", 0)) for one in stores.values()),
        "mismatched": sum(int(one.get("mismatched", 0)) for one in stores.values()),
    }


def _cutover(view: RunView, blocked: list[str]) -> dict[str, Any]:
    done = output_of(view, "cut_over")
    ahead = view.flips == 0 and view.state in (RunState.RUNNING, RunState.PARKED)
    return {
        "can_commit": (not blocked) if ahead else None,
        "blocked_by": blocked if ahead else [],
        "fence": done.get("fence") or view.fenced_by.get("kind") or ",".join(view.header.plan.estate.fence.use) or None,
        "pause_ms": done.get("pause_ms"),
        "drain_ms": done.get("drain_ms"),
        "late_events": done.get("late_events"),
    }


def _no_cutover() -> dict[str, Any]:
    return {
        "can_commit": None,
        "blocked_by": [],
        "fence": None,
        "pause_ms": None,
        "drain_ms": None,
        "late_events": None,
    }


def blocked_by(view: RunView, parked: Mapping[str, int]) -> list[str]:
    """What stands before the first flip, as far as the journal tells."""
    found = [
        f"step {spec.id} is {view.step(spec.id).status.value}"
        for spec in view.header.plan.steps
        if spec.uses in BEFORE_FLIP and view.step(spec.id).status not in FINISHED
    ]
    waiting = sum(parked.values())
    if waiting:
        found.append(f"{waiting} keys are parked or doubtful")
    if view.state is RunState.PARKED and view.reason in (ParkReason.GATE, ParkReason.APPROVAL, ParkReason.MISMATCH):
        found.append(view.what or view.reason)
    return found


def next_steps(view: RunView, lease: Lease) -> list[str]:  # noqa: PLR0911 - one answer per state
    """The commands that make sense now, the likeliest first."""
    run, tenant = view.header.run, view.header.tenant
    reverse, cancel = f"portability reverse {run}", f"portability cancel {run}"
    complete = f"portability complete {run} --confirm {tenant}"
    back = reverse if view.serving == "target" else cancel
    go_on = f"portability resume {run}"
    if view.state is RunState.RUNNING:
        return [f"portability status {run} --watch"] if lease.holder else [go_on, back]
    if view.state is RunState.PARKED:
        if view.goal is Goal.COMPLETE:
            return [complete]
        if view.reason == ParkReason.POSTPONED and "postponed" in view.what:
            return [f"portability run cutover {run}", back]
        if view.reason == ParkReason.MISMATCH:
            return [f"portability verify {run}", go_on, back]
        return [go_on, back]
    if view.state is RunState.SOAKING:
        return [reverse, complete]
    if view.state is RunState.REVERSED:
        return [f"portability run cutover {run}", cancel]
    if view.state in (RunState.UNWINDING, RunState.STUCK):
        return [cancel]
    return [f"portability report {run} --format html"]


def stamp(epoch: float) -> str:
    """Epoch seconds in ISO 8601, UTC."""
    return dt.datetime.fromtimestamp(epoch, dt.UTC).isoformat(timespec="seconds")
