"""One process: a turn of the command with whatever trouble befalls it, over the command's own functions."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

from portability import errors
from portability.cli.wiring import Desk
from portability.engine.context import Observation
from portability.engine.preview import changes
from portability.engine.route import Route
from portability.engine.runner import Options, Runner
from portability.engine.world import World as EngineWorld
from portability.journal.base import Held
from portability.model.change import Change
from portability.model.run import Holder, RunView
from portability.retry import Retry
from portability.steps.base import Context
from portability.stores.base import Move
from tests.machine.goods import TownMove
from tests.machine.town import Town
from tests.machine.trouble import (
    ANY,
    DIRECTORY,
    FAR,
    HERE,
    HOSTS,
    Fine,
    Frozen,
    Kill,
    Refuse,
    Replaced,
    Slip,
    Trouble,
    Unheard,
    strike,
)
from tests.machine.verbs import VERBS, Said
from tests.machine.wires import Effect, Guard
from tests.steps_data.fake_dynamo import no_trap
from tests.steps_data.run_world import Killed, Process

WATCHED = 90.0
"""Seconds for which a lease is watched that another host's process holds: more than a lease."""


class Turn(Process):
    """A process on `host`. `said` is how its command ended."""

    def __init__(self, town: Town, trouble: Trouble | None = None, *, host: str = HERE, wait: float = WATCHED) -> None:
        super().__init__(town)
        town.dynamo.trap = no_trap
        town.table.trap = staticmethod(no_trap)
        town.clock.each = town.asleep
        self.town, self.trouble, self.host, self.wait = town, trouble or Fine(), host, wait
        self.pid = next(town.pids)
        self.move: TownMove = TownMove(town)
        self.move.told = self._told
        self.retry = Retry(attempts=4, base=0.05, cap=1.0, sleep=self._backs_off, rng=random.Random(self.pid))
        self.held: Held | None = None
        self.count = self.calls = self.struck = self.lagging = 0
        self.guards: list[Guard] = []
        self.drove = self.lost = False
        self.said = ""
        self.error: errors.PortabilityError | None = None

    @property
    def fence(self) -> int | None:
        """The lease number this process believes to hold."""
        return None if self.held is None else self.held.fence

    # --------------------------------------------------------------------------------------------------- the command

    def run(self, verb: str) -> RunView | None:
        """Say the verb; the run as it rests then, None where the command did not end well."""
        before, self.town.turn = self.town.turn, self
        view = None
        try:
            view = VERBS[verb](Said(self.desk(), self.town, self.wait))
            self.said = "done"
        except Killed as killed:
            self.said = f"killed at {killed}"
        except errors.PortabilityError as error:
            self.said = f"{type(error).__name__}: {error.what}"
            self.error = error
            self.lost = self.held is not None and self.town.entries()[-1].fence != self.held.fence
        finally:
            self.town.turn = before
            self._left()
        if self.error is not None and not self.error.next:
            self.town.broken.append(f"{self.said} names no next command")
        return view

    def desk(self) -> Desk:
        """What the command's functions ask for."""
        parts = SimpleNamespace(
            journal=self.town.journal(self.host, self.retry),
            holder=self.mine,
            operator="me",
            clock=self.town.clock_of(self.host),
            rng=self.town.rng,
            estate=self.town.plan.estate,
            stop=self.stop,
            runner=self.runner,
            moves=lambda _plan, _aws: self.moves,
            observing=None,
        )
        return cast("Desk", parts)

    @property
    def mine(self) -> Holder:
        """This process, as a lease names it."""
        host = self.host
        return Holder(name=f"me@{host}", host=host, boot=host, namespace="n", pid=self.pid, started="1")

    def runner(self, held: Held, options: Options, observer: Any) -> Runner:
        """The engine over this process's own clients."""
        self.held, self.drove = held, True
        self.move.looks = held.look
        plan = held.view().header.plan
        kinds = {step.uses: step for step in self.steps()}
        world = EngineWorld(
            aws=self.aws,
            moves=self.moves,
            clock=self.town.clock_of(self.host),
            retry=self.retry,
            rng=random.Random(f"{self.town.shape.seed}/{self.pid}"),
            write_elsewhere=self._elsewhere if self.town.elsewhere else None,
        )
        route = Route(plan=plan, steps=tuple((spec, kinds[spec.uses]) for spec in plan.steps))
        return Runner(
            held=held, plan=plan, route=route, world=world, stop=self.stop, observer=observer, options=options
        )

    # ------------------------------------------------------------------------------------------------------- moments

    def moment(self, label: str, effect: Effect | None, *, signed: bool, late: bool) -> Any:
        """A call, or a sleep: sign, look, send."""
        self.town.breathe(self)
        number, self.count = self.count, self.count + 1
        self.calls += label.startswith(DIRECTORY)
        if signed and self.held is not None:
            self.held.look()
        if getattr(self.trouble, "on", ANY) == DIRECTORY:
            due = label.startswith(DIRECTORY) and self._due(self.calls - 1, effect)
        else:
            due = self._due(number, effect)
        if due:
            self.struck += 1
            self.traps.append(f"{number} {label}")
            return strike(self, label, effect, late=late)
        return None if effect is None else effect()

    def _due(self, number: int, effect: Effect | None) -> bool:
        trouble = self.trouble
        if not 0 <= trouble.at <= number or self.struck >= (trouble.times if isinstance(trouble, Refuse) else 1):
            return False
        if isinstance(trouble, Slip):
            return self.town.may_slip()
        if isinstance(trouble, Replaced):
            return not self.town.fenced
        return effect is not None or not isinstance(trouble, Refuse | Unheard)

    def _backs_off(self, seconds: float) -> None:
        with self.town.hush():
            self.town.clock.sleep(seconds)

    @contextlib.contextmanager
    def _beside(self, _ctx: Context, budget: float) -> Iterator[Any]:
        guard = Guard(self.town, self.town.run, budget)
        self.town.guards.append(guard)
        self.guards.append(guard)
        yield guard

    @property
    def moves(self) -> list[Move]:
        return [cast("Move", self.move)]

    def _left(self) -> None:
        """The process is gone; so are its guardians, once they have done what they are there for."""
        town, killed = self.town, self.dead
        town.dead.add(self.pid)
        fate = self.trouble.guardian if killed and isinstance(self.trouble, Kill) else "acts"
        for guard in self.guards:
            if fate == "late" and guard.epoch is not None and not guard.gone:
                town.hold(guard.act, self.trouble.later if isinstance(self.trouble, Kill) else 0)
                continue
            guard.gone = guard.gone or fate == "gone"
            guard.act()
            town.guards.remove(guard)

    # ------------------------------------------------------------------------------------------------------- company

    def stand_still(self, seconds: float) -> None:
        """SIGSTOP between the look and the call: what was signed too long ago is signed anew, after a look."""
        with self.town.hush():
            for _ in range(3):
                self.town.app()
            self.town.clock.sleep(seconds)
        self.town.time_is_up()
        if seconds > FAR and self.held is not None:
            self.held.reread()

    def rival(self, verb: str) -> None:
        """Another operator's command while this process lives and holds the run, or is about to."""
        if self.held is not None and not self.town.open():
            return  # the run has ended: whoever comes now begins another
        before = self.fingerprint()
        with self.town.hush():
            other = Turn(self.town, wait=0.0)
            other.run(verb)
        refused = isinstance(other.error, errors.LeaseHeld | errors.Refused | errors.UsageMistake)
        if self.held is not None and other.error is not None and not refused:
            self.town.broken.append(f"I3: a rival's {verb} ended with {other.said}")
        if self.held is not None and self.fingerprint() != before:
            self.town.broken.append(f"I2: a rival's {verb} had an effect ({other.said})")

    def freeze(self, trouble: Frozen, call: Effect) -> Any:
        """Another process takes the run while this one is frozen between its look and its call."""
        town, since = self.town, self.town.clock.monotonic()
        if trouble.breaks:
            self.broken_by_operator()
        for guard in self.guards:
            guard.act()
        other = Turn(town, trouble.then, host=HOSTS[HOSTS.index(self.host) - 1])
        other.run(trouble.verb)
        self.traps.append(f"frozen; {trouble.verb}: {other.said}")
        if town.clock.monotonic() - since > FAR and self.held is not None:
            self.held.reread()
        return call()

    def broken_by_operator(self) -> None:
        """`lock break`."""
        journal = self.town.journal(self.host)
        with self.town.hush(), contextlib.suppress(errors.LeaseHeld, errors.Refused):
            fence = journal.lease(self.town.run).fence
            journal.break_lease(self.town.run, fence=fence, reason="it seems dead", by="me")

    def fingerprint(self) -> Mapping[str, Any]:
        """Everything an effect could show in, but for what the application writes."""
        return {"journal": dict(self.town.table.rows), "directory": repr(self.town.dynamo.rows)}

    def preview(self) -> list[Change]:
        """What `plan` shows."""
        town, kinds = self.town, {step.uses: step for step in self.steps()}
        seen = Observation(
            plan=town.plan, aws=self.aws, moves=self.moves, clock=town.clock_of(self.host), retry=self.retry
        )
        return changes(seen, [(spec.id, kinds[spec.uses]) for spec in town.plan.steps])
