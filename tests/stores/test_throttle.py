"""The throttle's figures on a clock of its own: what is granted is used, and hardly more."""

from __future__ import annotations

import heapq
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portability.model.rate import Rate, parse_rate
from portability.stores.throttle import AT_ONCE, BURST, CUT, FIRST, LEAST, SETTLE, Bucket, Lane, Throttle


class Clock:
    """Time that moves when somebody sleeps; the one who sleeps holds the bucket's turn, so nobody else does."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.lock = threading.Lock()

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.at += seconds


def simulate(
    bucket: Bucket,
    clock: Clock,
    rng: random.Random,
    *,
    threads: int,
    seconds: float,
    latency: float,
    cost: tuple[float, float],
    capacity: float | None = None,
) -> list[tuple[float, float]]:
    """Threads that send a request of 25 items as soon as they may; (time, units) of each answer, in order.

    With `capacity` the service refuses what is beyond it in any second.
    """
    began, answers = clock.at, []
    waiting = [(began, number) for number in range(threads)]
    sent: list[tuple[float, float]] = []
    while waiting:
        at, number = heapq.heappop(waiting)
        if at - began >= seconds:
            break
        clock.at = max(clock.at, at)
        wait, charged = bucket.take(25)
        if wait:
            # A sleep is a little longer than asked for.
            heapq.heappush(waiting, (clock.at + min(wait, 0.25) + rng.uniform(0, 0.002), number))
            continue
        real = 25 * rng.uniform(*cost)
        done = clock.at + rng.uniform(0.5, 1.5) * latency
        if capacity is not None and real + sum(u for t, u in sent if t > clock.at - 1.0) > capacity:
            bucket.refused(0.0)
        else:
            sent.append((clock.at, real))
            answers.append((clock.at - began, real))
            bucket.settle(25, charged, real)
        heapq.heappush(waiting, (done, number))
    return answers


@settings(max_examples=40)
@given(
    rate=st.sampled_from([100.0, 500.0, 1000.0, 4000.0]),
    threads=st.integers(1, 16),
    dear=st.floats(0.2, 6.0),
    spread=st.floats(0.0, 0.9),
    seed=st.integers(0, 2**32),
)
def test_of_a_granted_rate_95_percent_is_used_and_at_most_2_percent_more(
    rate: float, threads: int, dear: float, spread: float, seed: int
) -> None:
    rng, clock = random.Random(seed), Clock()
    bucket = Bucket(rate, clock.monotonic, cost=1.0)
    # Threads that can use more than the rate: a request costs 25 x dear, and is answered in a tenth of its fair share.
    latency = threads * 25 * dear / rate / 10
    cost = (dear * (1 - spread), dear * (1 + spread))
    answers = simulate(bucket, clock, rng, threads=threads, seconds=30.0, latency=latency, cost=cost)
    used = sum(units for _, units in answers)
    largest = 25 * dear * (1 + spread)
    assert used >= 0.95 * rate * 30.0 - largest
    assert used <= 1.02 * rate * 30.0 + largest
    for start in range(0, 25, 5):
        burst = sum(units for at, units in answers if start <= at < start + 5)
        assert burst <= rate * 5.0 * 1.02 + 2 * largest, "no five seconds take more than one request too many"


@settings(max_examples=15)
@given(rate=st.sampled_from([200.0, 1000.0]), threads=st.integers(1, 16), seed=st.integers(0, 2**32))
def test_real_threads_use_the_grant_and_no_more(rate: float, threads: int, seed: int) -> None:
    clock = Clock()
    throttle = Throttle(Rate(wcu=rate), monotonic=clock.monotonic, sleep=clock.sleep)
    lane = throttle.lanes().write
    used: list[float] = []
    began = clock.at

    def work(number: int) -> None:
        rng = random.Random(seed + number)
        while clock.at - began < 20.0:
            ticket = lane.admit(5)
            real = 5 * rng.uniform(0.5, 3.0)
            used.append(real)
            ticket.settle(real)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    took = clock.at - began
    # Each thread had one request under way when the time was over.
    assert 0.95 * rate * took - 15 <= sum(used) <= 1.02 * rate * took + 15 * (threads + 1)


def test_nothing_is_saved_up_beyond_a_twentieth_of_a_second() -> None:
    clock = Clock()
    bucket = Bucket(1000.0, clock.monotonic, cost=1.0)
    clock.sleep(3600.0)
    admitted = 0
    while not bucket.take(1)[0]:
        admitted += 1
    assert admitted <= 1000 * BURST + 1


def test_where_little_is_granted_requests_are_small() -> None:
    clock = Clock()
    lanes = Throttle(Rate(wcu=8.0, rcu=100.0), monotonic=clock.monotonic, sleep=clock.sleep).lanes()
    assert lanes.write.fit(25) == int(8.0 * AT_ONCE)
    assert lanes.read.fit(4096) == int(100.0 * AT_ONCE / 0.25)
    free = Throttle(Rate(), monotonic=clock.monotonic, sleep=clock.sleep).lanes()
    assert (free.write.fit(25), free.read.fit(4096)) == (25, 4096)


def test_without_a_limit_nobody_waits_and_what_is_used_is_told() -> None:
    clock = Clock()
    bucket = Bucket(None, clock.monotonic, cost=1.0)
    for _ in range(100):
        wait, charged = bucket.take(25)
        assert not wait
        bucket.settle(25, charged, 50.0)
        clock.sleep(0.1)
    assert bucket.rate == pytest.approx(500.0, rel=0.05)
    assert bucket.allowed is None


@settings(max_examples=20)
@given(capacity=st.sampled_from([200.0, 450.0]), granted=st.sampled_from([500.0, None]), seed=st.integers(0, 2**32))
def test_it_backs_off_below_what_the_table_bears_and_comes_back_to_use_most_of_it(
    capacity: float, granted: float | None, seed: int
) -> None:
    rng, clock = random.Random(seed), Clock()
    bucket = Bucket(granted, clock.monotonic, cost=1.0)
    answers = simulate(bucket, clock, rng, threads=8, seconds=60.0, latency=0.1, cost=(0.9, 1.1), capacity=capacity)
    used = sum(units for at, units in answers if at >= 20)
    assert used >= 0.55 * capacity * 40.0, "additive increase, multiplicative decrease: about three quarters"
    assert bucket.throttled < 60, "far fewer refusals than seconds times threads"


def test_a_throttled_answer_halves_the_rate_and_it_grows_back_to_what_is_granted() -> None:
    clock = Clock()
    bucket = Bucket(400.0, clock.monotonic, cost=1.0)
    bucket.slow_down()
    bucket.slow_down()
    assert bucket.allowed == 200.0, "answers to requests of one moment count once"
    clock.sleep(SETTLE + 5.0)
    assert bucket.allowed == pytest.approx(300.0)
    clock.sleep(60.0)
    assert bucket.allowed == 400.0


@pytest.mark.parametrize("throttled_for", (0.5, 5.0, 60.0))
def test_without_a_grant_a_copy_throttled_at_its_very_beginning_is_soon_as_fast_as_the_table_bears(
    throttled_for: float,
) -> None:
    clock = Clock()
    bucket = Bucket(None, clock.monotonic, cost=1.0)
    for _ in range(int(throttled_for / 0.25)):
        bucket.refused(0.0)
        clock.sleep(0.25)
    assert LEAST <= (bucket.allowed or 0.0) <= FIRST * CUT
    clock.sleep(80.0)
    assert bucket.allowed is not None
    assert bucket.allowed > 1000.0
    clock.sleep(86400.0)
    assert bucket.allowed is None, "a limit no more"


def test_who_makes_room_for_others_does_not_grow_back_before_the_next_look() -> None:
    clock = Clock()
    throttle = Throttle(Rate(wcu=400.0), monotonic=clock.monotonic, sleep=clock.sleep)
    throttle.write.slow_down()
    throttle.slow_down(hold=60.0)
    clock.sleep(59.0)
    assert throttle.write.allowed == 200.0
    throttle.write.slow_down()
    assert throttle.write.allowed == 100.0, "throttled meanwhile, it goes further down"


def test_a_new_rate_holds_at_once_for_those_who_wait() -> None:
    clock = Clock()
    throttle = Throttle(Rate(wcu=1.0), monotonic=clock.monotonic, sleep=clock.sleep)
    lane = throttle.lanes().write
    lane.admit(1).settle(1000.0)  # a thousand seconds of debt
    asleep: list[float] = []

    def sleep(seconds: float) -> None:
        asleep.append(seconds)
        clock.sleep(seconds)
        if len(asleep) == 4:
            throttle.grant(Rate(wcu=100_000.0))

    Lane(lane.buckets, sleep, lane.check).admit(1)
    assert sum(asleep) < 2.0


def test_a_run_that_has_to_stop_stops_a_wait() -> None:
    clock = Clock()

    def check() -> None:
        if clock.at > 1001.0:
            raise InterruptedError

    lane = Throttle(Rate(wcu=1.0), monotonic=clock.monotonic, sleep=clock.sleep, check=check).lanes().write
    lane.admit(1).settle(1000.0)
    with pytest.raises(InterruptedError):
        lane.admit(1)
    assert clock.at < 1002.0
    assert not lane.buckets[-1].turn.locked()


def test_one_partition_key_stays_below_its_ceiling_while_others_use_the_grant() -> None:
    clock = Clock()
    throttle = Throttle(Rate(wcu=4000.0), monotonic=clock.monotonic, sleep=clock.sleep)
    hot, other = (throttle.lanes(ceiling=Rate(wcu=1000.0, rcu=3000.0)).write for _ in range(2))
    began, used = clock.at, 0
    while clock.at - began < 10.0:
        hot.admit(25).settle(25.0)
        used += 25
    assert used / (clock.at - began) == pytest.approx(1000.0, rel=0.02)
    # The other key was not charged for it, and most of the grant is left.
    assert other.buckets[0].take(1)[0] == 0.0


def test_who_was_throttled_waits_its_turn_and_a_refusal_of_another_kind_costs_nothing() -> None:
    clock = Clock()
    bucket = Bucket(100.0, clock.monotonic, cost=1.0)
    lane = Lane((bucket,), clock.sleep)
    lane.admit(25).settle(0.0)
    assert not bucket.take(1)[0]
    lane.admit(25).throttled()
    assert bucket.take(1)[0] > 0
    assert (bucket.throttled, bucket.allowed) == (1, 50.0)


def test_a_request_without_an_answer_stays_charged() -> None:
    clock = Clock()
    bucket = Bucket(100.0, clock.monotonic, cost=1.0)
    Lane((bucket,), clock.sleep).admit(25).settle(None)
    assert bucket.take(1)[0] == pytest.approx(0.25)


@pytest.mark.parametrize("text", ("500wcu", "1500rcu", "500wcu+1500rcu"))
def test_a_rate_reads_as_it_is_written(text: str) -> None:
    assert parse_rate(text).text == text


@pytest.mark.parametrize(
    "text", ("0wcu", "500", "wcu", "500WCU", "1wcu+2wcu", "-1wcu", "1.5wcu", "1000000wcu", "1wcu\n")
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a rate"):
        parse_rate(text)
