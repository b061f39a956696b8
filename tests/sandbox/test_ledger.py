"""The check must be able to fail: every kind of loss is planted, and found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from portability.sandbox.ledger import Ledger, check, pause, read

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from portability.sandbox.ledger import Key, Kind, Operation, Verdict

K1, K2 = ("tenant-42-1", "a"), ("tenant-42-2", "b")


class Story:
    """A ledger told in one line per write; each write takes ten milliseconds."""

    def __init__(self, path: Path, writer: str = "w1") -> None:
        self.path = path
        self.now = 0.0
        self.ledger = Ledger(path, writer, mono=lambda: self.now, wall=lambda: 1e9 + self.now)
        self.number = 0

    def tell(self, op: Operation, key: Key, *kinds: Kind) -> str:
        self.number += 1
        value = f"v{self.number}"
        for kind in ("attempt", *kinds):
            self.now += 0.01
            self.ledger.note(kind, self.number, op=op, store="Order", key=key, value=value)
        return value

    def verdict(self, items: dict[Key, str | None]) -> Verdict:
        return check([self.path], _reader(items))


def _reader(items: dict[Key, str | None]) -> Any:
    def read_items(store: str) -> Iterable[tuple[Key, str | None]]:
        assert store == "Order"
        return items.items()

    return read_items


@pytest.fixture
def story(tmp_path: Path) -> Any:
    told = Story(tmp_path / "w1.jsonl")
    with told.ledger:
        yield told


def _counts(verdict: Verdict) -> tuple[int, int, int, int, int]:
    return verdict.acknowledged, verdict.found, verdict.lost, verdict.stale, verdict.resurrected


def test_everything_acknowledged_is_found(story: Story) -> None:
    story.tell("Put", K1, "ack")
    last = story.tell("Update", K1, "ack")
    story.tell("Put", K2, "ack")
    story.tell("Delete", K2, "ack")
    verdict = story.verdict({K1: last})
    assert _counts(verdict) == (4, 4, 0, 0, 0)
    assert verdict.ok


def test_a_put_that_is_not_there_is_lost(story: Story) -> None:
    value = story.tell("Put", K1, "ack")
    verdict = story.verdict({})
    assert _counts(verdict) == (1, 0, 1, 0, 0)
    assert not verdict.ok
    assert (verdict.problems[0].expected, verdict.problems[0].observed) == (value, None)


def test_an_older_value_is_stale(story: Story) -> None:
    older = story.tell("Put", K1, "ack")
    story.tell("Update", K1, "ack")
    assert _counts(story.verdict({K1: older})) == (2, 1, 0, 1, 0)


def test_a_seeded_item_whose_update_is_missing_is_stale(story: Story) -> None:
    story.tell("Update", K1, "ack")
    assert _counts(story.verdict({K1: None})) == (1, 0, 0, 1, 0)


@pytest.mark.parametrize("value", ("v1", "of nobody", None))
def test_a_deleted_item_that_is_there_is_resurrected(story: Story, value: str | None) -> None:
    story.tell("Put", K1, "ack")
    story.tell("Delete", K1, "ack")
    assert _counts(story.verdict({K1: value})) == (2, 1, 0, 0, 1)


def test_an_update_that_found_no_item_is_a_loss_even_where_a_later_copy_has_it(story: Story) -> None:
    value = story.tell("Put", K1, "ack")
    story.tell("Update", K1, "rejected")
    assert _counts(story.verdict({K1: value})) == (1, 0, 1, 0, 0)


def test_a_seeded_item_that_an_update_did_not_find_is_lost(story: Story) -> None:
    story.tell("Update", K1, "rejected")
    assert _counts(story.verdict({})) == (0, 0, 1, 0, 0)


@pytest.mark.parametrize(
    ("op", "items", "ok"),
    (
        ("Update", {K1: "v1"}, True),
        ("Update", {K1: "v2"}, True),
        ("Update", {K1: "v0"}, False),
        ("Update", {}, False),
        ("Delete", {K1: "v1"}, True),
        ("Delete", {}, True),
        ("Delete", {K1: "v0"}, False),
    ),
)
@pytest.mark.parametrize("outcome", ("unknown", "in flight at the kill"))
def test_a_write_of_unknown_outcome_may_have_happened_or_not(
    story: Story, op: Operation, items: dict[Key, str | None], ok: bool, outcome: str
) -> None:
    story.tell("Put", K1, "ack")
    story.tell(op, K1, *(("unknown",) if outcome == "unknown" else ()))
    verdict = story.verdict(items)
    assert (verdict.ok, verdict.unknown) == (ok, 1)


def test_a_write_that_gave_up_did_not_happen(story: Story) -> None:
    value = story.tell("Put", K1, "ack")
    given_up = story.tell("Update", K1, "refused", "gave_up")
    assert story.verdict({K1: value}).ok
    assert story.verdict({K1: given_up}).stale == 1


def test_items_that_no_ledger_mentions_are_nobodys_business(story: Story) -> None:
    value = story.tell("Put", K1, "ack")
    assert story.verdict({K1: value, K2: "someone else's"}).ok


def test_a_pause_lasts_from_the_first_refusal_to_the_next_accepted_write(story: Story) -> None:
    story.tell("Put", K1, "ack")
    story.tell("Put", K1, "refused", "refused", "refused", "gave_up")  # 0.03: attempt, 0.04: first refusal
    last = story.tell("Put", K1, "refused", "ack")  # 0.10: accepted
    verdict = story.verdict({K1: last})
    assert verdict.refused == 4
    assert verdict.pauses == {"w1": [pytest.approx(60)]}
    assert pause(read(story.path)) == verdict.pauses


def test_a_line_that_a_kill_cut_short_is_not_read(story: Story) -> None:
    value = story.tell("Put", K1, "ack")
    story.tell("Delete", K1, "ack")
    text = story.path.read_text()
    story.path.write_text(text[:-5])
    verdict = story.verdict({K1: value})
    assert (verdict.ok, verdict.acknowledged, verdict.unknown) == (True, 1, 1)


def test_writers_are_judged_together_and_each_key_by_its_own(tmp_path: Path) -> None:
    stories = [Story(tmp_path / f"{name}.jsonl", name) for name in ("w1", "w2")]
    for story, key in zip(stories, (K1, K2), strict=True):
        with story.ledger:
            story.tell("Put", key, "ack")
    verdict = check([story.path for story in stories], _reader({K1: "v1"}))
    assert _counts(verdict) == (2, 1, 1, 0, 0)
    assert verdict.problems[0].key == K2
    assert verdict.as_dict()["lost"] == 1
