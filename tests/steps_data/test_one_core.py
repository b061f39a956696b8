"""Threads of a copy on one core: put there, moved together, and left alone where that is not allowed."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Set as AbstractSet

import pytest

from portability.steps import one_core
from portability.steps.one_core import OneCore
from portability.steps.unit_pool import run_units


class System:
    """Puts threads on cores, on paper; `mine` is the core of whoever asks."""

    def __init__(self, mine: int | None = 0, *, refuses: bool = False) -> None:
        self.mine = mine
        self.busy = 1.0
        self.refuses = refuses
        self.put: list[int | None] = []

    def place(self, _thread: int, cores: AbstractSet[int]) -> None:
        if self.refuses:
            raise PermissionError
        self.put.append(None if cores == os.sched_getaffinity(0) else next(iter(cores)))

    def together(self) -> OneCore:
        return OneCore(lambda: self.mine, self.place, lambda: self.busy)


def test_those_that_join_follow_the_one_that_looks_and_only_when_it_was_moved() -> None:
    system = System(3)
    together = system.together()
    together.join()
    together.look()
    assert system.put == [3]
    system.mine = 1
    together.look()
    assert system.put == [3, 1]
    system.mine = None
    together.look()
    system.mine = 2
    together.leave()
    together.look()
    assert system.put == [3, 1]


def test_those_with_little_to_do_go_where_they_like_until_they_have_more() -> None:
    system = System(3)
    together = system.together()
    together.join()
    for busy in (0.5, 0.2, 0.5, 0.7, 0.5):
        system.busy = busy
        together.look()
    assert system.put == [3, None, 3]


def test_where_threads_cannot_be_placed_they_go_where_they_like() -> None:
    forbidden = System(refuses=True)
    together = forbidden.together()
    together.join()
    forbidden.refuses, forbidden.mine = False, 5
    together.look()
    assert forbidden.put == []
    unknown = System(None)
    together = unknown.together()
    together.join()
    together.look()
    assert unknown.put == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux places threads")
def test_the_units_of_a_copy_work_on_one_core_and_the_caller_is_free() -> None:
    before = os.sched_getaffinity(0)
    seen: list[set[int]] = []
    lock, both = threading.Lock(), threading.Barrier(2)

    def job(_halt: threading.Event) -> None:
        with lock:
            seen.append(os.sched_getaffinity(0))  # at once: with nothing to do they are let go
        both.wait(10)

    run_units([], {"one": job, "other": job}, 2)
    assert [len(cores) for cores in seen] == [1, 1]
    assert os.sched_getaffinity(0) == before
    assert one_core.core_of_this_thread() in before
