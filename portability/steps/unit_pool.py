"""One pool of workers for the units of all stores: the first failure stops the rest at their next page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from typing import TypeVar

from portability.stores.base import Move

T = TypeVar("T")

Job = Callable[[threading.Event], T]
"""Works on one unit; returns early where the event is set."""


def run_units(moves: Sequence[Move], jobs: Mapping[str, Job[T]], workers: int) -> dict[str, T]:
    """Run every job on at most `workers` threads; their results by name. Raises the first failure when all stopped."""
    halt = threading.Event()
    results: dict[str, T] = {}
    failures: list[BaseException] = []
    lock = threading.Lock()

    def work(name: str, job: Job[T]) -> None:
        if halt.is_set():
            return
        try:
            result = job(halt)
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, whatever it is
            with lock:
                failures.append(error)
            halt.set()
            return
        with lock:
            results[name] = result

    with ExitStack() as stack:
        for move in moves:
            stack.enter_context(move.workers(workers))
        pool = stack.enter_context(ThreadPoolExecutor(max_workers=workers, thread_name_prefix="unit"))
        stack.callback(halt.set)  # an interrupt of this thread reaches the workers before the pool waits for them
        wait([pool.submit(work, name, job) for name, job in jobs.items()])
    if failures:
        raise failures[0]
    return results
