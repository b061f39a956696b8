"""A run as one JSON object, `version` 1. Unknown is null, never invented."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from portability.model.plan import Location
from portability.model.recipe import StepSpec
from portability.model.run import Cursor, Lease, RunView, StepView, Throughput
from portability.model.status import Goal, ParkReason, RunState, Status
from portability.stores.base import DOUBT, Flow, Measured, channel_name

VERSION = 1
FINISHED = (Status.DONE, Status.SKIPPED)
BEFORE_FLIP = (
    *("preflight", "port_identity", "provision_resources", "stage_config"),
    *("open_channel", "copy_data", "catch_up", "verify_data"),
)


Parked = Mapping[tuple[str, str], int]
"""Keys that wait, by channel name and group, as `Journal.parked_groups` gives them."""


@dataclass(frozen=True)
class Seen:
    """A run as the journal told it at one moment; `value` is the object."""

    view: RunView
    lease: Lease
    value: dict[str, Any]
    now: float
    gone: bool = False  # the lease has a holder whose process is certainly gone
    paused: bool = False  # this tenant's writes are refused


def seen(
    *,
    view: RunView,
    lease: Lease,
    cursors: Mapping[tuple[str, str], Cursor],
    parked: Parked,
    now: float,
    measured: Sequence[Measured | None] = (),
    gone: bool = False,
    throughput: Throughput | None = None,
    paused: bool | None = None,
) -> Seen:
    """The run as `status` tells it. `cursors`, `parked` and `throughput` are as the journal gives them.

    `measured` is what the channel of each moving store, out of the serving side, wrote of itself last. `gone` says that
    the lease's holder was a process of this host, and that it is no more. `paused` is whether the directory has the
    fence that the journal announced; None where nobody looked, so that the journal's word stands.
    """
    driven = lease.holder is not None and not gone
    paused = view.fenced if paused is None else paused
    value = _object(view, cursors, parked, measured=measured, now=now, driven=driven)
    value["cutover"]["fenced"] = paused
    return Seen(view, lease, value | _copy(view, throughput if driven else None), now, gone, paused)


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
    cursors: Mapping[tuple[str, str], Cursor],
    parked: Parked,
    *,
    measured: Sequence[Measured | None],
    now: float,
    driven: bool,
) -> dict[str, Any]:
    header = view.header
    blocked = blocked_by(view, parked)
    clock = now if driven else view.last_at
    return {
        "version": VERSION,
        "run_id": header.run,
        "tenant": header.tenant,
        "from": place(header.plan.source),
        "to": place(header.plan.target),
        "state": view.state.value if view.state else None,
        "reason": (view.reason or None) if view.state is RunState.PARKED else None,
        "serving": view.serving,
        "steps": [_step(spec, _as_it_ended(spec, view), clock) for spec in every_step(view)],
        "data": [_store(view, move.store, cursors, parked) for move in header.plan.moving],
        "channel": _channel(view, measured, now),
        "verify": _verify(view),
        "cutover": _cutover(view, blocked),
        "reversible_until": None if view.ended or view.goal is Goal.COMPLETE else "complete",
        "next_steps": next_steps(view, driven=driven),
    }


def _copy(view: RunView, told: Throughput | None) -> dict[str, Any]:
    """What the copy does a second; only while one runs."""
    running = any(spec.uses == "copy_data" and view.step(spec.id).status is Status.STARTED for spec in every_step(view))
    if told is None or not running:
        return {}
    tuned = next((view.step(spec.id).notes.get("tuned") for spec in every_step(view) if spec.uses == "copy_data"), None)
    copying = {
        "items_per_second": round(told.items, 1),
        "wcu": round(told.wcu, 1),
        "rcu": round(told.rcu, 1),
        "granted": told.granted,
        "allowed_wcu": told.allowed_wcu,
        "allowed_rcu": told.allowed_rcu,
        "units": told.units,
        "throttled": told.throttled,
        "pressed": told.pressed,
        "tuned_by": tuned["by"] if tuned else None,
        "at": told.at,
    }
    return {"copy": copying}


def place(location: Location) -> str:
    """`premium`, or `basic@pool-b` where the placement is not the default one."""
    return location.tier if location.placement == "default" else f"{location.tier}@{location.placement}"


def every_step(view: RunView) -> Iterator[StepSpec]:
    """The plan's steps, and after a cutover the legs that followed it."""
    for spec in view.header.plan.steps:
        yield spec
        number = 2
        while f"{spec.id}.{number}" in view.steps:
            yield msgspec.structs.replace(spec, id=f"{spec.id}.{number}")
            number += 1


def _as_it_ended(spec: StepSpec, view: RunView) -> StepView:
    """The step; a soak as what ended it left it, since it is the operator's next verb that ends one, and no entry."""
    step = view.step(spec.id)
    if spec.uses != "soak" or step.status is not Status.STARTED:
        return step
    if view.goal is Goal.COMPLETE:
        began = [view.step(other.id).started_at for other in view.header.plan.steps if other.uses == "retire_source"]
        return msgspec.structs.replace(step, status=Status.DONE, ended_at=began[0] if began else None)
    if view.goal in (Goal.REVERSE, Goal.CANCEL):
        return msgspec.structs.replace(step, status=Status.PENDING, started_at=None)
    return step


def _step(spec: StepSpec, step: StepView, now: float) -> dict[str, Any]:
    ended = now if step.status in (Status.STARTED, Status.UNDOING) else step.ended_at
    seconds = None if step.started_at is None or ended is None else round(max(0.0, ended - step.started_at), 3)
    return {
        "id": spec.id,
        "uses": spec.uses,
        "status": step.status.value,
        "seconds": seconds,
        "attempts": step.attempts,
    }


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


def _store(view: RunView, store: str, cursors: Mapping[tuple[str, str], Cursor], parked: Parked) -> dict[str, Any]:
    mine = [cursor for (_, unit), cursor in cursors.items() if unit.partition("/")[0] == store]
    done = _per_store(view, "copy_data", store)
    waiting = dict(_groups(parked, store))
    doubtful = waiting.pop(DOUBT, 0)
    return {
        "store": store,
        "items": sum(cursor.items for cursor in mine) if mine else done.get("items"),
        "bytes": sum(cursor.bytes for cursor in mine) if mine else done.get("bytes"),
        "synced_keys": _per_store(view, "catch_up", store).get("synced"),
        "parked_keys": sum(waiting.values()),
        "doubtful_keys": doubtful,
        "repaired_keys": _per_store(view, "verify_data", store).get("repaired"),
    }


def _groups(parked: Parked, store: str) -> Iterator[tuple[str, int]]:
    """The groups of a store's channels, summed over both directions."""
    channels = {channel_name(store, flow) for flow in Flow}
    total: dict[str, int] = {}
    for (channel, group), number in parked.items():
        if channel in channels:
            total[group] = total.get(group, 0) + number
    yield from total.items()


def _channel(view: RunView, measured: Sequence[Measured | None], now: float) -> dict[str, Any]:
    """The worst of what the channels measured last; where they are gone, what the last step that looked wrote down."""
    known = [one for one in measured if one is not None]
    if not known or len(known) < len(measured):
        return {**_no_channel(), "lag_seconds": output_of(view, "catch_up").get("lag_seconds")}
    lags = [one.lag_seconds for one in known if one.lag_seconds is not None]
    # Nobody may have read since: what was unread then has aged.
    left = [one.retention_left_seconds - (now - one.at) for one in known if one.retention_left_seconds is not None]
    return {
        "lag_seconds": max(lags) if len(lags) == len(known) else None,
        "backlog": sum(one.backlog for one in known),
        "retention_left_seconds": round(max(0.0, min(left)), 3) if len(left) == len(known) else None,
    }


def _no_channel() -> dict[str, Any]:
    return {"lag_seconds": None, "backlog": None, "retention_left_seconds": None}


def _verify(view: RunView) -> dict[str, Any]:
    """What the last full verification read; one that found a lasting difference did not end well and says so."""
    stores = output_of(view, "verify_data").get("stores")
    if not isinstance(stores, dict) or not stores:
        return {"checked": None, "mismatched": None}
    return {"checked": sum(int(one.get("checked", 0)) for one in stores.values()), "mismatched": 0}


def _cutover(view: RunView, blocked: list[str]) -> dict[str, Any]:
    done = {**view.flipped, **view.step(view.flipped.get("step", "")).output}
    ahead = view.flips == 0 and view.state in (RunState.RUNNING, RunState.PARKED)
    kinds = "+".join(view.header.plan.estate.fence.use) if view.header.plan.moving else "none"
    return {
        "can_commit": (not blocked) if ahead else None,
        "blocked_by": blocked if ahead else [],
        "fence": done.get("fence") or view.fenced_by.get("fence") or kinds,
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
        "fenced": None,
    }


def blocked_by(view: RunView, parked: Parked) -> list[str]:
    """What stands before the first flip, as far as the journal tells."""
    specs = view.header.plan.steps
    found = [
        f"step {spec.id} is {view.step(spec.id).status.value}"
        for spec in specs
        if spec.uses in BEFORE_FLIP and view.step(spec.id).status not in FINISHED
    ]
    waiting = sum(parked.values())
    if waiting:
        found.append(f"{waiting} keys are parked or doubtful")
    for spec in specs:
        if spec.uses == "cut_over":
            found += [str(reason) for reason in view.step(spec.id).notes.get("gates", {}).get("blocked_by", [])]
    if view.state is RunState.PARKED and view.reason in (ParkReason.GATE, ParkReason.APPROVAL, ParkReason.MISMATCH):
        found.append(view.what or view.reason)
    return found


def next_steps(view: RunView, *, driven: bool) -> list[str]:  # noqa: PLR0911 - one answer per state
    """The commands that make sense now, the likeliest first; `driven` says that a process may hold the run."""
    run, tenant = view.header.run, view.header.tenant
    reverse, cancel = f"portability reverse {run}", f"portability cancel {run}"
    complete = f"portability complete {run} --confirm {tenant}"
    back = reverse if view.serving == "target" else cancel
    go_on = f"portability resume {run}"
    if driven and view.state in (RunState.RUNNING, RunState.UNWINDING):
        return [f"portability status {run} --watch"]
    if view.state is RunState.RUNNING:
        return [go_on, back]
    if view.state is RunState.PARKED:
        if view.goal is Goal.COMPLETE:
            return [complete]
        if view.reason == ParkReason.POSTPONED and view.postponed:
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
