"""What a copy looks at while it runs: an operator's word, and how the shared tables bear it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from portability import errors
from portability.aws.cloudwatch import Metric
from portability.model.rate import Rate
from portability.model.run import StepView, Throughput, Tuning
from portability.steps.base import Context
from portability.steps.copy_pace import CopyPace
from portability.steps.table_pressure import CONSUMED, TablePressure
from portability.steps.unit_pool import Crew, run_units
from portability.stores.throttle import Throttle
from tests.steps_data.fake_aws import FakeCloudWatch
from tests.steps_data.run_plan import estate, plan

POOL = "Order-pooled"
NOISE = Metric(POOL, "WriteThrottleEvents")
SEEN = Metric(POOL, CONSUMED)


class Clock:
    def __init__(self) -> None:
        self.at = 1_760_000_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


class FakeContext:
    """The little of a Context that a copy's pace asks."""

    step = "copy"

    def __init__(self) -> None:
        self.clock = Clock()
        self.estate = estate()
        self.plan = plan(self.estate)
        self.metrics = FakeCloudWatch()
        self.aws = SimpleNamespace(cloudwatch=lambda **_where: self.metrics)
        self.asked: Tuning | None = None
        self.reads = 0
        self.notes: list[dict[str, Any]] = []
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.told: list[Throughput] = []

    @property
    def view(self) -> Any:
        kept = {str(note["about"]): note for note in self.notes}
        return SimpleNamespace(step=lambda step: StepView(id=step, notes=kept))

    def tuning(self) -> Tuning | None:
        self.reads += 1
        return self.asked

    def note(self, about: str, **data: Any) -> None:
        self.notes.append({"about": about, **data})

    def progress(self, event: str, /, **fields: Any) -> None:
        self.said.append((event, fields))

    def save_throughput(self, told: Throughput) -> None:
        self.told.append(told)


def pace(ctx: FakeContext, *, rate: Rate = Rate(wcu=400.0), watch: bool = True) -> CopyPace:
    context = cast("Context", ctx)
    throttle = Throttle(rate, monotonic=ctx.clock.monotonic, sleep=ctx.clock.sleep)
    return CopyPace(context, throttle, Crew(4), rate, TablePressure(context) if watch else None)


def through(ctx: FakeContext, one: CopyPace, seconds: int) -> None:
    for _ in range(seconds):
        one.look()
        ctx.clock.sleep(1.0)


def test_what_an_operator_asks_is_adopted_within_seconds_and_journaled_once() -> None:
    ctx = FakeContext()
    one = pace(ctx, watch=False)
    through(ctx, one, 20)
    assert ctx.reads == 10, "one strong read every two seconds"
    assert ctx.notes == []
    ctx.asked = Tuning(rate="100wcu+50rcu", units=9, by="bo", id="w1")
    through(ctx, one, 10)
    assert (one.throttle.write.granted, one.throttle.read.granted, one.crew.size) == (100.0, 50.0, 9)
    assert ctx.notes == [{"about": "tuned", "rate": "100wcu+50rcu", "units": 9, "by": "bo", "request": "w1"}]
    ctx.asked = Tuning(rate="none", by="bo", id="w2")
    through(ctx, one, 3)
    assert (one.throttle.write.granted, one.crew.size, ctx.notes[-1]["rate"]) == (None, 9, None)


def test_a_process_that_takes_over_does_as_was_asked_and_journals_it_no_more() -> None:
    ctx = FakeContext()
    ctx.asked = Tuning(rate="100wcu", by="bo", id="w1")
    through(ctx, pace(ctx, watch=False), 3)
    other = pace(ctx, watch=False)
    through(ctx, other, 3)
    assert other.throttle.write.granted == 100.0
    assert len(ctx.notes) == 1


def test_figures_are_told_every_few_seconds() -> None:
    ctx = FakeContext()
    one = pace(ctx, watch=False)
    lane = one.throttle.lanes().write
    for _ in range(20):
        one.look()
        lane.admit(10).settle(20.0)
        one.count(10)
        ctx.clock.sleep(0.5)
    last = ctx.told[-1]
    assert (last.granted, last.units, last.throttled, last.pressed) == ("400wcu", 4, 0, None)
    assert last.items == pytest.approx(20.0, rel=0.2)
    assert last.wcu == pytest.approx(40.0, rel=0.2)
    assert [event for event, _ in ctx.said] == ["pace"] * len(ctx.told)


def test_the_copy_makes_room_while_a_shared_table_throttles_more_than_before_it() -> None:
    ctx = FakeContext()
    ctx.metrics.told = {SEEN: [900.0] * 15, NOISE: [15.0]}  # once a minute was usual before
    one = pace(ctx)
    through(ctx, one, 59)
    assert (one.throttle.write.allowed, len(ctx.metrics.looks)) == (400.0, 1)
    ctx.metrics.told = {SEEN: [900.0] * 3, NOISE: [2.0, 7.0]}
    through(ctx, one, 60)
    assert len(ctx.metrics.looks) == 2, "at most one look a minute"
    assert one.throttle.write.allowed == 200.0
    through(ctx, one, 60)
    assert one.throttle.write.allowed == 100.0
    ctx.metrics.told = {SEEN: [900.0] * 3, NOISE: [1.0, 1.0, 1.0]}  # what was usual is no reason
    through(ctx, one, 180)
    assert one.throttle.write.allowed == 400.0
    assert [note["pressed"] for note in ctx.notes] == [True, False]


@pytest.mark.parametrize(
    "down",
    (
        None,
        errors.Unauthorised("no permission", next="portability init"),
        errors.Unavailable("503", operation="cloudwatch.GetMetricData", aws_code="503"),
        errors.EndpointDown("no answer", next="again"),
    ),
)
def test_what_is_not_known_of_a_shared_table_is_said_once_and_nothing_stops(
    down: errors.PortabilityError | None,
) -> None:
    ctx = FakeContext()
    ctx.metrics.down = down
    one = pace(ctx)
    through(ctx, one, 200)
    assert one.throttle.write.allowed == 400.0
    assert [note["known"] for note in ctx.notes] == [False]
    assert ctx.told[-1].pressed is None


def test_a_copy_between_tables_of_ones_own_asks_for_no_metrics() -> None:
    ctx = FakeContext()
    (move,) = ctx.plan.stores
    ctx.plan = msgspec.structs.replace(ctx.plan, stores=[msgspec.structs.replace(move, source=move.target)])
    through(ctx, pace(ctx), 3)
    assert ctx.notes == []


# ---------------------------------------------------------------------------------------------------------------- crew


def test_units_take_turns_and_none_gets_them_all() -> None:
    crew, order, lock = Crew(1), [], threading.Lock()
    started = threading.Barrier(3)

    def unit(name: str) -> None:
        started.wait()
        for _ in range(20):
            with crew.turn(), lock:
                order.append(name)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(unit, ("a", "b", "c")))
    # From where all three stand in line to where the first has had its last turn.
    first_done = min(max(at for at, one in enumerate(order) if one == name) for name in "abc")
    line = order[max(order.index(name) for name in "abc") : first_done]
    assert all(len(set(line[at : at + 3])) == 3 for at in range(len(line) - 3))


def test_a_crew_shrinks_and_grows_while_it_works() -> None:
    crew, lock = Crew(4), threading.Lock()
    working, most = [0], [0]
    seen: list[int] = []

    def job(halt: threading.Event) -> None:
        for _ in range(60):
            with crew.turn():
                with lock:
                    working[0] += 1
                    most[0] = max(most[0], working[0])
                threading.Event().wait(0.001)
                with lock:
                    working[0] -= 1

    sizes = iter((1, 6))

    def meanwhile() -> None:
        seen.append(most[0])
        crew.resize(next(sizes, crew.size))
        threading.Event().wait(0.02)  # turns that were given before are over
        most[0] = 0

    run_units([], {f"u{number}": job for number in range(40)}, crew, meanwhile=meanwhile, every=0.1)
    assert seen[0] <= 4
    assert seen[1] == 1
    assert 4 < max(seen[2:]) <= 6


def test_a_failure_wakes_those_who_wait_for_a_turn() -> None:
    crew, inside, begun = Crew(3), threading.Event(), threading.Barrier(3)

    def holds(halt: threading.Event) -> None:
        begun.wait(20)
        crew.resize(1)
        with crew.turn():
            inside.set()
            assert halt.wait(20)

    def waits(halt: threading.Event) -> None:
        begun.wait(20)
        assert inside.wait(20)
        with crew.turn():
            assert halt.is_set()

    def fails(_halt: threading.Event) -> None:
        begun.wait(20)
        assert inside.wait(20)
        threading.Event().wait(0.05)
        raise LookupError

    with pytest.raises(LookupError):
        run_units([], {"holds": holds, "waits": waits, "fails": fails}, crew)


def test_what_goes_wrong_meanwhile_stops_the_copy() -> None:
    def job(halt: threading.Event) -> None:
        assert halt.wait(20)

    def meanwhile() -> None:
        raise errors.LeaseLost("taken over", next="portability status")

    with pytest.raises(errors.LeaseLost):
        run_units([], {"a": job, "b": job}, 2, meanwhile=meanwhile, every=0.05)
