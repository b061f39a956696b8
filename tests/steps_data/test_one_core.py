"""Threads of a copy on one core: put there, moved together, and left alone where that is not allowed."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from portability.steps import one_core
from portability.steps.one_core import OneCore
from portability.steps.unit_pool import run_units


class System:
    """Puts threads on cores, on paper; `mine` is the core of whoever asks."""

    def __init__(self, mine: int | None = 0, *, refuses: bool = False) -> None:
        self.mine = mine
        self.refuses = refuses
        self.put: list[int] = []

    def place(self, _thread: int, core: int) -> None:
        if self.refuses:
            raise PermissionError
        self.put.append(core)


def test_those_that_join_follow_the_one_that_looks_and_only_when_it_was_moved() -> None:
    system = System(3)
    together = OneCore(lambda: system.mine, system.place)
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


def test_where_threads_cannot_be_placed_they_go_where_they_like() -> None:
    forbidden = System(refuses=True)
    together = OneCore(lambda: forbidden.mine, forbidden.place)
    together.join()
    forbidden.refuses, forbidden.mine = False, 5
    together.look()
    assert forbidden.put == []
    unknown = System(None)
    together = OneCore(lambda: unknown.mine, unknown.place)
    together.join()
    together.look()
    assert unknown.put == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux places threads")
def test_the_units_of_a_copy_work_on_one_core_and_the_caller_is_free() -> None:
    before = os.sched_getaffinity(0)
    seen: list[set[int]] = []
    lock, both = threading.Lock(), threading.Barrier(2)

    def job(_halt: threading.Event) -> None:
        both.wait(10)
        with lock:
            seen.append(os.sched_getaffinity(0))

    run_units([], {"one": job, "other": job}, 2)
    assert [len(cores) for cores in seen] == [1, 1]
    assert os.sched_getaffinity(0) == before
    assert one_core.core_of_this_thread() in before
