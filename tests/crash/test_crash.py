"""A sample of the crash campaign, drawn anew for every commit. `make crash` makes all of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import ENGINES
from tests.crash.campaign import Campaign
from tests.crash.journeys import FAULTED
from tests.crash.points import Point, points
from tests.crash.rows import ROWS, share, trials
from tests.crash.stage import Trial
from tests.support.wire import Call

IN_THE_SUITE = {"R1": 3, "R3": 1, "R7": 1}
"""How many points of a row every check reaches."""

DRAWN_FOR_ONE = 5
"""How many trials may be drawn for a point that is reached: a call sent by time may not be sent as often again."""


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
def test_a_run_that_is_killed_cut_off_frozen_or_signalled_at_any_point_ends_in_the_same_world(
    campaign: Campaign, seed: int
) -> None:
    journey = FAULTED[seed % len(FAULTED)]
    met = {journey: campaign.learn([journey])[journey]}
    assert len(met[journey]) > 100
    for row, wanted in IN_THE_SUITE.items():
        for trial in trials(row, met, seed)[: wanted * DRAWN_FOR_ONE]:
            campaign.go([trial])
            if campaign.tallies[row].told == wanted:
                break
    failures = [failure for tally in campaign.tallies.values() for failure in tally.failures]
    assert not failures, "\n".join(failures)
    assert {row: campaign.tallies[row].told for row in IN_THE_SUITE} == IN_THE_SUITE


def test_a_trial_is_repeated_by_its_name() -> None:
    point = Point("s3 PUT /bucket/path/tenant-42/* + x", 3)
    trial = Trial("R1", "up", "kill-before", point, seed=9)
    assert Trial.parse(str(trial)) == trial


def test_every_trial_is_in_exactly_one_shard() -> None:
    met = {journey: [Point("journal entry started copy", 1), Point("BatchWriteItem T", 7)] for journey in FAULTED}
    for row in ROWS:
        found = trials(row, met, 1)
        sharded = [trial for number in range(1, 6) for trial in share(found, (number, 5))]
        assert sorted(map(str, sharded)) == sorted(map(str, found))


def test_a_call_of_a_new_kind_is_a_point_by_itself_and_a_read_or_a_beat_is_none() -> None:
    beat = b'{"TransactItems": [{"Update": {"TableName": "j", "Key": {"pk": {"S": "RUN#r"}, "sk": {"S": "LEASE"}}}}]}'
    calls = [
        Call("", "newservice", "InventWheel", mutating=True, keys={}, body=b"{}"),
        Call("", "newservice", "InventWheel", mutating=True, keys={}, body=b"{}"),
        Call("", "dynamodb", "TransactWriteItems", mutating=True, keys={}, body=beat),
        Call("", "dynamodb", "GetItem", mutating=False, keys={}, body=b"{}"),
    ]
    assert points(calls, "j") == [Point("newservice InventWheel", 1), Point("newservice InventWheel", 2)]
