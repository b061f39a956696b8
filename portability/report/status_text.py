"""A run as `status` shows it to people."""

from __future__ import annotations

from typing import Any

from portability.model.status import RunState
from portability.report.columns import fold, row, widest
from portability.report.lines import pace
from portability.report.status_object import Seen
from portability.report.text import count, moment, plain, size, span

NAME, LONGEST_NAME = 14, 40
MARK = {
    "pending": " ",
    "started": ">",
    "done": "+",
    "skipped": "=",
    "failed": "x",
    "undoing": "<",
    "undone": "-",
    "undo_failed": "x",
}


def status_text(seen: Seen, *, room: int | None = None) -> str:
    """The whole screen. `room` is the width of the terminal; None where lines may be as long as they are."""
    view, value = seen.view, seen.value
    header = view.header
    lines = [
        f"run {header.run}   {plain(header.tenant)}: {value['from']} -> {value['to']}   {_state(seen)}",
        f"begun {moment(header.at)} by {plain(header.operator)}"
        + (f", {plain(header.reason)}" if header.reason else ""),
        _holder(seen),
        "",
    ]
    name = widest((step["id"] for step in value["steps"]), least=NAME, most=LONGEST_NAME)
    lines += [_step(step, name) for step in value["steps"]]
    if value["data"]:
        name = widest((plain(store["store"]) for store in value["data"]), least=NAME, most=LONGEST_NAME)
        lines += ["", *(_store(store, name) for store in value["data"])]
    if "copy" in value:
        lines.append(row(("copy", _copy(value["copy"], seen.now)), (NAME + 1,), room=None, lead="  "))
    lines += _figures(value)
    shown = [fold(line, room=room) for text in lines for line in text.split("\n")]
    # Commands are typed again: they are never folded.
    return "\n".join([*shown, "", *(f"Next: {step}" for step in value["next_steps"])]) + "\n"


def _state(seen: Seen) -> str:
    view = seen.view
    why = f" ({view.reason})" if view.reason and view.state is RunState.PARKED else ""
    said = f"{view.state}{why}, the {view.serving} serves"
    if seen.paused:
        said += ", WRITES ARE PAUSED"
    elif view.fenced:
        said += ", writes go on: no fence stands"
    return said


def _holder(seen: Seen) -> str:
    view, lease = seen.view, seen.lease
    what = f"   {plain(view.what)}" if view.what and view.state is RunState.PARKED else ""
    if lease.holder is None:
        return f"held by nobody; last entry {moment(view.last_at)}{what}"
    age = max(0.0, seen.now - lease.beat_at)
    if seen.gone:
        return (
            f"its holder {plain(lease.holder.name)} (pid {lease.holder.pid}) is gone, last beat {span(age)} ago{what}"
        )
    return f"held by {plain(lease.holder.name)}, lease {lease.fence}, last beat {span(age)} ago{what}"


def _step(step: dict[str, Any], name: int) -> str:
    took = "" if step["seconds"] is None else span(step["seconds"])
    again = f"  {step['attempts']} attempts" if step["attempts"] > 1 else ""
    figures = f"{step['status']:<10} {took:>9}{again}"
    return row((step["id"], figures), (name,), room=None, lead=f"  {MARK[step['status']]} ")


def _store(store: dict[str, Any], wide: int) -> str:
    parts = []
    if store["items"] is not None:
        parts.append(f"{count(store['items'])} items  {size(store['bytes'] or 0)}")
    for name, word in (
        ("synced_keys", "synced"),
        ("parked_keys", "parked"),
        ("doubtful_keys", "doubtful"),
        ("repaired_keys", "repaired"),
    ):
        if store[name]:
            parts.append(f"{count(store[name])} {word}")
    return row((plain(store["store"]), "  ".join(parts)), (wide + 1,), room=None, lead="  ")


def _copy(told: dict[str, Any], now: float) -> str:
    said = f"{count(told['items_per_second'])} items/s, {pace(told)}"
    if told["tuned_by"]:
        said += f", tuned by {plain(told['tuned_by'])}"
    return f"{said} ({span(max(0.0, now - told['at']))} ago)"


def _figures(value: dict[str, Any]) -> list[str]:
    said = []
    cutover, channel, verify = value["cutover"], value["channel"], value["verify"]
    if channel["lag_seconds"] is not None:
        waiting = "" if channel["backlog"] is None else f", {count(channel['backlog'])} keys waiting"
        said.append(f"channel {span(channel['lag_seconds'])} behind when last measured{waiting}")
    if channel["retention_left_seconds"] is not None:
        said.append(f"changes not read yet are kept for {span(channel['retention_left_seconds'])} more")
    if verify["checked"] is not None:
        said.append(f"verified {count(verify['checked'])} items, {count(verify['mismatched'])} differ")
    if cutover["pause_ms"] is not None:
        late = "" if cutover["late_events"] is None else f", {cutover['late_events']} late events"
        said.append(f"writes were paused {cutover['pause_ms']:.0f} ms behind the fence {cutover['fence']}{late}")
    said += [f"cutover waits: {plain(reason)}" for reason in cutover["blocked_by"]]
    return ["", *(f"  {line}" for line in said)] if said else []
