"""Every kind of step by the name a recipe gives it: one line each. Other packages add theirs by entry point."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
from typing import Any, cast

import msgspec

from portability import errors
from portability.model.recipe import StepSpec
from portability.steps.base import Step

ENTRY_POINTS = "portability.steps"
"""The entry-point group: `my_step = "my_package.my_step:MyStep"`. A name of ours cannot be taken over."""

STEPS: dict[str, str] = {
    "preflight": "portability.steps.preflight:Preflight",
    "port_identity": "portability.steps.port_identity:PortIdentity",
    "provision_resources": "portability.steps.provision_resources:ProvisionResources",
    "stage_config": "portability.steps.stage_config:StageConfig",
    "open_channel": "portability.steps.open_channel:OpenChannel",
    "copy_data": "portability.steps.copy_data:CopyData",
    "catch_up": "portability.steps.catch_up:CatchUp",
    "verify_data": "portability.steps.verify_data:VerifyData",
    "cut_over": "portability.steps.cut_over:CutOver",
    "soak": "portability.steps.soak:Soak",
    "retire_source": "portability.steps.retire_source:RetireSource",
}
"""`uses` to `module:Class`. Named, not imported: preflight asks every step of a plan, so it stands above and below."""


class NoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `With` of a step that has no options."""


def known() -> list[str]:
    """Every `uses` that a recipe may name, ours first."""
    return [*STEPS, *sorted(name for name in _foreign() if name not in STEPS)]


def step_class(uses: str) -> type[Any]:
    """The class behind `uses`. Raises `UnknownName`."""
    if uses in STEPS:
        module, _, name = STEPS[uses].partition(":")
        return cast("type[Any]", getattr(importlib.import_module(module), name))
    foreign = _foreign()
    if uses in foreign:
        return cast("type[Any]", foreign[uses].load())
    close = difflib.get_close_matches(uses, known(), n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    msg = f"no kind of step is called {uses!a}{hint}"
    raise errors.UnknownName(msg, next="portability validate")


def options(uses: str) -> type[msgspec.Struct]:
    """The schema of the step's `with`: its class attribute `With`, or none."""
    return cast("type[msgspec.Struct]", getattr(step_class(uses), "With", NoOptions))


def build(spec: StepSpec) -> Step:
    """The step a recipe declares. A class with a `With` is called with one, as `with_`; any other without arguments.

    Raises `UnknownName` for an unknown `uses` and `FileInvalid` for options that its schema refuses.
    """
    made, schema = step_class(spec.uses), options(spec.uses)
    try:
        with_ = msgspec.convert(spec.with_, schema)
    except msgspec.ValidationError as error:
        msg = f"`with` of a {spec.uses} step: {error}"
        raise errors.FileInvalid(msg, where=f"step {spec.id}", next="portability validate") from None
    return cast("Step", made() if schema is NoOptions else made(with_=with_))


def _foreign() -> dict[str, importlib.metadata.EntryPoint]:
    return {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}
