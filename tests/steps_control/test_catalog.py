"""Every kind of step can be built by name, and a recipe that means another is told so."""

from __future__ import annotations

import pytest

from portability import errors
from portability.model.recipe import StepSpec
from portability.plan.load import load_recipes
from portability.steps import catalog
from portability.steps.base import Step
from portability.steps.port_identity import PortIdentity
from tests.support.dynamodb_local import ROOT


@pytest.mark.parametrize("uses", list(catalog.STEPS))
def test_every_step_of_the_catalog_builds_and_is_what_it_says(uses: str) -> None:
    step = catalog.build(StepSpec(id="one", uses=uses))
    assert isinstance(step, Step)
    assert step.uses == uses


def test_options_reach_the_step_in_its_own_schema() -> None:
    spec = StepSpec(id="identity", uses="port_identity", with_={"shared_groups": ["auditors"]})
    step = catalog.build(spec)
    assert isinstance(step, PortIdentity)
    assert step.with_.shared_groups == ("auditors",)


@pytest.mark.parametrize("with_", ({"shared_group": []}, {"shared_groups": "auditors"}))
def test_options_a_step_does_not_have_are_refused_with_the_step_named(with_: dict[str, object]) -> None:
    with pytest.raises(errors.FileInvalid, match="step identity"):
        catalog.build(StepSpec(id="identity", uses="port_identity", with_=with_))


def test_a_step_without_options_takes_none() -> None:
    with pytest.raises(errors.FileInvalid, match="unknown field"):
        catalog.build(StepSpec(id="preflight", uses="preflight", with_={"level": 3}))


def test_a_name_that_is_nearly_right_is_suggested() -> None:
    with pytest.raises(errors.UnknownName, match="did you mean port_identity"):
        catalog.build(StepSpec(id="one", uses="port_identiy"))


def test_every_shipped_recipe_builds() -> None:
    for recipe in load_recipes(ROOT / "plans", catalog.known()):
        assert [catalog.build(spec).uses for spec in recipe.steps] == [spec.uses for spec in recipe.steps]
