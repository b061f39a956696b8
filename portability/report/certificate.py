"""The cutover certificate: what was proven before the target served, and what holds it to the journal."""

from __future__ import annotations

from typing import Any

from portability.model.run import Entry, Lease, RunView
from portability.model.status import Fact
from portability.report.status_object import place
from portability.steps.cutover.tripwire import SLIPS


def certificate(view: RunView, lease: Lease, entries: list[Entry]) -> dict[str, Any] | None:
    """The latest cutover's certificate; None where nothing was cut over. Names, counts, hashes and times only.

    `journal` names the flip's entry, its hash, and the head: the certificate can be held against the journal. Figures
    are those of the flip's own step, from its notes while it is not done; null where there are none.
    """
    flips = [entry for entry in entries if entry.fact is Fact.FLIPPED]
    if not flips:
        return None
    last = flips[-1]
    step = view.step(last.data.get("step", ""))
    done, notes = step.output, step.notes
    verified = done.get("certificate", {}).get("verified") or notes.get("verified", {}).get("stores", {})
    slips = notes.get(SLIPS, {}).get("counts")
    fences = [entry for entry in entries if entry.fact is Fact.FENCED and entry.seq < last.seq]
    return {
        "version": 1,
        "run_id": view.header.run,
        "tenant": view.header.tenant,
        "from": place(view.header.plan.source),
        "to": place(view.header.plan.target),
        "serving": last.data.get("serving"),
        "plan": view.header.plan.digest,
        "fence": last.data.get("fence"),
        "fenced_at": fences[-1].at if fences else None,
        "flipped_at": last.data.get("at", last.at),
        "pause_ms": done.get("pause_ms", notes.get("pause", last.data).get("pause_ms")),
        "fence_ms": last.data.get("fence_ms"),
        "drain_ms": last.data.get("drain_ms"),
        "verify_ms": last.data.get("verify_ms"),
        "epoch": last.data.get("epoch"),
        "stores": {
            store: {name: one.get(name) for name in ("units", "items", "digest", "repaired")}
            for store, one in verified.items()
        },
        "compared_inside_the_fence": last.data.get("compared"),
        "late_events": done.get("late_events", sum(slips.values()) if slips else None),
        "journal": {"flip_seq": last.seq, "flip_hash": last.hash, "head_seq": lease.seq, "head_hash": lease.head},
    }


def certificate_line(one: dict[str, Any]) -> str:
    """The certificate on one line."""
    stores = ", ".join(
        f"{name} {store['items']:,} items {store['digest'][:12]}…" for name, store in one["stores"].items()
    )
    pause = "unknown" if one["pause_ms"] is None else f"{one['pause_ms']:,.0f} ms"
    late = "unknown" if one["late_events"] is None else one["late_events"]
    return (
        f"{one['tenant']} {one['from']} -> {one['to']}: writes paused {pause} behind `{one['fence']}`; "
        f"both sides equal: {stores or 'no data moved'}; late events {late}; "
        f"journal {one['journal']['flip_hash'][:12]}… at {one['journal']['flip_seq']}"
    )
