"""R21: the exhaustive models. A trial is a space explored whole, or one without a rule, where something goes wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.crash.elsewhere.base import Around, Made, Trials
from tests.model.explore import explore
from tests.model.spaces import DEEP, RULES, SPACES, without

WITHOUT = "without/"


class Counterexample(AssertionError):
    """A space with a way to something wrong, or a rule whose absence shows none."""


@dataclass(frozen=True)
class Models:
    """The row."""

    says: str = "the protocol explored whole, and without each of its rules; points are states"
    figure: int | None = None

    @contextmanager
    def opened(self, around: Around) -> Iterator[Trials]:
        yield OfModels()


@dataclass(frozen=True)
class OfModels:
    """Trials by what a space has, or by model and rule."""

    def names(self, seed: int) -> Sequence[str]:
        rules = [f"{WITHOUT}{model}/{rule}" for model, rules in RULES.items() for rule in rules]
        return [space.about for space in (*SPACES, *DEEP)] + rules

    def run(self, name: str) -> Made:
        if name.startswith(WITHOUT):
            model, _, rule = name.removeprefix(WITHOUT).partition("/")
            found = without(model, rule)
            if found is None:
                raise Counterexample(f"nothing goes wrong without {rule!r}: the rule is idle, or the model blind")
            return Made()
        space = next(space for space in (*SPACES, *DEEP) if space.about == name)
        explored = explore(space.model)
        if explored.counterexample is not None:
            raise Counterexample(f"\n{explored.counterexample}")
        if explored.states < space.floor:
            raise Counterexample(f"{explored.states:,} states, there were {space.floor:,}: it has become trivial")
        return Made(counted=explored.states)
