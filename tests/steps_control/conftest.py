"""A tenant of their own in the reference estate for the control-plane steps, with neighbours beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from botocore.config import Config

from portability.aws.session import Aws
from portability.model.estate import Estate
from portability.model.plan import Plan
from portability.model.recipe import Recipe
from portability.plan.compile import NothingToDo, compile_plan
from portability.plan.load import load_estate, load_recipes
from portability.sandbox.clients import client, environment
from portability.sandbox.seed import reset, seed
from portability.steps import catalog
from portability.steps.directory import DirectoryTable
from portability.steps.port_identity import PortIdentity
from tests.conftest import ENGINES, REGION
from tests.steps_control.fake_context import Run, quick_retry
from tests.support.dynamodb_local import ROOT
from tests.support.inventory import Inventory


@dataclass(frozen=True)
class Place:
    """One tenant in a seeded estate, and plain clients to look at it with."""

    tenant: str
    estate: Estate
    recipes: list[Recipe]
    account: str = "123456789012"

    @property
    def aws(self) -> Aws:
        """Clients that may change things."""
        return Aws(region=REGION, read_only=False, retry=quick_retry())

    @property
    def observing(self) -> Aws:
        """Clients that refuse to."""
        return Aws(region=REGION, read_only=True, retry=quick_retry())

    def aws_that_looks(self, look: Callable[[], None]) -> Aws:
        """Clients that call `look` before every mutating request."""
        return Aws(region=REGION, read_only=False, retry=quick_retry(), look=look)

    def client(self, service: str) -> Any:
        """A plain boto3 client."""
        return client(service, Config())

    def plan(self, to: str, *, facts: dict[str, Any] | None = None, estate: Estate | None = None) -> Plan:
        """The compiled plan of this tenant's move."""
        chosen = estate or self.estate
        record = DirectoryTable(chosen, self.aws.dynamodb()).read(self.tenant)
        assert record is not None
        made = compile_plan(
            estate=chosen,
            recipes=self.recipes,
            tenant=self.tenant,
            record_location=(record.tier, record.placement),
            to=to,
            account=self.account,
            facts=facts,
        )
        assert not isinstance(made, NothingToDo)
        return made

    def inventory(self) -> Inventory:
        """Everything there is in Cognito, API Gateway and this estate's tables."""
        return Inventory.take(self.client)

    def record(self) -> dict[str, Any]:
        """The tenant's raw directory record."""
        key = {self.estate.directory.key: {"S": self.tenant}}
        item: dict[str, Any] = self.client("dynamodb").get_item(
            TableName=self.estate.directory.table, Key=key, ConsistentRead=True
        )["Item"]
        return item

    def set_record(self, **fields: str | None) -> None:
        """Write attributes of the record, None removes one."""
        item = self.record()
        for name, value in fields.items():
            item.pop(name, None)
            if value is not None:
                item[name] = {"S": value}
        self.client("dynamodb").put_item(TableName=self.estate.directory.table, Item=item)

    def with_estate(self, **fields: Any) -> Place:
        """The same place under a changed estate."""
        return dataclasses.replace(self, estate=msgspec.structs.replace(self.estate, **fields))


@pytest.fixture(scope="session")
def own_moto(pytestconfig: pytest.Config) -> Iterator[str]:
    """A moto server that only these tests of this worker use: an inventory of everything must stand still."""
    with pytestconfig.stash[ENGINES].own_server("steps-control") as running:
        yield running.endpoint


@pytest.fixture
def place(dynamodb_local: str, own_moto: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A basic tenant with six users, one disabled and two without a tenant id, beside neighbours."""
    values = environment(own_moto) | {
        "AWS_ACCESS_KEY_ID": prefix,  # DynamoDB Local keeps a database per access key
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_local,
        "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": dynamodb_local,
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    reset()
    seed("reference", tenants=2, items_per_tenant=2, tenant=prefix, items=4)
    estate = load_estate(ROOT / "plans" / "estate.yaml")
    return Place(tenant=prefix, estate=estate, recipes=load_recipes(ROOT / "plans", catalog.known()))


@pytest.fixture
def run(place: Place) -> Run:
    """A run whose users are ported."""
    step = PortIdentity()
    run = Run(place.plan("premium", facts={"port_identity": {"source": {"pool": "named-below"}}}))
    run.apply(step, run.context("identity", place.aws))
    return run
