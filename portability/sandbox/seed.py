"""Seed a whole SaaS estate on the loopback endpoints that the environment names; again makes the same world."""

from __future__ import annotations

import contextlib
import fcntl
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from botocore.exceptions import ConnectionError as NoConnection
from botocore.exceptions import HTTPClientError

from portability.errors import EndpointDown, UnknownName, UsageMistake
from portability.model.tenant import checked_tenant
from portability.sandbox import reference, single_table
from portability.sandbox.clients import Clients, open_clients
from portability.sandbox.shape import Shape, Tenant, World

SHAPES: Mapping[str, Shape] = {shape.name: shape for shape in (reference.SHAPE, single_table.SHAPE)}
ITEMS_PER_TENANT = 150
RNG_SEED = 42


@dataclass(frozen=True)
class Seeded:
    """The world that now exists. `items` is per store and tenant, `names` has the ids a service gave out."""

    shape: str
    tenants: tuple[str, ...]
    items: Mapping[str, Mapping[str, int]]
    users: int
    journal: str
    names: Mapping[str, str]
    seconds: float


def seed(
    shape: str = "reference",
    *,
    tenants: int | None = None,
    items_per_tenant: int = ITEMS_PER_TENANT,
    tenant: str | None = None,
    items: int | None = None,
    rng_seed: int = RNG_SEED,
    clock: Callable[[], float] = time.monotonic,
) -> Seeded:
    """Ensure the estate of `shape` with its first `tenants` tenants, and the one named `tenant` with `items` items.

    Item numbers are totals over a tenant's stores. What these tenants had beyond that is removed; other tenants are
    left alone. Raises UnknownName, UsageMistake, Refused when an endpoint is not loopback, EndpointDown.
    """
    chosen = find_shape(shape)
    if items is not None and tenant is None:
        raise UsageMistake("A number of items needs the tenant that is to have them.", next="name it: --tenant TENANT")
    world = World(_who(chosen, tenants, tenant, items_per_tenant, items), rng_seed)
    clients = open_clients()
    began = clock()
    with _answering(), _one_at_a_time(clients):
        built = chosen.build(clients, world)
    return Seeded(
        shape=chosen.name,
        tenants=tuple(each.id for each in world.items),
        items=built.items,
        users=built.users,
        journal=chosen.journal,
        names=built.names,
        seconds=round(clock() - began, 3),
    )


def reset() -> int:
    """Remove everything from the loopback endpoints of the environment; says how many tables there were."""
    clients = open_clients()
    with _answering(), _one_at_a_time(clients):
        names = [
            name for page in clients.dynamodb.get_paginator("list_tables").paginate() for name in page["TableNames"]
        ]
        for name in names:
            clients.dynamodb.delete_table(TableName=name)
        urlopen(Request(f"{clients.ssm.meta.endpoint_url}/moto-api/reset", method="POST")).close()  # noqa: S310 - loopback
    return len(names)


def find_shape(name: str) -> Shape:
    """The shape of that name; UnknownName otherwise."""
    if name not in SHAPES:
        raise UnknownName(f"There is no shape {name!r}.", next=f"one of: {', '.join(SHAPES)}")
    return SHAPES[name]


def _who(shape: Shape, tenants: int | None, named: str | None, each: int, items: int | None) -> dict[Tenant, int]:
    count = len(shape.tenants) if tenants is None else tenants
    more = (shape.another(f"tenant-{number}") for number in range(101, 101 + max(0, count - len(shape.tenants))))
    chosen = [*shape.tenants[:count], *more]
    if named is not None and named not in {tenant.id for tenant in chosen}:
        known = {tenant.id: tenant for tenant in shape.tenants}
        chosen.append(known.get(named) or shape.another(checked_tenant(named)))
    return {tenant: items if items is not None and tenant.id == named else each for tenant in chosen}


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (HTTPClientError, NoConnection, OSError) as error:
        raise EndpointDown(f"The sandbox does not answer: {error}", next="portability sandbox up") from error


@contextlib.contextmanager
def _one_at_a_time(clients: Clients) -> Iterator[None]:
    """Two seeds at once would both miss the user pool, and both make it."""
    port = urlsplit(clients.cognito.meta.endpoint_url).port or 0
    with Path(tempfile.gettempdir(), f"portability-seed-{port}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
