"""Targets are made, the directory record is held still meanwhile, and only what was made is taken away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from portability import errors
from portability.model.change import Change, Finding, Sign
from portability.steps.provision_resources import ProvisionResources
from portability.stores.base import Move
from tests.steps_control.conftest import Place
from tests.steps_control.fake_context import FakeContext, Run

STEP = ProvisionResources()


class Making:
    """A store's move that makes its target table, and does `meanwhile` as a stack would."""

    def __init__(self, place: Place, store: str, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.store = store
        self.table = f"{store}-{place.tenant}"
        self._dynamodb = place.client("dynamodb")
        self._meanwhile = meanwhile

    def provisioning(self) -> list[Change]:
        sign = Sign.SAME if self._there() else Sign.CREATE
        return [Change(step="", sign=sign, kind="table", name=self.table)]

    def provision(self, *, run: str, intend: Callable[[Change, bool], bool | None]) -> None:
        if not self._there():
            intend(Change(step="", sign=Sign.CREATE, kind="table", name=self.table), False)
            self._dynamodb.create_table(
                TableName=self.table,
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        self._meanwhile()

    def unprovision(self, *, run: str, created: bool) -> None:
        if created and self._there():
            self._dynamodb.delete_table(TableName=self.table)

    def findings(self) -> list[Finding]:
        return []

    def _there(self) -> bool:
        return self.table in self._dynamodb.list_tables()["TableNames"]


def moves(*making: Making) -> list[Move]:
    return [cast("Move", one) for one in making]


def at(run: Run, place: Place, *making: Making) -> FakeContext:
    return run.context("resources", place.aws, moves=moves(*making))


def test_a_preview_shows_what_the_run_then_does_and_a_repetition_does_nothing(place: Place) -> None:
    run, before = Run(place.plan("premium")), place.inventory()
    making = [Making(place, "Product"), Making(place, "Order")]
    shown = {
        c.identity for c in STEP.preview(run.context("resources", place.observing, moves=moves(*making))) if c.acts
    }
    assert place.inventory() == before
    run.apply(STEP, at(run, place, *making))
    world = place.inventory()
    assert run.intents("resources") == shown
    run.apply(STEP, at(run, place, *making))
    assert place.inventory() == world

    run.undo(STEP, at(run, place, *making))
    assert place.inventory() == before
    run.undo(STEP, at(run, place, *making))
    assert place.inventory() == before


def test_a_table_that_was_there_is_not_taken_away(place: Place) -> None:
    adopted = Making(place, "Product")
    adopted.provision(run="", intend=lambda _change, _existed: None)
    run, before = Run(place.plan("premium")), place.inventory()
    run.apply(STEP, at(run, place, adopted, Making(place, "Order")))
    run.undo(STEP, at(run, place, adopted, Making(place, "Order")))
    assert place.inventory() == before


def test_a_repeat_is_told_what_its_first_look_saw(place: Place) -> None:
    answers: list[bool | None] = []

    class Asking(Making):
        def provision(self, *, run: str, intend: Callable[[Change, bool], bool | None]) -> None:
            change = Change(step="", sign=Sign.CREATE, kind="table", name=self.table)
            answers.append(intend(change, self._there()))
            super().provision(run=run, intend=lambda _change, _existed: None)

    run = Run(place.plan("premium"))
    for _ in range(2):
        run.apply(STEP, at(run, place, Asking(place, "Order")))
    assert answers == [False, False], "it is there now, and this run made it"


def test_a_url_that_provisioning_writes_is_put_back_and_remembered(place: Place) -> None:
    before = place.record()
    stack = Making(place, "Order", lambda: place.set_record(apiGatewayUrl="https://own.example.com/prod"))
    run = Run(place.plan("premium"))
    output = run.apply(STEP, at(run, place, stack))
    assert place.record() == before
    assert output["restored"] == ["apiGatewayUrl"]
    assert output["learned"] == {"url": "https://own.example.com/prod"}
    again = run.apply(STEP, at(run, place, Making(place, "Order")))
    assert again["learned"] == output["learned"], "a crash after the record was put back forgets nothing"


class Killed(BaseException):
    """The process is gone."""


def test_killed_before_the_record_is_put_back_the_resumed_step_does_it_and_still_knows_the_url(place: Place) -> None:
    before = place.record()
    stack = Making(
        place, "Order", lambda: place.set_record(apiGatewayUrl="https://own.example.com/prod", tenantTier="x")
    )
    run = Run(place.plan("premium"))

    def killed_before_the_write() -> None:
        raise Killed

    with pytest.raises(Killed):
        run.apply(
            STEP,
            run.context("resources", place.aws_that_looks(killed_before_the_write), moves=moves(stack)),
        )
    assert place.record() != before
    output = run.apply(STEP, at(run, place, Making(place, "Order")))
    assert place.record() == before
    assert output["learned"] == {"url": "https://own.example.com/prod"}


def test_an_api_key_that_provisioning_replaces_is_put_back_by_the_process_that_saw_it(place: Place) -> None:
    before = place.record()
    stack = Making(place, "Order", lambda: place.set_record(apiKey="f" * 40))
    run = Run(place.plan("premium"))
    assert run.apply(STEP, at(run, place, stack))["restored"] == ["apiKey"]
    assert place.record() == before
    assert before["apiKey"]["S"] not in run.text()


def test_an_api_key_that_nobody_remembers_stops_the_run(place: Place) -> None:
    run = Run(place.plan("premium"))
    run.apply(STEP, at(run, place, Making(place, "Order")))
    place.set_record(apiKey="f" * 40)
    with pytest.raises(errors.Mismatch, match="apiKey"):
        run.apply(STEP, at(run, place, Making(place, "Order")))


def test_what_the_application_writes_meanwhile_is_reported_and_left(place: Place) -> None:
    writes = Making(place, "Order", lambda: place.set_record(tenantAddress="2 Example Street"))
    run = Run(place.plan("premium"))
    assert run.apply(STEP, at(run, place, writes))["restored"] == []
    assert place.record()["tenantAddress"]["S"] == "2 Example Street"
    assert run.view.step("resources").notes["record changed while provisioning"]["left"] == ["tenantAddress"]
    assert "Example Street" not in run.text()


def test_a_record_that_somebody_else_writes_at_that_moment_is_not_overwritten(place: Place) -> None:
    stack = Making(place, "Order", lambda: place.set_record(apiGatewayUrl="https://own.example.com/prod"))
    run = Run(place.plan("premium"))
    writes = 0

    def interfere() -> None:
        nonlocal writes
        writes += 1
        place.set_record(apiGatewayUrl="https://third.example.com")

    with pytest.raises(errors.Mismatch, match="somebody else"):
        run.apply(STEP, run.context("resources", place.aws_that_looks(interfere), moves=moves(stack)))
    assert writes == 1
    assert place.record()["apiGatewayUrl"]["S"] == "https://third.example.com"


def test_a_record_inside_a_json_attribute_is_put_back_with_its_other_fields_untouched(place: Place) -> None:
    inside = '{"userPoolId":"p","appClientId":"c","apiGatewayUrl":"https://a.example.com","theme":"dark"}'
    place.set_record(userPoolId=None, appClientId=None, apiGatewayUrl=None, tenantConfig=inside)
    import msgspec

    spec = msgspec.structs.replace(
        place.estate.directory, json={"tenantConfig": ["userPoolId", "appClientId", "apiGatewayUrl"]}
    )
    layout = place.with_estate(directory=spec)
    before = place.record()

    def stack() -> None:
        place.set_record(tenantConfig=inside.replace("https://a.", "https://own."))

    run = Run(layout.plan("premium"))
    output: Any = run.apply(STEP, at(run, layout, Making(place, "Order", stack)))
    assert place.record() == before
    assert (output["restored"], output["learned"]) == (["apiGatewayUrl"], {"url": "https://own.example.com"})
