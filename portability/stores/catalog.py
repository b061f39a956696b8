"""Opens a store's move by its kind. Other packages add theirs by entry point."""

from __future__ import annotations

import difflib
import importlib.metadata
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from portability import errors
from portability.aws.session import Aws
from portability.model.estate import Estate, Model, StoreSpec, seconds
from portability.model.plan import StoreMove
from portability.retry import Retry
from portability.stores.base import Move
from portability.stores.dynamodb.move import DynamoMove
from portability.stores.dynamodb.reader import Readers
from portability.stores.dynamodb.sides import Clock, Surroundings, layout_of
from portability.stores.dynamodb.suffixes import suffix_range
from portability.stores.dynamodb.wiring import Pace

KINDS = ("dynamodb",)
"""The kinds of store of this package. A name of ours cannot be taken over."""

ENTRY_POINTS = "portability.stores"
"""The entry-point group: `my_kind = "my_package.move:open_move"`, an `Open`."""


@dataclass(frozen=True)
class Opening:
    """What a store of another package is opened with.

    `aws` refuses every mutating call where a plan is previewed; a store with clients of its own does as `read_only`
    says. `clock`, `retry` and `rng` are the run's: time, attempts and randomness are taken from nowhere else.
    """

    estate: Estate
    move: StoreMove  # the sides: names by the store's `pool` and `silo`, models, regions, roles
    tenant: str
    aws: Aws
    clock: Clock
    retry: Retry
    rng: random.Random

    @property
    def spec(self) -> StoreSpec:
        """What the estate declares of the store, its `options` too."""
        return self.estate.stores[self.move.store]

    @property
    def read_only(self) -> bool:
        """Whether nothing may be changed: a plan is previewed."""
        return self.aws.read_only


Open = Callable[[Opening], Move]
"""What an entry point names. It asks nothing yet: a move is opened for every command."""


def known() -> list[str]:
    """Every `kind` that a store may have, ours first."""
    return [*KINDS, *sorted(name for name in _foreign() if name not in KINDS)]


def open_move(
    *,
    estate: Estate,
    plan_move: StoreMove,
    tenant: str,
    aws: Aws,
    clock: Clock,
    retry: Retry,
    rng: random.Random,
    pace: Pace = Pace(),
    readers: Readers | None = None,
) -> Move:
    """The move of one store. Reads the tenant's suffix range where a table keeps it; nothing else is asked yet.

    Moves with the same `readers` share one reader a stream: all of one process should. Raises `UnknownName` for a kind
    that no installed package brings.
    """
    spec = estate.stores[plan_move.store]
    if not spec.in_dynamodb:
        opening = Opening(estate=estate, move=plan_move, tenant=tenant, aws=aws, clock=clock, retry=retry, rng=rng)
        return _opener(spec.kind)(opening)
    suffixes = suffix_range(spec.tenant.suffixes, tenant, aws.dynamodb(region=estate.directory_region))
    return DynamoMove(
        spec,
        plan_move,
        layout_of(plan_move.store, spec, tenant, estate.canary.partition_key, suffixes),
        Surroundings(aws, clock, retry, rng, seconds(estate.journal.horizon), readers or Readers()),
        clone=not plan_move.adopt and plan_move.target.model is not Model.POOL,
        canaries=estate.canary.allowed,
        pace=pace,
    )


def _opener(kind: str) -> Open:
    foreign = _foreign()
    if kind in foreign:
        return cast("Open", foreign[kind].load())
    close = difflib.get_close_matches(kind, known(), n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    msg = f"no installed package brings a store of kind {kind!a}{hint}"
    raise errors.UnknownName(msg, next="portability validate")


def _foreign() -> dict[str, importlib.metadata.EntryPoint]:
    return {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}
