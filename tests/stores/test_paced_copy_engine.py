"""A copy that has a grant, on DynamoDB Local: charged what the answers consumed, stopped in the middle, refused."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from portability import errors
from portability.aws.attributes import plain_item
from portability.model.rate import Rate
from portability.stores.base import Copied, Flow
from portability.stores.dynamodb.in_flight import InFlight
from portability.stores.throttle import Throttle
from tests.stores import faults
from tests.stores.world import World

pytestmark = pytest.mark.usefixtures("aws_env")


def copy(world: World, throttle: Throttle, **more: Any) -> list[Copied]:
    """Every unit on a thread of its own."""
    move = world.move(**more)
    units = move.units(Flow.FORWARD)

    def one(unit: str) -> list[Copied]:
        return list(move.copy(Flow.FORWARD, unit, None, throttle=throttle))

    with move.workers(len(units)), ThreadPoolExecutor(len(units)) as pool:
        return [page for pages in pool.map(one, units) for page in pages]


def real(rate: Rate, **more: Any) -> Throttle:
    return Throttle(rate, monotonic=time.monotonic, sleep=time.sleep, **more)


def test_a_copy_goes_at_the_granted_rate_whatever_its_items_cost(world: World) -> None:
    world.fill(world.pool, [world.item(number, filler={"S": "x" * 2000}) for number in range(240)])
    throttle = real(Rate(wcu=200.0))
    began = time.monotonic()
    copy(world, throttle)
    took = time.monotonic() - began
    consumed = 240 * 3  # 2 KB and a few more bytes: 3 units
    # Never quicker than granted, but for one request; how much slower is the machine's to say.
    assert consumed <= 200 * took * 1.02 + 75
    assert took < 3 * consumed / 200
    world.assert_equal(world.pool, world.silo)


def test_reads_are_granted_as_well_and_pages_get_small(world: World) -> None:
    world.fill(world.pool, [world.item(number, filler={"S": "x" * 3000}) for number in range(120)])
    throttle = real(Rate(rcu=60.0))
    began = time.monotonic()
    pages = copy(world, throttle)
    took = time.monotonic() - began
    consumed = 120 * 3100 / 4096
    assert consumed <= 60 * took * 1.05 + 35  # one request of 40 items is admitted at once
    assert max(page.items for page in pages) <= 60
    world.assert_equal(world.pool, world.silo)


def test_without_a_grant_what_the_copy_consumes_is_known_from_the_answers(world: World) -> None:
    world.fill(world.pool, [world.item(number, filler={"S": "x" * 2000}) for number in range(60)])
    throttle, began = real(Rate()), time.monotonic()
    copy(world, throttle)
    took = max(1.0, time.monotonic() - began)
    assert throttle.write.rate * took == pytest.approx(180, rel=0.1)
    assert throttle.read.rate > 0


def test_throttled_answers_slow_the_copy_down_and_it_ends_equal(world: World) -> None:
    world.fill(world.pool, [world.item(number) for number in range(120)])
    seen: Counter[str] = Counter()
    lock = threading.Lock()

    def twice(faulty: faults.Faulty, table: str, puts: Any, deletes: Any) -> Any:
        """Every batch is refused, and then half done, at its first coming."""
        keys = [str(plain_item(item)) for item in puts]
        with lock:
            seen.update(keys)
            least = min(seen[key] for key in keys)
        if least == 1:
            return faults.throttled(faulty, table, puts, deletes)
        if least == 2:
            return faults.half(faulty, table, puts, deletes)
        return faulty.items.batch_write(table, puts, deletes)

    throttle = real(Rate(wcu=2000.0))
    copy(world, throttle, wrap=lambda items: faults.Faulty(items, twice))
    assert throttle.throttled >= 6
    world.assert_equal(world.pool, world.silo)


def test_a_copy_that_waits_for_capacity_stops_when_the_run_has_to(world: World) -> None:
    world.fill(world.pool, [world.item(number) for number in range(90)])
    stopped = threading.Event()

    def check() -> None:
        if stopped.is_set():
            raise errors.Parked("asked to stop", reason="signal", next="portability resume")

    throttle = real(Rate(wcu=2.0), check=check)
    timer = threading.Timer(1.0, stopped.set)
    timer.start()
    began = time.monotonic()
    with pytest.raises(errors.Parked):
        copy(world, throttle)
    assert time.monotonic() - began < 10, "a page at two units a second takes far longer"
    assert 0 < len(world.mine(world.silo)) < 90
    # The keys were let go of: another copy of the same units ends.
    copy(world, real(Rate()))
    world.assert_equal(world.pool, world.silo)


def test_a_key_that_occurs_twice_in_what_is_written_together_is_refused() -> None:
    in_flight = InFlight()
    with pytest.raises(ValueError, match="occur twice"), in_flight.hold([b"a", b"b", b"a"]):
        raise AssertionError
    with in_flight.hold([b"a", b"b"]):
        pass
