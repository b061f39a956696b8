"""Opens a store's move by its kind."""

from __future__ import annotations

import random

from portability.aws.session import Aws
from portability.model.estate import Estate, Model, seconds
from portability.model.plan import StoreMove
from portability.retry import Retry
from portability.stores.base import Move
from portability.stores.dynamodb.move import DynamoMove
from portability.stores.dynamodb.reader import Readers
from portability.stores.dynamodb.sides import Clock, Surroundings, layout_of
from portability.stores.dynamodb.suffixes import suffix_range
from portability.stores.dynamodb.wiring import Pace

KINDS = ("dynamodb",)
"""What `kind` of a store in the estate may be."""


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

    Moves with the same `readers` share one reader a stream: all of one process should.
    """
    spec = estate.stores[plan_move.store]
    suffixes = suffix_range(spec.tenant.suffixes, tenant, aws.dynamodb(region=estate.home_region))
    return DynamoMove(
        spec,
        plan_move,
        layout_of(plan_move.store, spec, tenant, estate.canary.partition_key, suffixes),
        Surroundings(aws, clock, retry, rng, seconds(estate.journal.horizon), readers or Readers()),
        clone=not plan_move.adopt and plan_move.target.model is not Model.POOL,
        canaries=estate.canary.allowed,
        pace=pace,
    )
