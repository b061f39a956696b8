"""The whole story on one machine: a tenant moves while its application writes, the mover is killed, resumed, reversed.

Every command runs as a real process, as an operator would type it. The engine is moto, which serialises requests: the
demo is the story, the test suite on DynamoDB Local is the proof.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from portability import errors
from portability.sandbox import server
from portability.sandbox.clients import client, environment
from portability.sandbox.ledger import Verdict, check_tenant
from portability.sandbox.seed import Seeded, seed

TENANT = "tenant-42"
ITEMS = 1800
WRITERS = 2
RATE = 10.0  # writes a second and writer
KILL_AFTER_PAGES = 4
WRITE_BETWEEN = 2.0  # seconds of writing on the side that has just begun to serve
PATIENCE = 150.0  # seconds one command may take

Say = Callable[[str], None]


@dataclass
class Stage:
    """The embedded estate of one demo, and how commands are run in it."""

    folder: Path
    config: Path
    env: dict[str, str]
    say: Say
    ledgers: list[Path] = field(default_factory=list)

    def command(self, *argv: str) -> list[str]:
        """The argv of `portability ARGV` in this stage."""
        return [sys.executable, "-m", "portability.cli.main", "--config", str(self.config), *argv]

    def run(self, *argv: str, wanted: tuple[int, ...] = (0,), shown: bool = False) -> dict[str, Any]:
        """Run a command to its end; its JSON result, or {} where `shown` sends it to the screen."""
        self.say(f"\n$ portability {' '.join(argv)}")
        extra = () if shown else ("-o", "json")
        done = subprocess.run(
            self.command(*argv, *extra), env=self.env, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        if shown:
            self.say(done.stdout.rstrip())
        if done.returncode not in wanted:
            self.say(done.stderr.rstrip())
            msg = f"`portability {' '.join(argv)}` ended with {done.returncode}, not {' or '.join(map(str, wanted))}"
            raise errors.StepFailed(msg, next="portability sandbox down")
        # A command that ends badly shows its run on stdout and says why on stderr.
        result: dict[str, Any] = {} if shown else _object(done.stderr if done.returncode else done.stdout)
        return result

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """The tenant's application writes until the block ends."""
        until = self.folder / f"stop-{len(self.ledgers)}"
        processes = []
        for number in range(WRITERS):
            ledger = self.folder / f"ledger-{len(self.ledgers)}.jsonl"
            self.ledgers.append(ledger)
            argv = [
                *(sys.executable, "-m", "portability.sandbox.app", "write", "--shape", "reference"),
                *("--tenant", TENANT, "--ledger", str(ledger), "--rate", str(RATE), "--until-file", str(until)),
                *("--seed", str(len(self.ledgers)), "--writer", f"w{len(self.ledgers)}"),
                *("--writers", str(WRITERS), "--number", str(number)),
            ]
            processes.append(subprocess.Popen(argv, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL))
        try:
            yield
        finally:
            until.touch()
            for process in processes:
                process.wait(PATIENCE)

    def verdict(self) -> Verdict:
        """The ledgers held against the side that serves now."""
        return check_tenant(self.ledgers, shape="reference", tenant=TENANT)


def play(say: Say, *, config: Path, break_: str = "copy") -> None:
    """Tell the story; raises a `PortabilityError` where any part of it does not come true.

    `config` is the estate to play it with (the shipped reference estate). `break_` is the planted fault at the end.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="portability-demo-") as made, _stage(Path(made), config, say) as stage:
        _move(stage)
        _reverse(stage)
        FAULTS[break_](stage)
        say(f"\nThe whole story took {time.monotonic() - began:.0f} s. Next:")
        say(
            '  portability sandbox up        an estate to try things in; then eval "$(portability sandbox up --export)"'
        )
        say("  portability init              the journal and policies for your own account")
        say("  portability plan TENANT --to TIER")
        say("The engine was moto, which serialises requests: the story. `make test` on DynamoDB Local is the proof.")


def _move(stage: Stage) -> None:
    with stage.writing():
        stage.run("plan", TENANT, "--to", "premium", shown=True)
        _killed_in_the_copy(stage)
        run = stage.run("resume")
        time.sleep(WRITE_BETWEEN)
    _expect_nothing_lost(stage, "after the move")
    stage.say(f"writes paused for {run['cutover']['pause_ms']:.0f} ms behind the fence `{run['cutover']['fence']}`")


def _killed_in_the_copy(stage: Stage) -> None:
    argv = ("migrate", TENANT, "--to", "premium", "--yes", "--reason", "upgrade")
    stage.say(f"\n$ portability {' '.join(argv)}")
    events = stage.folder / "events.jsonl"
    with (stage.folder / "killed.log").open("wb") as log:
        process = subprocess.Popen(
            stage.command(*argv, "--events", str(events)),
            env=stage.env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        deadline = time.monotonic() + PATIENCE
        while _pages(events) < KILL_AFTER_PAGES:
            if process.poll() is not None or time.monotonic() > deadline:
                stage.say((stage.folder / "killed.log").read_text())
                msg = "the migration ended before it could be killed in the middle of its copy"
                raise errors.StepFailed(msg, next="portability demo")
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    status = stage.run("status", TENANT)
    copied = sum(store["items"] or 0 for store in status["data"])
    stage.say(f"killed with SIGKILL in the middle of the copy: {copied} items copied so far, the source serves")


def _pages(events: Path) -> int:
    return events.read_text().count('"copied"') if events.exists() else 0


def _reverse(stage: Stage) -> None:
    run = stage.run("status", TENANT)["run_id"]
    with stage.writing():
        time.sleep(WRITE_BETWEEN)
        back = stage.run("reverse", run, "--yes")
        time.sleep(WRITE_BETWEEN)
    _expect_nothing_lost(stage, "after the reverse")
    stage.say(
        f"state {back['state']}, the {back['serving']} serves; writes paused for {back['cutover']['pause_ms']:.0f} ms"
    )
    stage.run("cancel", run, "--yes")


def _expect_nothing_lost(stage: Stage, when: str) -> None:
    verdict = stage.verdict()
    lost = verdict.lost + verdict.stale + verdict.resurrected
    stage.say(f"{when}: acknowledged {verdict.acknowledged}, found {verdict.found}, lost {lost}")
    if lost:
        msg = f"{when} {lost} acknowledged writes were lost"
        raise errors.Mismatch(msg, next="portability demo", changed="The demo's own sandbox only.")


def _break_copy(stage: Stage) -> None:
    """One item of the copy is changed behind the tool's back before it is verified."""
    stage.say("\nA planted fault: one item of the copy is changed before it is verified.")
    stage.run("migrate", TENANT, "--to", "premium", "--yes", "--until", "catch-up", wanted=(7,))
    _corrupt_one("Order-tenant-42")
    refused = stage.run("resume", TENANT, wanted=(11,))
    stage.say(f"refused: {refused.get('error', refused).get('what', '')}")
    stage.run("cancel", TENANT, "--yes")


def _break_fence(stage: Stage) -> None:
    """A fence that would pause the tenant for longer than the estate allows."""
    stage.say("\nA planted fault: a fence that takes longer than the estate lets writes pause.")
    _edit(stage.config, lambda estate: estate["fence"].update(effective_within="90s"))
    refused = stage.run("migrate", TENANT, "--to", "premium", "--yes", wanted=(3,))
    stage.say(f"refused: {refused.get('error', refused).get('what', '')}")


def _break_kill(stage: Stage) -> None:
    """The mover is killed again, twice, and the third process finishes."""
    stage.say("\nA planted fault: the mover is killed twice more.")
    _killed_in_the_copy(stage)
    process = subprocess.Popen(stage.command("resume", TENANT), env=stage.env, stdin=subprocess.DEVNULL)
    time.sleep(WRITE_BETWEEN)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stage.run("resume", TENANT)
    _expect_nothing_lost(stage, "after two kills")


FAULTS: Mapping[str, Callable[[Stage], None]] = {"copy": _break_copy, "fence": _break_fence, "kill": _break_kill}


@contextlib.contextmanager
def _stage(folder: Path, config: Path, say: Say) -> Iterator[Stage]:
    engine = server.start(folder / "engine")
    env = os.environ | environment(engine.endpoint) | {"NO_COLOR": "1"}
    previous = {name: os.environ.get(name) for name in environment(engine.endpoint)}
    os.environ.update(environment(engine.endpoint))
    try:
        seeded: Seeded = seed("reference", tenant=TENANT, items=ITEMS)
        own = folder / "estate.yaml"
        _copy_estate(config, own)
        say(f"sandbox: moto at {engine.endpoint}; {len(seeded.tenants)} tenants, {ITEMS} items of {TENANT}")
        yield Stage(folder=folder, config=own, env=env, say=say)
    finally:
        server.stop(folder / "engine")
        for name, value in previous.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _copy_estate(config: Path, own: Path) -> None:
    own.write_text(config.read_text())
    for recipe in config.parent.glob("*.yaml"):
        if recipe.name != config.name:
            (own.parent / recipe.name).write_text(recipe.read_text())


def _edit(config: Path, change: Callable[[dict[str, Any]], None]) -> None:
    estate = yaml.safe_load(config.read_text())
    change(estate)
    config.write_text(yaml.safe_dump(estate, sort_keys=False))


def _corrupt_one(table: str) -> None:
    dynamodb = client("dynamodb")
    item = dynamodb.scan(TableName=table, Limit=1)["Items"][0]
    dynamodb.put_item(TableName=table, Item={**item, "planted": {"S": "by the demo"}})


def _object(text: str) -> dict[str, Any]:
    for line in (text, *reversed(text.splitlines())):
        with contextlib.suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict):
                return found
    return {}
