"""Runs and plans as values, so that a screen can be shown without an engine."""

from __future__ import annotations

from typing import Any

import msgspec

from portability.model.change import Change, Finding, Sign
from portability.model.plan import Plan
from portability.model.run import Cursor, Entry, Header, Holder, Lease, RunView, fold
from portability.model.status import Fact
from portability.plan.compile import compile_plan
from portability.plan.load import Steps, load_estate, load_recipes
from portability.report.preview import Surroundings
from portability.steps.catalog import known
from tests.support.dynamodb_local import ROOT

RUN = "r-01J8Z0000000000000000000AB"
BEGAN = 1_700_000_000.0
HOLDER = Holder(name="bo@laptop", host="laptop", boot="b", namespace="n", pid=4711, started="99")
ESCAPES = "\x1b[31mred\x1b[0m [bold]markup[/bold] <b>tag</b> | *star*\u202e"


def plan(tenant: str = "tenant-42", to: str = "premium", changes: list[Change] | None = None) -> Plan:
    """The upgrade of the reference estate, with the preview that the manual shows."""
    made = compile_plan(
        estate=load_estate(ROOT / "plans" / "estate.yaml"),
        recipes=load_recipes(ROOT / "plans", Steps(known())),
        tenant=tenant,
        record_location=("basic", None),
        to=to,
        account="123456789012",
    )
    assert isinstance(made, Plan)
    return msgspec.structs.replace(made, changes=CHANGES if changes is None else changes, digest="7f3c" * 16)


def change(sign: str, kind: str, name: str, detail: str = "", step: str = "copy", **more: Any) -> Change:
    return Change(step=step, sign=Sign(sign), kind=kind, name=name, detail=detail, **more)


CHANGES = [
    change("=", "tenant", "tenant-42", "basic (pool), default"),
    change("+", "user pool", "tenant-42-users", "812 users: 790 keep their password at sign-in, 22 must re-enrol MFA"),
    change("+", "table", "Order-tenant-42", "as Order-pooled: 1 GSI, TTL, on-demand, PITR"),
    change(">", "copy", "Order", "~1,204,000 items", estimate={"items": 1_204_000.0, "bytes": 2.1 * 1024**3}),
    change("~", "usage plan", "basic -> premium", "key kept"),
    change("~", "directory", "tenantTier, userPoolId, appClientId, apiGatewayUrl, dedicatedTenancy"),
    change("=", "metric filters, alarms", "", "3 recreated identically"),
    change("!", "consumers", "1 on Order-pooled: search-index", "attach_at_flip"),
    change("~", "cutover", "tenant-42", "fence `epoch`, at most 5s"),
    change("-", "items", "Order in Order-pooled", "items of tenant-42 only", step="retire", irreversible=True),
]

AROUND = Surroundings(identity="ops/anna", mutating_calls=0, rcu=212)

BLOCKED = Surroundings(
    identity="ops/anna",
    mutating_calls=0,
    rcu=12,
    blocks=[
        Finding(
            level="block",
            about="Order",
            text="Order-pooled has items of suffix 11, outside the range [1, 10]",
            next="widen `suffixes` in the estate",
        )
    ],
    warnings=[Finding(level="warn", about="identity", text="22 users must re-enrol MFA")],
)


def header(tenant: str = "tenant-42", reason: str = "upgrade") -> Header:
    return Header(
        run=RUN, tenant=tenant, plan=plan(), operator="bo", version="0.1.0", reason=reason, change_ref="CHG-1", at=BEGAN
    )


def view(*facts: tuple[str, str, dict[str, Any]], of: Header | None = None) -> tuple[RunView, list[Entry]]:
    """A run after these (step, fact, data), a second apart."""
    entries = [
        Entry(
            run=RUN,
            seq=number,
            step=step,
            fact=Fact(fact),
            data=data,
            at=BEGAN + number,
            by="bo@laptop",
            fence=1,
            write_id=str(number),
            prev="0" * 64,
            hash=f"{number:064x}",
        )
        for number, (step, fact, data) in enumerate([("", "run_started", {}), *facts], start=1)
    ]
    return fold(of or header(), entries), entries


def done(step: str, output: dict[str, Any] | None = None) -> list[tuple[str, str, dict[str, Any]]]:
    return [(step, "started", {}), (step, "done", output or {})]


PREPARED = [
    *done("preflight"),
    *done("identity"),
    *done("resources"),
    *done("config"),
    *done("channel"),
    *done("copy", {"stores": {"Order": {"units": 10, "items": 1000, "bytes": 400_000}}}),
    *done("catch-up", {"lag_seconds": 0.4, "stores": {"Order": {"synced": 37, "parked": 0}}}),
    *done(
        "verify",
        {"stores": {"Order": {"units": 10, "items": 1000, "checked": 1000, "digest": "ab" * 16, "repaired": 0}}},
    ),
]

FLIPPED = [
    *PREPARED,
    ("cutover", "started", {}),
    ("", "fenced", {"epoch": 1_700_000_001, "fence": "epoch", "step": "cutover"}),
    (
        "",
        "flipped",
        {"serving": "target", "step": "cutover", "at": BEGAN + 20, "epoch": 1_700_000_002, "fence": "epoch",
         "compared": 3, "pause_ms": 391, "fence_ms": 90, "drain_ms": 250, "verify_ms": 40},
    ),
    (
        "cutover",
        "done",
        {"serving": "target", "fence": "epoch", "pause_ms": 391, "drain_ms": 250, "late_events": 0,
         "certificate": {"verified": {"Order": {"units": 10, "items": 1000, "digest": "ab" * 16, "repaired": 0}}}},
    ),
    ("", "soaking", {}),
]  # fmt: skip


def lease(*, held: bool = True, age: float = 4.0) -> Lease:
    return Lease(
        run=RUN, holder=HOLDER if held else None, fence=2, beat=7, seq=9, head="9" * 64, beat_at=BEGAN + 60 - age
    )


CURSORS = {
    ("copy", f"Order/p/tenant-42-{number}"): Cursor(
        unit=f"Order/p/tenant-42-{number}", position=None, items=60, bytes=24_000, done=True
    )
    for number in (1, 2)
}
