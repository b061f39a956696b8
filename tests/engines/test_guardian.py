"""A cutover that is killed or stands still inside its fence: how long the application waits, by its own ledger."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from portability.model.estate import seconds
from portability.sandbox import ledger
from portability.steps.guardian.orders import MARGIN
from tests.support.fenced import AT_THE_FLIP, BEFORE_THE_FLIP, Stopping, after, flips, probes, stamp_of, stamps
from tests.support.pulse import Pulse, felt
from tests.support.wire import Wire, watched
from tests.support.world import World, wait_for

TENANT, PARKED = "tenant-42", 7
FREEZE, SHORT = "8s", "3s"

# ---------------------------------------------------------------------------------------------------- what is looked at


@dataclass
class Scene:
    """A run whose cutover is stopped again and again while writers write."""

    world: World
    wire: Wire
    pulse: Pulse
    ledgers: list[Path]
    argv: tuple[str, ...]

    @property
    def stamp(self) -> tuple[str, bool]:
        """What the last write of the stamp did, and whether it is fenced."""
        return stamp_of(self.world, TENANT)

    def start(self) -> Any:
        """Go on with the run in a process of its own, whose events are in a file of its own."""
        events = self.world.folder / f"events-{time.monotonic_ns()}.jsonl"
        process = self.world.start("--events", str(events), *self.argv, "-o", "json")
        process.events = events  # type: ignore[attr-defined]
        return process

    def guardian(self, process: Any) -> int:
        """The process id of its guardian."""
        events = [json.loads(line) for line in process.events.read_text().splitlines()]
        return int([event["pid"] for event in events if event["event"] == "guarded"][-1])

    def reach(self, held: int) -> None:
        """Wait until one more request is held."""
        wait_for(lambda: self.wire.held > held, within=100)

    def acknowledged(self) -> int:
        return sum(line.kind == "ack" for path in self.ledgers for line in ledger.read(path))

    def writes_again(self, within: float) -> None:
        """Wait until every writer was acknowledged anew."""
        for path in self.ledgers:
            before = sum(line.kind == "ack" for line in ledger.read(path))
            wait_for(
                lambda path=path, n=before: sum(line.kind == "ack" for line in ledger.read(path)) > n, within=within
            )

    def pauses(self) -> list[list[float]]:
        """Every pause of each writer so far, in seconds: from a first refused try to the next accepted write."""
        told = [ledger.pause(ledger.read(path)).values() for path in self.ledgers]
        return [[ms / 1000 for pauses in one for ms in pauses] for one in told]

    def held_up(self, limit: str) -> list[float]:
        """The pauses that outlived the limit by more than its margin and by what the directory was late."""
        allowed = seconds(limit) + MARGIN
        return [pause for pauses in self.pauses() for pause in pauses if pause > allowed + self.pulse.late(pause)]

    def killed(self, stopping: Stopping) -> list[float]:
        """Kill the cutover where it is stopped; the pauses of it, ended with nobody's help but the guardian's."""
        before, held = self.pauses(), self.wire.held
        with stopping(self.world, self.wire):
            process = self.start()
            self.reach(held)
            guardian = self.guardian(process)
            assert os.getsid(guardian) == guardian != os.getsid(process.pid), "it would go with its parent's group"
            self.world.kill(process)
            self.writes_again(within=seconds(FREEZE) + MARGIN)
            wait_for(lambda: not Path(f"/proc/{guardian}").exists(), within=5)
        return [pause for old, new in zip(before, self.pauses(), strict=True) for pause in new[len(old) :]]

    def run_id(self) -> str:
        return self.world.active(TENANT)

    def unfenced_by_guardian(self) -> int:
        entries = self.world.journal(self.run_id())
        return sum(entry["fact"] == "unfenced" and entry["data"].get("by") == "guardian" for entry in entries)


@pytest.mark.parametrize("world", ("reference",), indirect=True)
@pytest.mark.world_estate({"fence": {"freeze_max": FREEZE}})
@pytest.mark.timeout(600)
def test_killed_anywhere_inside_the_fence_the_tenant_writes_on_without_anybody_and_a_resume_completes_the_move(
    world: World, rng: random.Random, runs: int
) -> None:
    points = list(BEFORE_THE_FLIP) if runs >= 10 else rng.sample(list(BEFORE_THE_FLIP), 2)
    world.run("migrate", TENANT, "--to", world.upper, "--yes", "--until", "catch-up", "-o", "json").expect(PARKED)
    with watched(world) as wire, felt(world, TENANT) as pulse, world.writers(2) as ledgers:
        scene = Scene(world, wire, pulse, ledgers, ("resume", TENANT))
        waited: dict[str, list[float]] = {}
        for number, name in enumerate(points, start=1):
            waited[name] = scene.killed(BEFORE_THE_FLIP[name])
            wait_for(lambda: scene.stamp == ("aborted", False), within=5)
            status = world.run("status", TENANT, "-o", "json").expect(0).json
            assert (status["serving"], status["cutover"]["fenced"]) == ("source", False), name
            assert scene.unfenced_by_guardian() == number - 1, "it is recorded by whoever goes on"
        run = scene.run_id()
        waited["the flip done, its answer lost"] = scene.killed(AT_THE_FLIP)
        assert scene.stamp == ("flipped", False)
        moved = world.run("resume", run, "-o", "json").expect(0).json
        scene.writes_again(within=10)
    print({name: [round(one, 2) for one in pauses] for name, pauses in waited.items()})
    assert (moved["state"], moved["serving"], moved["run_id"]) == ("soaking", "target", run)
    assert scene.unfenced_by_guardian() == len(points)
    assert not scene.held_up(FREEZE)
    assert all(waited[name] for name in waited if name != "the fence on its way"), "nobody was refused"
    verdict = world.verdict(ledgers)
    assert verdict.ok, verdict.problems[:5]
    world.run("journal", "verify", run).expect(0)


@pytest.mark.parametrize("world", ("single-table",), indirect=True)
@pytest.mark.world_estate({"fence": {"freeze_max": FREEZE}})
@pytest.mark.timeout(400)
def test_a_reverse_killed_inside_the_fence_has_a_guardian_too(world: World) -> None:
    world.run("migrate", TENANT, "--to", world.upper, "--yes", "-o", "json").expect(0)
    with watched(world) as wire, felt(world, TENANT) as pulse, world.writers(2) as ledgers:
        scene = Scene(world, wire, pulse, ledgers, ("reverse", TENANT, "--yes"))
        assert scene.killed(BEFORE_THE_FLIP["draining"])
        assert scene.stamp == ("aborted", False)
        assert scene.killed(AT_THE_FLIP)
        assert scene.stamp == ("flipped", False)
        back = world.run("resume", TENANT, "-o", "json").expect(0).json
        scene.writes_again(within=10)
    assert (back["state"], back["serving"]) == ("reversed", "source")
    assert not scene.held_up(FREEZE)
    verdict = world.verdict(ledgers)
    assert verdict.ok, verdict.problems[:5]


# --------------------------------------------------------------------------------------------- not killed, and not well


@pytest.mark.parametrize("world", ("reference",), indirect=True)
@pytest.mark.world_estate({"fence": {"freeze_max": SHORT, "drain": "1s", "attempts": 1}, "journal": {"lease": "60s"}})
@pytest.mark.timeout(300)
def test_a_cutover_that_stands_still_is_taken_back_in_time_and_never_flips_when_it_wakes_up(world: World) -> None:
    world.run("migrate", TENANT, "--to", world.upper, "--yes", "--until", "catch-up", "-o", "json").expect(PARKED)
    with watched(world) as wire, felt(world, TENANT) as pulse, world.writers(2) as ledgers:
        scene = Scene(world, wire, pulse, ledgers, ("resume", TENANT))
        with wire.hold(flips, late=True):
            process = scene.start()
            scene.reach(0)
            process.send_signal(signal.SIGSTOP)
            wait_for(lambda: scene.stamp == ("aborted", False), within=30)
            scene.writes_again(within=5)
        time.sleep(0.5)  # the flip that was on its way has reached the engine
        assert scene.stamp == ("aborted", False)
        process.send_signal(signal.SIGCONT)
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == PARKED, stderr
        assert json.loads(stdout)["serving"] == "source"
        assert scene.unfenced_by_guardian() == 1
        assert scene.stamp == ("aborted", False)
        assert not scene.held_up(SHORT)
        moved = world.run("resume", TENANT, "-o", "json")
        if moved.exit == PARKED:  # two busy cores may take longer than the short pause
            moved = world.run("resume", TENANT, "-o", "json")
        scene.writes_again(within=10)
    assert moved.expect(0).json["serving"] == "target"
    verdict = world.verdict(ledgers)
    assert verdict.ok, verdict.problems[:5]


@pytest.mark.parametrize("world", ("reference",), indirect=True)
@pytest.mark.world_estate({"fence": {"attempts": 1}})
def test_a_cutover_whose_guardian_is_killed_takes_its_fence_back_and_does_not_flip(world: World) -> None:
    world.run("migrate", TENANT, "--to", world.upper, "--yes", "--until", "catch-up", "-o", "json").expect(PARKED)
    with watched(world) as wire, felt(world, TENANT) as pulse, world.writers(1) as ledgers:
        scene = Scene(world, wire, pulse, ledgers, ("resume", TENANT))
        with wire.hold(after(stamps("fenced"), probes)):
            process = scene.start()
            scene.reach(0)
            os.kill(scene.guardian(process), signal.SIGKILL)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == PARKED, stderr
        assert "the guardian of this cutover is gone" in stderr
        assert scene.stamp == ("lifted", False)
        scene.writes_again(within=5)
        process = scene.start()
        _, stderr = process.communicate(timeout=100)
        assert process.returncode == 0, stderr
        assert not Path(f"/proc/{scene.guardian(process)}").exists()
    assert scene.stamp == ("flipped", False)
    assert world.verdict(ledgers).ok
