"""When a guardian acts: its process is gone, its time is up, or it was told to leave."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from portability import errors
from portability.steps.directory import ABORTED, Stamp
from portability.steps.guardian.abort import PATIENCE, insist
from portability.steps.guardian.orders import ARMED, LEAVE
from portability.steps.guardian.stand_by import TICK, Line, stand_by
from tests.steps_data.run_plan import RUN


@dataclass
class Clock:
    at: float = 1000.0

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


@dataclass
class Standing:
    """A guardian that stands by in this process, at the end of a pipe."""

    told: int
    line: Line
    clock: Clock = field(default_factory=Clock)
    said: list[str] = field(default_factory=list)
    acted: list[int] = field(default_factory=list)
    looks: int = 0

    def tell(self, *words: str) -> None:
        os.write(self.told, "".join(f"{word}\n" for word in words).encode())

    def look(self) -> None:
        self.looks += 1

    def stand(self, budget: float = 5.0) -> None:
        stand_by(
            self.line,
            self.said.append,
            budget=budget,
            look=self.look,
            act=self.acted.append,
            now=self.clock.now,
        )


@pytest.fixture
def standing() -> Iterator[Standing]:
    reading, writing = os.pipe()
    made = Standing(writing, Line(reading))
    yield made
    os.close(reading)
    if made.told >= 0:
        os.close(made.told)


def die(standing: Standing) -> None:
    os.close(standing.told)
    standing.told = -1


def test_one_that_was_never_armed_does_nothing_when_its_process_is_gone(standing: Standing) -> None:
    die(standing)
    standing.stand()
    assert (standing.acted, standing.said, standing.looks) == ([], [], 0)


def test_one_that_is_told_to_leave_does_nothing(standing: Standing) -> None:
    standing.tell("101", LEAVE)
    die(standing)
    standing.stand()
    assert (standing.acted, standing.said) == ([], [ARMED])


def test_one_that_was_armed_acts_when_its_process_is_gone(standing: Standing) -> None:
    standing.tell("101")
    die(standing)
    standing.stand()
    assert (standing.acted, standing.said, standing.looks) == ([101], [ARMED], 1)


def test_a_word_that_was_cut_short_by_a_kill_is_the_end_of_its_process(standing: Standing) -> None:
    standing.tell("101")
    os.write(standing.told, LEAVE.encode()[:3])
    die(standing)
    standing.stand()
    assert standing.acted == [101]


def test_one_whose_process_says_nothing_acts_when_the_time_is_up_and_not_before(standing: Standing) -> None:
    standing.tell("101")
    began = standing.clock.at
    waited = standing.line.word

    def tick(within: float | None) -> str | None:
        if within is None or standing.said == []:
            return waited(within)
        assert within <= TICK
        standing.clock.sleep(within)
        return None

    standing.line.word = tick  # type: ignore[method-assign]
    standing.stand(budget=5.0)
    assert standing.acted == [101]
    assert standing.clock.at - began == pytest.approx(5.0)


def test_one_that_slept_with_its_machine_acts_at_the_next_tick(standing: Standing) -> None:
    standing.tell("101")
    standing.look = lambda: standing.clock.sleep(3600.0)  # type: ignore[method-assign]
    standing.stand(budget=5.0)
    assert standing.acted == [101]


def test_one_that_cannot_read_any_more_says_so_and_is_not_armed(standing: Standing) -> None:
    def denied() -> None:
        raise errors.Unauthorised("denied", next="portability doctor")

    standing.look = denied  # type: ignore[method-assign]
    standing.tell("101")
    with pytest.raises(errors.Unauthorised):
        standing.stand()
    assert (standing.acted, standing.said) == ([], [])


def test_a_directory_that_does_not_answer_is_asked_again_for_a_quarter_of_an_hour_and_not_for_ever() -> None:
    clock = Clock()
    down = errors.Unavailable("down", operation="dynamodb.UpdateItem", aws_code="")
    answers: list[Stamp | Exception] = [*[down] * 100, Stamp(RUN, 102, fenced=False, act=ABORTED)]

    def act() -> Stamp | None:
        answer = answers.pop(0) if answers else down
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert insist(act, now=clock.now, sleep=clock.sleep) == Stamp(RUN, 102, fenced=False, act=ABORTED)
    began = clock.at
    with pytest.raises(errors.Unavailable):
        insist(act, now=clock.now, sleep=clock.sleep)
    assert PATIENCE <= clock.at - began < PATIENCE + 5
