"""Writes that a cutover did not wait for: on their way across the fence, or under what is cached or permitted too long.

Nothing of them may be lost in silence: each is refused, or found on the side that serves, or stops the run with an exit
code and with its evidence in the journal.
"""

from __future__ import annotations

import time
from contextlib import ExitStack

from botocore.config import Config

from portability.sandbox import ledger
from portability.sandbox.data_access import NO_RETRIES
from portability.sandbox.seed import find_shape
from tests.crash import substeps
from tests.crash.accesses import Plain
from tests.crash.application import Application
from tests.crash.crowd import (
    EPOCH,
    FLAG,
    UNHURRIED,
    WITHIN,
    Kind,
    crowd,
    cutting_over,
    estate_with,
    go_on,
    refuse_losses,
    timed,
    waits,
)
from tests.crash.invariants import entries
from tests.crash.journeys import PARKED, Journey
from tests.crash.routers import probed, routers
from tests.crash.scene import TENANT, Scene
from tests.crash.stage import Broken, Faulting, Stage, Trial
from tests.support.fenced import stamp_of
from tests.support.wire import Call, Wire, proxy
from tests.support.world import Ran, merge, wait_for

MISMATCH = 11
THE_END = "the end"
PATIENT = NO_RETRIES.merge(Config(read_timeout=120))  # its answer is what the trial is about
TOO_LONG = 30.0
"""Seconds for which an application caches its record where the estate declares a fraction of one, or two."""

ROUTED = Kind("directory_flag behind two routers", FLAG.estate, Plain, 0.3)
LAGS = {"less than declared": 1.0, "more than declared": 4.0, "more than the budget": 600.0}
BUDGET = {"fence": {"freeze_max": "6s", "drain": "1s", "attempts": 1}}


# ------------------------------------------------------------------------------------------------ on their way


def held_across(stage: Stage, journey: Journey, trial: Trial) -> bool:
    """A write that checks its epoch is sent before the fence, and arrives at the point: it is refused there."""
    scene, there, own = stage.scene, trial.point.name, Wire()
    with proxy(scene.env["AWS_ENDPOINT_URL_DYNAMODB"], own) as url:
        one = crowd(scene, trial, EPOCH, writers=1, cache=0.1, endpoints=[url], config=PATIENT)
        with cutting_over(stage, journey) as act, one.writing():
            one.goes_on(within=WITHIN)
            since = scene.wire.held
            with ExitStack() as stack:
                if there != THE_END:
                    stack.enter_context(substeps.waiting(scene, there))
                with own.hold(_checks_its_epoch, late=True):
                    process = scene.start(*act.words(scene))
                    if there == THE_END:
                        scene.finish(process)
                    reached = there == THE_END or waits(scene, process, since)
                    held = _last(one) if own.held else None
                if held is not None:
                    _is_refused(one, held, there)
            if scene.finish(process).exit != act.code:
                go_on(scene, act)
            one.goes_on(within=WITHIN)
    refuse_losses(scene, one)
    return reached and held is not None


def slow(stage: Stage, journey: Journey, trial: Trial) -> bool:
    """A write without a condition is on its way when the flag is raised, for less than declared: it is carried over."""
    scene, own = stage.scene, Wire()
    with ExitStack() as stack:
        url = stack.enter_context(proxy(scene.env["AWS_ENDPOINT_URL_DYNAMODB"], own))
        stack.enter_context(estate_with(scene, FLAG.estate))
        one = crowd(scene, trial, FLAG, writers=1, endpoints=[url], config=PATIENT)
        with cutting_over(stage, journey) as act, one.writing():
            one.goes_on(within=WITHIN)
            since = scene.wire.held
            with ExitStack() as sent:
                with substeps.waiting(scene, substeps.RAISING):
                    process = scene.start(*act.words(scene))
                    reached = waits(scene, process, since)
                    if reached:
                        sent.enter_context(own.hold(lambda call: call.mutating, late=True))
                        wait_for(lambda: own.held, within=WITHIN, every=0.01)
                if reached:
                    time.sleep(trial.rng.uniform(0.2, 0.8))
            if scene.finish(process).exit != act.code:
                go_on(scene, act)
            one.goes_on(within=WITHIN)
    refuse_losses(scene, one)
    return reached


def _checks_its_epoch(call: Call) -> bool:
    return call.operation == "TransactWriteItems"


def _last(one: Application) -> ledger.Line:
    *_, last = ledger.read(one.ledgers[0])
    return last


def _is_refused(one: Application, held: ledger.Line, there: str) -> None:
    one.tries(within=WITHIN)
    lines = list(ledger.read(one.ledgers[0]))
    told = [line.kind for line in lines if line.number == held.number and line.mono > held.mono]
    if told[:1] != ["refused"]:
        raise Broken(f"R10: a write from before the fence, let go at {there}, was told {told}")


# ------------------------------------------------------------------------------------------- cached for longer


def caching(kind: Kind) -> Faulting:
    """An application caches its record from the point on, and for far longer than declared."""

    def go(stage: Stage, journey: Journey, trial: Trial) -> bool:
        scene = stage.scene
        with estate_with(scene, {**kind.estate, **UNHURRIED}), cutting_over(stage, journey) as act:
            more, left = crowd(scene, trial, kind, cache=TOO_LONG), serving(scene)
            since = scene.wire.held
            with ExitStack() as stack:
                with substeps.waiting(scene, trial.point.name):
                    process = scene.start(*act.words(scene))
                    reached = waits(scene, process, since)
                    if reached:
                        stack.enter_context(more.writing())
                        more.goes_on(within=WITHIN)
                ran = scene.finish(process)
            if ran.exit != act.code:
                told = is_told(scene, ran, left)
                if told:
                    bring_over(scene, more, left)
                go_on(scene, act, MISMATCH)
        if reached:
            refuse_losses(scene, more)
        return reached

    return go


def serving(scene: Scene) -> dict[str, str]:
    """The tables that serve the tenant, by store."""
    shape = find_shape(scene.shape)
    return {store: shape.table(scene.client("dynamodb"), TENANT, store) for store in shape.stores}


def is_told(scene: Scene, ran: Ran, left: dict[str, str]) -> bool:
    """Whether a run that stopped says that writes reached the side it `left`. Raises `Broken` where it says nothing."""
    if serving(scene) == left:
        if ran.exit not in (PARKED, MISMATCH) or stamp_of(scene, TENANT)[1]:
            raise Broken(f"R10: the cutover ended {ran.exit}, fenced {stamp_of(scene, TENANT)}: {ran.stderr[-800:]}")
        return False
    notes = [entry["data"] for entry in entries(scene, scene.active(TENANT)) if entry["fact"] == "note"]
    slips = [sum(note["counts"].values()) for note in notes if note.get("about") == "slips"]
    if ran.exit != MISMATCH or not slips or not slips[-1]:
        raise Broken(f"R10: after the flip it ended {ran.exit} with {slips} slips told: {ran.stderr[-800:]}")
    return True


def bring_over(scene: Scene, more: Application, left: dict[str, str]) -> None:
    """What an operator does about slips: each of these writers' keys is made what it is on the side that was left."""
    shape, dynamodb, serves = find_shape(scene.shape), scene.client("dynamodb"), serving(scene)
    lines = [line for path in more.ledgers for line in ledger.read(path)]
    for store, plain in {(line.store, line.key) for line in lines}:
        names = shape.stores[store].key
        key = {name.name: {name.type: text} for name, text in zip(names, plain, strict=True)}
        was = dynamodb.get_item(TableName=left[store], Key=key, ConsistentRead=True).get("Item")
        if was is None:
            dynamodb.delete_item(TableName=serves[store], Key=key)
        else:
            dynamodb.put_item(TableName=serves[store], Item=was)


# ---------------------------------------------------------------------------------------------- permitted too long


def routed(stage: Stage, journey: Journey, trial: Trial) -> bool:
    """Two routers enforce the fence, one of them late by what the point says; the operator's probe asks both."""
    scene, how = stage.scene, trial.point.name
    endless = LAGS[how] > TOO_LONG
    with routers(scene, [0.1, 0.1]) as (made, urls), ExitStack() as stack:
        estate = merge(merge(dict(ROUTED.estate), probed(urls)), BUDGET if endless else {})
        stack.enter_context(estate_with(scene, estate))
        more = crowd(scene, trial, ROUTED, endpoints=urls)
        with cutting_over(stage, journey) as act, more.writing():
            more.goes_on(within=WITHIN)
            made[1].lag = LAGS[how]  # not before: the probe of an earlier cutover looks at the policy too
            left = serving(scene)
            with timed(stage, f"{ROUTED.name}, one of which lags by {how}", more):
                ran = scene.run(*act.words(scene))
                if endless:
                    _parks(scene, ran, left)
            if endless:
                made[1].lag = 0.1
            if ran.exit != act.code:
                go_on(scene, act)
            more.goes_on(within=WITHIN)
    refuse_losses(scene, more)
    return True


def _parks(scene: Scene, ran: Ran, left: dict[str, str]) -> None:
    if ran.exit != PARKED or serving(scene) != left or stamp_of(scene, TENANT)[1]:
        raise Broken(f"R10: a router let writes through and the cutover ended {ran.exit}, {stamp_of(scene, TENANT)}")
