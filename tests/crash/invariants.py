"""I1 to I9 of the design, as functions over a scene at rest. Each gives what it found broken, in words; none is good.

`now` is a scene with its application paused. What has to be the same as after a clean journey is held against `Ended`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from portability.model.estate import seconds
from portability.sandbox import ledger
from portability.sandbox.seed import find_shape
from portability.sandbox.shape import Shape
from portability.steps.guardian.orders import MARGIN
from tests.crash.scene import QUICK, TENANT, Scene
from tests.support.inventory import changes, everything
from tests.support.wire import Call

OUTCOMES = frozenset({"done", "skipped", "undone", "flipped", "completed", "reversed", "unwound", "soaking"})
"""Facts that a run has as often, however often it was interrupted."""

OWN = frozenset({"legacySub", "sub", "portabilityRun", "portabilityPriorSub", "portabilityPriorRun"})
DRAWN = frozenset({"userPoolId", "appClientId", "tenantConfig"})
"""Attributes that name what a service drew by lot: users, pools and clients made anew."""

OF_A_MOVE = frozenset({"ClientId", "sub", "custom:legacySub", "custom:tenantId", "custom:tenantTier"})
"""Drawn by lot, or filled in by the first of a tenant's moves and kept by the others."""

RUN = re.compile(r"r-[0-9A-Z]{26}")


@dataclass
class Ended:
    """A journey's end: the estate, and what its run did. `at` is the run's id."""

    run: str
    state: str
    serving: Mapping[str, str]
    inventory: dict[str, Any] = field(repr=False)
    outcomes: Counter[tuple[str, str]] = field(repr=False)


@dataclass
class Now:
    """What the invariants look at. `since` are the runs before the journey, `whole` says that it went all the way."""

    scene: Scene
    clean: Ended | None
    since: frozenset[str]
    here: Ended
    whole: bool = True


def look(scene: Scene, since: frozenset[str], clean: Ended | None) -> Now:
    """Read everything."""
    new = runs_of(scene) - since
    run = max(new, default="")
    status = scene.run("status", run, "-o", "json").expect(0).json if run else {"state": ""}
    shape, dynamodb = find_shape(scene.shape), scene.client("dynamodb")
    here = Ended(
        run=run,
        state=status["state"],
        serving={store: shape.table(dynamodb, TENANT, store) for store in shape.stores},
        inventory=inventory(scene, shape),
        outcomes=Counter((each["fact"], each["step"]) for each in entries(scene, run) if each["fact"] in OUTCOMES),
    )
    return Now(scene, clean, since, here)


def runs_of(scene: Scene) -> frozenset[str]:
    """Every run of the journal."""
    return frozenset(row["sk"] for row in scene.rows("RUNS"))


def entries(scene: Scene, run: str) -> list[dict[str, Any]]:
    """A run's entries, as they were written."""
    return [json.loads(row["body"]) for row in scene.rows(f"RUN#{run}", "E#")] if run else []


# ---------------------------------------------------------------------------------------------------------- invariants


def no_acknowledged_write_is_lost(now: Now) -> Iterable[str]:
    """I1: every key is as its writer was last told, in the tables that serve."""
    verdict = now.scene.verdict(now.scene.app.ledgers, TENANT)
    if verdict.acknowledged == 0:
        yield "no write was acknowledged: nothing was tested"
    yield from (f"{problem}" for problem in verdict.problems[:5])


def nothing_happened_twice(now: Now) -> Iterable[str]:
    """I2: the same resources and the same outcomes as after a clean journey."""
    if now.clean is None:
        return
    for name, (was, is_) in changes(now.clean.inventory, now.here.inventory).items():
        there, wanted = _parts_that_differ(is_, was)
        yield f"{name} is {there!r} and should be {wanted!r}"
    more, less = now.here.outcomes - now.clean.outcomes, now.clean.outcomes - now.here.outcomes
    if more or (less and now.whole):
        yield f"outcomes differ from a clean journey's: more {dict(more)}, less {dict(less)}"


def _parts_that_differ(one: Any, other: Any) -> tuple[Any, Any]:
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return one, other
    parts = [part for part in {**one, **other} if one.get(part) != other.get(part)]
    return {part: one.get(part) for part in parts}, {part: other.get(part) for part in parts}


def one_side_serves(now: Now) -> Iterable[str]:
    """I3: the side that should serve does, the application writes there, and no pause outlived its limit."""
    if now.clean is not None and now.here.serving != now.clean.serving:
        yield f"served by {now.here.serving}, not by {now.clean.serving}"
    most = seconds(QUICK["fence"]["freeze_max"]) + MARGIN
    for path in now.scene.app.ledgers:
        for writer, pauses in ledger.pause(ledger.read(path)).items():
            if max(pauses, default=0) > 1000 * most:
                yield f"{writer} waited {max(pauses) / 1000:.1f} s, more than {most:g} s"


def neighbours_are_untouched(now: Now) -> Iterable[str]:
    """I4: nobody else's item differs from what it was when the scene was made."""
    for table, (was, is_) in changes(now.scene.before, now.scene.neighbours(TENANT)).items():
        if was != is_:
            yield f"items of other tenants differ in {table}"


def the_journal_is_whole(now: Now) -> Iterable[str]:
    """I5: chain and head are intact and the entries are a legal path."""
    for run in sorted(runs_of(now.scene) - now.since):
        ran = now.scene.run("journal", "verify", run)
        if ran.exit != 0:
            yield f"journal verify {run}: {ran.stderr.strip()}"


def the_run_is_at_rest(now: Now) -> Iterable[str]:
    """I6: it ended as a clean one does, and left no key behind that a closed channel was to delete."""
    if now.clean is not None and now.here.state != now.clean.state:
        yield f"run {now.here.run} is {now.here.state}, not {now.clean.state}"
    if now.here.state in ("completed", "unwound"):
        left = [row["sk"] for row in now.scene.rows(f"RUN#{now.here.run}", "K#")]
        if left:
            yield f"parked keys outlived their channel: {left[:3]}"


def fences_only_grow(now: Now) -> Iterable[str]:
    """I7: entries under one lease fence are of one process, and no entry's fence is lower than one before it."""
    holders: dict[int, str] = {}
    last = 0
    for entry in entries(now.scene, now.here.run):
        fence, by = entry["fence"], entry["by"]
        if fence < last or holders.setdefault(fence, by) != by:
            yield f"entry {entry['seq']} ({entry['fact']}) of {by} is under lease fence {fence}, of {holders[fence]}"
        last = fence


def looking_changes_nothing(calls: Iterable[Call]) -> Iterable[str]:
    """I8: of what a plan or a dry run sent, nothing changes anything."""
    return (f"{call.service} {call.operation}" for call in calls if call.mutating)


def no_consumer_came(now: Now) -> Iterable[str]:
    """I9, as far as no consumer is declared: none is attached, and no canary of ours is left for one to read."""
    for name in now.here.inventory:
        if name.startswith(("lambda ", "events ", "sqs ", "sns ")) or "portability-canary" in name:
            yield f"{name} is there"


INVARIANTS: Mapping[str, Callable[[Now], Iterable[str]]] = {
    "I1": no_acknowledged_write_is_lost,
    "I2": nothing_happened_twice,
    "I3": one_side_serves,
    "I4": neighbours_are_untouched,
    "I5": the_journal_is_whole,
    "I6": the_run_is_at_rest,
    "I7": fences_only_grow,
    "I9": no_consumer_came,
}


def broken(now: Now) -> list[str]:
    """Everything found, each with its invariant."""
    return [f"{name}: {found}" for name, holds in INVARIANTS.items() for found in holds(now)]


# ----------------------------------------------------------------------------------------------------------- inventory


def inventory(scene: Scene, shape: Shape) -> dict[str, Any]:
    """Everything there is but the journal and the tenant's data where it is served, with drawn ids named alike."""
    found = everything(scene.client, beside=OWN | DRAWN)
    serving = {shape.table(scene.client("dynamodb"), TENANT, store): keys for store, keys in shape.stores.items()}
    alias = {name.split()[1]: value["Name"] for name, value in found.items() if name.startswith("pool ")}
    kept: dict[str, Any] = {}
    for name, value in found.items():
        kind, _, rest = name.partition(" ")
        where = rest.partition(" ")[0]
        if kind in ("sub", "object") or (kind == "item" and where == scene.journal_table):
            continue  # drawn by lot, named by a run
        if kind == "item" and where in serving and _is_the_tenants(rest.partition(" ")[2], shape, where, serving):
            continue
        if kind == "client":
            kept[f"client {alias[where]} {value['ClientName']}"] = _named(value, alias)
        else:
            kept[" ".join(alias.get(part, part) for part in name.split(" "))] = _named(value, alias)
    return kept


def _is_the_tenants(key: str, shape: Shape, table: str, serving: Mapping[str, Any]) -> bool:
    keys = serving[table]
    parts = dict(zip((attribute for attribute in keys.key), key.split(" "), strict=False))
    typed = {attribute.name: {attribute.type: text} for attribute, text in parts.items()}
    return bool(keys.tenant_of(typed) == TENANT)


def _named(value: Any, alias: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _named(each, alias) for name, each in value.items() if name not in OF_A_MOVE}
    if isinstance(value, list):
        return [_named(each, alias) for each in value]
    if not isinstance(value, str):
        return value
    for drawn, name in alias.items():
        value = value.replace(drawn, name)
    return RUN.sub("r-*", value)
