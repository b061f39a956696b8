"""One pool of workers for the units of all stores: the first failure stops the rest at their next page."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from portability.steps.one_core import OneCore
from portability.stores.base import Move

T = TypeVar("T")

Job = Callable[[threading.Event], T]
"""Works on one unit; returns early where the event is set."""

MOST = 64
"""Units worked on at a time, at most."""

SOON, EVERY = 0.25, 1.0
"""Seconds until the first look of `meanwhile`, and between two of them."""


class Crew:
    """How many units are worked on at a time; it may change while they are.

    Where it shrinks, those that are too many stop between two pages and take turns with the others; where it grows,
    they go on, and more units are begun.
    """

    def __init__(self, size: int) -> None:
        self.halt = threading.Event()
        self._size = size
        self._busy = 0
        self._queue: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """How many may work at a time."""
        return self._size

    def resize(self, size: int) -> None:
        """From their next page on."""
        with self._lock:
            self._size = size
            self._call()

    def stop(self) -> None:
        """Everybody leaves at the next page; who waits for a turn too."""
        self.halt.set()
        self.resize(MOST)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One page's work. First come, first served: no unit gets all the turns."""
        called = threading.Event()
        with self._lock:
            self._queue.append(called)
            self._call()
        called.wait()
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1
                self._call()

    def _call(self) -> None:
        while self._queue and self._busy < self._size:
            self._busy += 1
            self._queue.popleft().set()


def run_units(
    moves: Sequence[Move],
    jobs: Mapping[str, Job[T]],
    workers: int | Crew,
    *,
    meanwhile: Callable[[], None] = lambda: None,
    every: float = EVERY,
) -> dict[str, T]:
    """Run every job, `workers` at a time; their results by name. Raises the first failure when all stopped.

    A job whose crew may shrink takes a `turn` per page. `meanwhile` is called in the caller's thread, every so many
    seconds; what it raises stops the rest too.
    """
    crew = workers if isinstance(workers, Crew) else Crew(workers)
    waiting = deque(jobs.items())
    results: dict[str, T] = {}
    failures: list[BaseException] = []
    lock = threading.Lock()

    together = OneCore()

    def work() -> None:
        together.join()
        try:
            take_turns()
        finally:
            together.leave()

    def take_turns() -> None:
        while not crew.halt.is_set():
            with lock:
                if not waiting:
                    return
                name, job = waiting.popleft()
            try:
                result = job(crew.halt)
            except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, whatever it is
                with lock:
                    failures.append(error)
                crew.stop()
                return
            with lock:
                results[name] = result

    with ExitStack() as stack:
        for move in moves:
            stack.enter_context(move.workers(MOST if workers is crew else crew.size))
        pool = stack.enter_context(ThreadPoolExecutor(max_workers=MOST, thread_name_prefix="unit"))
        stack.callback(crew.stop)  # an interrupt of this thread reaches the workers before the pool waits for them
        running: set[Future[None]] = set()
        pause = min(SOON, every)
        while running or (waiting and not crew.halt.is_set()):
            while len(running) < min(crew.size, len(running) + len(waiting)):
                running.add(pool.submit(work))
            _, running = wait(running, timeout=pause, return_when=FIRST_COMPLETED)
            pause = every
            together.look()
            meanwhile()
    if failures:
        raise failures[0]
    return results
