"""A run whose users are ported, and what its tests ask of it."""

from __future__ import annotations

from portability.steps.port_identity import PortIdentity
from portability.stores.base import Flow
from tests.steps_control.conftest import Place
from tests.steps_control.fake_context import FakeContext, Run

STEP = PortIdentity()


def pools(place: Place) -> tuple[str, str]:
    now = place.inventory()
    return now.named("ServerlessSaaS-pooled"), now.named(f"ServerlessSaaS-{place.tenant}")


def at_the_gate(place: Place, run: Run, step: str = "cutover") -> FakeContext:
    return run.context(step, place.aws, flow=Flow.FORWARD)


def begin(run: Run, step: str) -> None:
    run.started(step, "cut_over" if step.startswith("cutover") else "retire_source")
