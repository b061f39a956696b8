"""What one check makes of the campaign: a few faults of each row, drawn by a seed."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import replace

from tests.crash.campaign import Campaign
from tests.crash.journeys import FAULTED
from tests.crash.rows import ROWS, trials, volleys

AT_LEAST = {"R1": 12, "R3": 6}
"""How many faults of a row take place where it is sampled; one of each other row."""

DRAWN = 10
"""How many trials may be drawn for that: a call sent by time may not be sent as often again."""


def enough(row: str) -> int:
    """How many faults of a row take place where it is sampled."""
    return AT_LEAST.get(row, 1)


def reach(campaign: Campaign, row: str, journey: str, seed: int) -> bool:
    """Make trials of a row in a journey until enough of its faults took place; whether they did."""
    wanted = campaign.told(row) + enough(row)
    if journey not in campaign.met:
        campaign.learn([journey])
    found = [trial for trial in trials(row, {journey: campaign.met[journey]}, seed) if trial.journey == journey]
    for trial in (volleys(found) if row in AT_LEAST else found)[:DRAWN]:
        campaign.go([replace(trial, points=trial.points[: wanted - campaign.told(row)])])
        if campaign.told(row) >= wanted:
            return True
    return False


def in_turn(campaign: Campaign, rows: Sequence[str], seed: int, *, times: int, until: float) -> int:
    """Sample each of the rows up to so many times; how many faults were left out for the want of time.

    A turn's rows go the same journey as far as they have it, since each has to be learnt: its end is what a trial's is
    held against. The order of the rows is drawn for every turn, so that no row is left out at every commit.
    """
    rng, left = random.Random(seed), 0
    for _ in range(times):
        home = rng.choice(FAULTED)
        for row in rng.sample(rows, len(rows)):
            journeys = ROWS[row].journeys
            journey, drawn = home if home in journeys else rng.choice(journeys), rng.getrandbits(32)
            if time.monotonic() >= until:
                left += enough(row)
            else:
                reach(campaign, row, journey, drawn)
    return left
