"""The protocol, explored: with every rule nothing goes wrong, without any one of them something does."""

from __future__ import annotations

import pytest

from tests.model import page
from tests.model.explore import STUCK, Explored, explore
from tests.model.spaces import RULES, SPACES, Space, explored, without

WRITE = "run `python -m tests.model`"
EVERY_RULE = [(model, rule) for model, rules in RULES.items() for rule in rules]


@pytest.mark.slow
@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.about)
def test_with_every_rule_no_reachable_state_is_wrong_and_each_leads_to_rest(space: Space) -> None:
    found = explored(space)
    assert found.counterexample is None, f"\n{found.counterexample}"
    assert found.states >= space.floor, "an exploration that has become trivial proves nothing"
    assert page.space_row(space, found) in rows(), WRITE


@pytest.mark.parametrize(("model", "rule"), EVERY_RULE, ids=[f"{model}: {rule}" for model, rule in EVERY_RULE])
def test_without_this_rule_there_is_a_counterexample(model: str, rule: str) -> None:
    found = without(model, rule)
    assert found is not None, f"nothing goes wrong without {rule!r}: the rule is idle, or the model blind"
    assert found.trace
    assert page.rule_row(model, rule, found) in rows(), WRITE


def test_the_page_tells_of_nothing_else() -> None:
    assert len(rows()) == len(SPACES) + len(EVERY_RULE) + 3 * 2, WRITE  # three tables, each with two lines of head
    text = page.FILE.read_text(encoding="utf-8")
    assert all(part in text for part in (page.FIRST, page.SECOND, page.LAST.strip("\n"))), WRITE


def rows() -> list[str]:
    """The lines of the page's tables."""
    return [line for line in page.FILE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]


def test_a_rule_that_is_not_known_cannot_be_taken_out() -> None:
    for model in RULES:
        with pytest.raises(ValueError, match="no such rule"):
            without(model, "no such rule")


class Counter:
    """Counts to three; may fall into a pit at two. What a model is to the explorer, in small."""

    def __init__(self, *, pit: bool = False, forbidden: int = -1) -> None:
        self.pit = pit
        self.forbidden = forbidden

    def first(self) -> int:
        return 0

    def steps(self, state: int) -> list[tuple[str, int]]:
        pit = [("fall", 9)] if self.pit and state == 2 else []
        return [*([("count", state + 1)] if state < 3 else []), *pit]

    def wrong(self, state: int) -> str | None:
        return "forbidden" if state == self.forbidden else None

    def rests(self, state: int) -> bool:
        return state == 3

    def canonical(self, state: int) -> int:
        return state


def explore_counter(*, pit: bool = False, forbidden: int = -1) -> Explored:
    return explore(Counter(pit=pit, forbidden=forbidden))  # type: ignore[arg-type]


def test_the_explorer_sees_every_state_and_counts_it_once() -> None:
    assert explore_counter() == Explored(states=4, steps=3, counterexample=None)


def test_the_explorer_tells_the_shortest_way_to_a_wrong_state() -> None:
    found = explore_counter(forbidden=2).counterexample
    assert found is not None
    assert (found.what, found.trace) == ("forbidden", ("count", "count"))


def test_the_explorer_finds_a_state_that_leads_to_no_rest() -> None:
    found = explore_counter(pit=True).counterexample
    assert found is not None
    assert (found.what, found.trace) == (STUCK, ("count", "count", "fall"))
