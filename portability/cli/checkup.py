"""What `doctor` looks at, in the order in which one thing needs the other. Read-only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from portability import errors
from portability.cli import operations, planning
from portability.cli.wiring import Desk
from portability.journal.lease import ThisHost
from portability.model.change import Finding
from portability.model.run import RunView
from portability.model.status import RunState
from portability.plan.compile import NothingToDo
from portability.report.status_object import next_steps

READY, UNKNOWN, BLOCKED = "ready", "unknown", "blocked"
LEVELS = {"ok": READY, "warn": UNKNOWN, "block": BLOCKED}


@dataclass(frozen=True)
class Check:
    """One thing looked at; `status` is ready, unknown or blocked."""

    about: str
    status: str
    text: str
    fix: str = ""


def look(desk: Desk, tenant: str | None, to: str | None) -> list[Check]:
    """Every check; what rests on something blocked is left out, except that each source is asked once."""
    found = [_tried("estate file", lambda: f"{desk.settings.config}: estate {desk.estate.name}")]
    if found[-1].status == BLOCKED:
        return found
    found.append(_tried("recipes", lambda: ", ".join(recipe.name for recipe in desk.recipes)))
    found.append(_tried("region", lambda: desk.region))
    found.append(_tried("credentials", lambda: f"account {desk.account} as {desk.identity}"))
    if any(check.status == BLOCKED for check in found if check.about in ("region", "credentials")):
        return found
    found.append(_tried("directory", lambda: _table(desk, desk.estate.directory.table, desk.estate.directory_region)))
    found.append(_tried("journal", lambda: _journal(desk)))
    if found[-1].status != BLOCKED:
        found += _runs(desk)
    if tenant is not None:
        found += _tenant(desk, tenant, to)
    return found


def _tried(about: str, looked: Callable[[], str]) -> Check:
    try:
        return Check(about, READY, looked())
    except errors.PortabilityError as error:
        return Check(about, BLOCKED, error.what, error.next)


def _table(desk: Desk, table: str, region: str) -> str:
    if desk.observing.dynamodb(region=region).describe(table) is None:
        raise errors.UnknownName(
            f"the table {table} is not there", next="name another under directory.table, or another region"
        )
    return table


def _journal(desk: Desk) -> str:
    journal = desk.journal
    return f"{desk.estate.journal.table}, {len(journal.runs())} runs"


def _runs(desk: Desk) -> Iterator[Check]:
    """Open runs; one that left a tenant's writes paused is blocked until somebody goes on with it."""
    for view in operations.open_runs(desk):
        run = view.header.run
        yield _run(desk, view, f"run of {view.header.tenant}", f"{run} is {view.state}")


def _run(desk: Desk, view: RunView, about: str, text: str) -> Check:
    run, holder = view.header.run, desk.journal.lease(view.header.run).holder
    gone = holder is None or ThisHost().gone(holder)
    lift = f"portability resume {run} (or portability cancel {run}): it lifts the fence first"
    if view.fenced and not operations.paused(desk, view):
        text = f"{text}: a fence was announced and none stands, this tenant's writes go on"
        return Check(about, UNKNOWN, text, f"portability resume {run}" if gone else f"portability status {run} --watch")
    if view.fenced and gone:
        return Check(about, BLOCKED, f"{text}: its process is gone and left this tenant's writes paused", lift)
    if view.fenced:
        return Check(about, UNKNOWN, f"{text} and pauses this tenant's writes now", f"portability status {run} --watch")
    if view.state is RunState.STUCK:
        return Check(about, BLOCKED, f"{text}: an undo failed", f"portability cancel {run}")
    if view.state is RunState.RUNNING and gone:
        return Check(about, UNKNOWN, f"{text}, but nobody holds it", f"portability resume {run}")
    return Check(about, READY, text)


def _tenant(desk: Desk, tenant: str, to: str | None) -> Iterator[Check]:
    try:
        record = desk.directory.read(tenant)
    except errors.PortabilityError as error:
        yield Check(tenant, BLOCKED, error.what, error.next)
        return
    if record is None:
        text = f"{tenant} is not in {desk.estate.directory.table}"
        yield Check(tenant, BLOCKED, text, "check the id, or directory.table")
        return
    yield Check(tenant, READY, f"in {record.tier}")
    view = operations.under_way(desk, tenant, None)
    if view is not None:
        yield _moving(view, to)
        return
    towards = [to] if to else [name for name in desk.estate.tiers if name != record.tier]
    found: dict[Check, list[str]] = {}
    for tier in towards:
        for check in _towards(desk, tenant, tier):
            found.setdefault(check, []).append(tier)
    for check, tiers in found.items():
        about = check.about if len(tiers) == len(towards) else f"{check.about} (to {', '.join(tiers)})"
        yield Check(about, check.status, check.text, check.fix)


def _moving(view: RunView, to: str | None) -> Check:
    """A tenant has one run at a time: until it ends, there is no other move to look at."""
    run, about = view.header.run, f"move of {view.header.tenant}"
    verbs = ", or ".join([f"portability status {run}", *next_steps(view, driven=False)])
    if to is not None and not operations.same_move(view, to):
        return Check(about, BLOCKED, operations.another_move(view).what, verbs)
    text = f"run {run} to {view.header.plan.target.tier} is {view.state}, the {view.serving} serves"
    return Check(about, READY, text, verbs)


def _towards(desk: Desk, tenant: str, tier: str) -> list[Check]:
    try:
        planned = planning.make_plan(desk, tenant, tier)
    except errors.PortabilityError as error:
        return [Check(f"to {tier}", BLOCKED, error.what, error.next)]
    if isinstance(planned, NothingToDo):
        return [Check(f"to {tier}", READY, f"{tenant} is there already")]
    return [_finding(one) for one in planned.findings]


def _finding(one: Finding) -> Check:
    return Check(one.about, LEVELS.get(one.level, UNKNOWN), one.text, one.next)
