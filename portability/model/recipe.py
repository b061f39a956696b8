"""The steps for a pair of models, as declared in `plans/*.yaml`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from portability.model.estate import Duration, Model, Value, Word

StepId = Annotated[
    str, Meta(pattern=r"^[a-z][a-z0-9-]{0,47}\Z", description="a step id: lower case letters, digits and hyphens")
]
RecipeName = Annotated[
    str, Meta(pattern=r"^[a-z][a-z0-9-]{0,63}\Z", description="a recipe name: lower case letters, digits and hyphens")
]

TimeOfDay = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z", description="a time of day such as 05:00")]


class RetrySpec(Value, frozen=True, kw_only=True):
    """How often a failed step is tried again in one run of the command."""

    attempts: Annotated[int, Meta(ge=1, le=20)] = 1  # tries of the step, the first included
    base: Duration = "1s"  # the longest first pause; doubled at each try
    cap: Duration = "30s"  # the longest pause


class StepHooks(Value, frozen=True, kw_only=True):
    """Operator commands around a step: argv lists, JSON on stdin, 60 s each. One may be run again, as a step may."""

    before: list[Word] | None = None  # run before the step, unless its flip stands; a failure stops the step
    # run when the step did its work, and before it counts as done: a failure fails the step, and a resume runs both
    # again; not run for a flip that `reverse` or `run cutover` takes back next
    after: list[Word] | None = None


class Gate(Value, frozen=True, kw_only=True):
    """A condition that must hold before the step starts; unmet, the run parks with nothing frozen.

    Of a cutover it holds the first, not a way back or forth again; of a `soak` it is not looked at.
    """

    name: Literal["window", "evidence"]  # window: a time of day, UTC; evidence: a file that must be there
    # window: {from: "22:00", to: "05:00"}; evidence: {file: audits/premium.pdf, sha256: …}
    with_: dict[str, Any] = msgspec.field(name="with", default={})


class Window(Value, frozen=True, kw_only=True):
    """`{name: window, with: {from: "22:00", to: "05:00"}}`, UTC; a window may cross midnight."""

    from_: TimeOfDay = msgspec.field(name="from")
    to: TimeOfDay


class Evidence(Value, frozen=True, kw_only=True):
    """`{name: evidence, with: {file: audits/premium.pdf, sha256: …}}`: the file must be there, with the digest if
    one is named.
    """

    file: str
    sha256: str | None = None


GATES: dict[str, type[Value]] = {"window": Window, "evidence": Evidence}
"""The settings of each gate."""


class StepSpec(Value, frozen=True, kw_only=True):
    """One step of a recipe."""

    id: StepId  # the step's name in journal, status and `--until`; it never changes with its position
    uses: Word  # what the step does; see the page of steps
    needs: list[StepId] = []  # steps that must be done before
    with_: dict[str, Any] = msgspec.field(name="with", default={})  # the step's own settings; see the page of steps
    gates: list[Gate] = []  # conditions that must hold before the step starts
    closes: list[StepId] = []  # earlier steps whose residents (channels) end when this step is done
    retry: RetrySpec = RetrySpec()  # how often a failed step is tried again
    deadline: Duration | None = None  # the longest the step may take; then it fails, resumable
    hooks: StepHooks = StepHooks()  # your own commands around the step


class Recipe(Value, frozen=True, kw_only=True):
    """A declarative migration plan for moving from one model to another."""

    apiVersion: Literal["portability/v1"]  # noqa: N815 - the version of this format
    kind: Literal["MigrationPlan"]  # tells a recipe from an estate
    name: RecipeName  # shown in plans
    from_: Model = msgspec.field(name="from")  # the model a tenant leaves
    to: Model  # the model it goes to
    steps: list[StepSpec]  # run one at a time, by `needs`, file order breaking ties
