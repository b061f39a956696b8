"""The steps for a pair of models, as declared in `plans/*.yaml`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from portability.model.estate import Duration, Model, Value

StepId = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,47}$")]


class RetrySpec(Value, frozen=True, kw_only=True):
    """How often a failed step is tried again in one run of the command."""

    attempts: Annotated[int, Meta(ge=1, le=20)] = 1
    base: Duration = "1s"
    cap: Duration = "30s"


class StepHooks(Value, frozen=True, kw_only=True):
    """Operator commands around a step: argv lists, JSON on stdin, 60 s each."""

    before: list[str] | None = None
    after: list[str] | None = None


class Gate(Value, frozen=True, kw_only=True):
    """A condition that must hold before the step starts; unmet, the run parks with nothing frozen."""

    name: Literal["window", "evidence"]
    with_: dict[str, Any] = msgspec.field(name="with", default={})


class StepSpec(Value, frozen=True, kw_only=True):
    """One step of a recipe."""

    id: StepId
    uses: str
    needs: list[StepId] = []
    with_: dict[str, Any] = msgspec.field(name="with", default={})
    gates: list[Gate] = []
    closes: list[StepId] = []
    retry: RetrySpec = RetrySpec()
    deadline: Duration | None = None
    hooks: StepHooks = StepHooks()


class Recipe(Value, frozen=True, kw_only=True):
    """A declarative migration plan for moving from one model to another."""

    apiVersion: Literal["portability/v1"]  # noqa: N815 - the file's own spelling
    kind: Literal["MigrationPlan"]
    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
    from_: Model = msgspec.field(name="from")
    to: Model
    steps: list[StepSpec]
