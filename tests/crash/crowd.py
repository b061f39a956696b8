"""More writers for the length of one cutover, each kind of fence with an application that keeps to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml

from portability.sandbox.data_access import DataAccess
from tests.crash.accesses import Flagged
from tests.crash.application import Application
from tests.crash.forge import Forked
from tests.crash.journeys import Act, Journey
from tests.crash.reaching import PASSING, Reached
from tests.crash.scene import COMMAND_WITHIN, QUICK, TENANT, Scene
from tests.crash.stage import Broken, Stage, Trial
from tests.support.world import merge, wait_for

CUTS_OVER = ("soaking", "reversed")
"""The states in which a command leaves a run that it cut over."""

WITHIN = 20.0
"""Seconds for a writer to be acknowledged where nothing holds it back."""


@dataclass(frozen=True)
class Kind:
    """A fence: what an estate says of it, and how an application keeps to it. `cache` is in seconds."""

    name: str
    estate: Mapping[str, Any]
    access: type[DataAccess]
    cache: float


EPOCH = Kind("epoch", {}, DataAccess, 0.5)
"""It caches for as long as the estate of a campaign declares: its check is in the write itself."""

FLAG = Kind(
    "directory_flag",
    {"directory": {"cache": "2s"}, "fence": {"use": ["directory_flag"], "max_in_flight": "500ms"}},
    Flagged,
    1.2,
)
"""What is declared has the longest request in it, so a record is cached for that much less."""


UNHURRIED: Mapping[str, Any] = {"journal": {"lease": "60s"}}
"""A call may be kept for longer than a campaign's leases last."""


@contextmanager
def estate_with(scene: Scene, parts: Mapping[str, Any]) -> Iterator[None]:
    """Inside the block the commands' estate has these parts merged in."""
    usual = scene.config
    estate = merge(yaml.safe_load(usual.read_text()), parts)
    scene.config = usual.with_name("estate-of-a-trial.yaml")
    scene.config.write_text(yaml.safe_dump(estate, sort_keys=False))
    try:
        yield
    finally:
        scene.config = usual


def crowd(scene: Scene, trial: Trial, kind: Kind, *, writers: int = 2, cache: float = 0.0, **more: Any) -> Application:
    """Writers that begin when they are told to, by names that no writer of the tenant has had."""
    name = f"{len(list(scene.folder.glob('ledger-*')))}x"
    made: dict[str, Any] = {"access": kind.access, "cache": cache or kind.cache, "name": name, "seeded": False, **more}
    return Application(scene, TENANT, writers=writers, rate=10.0, seed=trial, **made)


def refuse_losses(scene: Scene, more: Application) -> None:
    """Raise `Broken` unless every write that these were told of is where the tenant is served."""
    verdict = scene.verdict(more.ledgers, TENANT)
    if verdict.acknowledged == 0:
        raise Broken("R10: no write was acknowledged: nothing was tested")
    if verdict.problems:
        raise Broken(f"I1: of {verdict.acknowledged} acknowledged writes {verdict.problems[:5]}")


# ----------------------------------------------------------------------------------------------------------- a cutover


@contextmanager
def cutting_over(stage: Stage, journey: Journey) -> Iterator[Act]:
    """The block has the journey's last cutover, from where the acts before it led; the acts after it follow."""
    number = max(number for number, act in enumerate(journey.acts) if act.state in CUTS_OVER)
    for act in journey.acts[:number]:
        act.say(stage.scene)
    yield journey.acts[number]
    for act in journey.acts[number + 1 :]:
        act.say(stage.scene)


def waits(scene: Scene, process: Forked, since: int) -> bool:
    """Wait for a call to be kept that was not among the first `since`, or for the end; whether one is."""
    wait_for(lambda: scene.wire.held > since or process.poll() is not None, within=COMMAND_WITHIN, every=0.02)
    return scene.wire.held > since


def go_on(scene: Scene, act: Act, *codes: int) -> None:
    """Say a command that was stopped, or parked, until it is done."""
    Reached(scene, act, Forked(scene.folder / "none"), lambda: None).go_on(*PASSING, *codes)


@contextmanager
def timed(stage: Stage, kind: str, *applications: Application) -> Iterator[None]:
    """Keep the pauses of every writer from here until each was acknowledged once after the block."""
    before = [pauses for one in applications for pauses in one.pauses()]
    yield
    for one in applications:
        one.goes_on(within=WITHIN)
    after = [pauses for one in applications for pauses in one.pauses()]
    new = [ms for old, now in zip(before, after, strict=True) for ms in now[len(old) :]]
    stage.pauses.setdefault(kind, []).append(new)


def limit(estate: Mapping[str, Any]) -> str:
    """How long a pause may be, as the estate of a trial says it."""
    return str(merge(QUICK, estate)["fence"]["freeze_max"])
