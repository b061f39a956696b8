"""The sandbox's server serves its clients in turn."""

from __future__ import annotations

import threading

from portability.sandbox.keep_alive import Queue


def test_a_client_that_never_pauses_keeps_nobody_waiting() -> None:
    queue, asked, served = Queue(), threading.Event(), threading.Event()
    turns = [0]

    def once() -> None:
        asked.set()
        with queue:
            served.set()

    slow = threading.Thread(target=once)
    with queue:
        slow.start()
        asked.wait()
        while not queue._waiting:
            pass
    while not served.is_set():
        with queue:
            turns[0] += 1
    slow.join()
    assert turns[0] <= 1, "whoever asked first is first"


def test_those_who_wait_are_served_in_the_order_in_which_they_came() -> None:
    queue, order, threads = Queue(), list[int](), list[threading.Thread]()

    def wait(number: int) -> None:
        with queue:
            order.append(number)

    with queue:
        for number in range(5):
            threads.append(threading.Thread(target=wait, args=(number,)))
            threads[-1].start()
            while len(queue._waiting) <= number:
                pass
    for thread in threads:
        thread.join()
    assert order == list(range(5))
    with queue:
        pass  # it is free again
