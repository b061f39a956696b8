"""The world of a campaign: an estate on real engines, a forge, a faulty wire, and an application that writes."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from portability.sandbox.seed import find_shape
from tests.crash.application import Application
from tests.crash.faults import Faulty
from tests.crash.forge import Forge, Forked, forging
from tests.support.dynamodb_local import ROOT
from tests.support.wire import watched_by
from tests.support.world import Ran, World, make_world, merge

TENANT = "tenant-42"
QUICK: dict[str, Any] = {
    "journal": {"lease": "6s", "beat": "1s", "horizon": "300ms", "far_horizon": "1s"},
    "directory": {"cache": "500ms"},
    "fence": {"tripwire": "300ms", "freeze_max": "20s"},
    "soak": "500ms",
    "retries": 3,
}
"""Durations a campaign can wait for, a thousand times. Horizons are shortened: what they stand for has its own row."""

WAITS = {"catch_up": {"window": "200ms"}, "cut_over": {"window": "200ms"}}
"""How long a lag must have been small, in the recipes of a campaign."""

ITEMS = 40
COMMAND_WITHIN = 90.0
"""Seconds a command may take with a fault before it counts as hanging."""

STEPPING = frozenset({"migrate", "run", "reverse", "complete", "cancel"})
"""The verbs that run steps."""


class Slow(AssertionError):
    """A command did not come to its end."""


@dataclass
class Scene(World):
    """A world whose commands are forked and go over a faulty wire. Made by `opened`."""

    forge: Forge | None = None
    wire: Faulty = field(default_factory=Faulty)
    application: Application | None = None
    before: dict[str, str] = field(default_factory=dict)  # the neighbours' digests

    @property
    def journal_table(self) -> str:
        return find_shape(self.shape).journal

    @property
    def app(self) -> Application:
        assert self.application is not None
        return self.application

    def start(self, *argv: str, by: str = "", **env: str) -> Forked:  # type: ignore[override]
        """Fork `portability ARGV`; `by` names its calls on the wire."""
        assert self.forge is not None
        if argv[0] in STEPPING:
            self.wire.counting.command(argv[0])
        named = {"AWS_SDK_UA_APP_ID": by, "PORTABILITY_OPERATOR": by} if by else {}
        child = self.forge.start(
            ["--config", str(self.config), *argv], env=self.env | self.detour | named | env, folder=self.folder
        )
        self.processes.append(child)  # type: ignore[arg-type]
        return child

    def finish(self, process: Forked, within: float = COMMAND_WITHIN) -> Ran:
        """Wait for a command's end."""
        began = time.monotonic()
        try:
            out, err = process.communicate(within)
        except Exception as error:
            process.kill()
            out, err = process.communicate(10)
            raise Slow(f"still running after {time.monotonic() - began:.0f} s\n{out[-2000:]}\n{err[-2000:]}") from error
        assert process.returncode is not None
        return Ran(process.returncode, out, err)

    def run(self, *argv: str, timeout: float = COMMAND_WITHIN) -> Ran:
        """Run `portability ARGV` to its end, over the wire."""
        return self.finish(self.start(*argv), timeout)

    @functools.cached_property
    def _clients(self) -> dict[str, Any]:
        return {}

    def client(self, service: str) -> Any:
        """A plain boto3 client, made once."""
        if service not in self._clients:
            self._clients[service] = super().client(service)
        return self._clients[service]

    def kill(self, process: Any) -> None:
        """SIGKILL, and wait until it is gone."""
        process.kill()
        process.wait(10)

    def close(self) -> None:
        """End what is still running."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()


@contextmanager
def opened(
    shape: str,
    folder: Path,
    *,
    dynamodb: str,
    moto: str,
    seed: object,
    overrides: Mapping[str, Any] | None = None,
    writers: int = 2,
    seeded: Callable[[], None] = lambda: None,
) -> Iterator[Scene]:
    """A scene until the block ends. It is `seeded` before anything is at work in it."""
    estate = merge(QUICK, overrides or {})
    made = make_world(shape, folder, dynamodb=dynamodb, moto=moto, items=ITEMS, overrides=estate)
    seeded()
    _quicken(made.config, folder / "recipes", ROOT / "plans" if shape == "reference" else ROOT / "plans" / shape)
    scene = Scene(shape=shape, folder=folder, env=made.env | {"HOME": os.environ.get("HOME", "/")}, config=made.config)
    scene.wire = Faulty(journal=scene.journal_table)
    scene.application = Application(scene, TENANT, writers=writers, rate=10.0, seed=seed)
    scene.before = scene.neighbours(TENANT)
    with ExitStack() as stack:
        scene.forge = stack.enter_context(forging(scene.env))
        stack.enter_context(watched_by(scene, scene.wire))
        stack.callback(scene.close)
        stack.enter_context(scene.application.writing())
        yield scene


def _quicken(config: Path, recipes: Path, plans: Path) -> None:
    recipes.mkdir()
    for path in plans.glob("*.yaml"):
        recipe = yaml.safe_load(path.read_text())
        if recipe["kind"] != "MigrationPlan":
            continue
        for step in recipe["steps"]:
            if step["uses"] in WAITS:
                step["with"] = step.get("with", {}) | WAITS[step["uses"]]
        recipes.joinpath(path.name).write_text(yaml.safe_dump(recipe, sort_keys=False))
    estate = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump(estate | {"recipes": str(recipes)}, sort_keys=False))
