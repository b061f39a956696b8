"""A sample of the crash campaign, drawn anew for every commit. `make crash` makes all of it."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ENGINES
from tests.crash.campaign import Campaign
from tests.crash.faults import Cut, Faulty
from tests.crash.journeys import FAULTED, JOURNEYS
from tests.crash.kills import GOES_ON, SHORT
from tests.crash.points import Counting, Point
from tests.crash.rows import ROWS, share, trials, volleys
from tests.crash.sample import reach
from tests.crash.stage import Faulting, Stage, Trial
from tests.support.wire import Call

IN_EVERY_CHECK = ("R1", "R3")
"""The rows of which every check reaches some points."""

OTHERS = 6
"""How many rows are drawn beside, of those that the drawn journey is in; `make crash SAMPLE=1` has them all."""

MINUTES = 6
"""After which none of the others is begun: a machine that does much else makes fewer of them in a check."""


@pytest.fixture(scope="module")
def campaign(
    dynamodb_local: str, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Campaign]:
    seed: int = pytestconfig.option.seed
    with pytestconfig.stash[ENGINES].own_server("crash") as moto:
        made = Campaign(dynamodb_local, moto.endpoint, tmp_path_factory.mktemp("crash"), seed, print)
        try:
            yield made
        finally:
            made.close()


@pytest.mark.timeout(1200)  # on a machine that does much else
def test_a_run_that_is_disturbed_at_any_point_ends_in_the_same_world(campaign: Campaign, seed: int) -> None:
    journey, until = FAULTED[seed % len(FAULTED)], time.monotonic() + MINUTES * 60
    assert len(campaign.learn([journey])[journey]) > 100
    others = [row for row in ROWS if row not in IN_EVERY_CHECK and journey in ROWS[row].journeys]
    rows = [*IN_EVERY_CHECK, *random.Random(seed).sample(others, OTHERS)]
    made = (row for row in rows if row in IN_EVERY_CHECK or time.monotonic() < until)
    few = [row for row in made if not reach(campaign, row, journey, seed)]
    failures = [failure for tally in campaign.tallies.values() for failure in tally.failures]
    assert not failures, "\n".join(failures)
    assert few == []


@dataclass
class Narrow:
    """A stage on which a journey meets the first of its points that is there, and no other."""

    never: Point
    side: str = "lower"
    ended: tuple[str, ...] = ()
    held: int = 0

    def hold(self, trial: Trial, _fault: Faulting) -> frozenset[Point]:
        self.held += 1
        return frozenset([point for point in trial.points if point != self.never][:1])


class Narrowly(Campaign):
    narrow: Narrow

    def stage(self) -> Stage:
        return cast("Stage", self.narrow)


def test_what_hides_behind_other_faults_is_tried_until_nothing_more_of_it_is_met(tmp_path: Path) -> None:
    points = tuple(Point("UpdateItem T", 1, f"migrate/s{number}") for number in range(6))
    for never, unreached in ((Point("none", 1), 0), (points[2], 1)):
        made = Narrowly("", "", tmp_path, 1, lambda _: None, again=True)
        made.narrow = Narrow(never)
        assert made.go([Trial("R1", "up", "kill-before", points)]) == 0
        assert (made.tallies["R1"].trials, made.tallies["R1"].unreached) == (6, unreached)
        assert len(made.tallies["R1"].points) == 6 - unreached
        assert made.narrow.held == 6


def test_a_row_is_sampled_until_enough_of_it_took_place_and_who_draws_in_vain_is_told(tmp_path: Path) -> None:
    points = [Point(f"journal entry done s{number}", 1, f"migrate/s{number}") for number in range(12)]
    for never, met, told in ((points[0], points[:2], True), (points[0], points[:1], False)):
        made = Narrowly("", "", tmp_path, 1, lambda _: None, met={"up": met, "cancelled": points})
        made.narrow = Narrow(never)
        for seed in range(10):
            assert reach(made, "R5", "up", seed) is told
        assert made.told("R5") == 10 * told
        assert not reach(made, "R3", "cancelled", 1), "its only volley meets one point, and six are enough"


def test_two_kills_are_a_pair_only_where_both_took_place_and_nothing_stops_the_command_between() -> None:
    def send(wire: Faulty, number: int) -> bool:
        body = str(number).encode()
        return wire.passes(Call("", "newservice", "InventWheel", mutating=True, keys={}, body=body))

    wire = Faulty(journal="j")
    wire.forget()
    first, hidden, last = (Point("newservice InventWheel", nth) for nth in (1, 3, 5))
    with wire.cutting(dict.fromkeys((first, hidden, last), Cut.NOTED)):
        assert send(wire, 1)
        assert wire.hits == {first}
        wire.also_next(3, Cut.NOTED)
        for number in (2, 3):
            assert send(wire, number)
        assert wire.hits == {first}, "a point on the way to the second kill passes"
        assert send(wire, 4)
        assert wire.hit is None, "the second one"
        assert not wire.no_more()
        assert send(wire, 5)
        assert wire.hits == {first, last}
        wire.also_next(2, Cut.NOTED)
        assert wire.no_more(), "its command ended before it"


def test_a_trial_is_repeated_by_its_name() -> None:
    far, near = Point("s3 PUT /bucket/path/tenant-42/* + x", 3, "migrate/archive"), Point("journal put RUN", 1)
    trial = Trial("R1", "up", "kill-before", (far, near), seed=9)
    assert Trial.parse(str(trial)) == trial


def test_every_trial_is_in_exactly_one_shard() -> None:
    met = {journey: [Point("journal entry started copy", 1), Point("BatchWriteItem T", 7)] for journey in FAULTED}
    for row in ROWS:
        found = trials(row, met, 1)
        sharded = [trial for number in range(1, 6) for trial in share(found, (number, 5))]
        assert sorted(map(str, sharded)) == sorted(map(str, found))


STEPS = st.sampled_from(("migrate", "migrate/copy", "migrate/verify", "complete/retire"))


@given(
    drawn=st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4), STEPS), unique=True, max_size=20),
    row=st.sampled_from(("R1", "R2", "R7")),
)
def test_every_fault_is_in_exactly_one_volley_which_has_no_more_of_a_step_than_the_row_says(
    drawn: list[tuple[str, int, str]], row: str
) -> None:
    found = [Trial(row, "up", fault, (Point(*each),)) for each in drawn for fault in ("kill-before", "kill-after")]
    fired = volleys(found)
    alone = [replace(volley, points=(point,)) for volley in fired for point in volley.points]
    assert sorted(map(str, alone)) == sorted(map(str, found))
    for volley in fired:
        of_a_step = Counter(point.within for point in volley.points)
        assert len(volley.points) == 1 or max(of_a_step.values()) <= ROWS[row].a_step


def test_a_point_that_several_journeys_meet_is_tried_in_one_of_them_whichever_journeys_a_shard_met() -> None:
    shared, own = Point("UpdateItem T", 1, "migrate/copy"), Point("UpdateItem T", 1, "cancel/copy")
    met = {"up": [shared], "there-and-back": [shared, own], "down": [shared]}
    found = trials("R3", met, 1)
    assert sorted((JOURNEYS[trial.journey].begins, trial.point) for trial in found) == [
        ("lower", own),
        ("lower", shared),
        ("upper", shared),
    ]
    for fewer in ({"up": [shared]}, {"there-and-back": [shared]}):
        (one,) = trials("R3", fewer, 1)
        (same,) = [each for each in found if each.point == shared and JOURNEYS[each.journey].begins == "lower"]
        assert [number for number in range(1, 6) if share([one], (number, 5))] == [
            number for number in range(1, 6) if share([same], (number, 5))
        ]


def test_every_pair_of_kills_in_a_short_step_is_tried_and_only_long_steps_are_drawn_from() -> None:
    short = [Point("UpdateItem T", nth, "migrate/verify") for nth in range(1, 4)]
    long = [Point("UpdateItem T", nth, "migrate/copy") for nth in range(1, SHORT + 2)]
    found = trials("R2", {"up": [*short, *long]}, 1)
    assert Counter(trial.point for trial in found if trial.fault != "kill-twice") == {
        short[0]: 3 + GOES_ON,
        short[1]: 2 + GOES_ON,
        short[2]: 1 + GOES_ON,
    }
    assert {trial.point.within for trial in found if trial.fault == "kill-twice"} == {"migrate/copy"}


def test_a_call_that_is_sent_again_because_nobody_heard_its_end_is_one_point() -> None:
    counting = Counting("j")
    counting.command("migrate")
    one, other = (Call("", "new", "Turn", mutating=True, keys={}, body=body) for body in (b"1", b"2"))
    met = []
    for call in (one, one, other):
        met.append(counting.point(call))
        counting.unheard(call, met[-1])
    assert [point.nth for point in met] == [1, 1, 2]


def test_a_call_of_a_new_kind_is_a_point_by_itself_and_a_read_or_a_beat_is_none() -> None:
    beat = b'{"TransactItems": [{"Update": {"TableName": "j", "Key": {"pk": {"S": "RUN#r"}, "sk": {"S": "LEASE"}}}}]}'
    wire = Faulty(journal="j")
    wire.forget()
    for operation, mutating, body in (
        ("InventWheel", True, b"{}"),
        ("InventWheel", True, b"{}"),
        ("TransactWriteItems", True, beat),
        ("GetItem", False, b"{}"),
    ):
        service = "newservice" if operation == "InventWheel" else "dynamodb"
        assert wire.passes(Call("", service, operation, mutating=mutating, keys={}, body=body))
    assert wire.counting.met == [Point("newservice InventWheel", 1), Point("newservice InventWheel", 2)]


def test_a_point_counts_from_the_beginning_of_its_step() -> None:
    def begins(step: str) -> Call:
        entry = {"body": {"S": json.dumps({"fact": "started", "step": step})}, "pk": {"S": "RUN#r"}, "sk": {"S": "E#1"}}
        body = {"TransactItems": [{"Put": {"TableName": "j", "Item": entry}}]}
        return Call("", "dynamodb", "TransactWriteItems", mutating=True, keys={}, body=json.dumps(body).encode())

    other = Call("", "newservice", "InventWheel", mutating=True, keys={}, body=b"{}")
    counting = Counting("j")
    counting.command("migrate")
    for call in (other, begins("copy"), other, other):
        counting.point(call)
    counting.command("migrate")  # said again, and the step begins again
    for call in (begins("copy"), other, begins("verify"), other):
        counting.point(call)
    wheel = "newservice InventWheel"
    assert [point for point in counting.met if point.name == wheel] == [
        Point(wheel, 1, "migrate"),
        Point(wheel, 1, "migrate/copy"),
        Point(wheel, 2, "migrate/copy"),
        Point(wheel, 1, "migrate/copy"),
        Point(wheel, 1, "migrate/verify"),
    ]
