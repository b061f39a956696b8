"""The screens an operator sees, as reviewed text files."""

from __future__ import annotations

from typing import Any

import pytest

from portability import errors
from portability.cli.screen import error_text
from portability.journal.lease import held_elsewhere
from portability.report import documents
from portability.report.certificate import certificate, certificate_line
from portability.report.lines import Lines
from portability.report.preview import preview_text
from portability.report.status_object import Parked, seen
from portability.report.status_text import status_text
from portability.stores.base import Measured
from tests.ui import samples
from tests.ui.golden import hold

NOW = samples.BEGAN + 60
POSTPONED = {"reason": "postponed", "what": f"the cutover of run {samples.RUN} is postponed"}
DIFFERS = "PORT-E110 the sides differ; Order: 1 differs (keys abc)"


def test_the_preview_reads_as_the_manual_shows_it() -> None:
    hold("plan", preview_text(samples.plan(), samples.AROUND))


def test_the_preview_of_a_move_that_is_blocked_says_what_must_be_mended() -> None:
    hold("plan-blocked", preview_text(samples.plan(changes=[]), samples.BLOCKED))


def test_the_whole_preview_also_shows_waiting_and_checking() -> None:
    hold("plan-verbose", preview_text(samples.plan(), samples.AROUND, everything=True))


def look(
    *facts: tuple[str, str, dict[str, Any]], held: bool = True, parked: Parked | None = None, gone: bool = False
) -> Any:
    view, entries = samples.view(*facts)
    lease = samples.lease(held=held)
    return (
        seen(view=view, lease=lease, cursors=samples.CURSORS, parked=parked or {}, now=NOW, gone=gone),
        entries,
    )


STATES: dict[str, tuple[Any, ...]] = {
    "running": (samples.PREPARED[:11], True, {("Order.forward", "p/tenant-42-3"): 12, ("Order.forward", "doubt"): 2}),
    "postponed": (
        [*samples.PREPARED, ("", "goal", {"goal": "migrate", "postponed": True}), ("", "parked", POSTPONED)],
        False,
        {},
    ),
    "mismatch": (
        [*samples.PREPARED[:14], ("verify", "started", {}), ("verify", "failed", {"error": DIFFERS}),
         ("", "parked", {"reason": "mismatch", "what": DIFFERS})],
        False,
        {},
    ),
    "fenced": (samples.FLIPPED[:18], True, {}),
    "soaking": (samples.FLIPPED, False, {}),
    "unwinding": ([*samples.PREPARED[:4], ("", "goal", {"goal": "cancel"}), ("identity", "undoing", {})], True, {}),
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_status_in_every_state(state: str) -> None:
    facts, held, parked = STATES[state]
    hold(f"status-{state}", status_text(look(*facts, held=held, parked=parked)[0]))


def test_a_run_whose_process_is_gone_says_so_and_how_to_go_on() -> None:
    orphan = look(*samples.PREPARED[:11], gone=True)[0]
    hold("status-orphan", status_text(orphan))
    assert orphan.value["next_steps"][0] == f"portability resume {samples.RUN}"
    times = [step["seconds"] for step in orphan.value["steps"] if step["status"] == "started"]
    assert times == [0.0], "nothing has worked on the step since the last entry"


SOAKED = [*samples.FLIPPED, ("soak", "started", {}), ("soak", "note", {"about": "soak", "until": 0.0})]


@pytest.mark.parametrize(
    ("goes_on", "status", "seconds"),
    (
        ([], "started", 37.0),
        ([("", "goal", {"goal": "complete"}), ("retire", "started", {})], "done", 3.0),
        ([("", "goal", {"goal": "complete"}), *samples.done("retire"), ("", "completed", {})], "done", 3.0),
        ([("", "goal", {"goal": "reverse"}), *samples.done("cutover.2"), ("", "reversed", {})], "pending", None),
    ),
    ids=("soaking", "completing", "completed", "reversed"),
)
def test_a_soak_is_over_when_what_ends_it_was_asked_for(goes_on: Any, status: str, seconds: float | None) -> None:
    value = look(*SOAKED, *goes_on)[0].value
    soak = next(step for step in value["steps"] if step["uses"] == "soak")
    assert (soak["status"], soak["seconds"]) == (status, seconds)


# -------------------------------------------------------------------------------------------------------------- columns

LONG = "tenant-with-a-name-of-sixty-characters-as-some-estates-have-" * 2
LONG_NAME = LONG[:60]


def test_long_names_end_their_line_and_the_row_goes_on_in_its_columns() -> None:
    changes = [
        samples.change("+", "user pool", LONG_NAME, "812 users: 790 keep their password at sign-in, 22 must re-enrol"),
        samples.change("+", "table", "Order-tenant-42", "as Order-pooled: 1 GSI, TTL, on-demand, PITR, tags, alarms"),
        samples.change(">", "copy", LONG_NAME, "~1 items", estimate={"items": 1_204_000.0, "bytes": 2.1 * 1024**3}),
        samples.change("~", "stack mapping", "none -> stack-tenant-42"),
        samples.change("-", "items", LONG_NAME, "items of tenant-42 only", step="retire"),
    ]
    plan = samples.plan(tenant=LONG_NAME, changes=changes)
    shown = preview_text(plan, samples.AROUND, room=80)
    hold("plan-long", shown)
    assert max(len(line) for line in shown.split("\n")[1:]) <= 80


def test_a_block_with_a_long_text_keeps_its_fix_in_one_piece() -> None:
    shown = preview_text(samples.plan(changes=[]), samples.BLOCKED, room=80)
    hold("plan-blocked-80", shown)
    assert "Fix: widen `suffixes` in the estate\n" in shown


def test_a_status_with_long_names_stays_in_its_columns() -> None:
    view, _ = samples.view(*samples.PREPARED, of=samples.header(tenant=LONG_NAME))
    shown = status_text(seen(view=view, lease=samples.lease(), cursors=samples.CURSORS, parked={}, now=NOW), room=80)
    hold("status-long", shown)
    assert max(len(line) for line in shown.split("\n") if not line.startswith("Next: ")) <= 80


def test_a_terminal_narrower_than_any_column_still_gets_every_word() -> None:
    wide, narrow = (preview_text(samples.plan(), samples.AROUND, room=room) for room in (None, 20))
    assert "".join(wide.split()) == "".join(narrow.split())


def test_the_status_object_has_exactly_the_documented_fields() -> None:
    value = look(*samples.FLIPPED)[0].value
    assert list(value) == [
        *("version", "run_id", "tenant", "from", "to", "state", "reason", "serving", "steps", "data", "channel"),
        *("verify", "cutover", "reversible_until", "next_steps"),
    ]
    assert list(value["steps"][0]) == ["id", "uses", "status", "seconds", "attempts"]
    assert list(value["data"][0]) == [
        *("store", "items", "bytes", "synced_keys", "parked_keys", "doubtful_keys", "repaired_keys"),
    ]
    assert list(value["channel"]) == ["lag_seconds", "backlog", "retention_left_seconds"]
    assert list(value["verify"]) == ["checked", "mismatched"]
    assert list(value["cutover"]) == [
        "can_commit",
        "blocked_by",
        "fence",
        "pause_ms",
        "drain_ms",
        "late_events",
        "fenced",
    ]


def test_the_channels_figures_are_the_worst_of_all_stores_and_age_with_the_clock() -> None:
    view, _ = samples.view(*samples.PREPARED[:11])
    measured = [Measured(NOW - 100, 0.4, 3, 80_000.0), Measured(NOW - 3600, 1.5, 4, 79_000.0)]

    def channel(*kept: Measured | None) -> Any:
        return seen(
            view=view, lease=samples.lease(held=True), cursors=samples.CURSORS, parked={}, now=NOW, measured=kept
        )

    value = channel(*measured).value["channel"]
    assert value == {"lag_seconds": 1.5, "backlog": 7, "retention_left_seconds": 75_400.0}
    text = status_text(channel(*measured))
    assert "channel 1.5 s behind when last measured, 7 keys waiting" in text
    assert "changes not read yet are kept for 20 h 56 min more" in text
    unknown = Measured(NOW, None, 0, None)
    assert channel(measured[0], unknown).value["channel"] == {
        "lag_seconds": None,
        "backlog": 3,
        "retention_left_seconds": None,
    }
    assert channel(measured[0], None).value["channel"]["backlog"] is None
    gone = Measured(NOW - 2 * 86_400, 0.4, 0, 86_000.0)
    assert channel(gone).value["channel"]["retention_left_seconds"] == 0.0


def test_what_is_not_known_is_null() -> None:
    value = look(*samples.PREPARED[:4])[0].value
    assert value["verify"] == {"checked": None, "mismatched": None}
    assert value["cutover"]["pause_ms"] is None
    assert value["channel"]["backlog"] is None
    assert value["data"][0]["items"] is None
    assert value["steps"][5]["seconds"] is None


def test_parked_keys_hold_up_the_cutover_and_are_told_from_doubtful_ones() -> None:
    parked = {("Order.forward", "p/tenant-42-3"): 12, ("Order.forward", "doubt"): 2}
    parked |= {("Orders.forward", "x"): 99, ("Order-items.forward", "x"): 99}
    value = look(*samples.PREPARED, parked=parked)[0].value
    order = next(store for store in value["data"] if store["store"] == "Order")
    assert (order["parked_keys"], order["doubtful_keys"]) == (12, 2)
    assert value["cutover"]["can_commit"] is False


# ------------------------------------------------------------------------------------------------------------- progress


class Ticks:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_progress_off_a_terminal_is_a_line_per_5_percent_or_15_seconds() -> None:
    clock, told = Ticks(), list[str]()
    view, _ = samples.view()
    lines = Lines(told.append, view, monotonic=clock)
    step = {"run": samples.RUN, "step": "copy"}
    lines("step_started", **step, uses="copy_data")
    for number in range(1, 101):
        clock.now += 2.0
        lines("copied", **step, store="Order", unit=f"p/{number}", items=12_040, bytes=22_548_578)
    lines("step_done", **step, uses="copy_data")
    step["step"] = "catch-up"
    lines("step_started", **step, uses="catch_up")
    for number in range(200):
        clock.now += 0.2
        lines("lag", **step, seconds=None if number < 5 else 0.4, backlog=12, parked=0, doubtful=1, retention_left=None)
    lines("step_done", **step, uses="catch_up")
    step["step"] = "cutover"
    lines("step_started", **step, uses="cut_over")
    lines("compared", **step, store="Order", unit="p/1", items=120, repaired=0)
    lines("fenced", **step, fence="epoch")
    lines("flipped", **step, serving="target", pause_ms=391)
    lines("watching", **step, seconds_left=4.8)
    lines("step_done", **step, uses="cut_over")
    lines("soaking", run=samples.RUN)
    lines("step_failed", **{**step, "step": "retire"}, error="PORT-E205 throttled")
    lines("parked", run=samples.RUN, reason="failure")
    hold("progress", "\n".join(told) + "\n")
    copied = [line for line in told if "of ~" in line]
    assert 20 <= len(copied) <= 40


def test_a_copy_of_unknown_size_still_tells_every_15_seconds() -> None:
    clock, told = Ticks(), list[str]()
    view, _ = samples.view()
    lines = Lines(told.append, view, monotonic=clock)
    for _ in range(100):
        clock.now += 1.0
        lines("copied", run=samples.RUN, step="copy", store="Product", unit="p/1", items=10, bytes=100)
    assert 6 <= len(told) <= 8


def test_a_comparison_is_measured_by_what_the_copy_found_where_that_was_more_than_estimated() -> None:
    told = list[str]()
    view, _ = samples.view()
    lines = Lines(told.append, view, monotonic=Ticks())
    for store, items in (("Order", 2_408_000), ("Product", 500)):
        lines("copied", run=samples.RUN, step="copy", store=store, unit="p/1", items=items, bytes=100)
    lines("step_done", run=samples.RUN, step="copy", uses="copy_data")
    for store in ("Order", "Product"):
        lines("compared", run=samples.RUN, step="verify", store=store, unit="p/1", items=250, repaired=0)
    *_, order, product = told
    assert "250 of ~2,408,000 items (0%)" in order
    assert "250 of ~500 items (50%)" in product


# --------------------------------------------------------------------------------------------------------------- errors


ERRORS: dict[str, errors.PortabilityError] = {
    "usage": errors.UsageMistake("where to? --to is missing", next="portability plan tenant-42 --to TIER"),
    "file": errors.FileInvalid(
        "'soka' is no key here; did you mean 'soak'?",
        where="plans/estate.yaml:118",
        next="portability validate plans/estate.yaml",
    ),
    "unknown": errors.UnknownName(
        "tenant nobody is not in the directory ServerlessSaaS-TenantDetails",
        next="check the id, or the estate's directory.table",
    ),
    "preflight": errors.PreflightRefused(
        "tenant-42 cannot move to premium:\n  Order: Order-pooled has items of suffix 11, outside the range [1, 10]"
        "  Fix: widen `suffixes` in the estate\n"
        "  journal: the table portability-journal is not there  Fix: portability init",
        next="portability doctor tenant-42",
    ),
    "credentials": errors.Unauthorised(
        "dynamodb.GetItem on ServerlessSaaS-TenantDetails: AccessDenied (needs the permission dynamodb:GetItem)",
        next="portability doctor",
    ),
    "plan": errors.PlanRejected(
        'the plan is stale: estate.soak: "24h" -> "12h"', next="portability plan tenant-42 --to premium --out FILE"
    ),
    "parked": errors.Parked(
        "step cutover waits at its window gate: it is 14:02 UTC, the window is 22:00 to 05:00",
        reason="gate",
        next=f"portability resume {samples.RUN}",
        changed="The source serves; nothing is frozen.",
    ),
    "step": errors.StepFailed(
        "dynamodb.BatchWriteItem on Order-tenant-42: ThrottlingException",
        next=f"portability resume {samples.RUN}",
        changed="The source serves. The run is parked.",
    ),
    "unwind": errors.UnwindIncomplete(
        "undoing resources failed (PORT-E205 throttled); still to undo: resources, identity",
        next=f"portability cancel {samples.RUN}",
        changed="The source serves; what this run created is partly there.",
    ),
    "mismatch": errors.Mismatch(
        "the sides differ; Order: 1 differs (keys abc123)",
        next=f"portability verify {samples.RUN} --repair",
        changed="The source serves; nothing is frozen.",
    ),
    "waited": errors.WaitedTooLong(
        f"run {samples.RUN} is still running after 60 s",
        next=f"portability status {samples.RUN} --watch",
        changed="The run goes on.",
    ),
    "interrupted": errors.Interrupted(
        f"run {samples.RUN} was asked to stop", signum=2, next=f"portability resume {samples.RUN}"
    ),
}  # fmt: skip


def test_every_family_of_errors_says_what_what_changed_and_what_next() -> None:
    held = held_elsewhere(samples.header(), samples.lease(), NOW)
    every = ERRORS | {"lease": held}
    hold("errors", "\n\n".join(error_text(error) for error in every.values()) + "\n")
    assert error_text(held).startswith("PORT-E105 tenant-42 is being migrated by run r-01J8Z")
    assert "(bo@laptop, last beat 4 s ago)." in error_text(held)


# -------------------------------------------------------------------------------------------------------------- reports


def test_a_run_is_written_up_in_markdown() -> None:
    hold("report", documents.report_markdown(*look(*samples.FLIPPED)))


def test_the_certificate_holds_both_sides_to_the_journal() -> None:
    view, entries = samples.view(*samples.FLIPPED)
    proof = certificate(view, samples.lease(), entries)
    assert proof is not None
    hold("certificate", certificate_line(proof) + "\n")
    flip = next(entry for entry in entries if entry.fact == "flipped")
    assert proof["journal"]["flip_hash"] == flip.hash


def test_a_run_that_was_not_cut_over_has_no_certificate() -> None:
    view, entries = samples.view(*samples.PREPARED)
    assert certificate(view, samples.lease(), entries) is None
