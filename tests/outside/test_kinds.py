"""A kind of store that an installed package brings may be declared; any other is refused with the file's path."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from portability import errors
from portability.model.plan import Plan
from portability.plan.check_estate import check_estate
from portability.retry import Retry
from portability.stores import catalog
from portability.testing import made_up_plan
from portability.testing.step_scene import QuickClock
from tests.outside.scenes import ShelfScene, nowhere


def declared(**store: object) -> Plan:
    whole = {"pool": "Order-pooled", "silo": "Order-{slug}", "partition_key": "id", **store}
    return made_up_plan(stores={"Order": whole}, moving=["Order"])


def problems(plan: Plan) -> list[tuple[object, str]]:
    return [(path, text) for path, text in check_estate(plan.estate) if "Order" in path]


def test_an_installed_kind_is_known_and_told_its_options(tmp_path: Path) -> None:
    assert catalog.known() == ["dynamodb", "shelf"]
    assert problems(declared(kind="shelf", options={"folder": "here", "horizon": 1})) == []
    move = ShelfScene(tmp_path).move(lambda _keys, act: act())
    assert type(move).__module__ == "portability_shelf.move"


def test_a_kind_that_nobody_brings_is_refused_and_the_near_one_named() -> None:
    assert problems(declared(kind="shelv")) == [
        (("stores", "Order", "kind"), "no installed package brings 'shelv'; did you mean 'shelf'?")
    ]


def test_dynamodb_takes_no_options() -> None:
    assert problems(declared(options={"folder": "x"})) == [
        (("stores", "Order", "options"), "a dynamodb store takes none")
    ]


def test_a_plan_whose_package_is_gone_says_which() -> None:
    plan = declared(kind="cupboard")
    with pytest.raises(errors.UnknownName, match="no installed package brings a store of kind 'cupboard'"):
        catalog.open_move(
            estate=plan.estate,
            plan_move=plan.stores[0],
            tenant=plan.tenant,
            aws=nowhere(read_only=True),
            clock=QuickClock(),
            retry=Retry(),
            rng=random.Random(1),
        )
