"""Builds everything, once per call: the only place where the rooms meet."""

from __future__ import annotations

import getpass
import os
import random
import socket
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from portability import errors
from portability.aws.session import Aws
from portability.engine.context import Observation
from portability.engine.observer import Observer
from portability.engine.route import Route
from portability.engine.runner import Options, Runner
from portability.engine.stop import Stop, SystemClock
from portability.engine.world import World
from portability.journal.base import Held, Journal
from portability.journal.dynamodb import open_journal
from portability.journal.lease import this_holder
from portability.model.estate import Estate
from portability.model.plan import Plan
from portability.model.recipe import Recipe
from portability.model.run import Holder
from portability.plan.load import Steps, load_estate, recipes_for
from portability.retry import Retry
from portability.steps.base import Step
from portability.steps.catalog import build, known, options, step_class
from portability.steps.directory import DirectoryTable
from portability.stores.base import Move
from portability.stores.catalog import open_move
from portability.stores.dynamodb.reader import Readers


@dataclass(frozen=True)
class Sent:
    """What one call has sent so far: mutating HTTP requests, and DynamoDB read units."""

    writes: int
    rcu: float


@dataclass(frozen=True)
class Settings:
    """The global options of one call."""

    config: Path
    profile: str | None = None
    region: str | None = None


class Desk:
    """One call's surroundings, built when first asked for. `stop` is what signals set."""

    def __init__(self, settings: Settings, stop: Stop) -> None:
        self.settings = settings
        self.stop = stop
        self.clock = SystemClock(stop)
        self.rng = random.Random()  # noqa: S311 - jitter, not secrets
        self._readers = Readers()

    @cached_property
    def estate(self) -> Estate:
        """The estate file, loaded and checked; with `--region` it says so of journal and directory."""
        if not self.settings.config.exists():
            raise errors.FileInvalid(
                "cannot be read: No such file or directory", where=f"{self.settings.config}:1", next="portability init"
            )
        estate, region = load_estate(self.settings.config), self.settings.region
        return estate if region in (None, estate.home_region) else estate.kept_in(region)

    @cached_property
    def recipes(self) -> list[Recipe]:
        """The recipes beside the estate."""
        return recipes_for(self.estate, self.settings.config, steps_known())

    @cached_property
    def retry(self) -> Retry:
        """The one policy; its sleep ends early when the run is asked to stop."""
        return Retry(attempts=self.estate.retries, sleep=self.clock.sleep, rng=self.rng)

    @property
    def region(self) -> str:
        """The region of journal and directory; one outside the estate is refused."""
        region = self.settings.region or self.estate.home_region
        if region not in self.estate.accounts.regions:
            msg = f"region {region} is not one of this estate's: {', '.join(self.estate.accounts.regions)}"
            raise errors.WrongEstate(msg, next="use --region with one of them, or add it to accounts.regions")
        return region

    @cached_property
    def observing(self) -> Aws:
        """Clients that refuse every mutating call."""
        return Aws(profile=self.settings.profile, region=self.region, read_only=True, retry=self.retry)

    @cached_property
    def journaling(self) -> Aws:
        """The journal's own clients: they take leases, so they cannot wait for one."""
        return Aws(profile=self.settings.profile, region=self.region, read_only=False, retry=self.retry)

    @cached_property
    def account(self) -> str:
        """The account of the credentials; one that the estate does not allow is refused."""
        account = self.observing.sts().account()
        if account not in self.estate.accounts.allowed:
            allowed = ", ".join(self.estate.accounts.allowed)
            msg = f"these credentials belong to account {account}; this estate allows {allowed}"
            raise errors.WrongEstate(
                msg, next="switch credentials (--profile), or name the account in accounts.allowed"
            )
        return account

    @cached_property
    def identity(self) -> str:
        """Who the credentials are, as the end of their ARN says it: `ops/anna`."""
        return self.observing.sts().arn().rpartition(":")[2].removeprefix("assumed-role/").removeprefix("user/")

    def sent(self) -> Sent:
        """What every client of this desk has sent."""
        tallies = [self.__dict__[name].sent for name in ("observing", "journaling") if name in self.__dict__]
        return Sent(writes=sum(tally.writes for tally in tallies), rcu=sum(tally.rcu for tally in tallies))

    @cached_property
    def journal(self) -> Journal:
        """The journal, checked: account allowed, table there."""
        journal = self.unchecked_journal
        journal.check()
        return journal

    @cached_property
    def unchecked_journal(self) -> Journal:
        """The journal before `init` made its table."""
        _ = self.account
        dynamo = self.journaling.dynamodb(region=self.estate.journal_region)
        return open_journal(dynamo, self.estate.journal, self.clock, self.retry)

    @cached_property
    def journal_seen(self) -> Journal:
        """The journal over clients that refuse every mutating call; unchecked."""
        _ = self.account
        dynamo = self.observing.dynamodb(region=self.estate.journal_region)
        return open_journal(dynamo, self.estate.journal, self.clock, self.retry)

    @cached_property
    def directory(self) -> DirectoryTable:
        """The tenant directory, read only."""
        return DirectoryTable(self.estate, self.observing.dynamodb(region=self.estate.directory_region))

    @property
    def holder(self) -> Holder:
        """This process, as a lease names it."""
        return this_holder(f"{_operator()}@{socket.gethostname()}")

    @property
    def operator(self) -> str:
        """Who runs the command, as the audit trail says it."""
        return _operator()

    def moves(self, plan: Plan, aws: Aws) -> Sequence[Move]:
        """The plan's moving stores over `aws`."""
        return [
            open_move(
                estate=plan.estate,
                plan_move=move,
                tenant=plan.tenant,
                aws=aws,
                clock=self.clock,
                retry=self.retry,
                rng=self.rng,
                readers=self._readers,
            )
            for move in plan.moving
        ]

    def observation(self, plan: Plan) -> Observation:
        """The plan's surroundings, read only."""
        return Observation(
            plan=plan,
            aws=self.observing,
            moves=self.moves(plan, self.observing),
            clock=self.clock,
            retry=self.retry,
        )

    def steps(self, plan: Plan) -> list[tuple[str, Step]]:
        """The plan's steps by id, built."""
        return [(spec.id, build(spec)) for spec in plan.steps]

    def runner(self, held: Held, options: Options, observer: Observer) -> Runner:
        """A turn at the run whose lease is held; its clients look at that lease before every send."""
        plan = held.view().header.plan
        aws = Aws(
            profile=self.settings.profile,
            region=self.region,
            read_only=False,
            look=held.look,
            lost_time=held.reread,
            unanswered=held.unanswered,
            retry=self.retry,
        )
        world = World(
            aws=aws,
            moves=self.moves(plan, aws),
            clock=self.clock,
            retry=self.retry,
            rng=self.rng,
            write_elsewhere=self._elsewhere(plan.estate, aws),
        )
        route = Route(plan=plan, steps=tuple((spec, build(spec)) for spec in plan.steps))
        return Runner(
            held=held, plan=plan, route=route, world=world, stop=self.stop, observer=observer, options=options
        )

    def _elsewhere(self, estate: Estate, aws: Aws) -> Callable[[Sequence[dict[str, Any]]], None] | None:
        """How a flip is written where the directory is in another region than the journal; None where it is not."""
        if estate.directory_region == estate.journal_region:
            return None
        dynamo = aws.dynamodb(region=estate.directory_region)
        return lambda items: dynamo.transact(items, token=uuid.UUID(int=self.rng.getrandbits(128)).hex)


def steps_known() -> Steps:
    """What the loaders are told of the steps there are."""
    kinds = known()
    return Steps(
        known=kinds,
        schemas={uses: options(uses) for uses in kinds},
        phases={uses: str(step_class(uses).phase) for uses in kinds},
    )


def _operator() -> str:
    try:
        return os.environ.get("PORTABILITY_OPERATOR") or getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
