"""The contract of a store's channel, rule by rule: what it learns, what it keeps, and what it writes when."""

from __future__ import annotations

import functools
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from portability.stores.base import Channel, ChannelState, Flow
from portability.testing.breaking import ContractBroken, hold
from portability.testing.step_run import RUN
from portability.testing.store_run import Fate, Process, StoreRun, killed, scene_of
from portability.testing.store_scene import StoreCase, StoreScene


def a_copy_beside_a_writer_ends_equal(case: StoreCase) -> None:
    """Inserts, updates and deletes while units are copied; a closed channel leaves nothing in the journal."""
    with scene_of(case) as run:
        run.fill()
        process = Process()
        move, held = run.move(process), run.ledger(process)
        with run.channel(move, held) as channel:
            with _writer(run.scene):
                run.copy(move, channel=channel)
            run.settle(channel)
            run.equal("after a copy beside a writer")
            channel.close()
            left = held.load_positions(channel.name), held.parked(channel.name)
            hold(left == ({}, {}), "a closed channel left positions or keys in the journal")


def a_drain_leaves_nothing_unread(case: StoreCase) -> None:
    """What was written before it began is at the other side when it returns."""
    with scene_of(case) as run:
        run.fill()
        process = Process()
        move, held = run.move(process), run.ledger(process)
        with run.channel(move, held) as channel:
            run.copy(move, channel=channel)
            for turn in range(3):
                for number in range(run.scene.items):
                    run.scene.write("source", number, f"turn {turn}")
                silent = channel.drain(after=run.clock.now(), canary=move.canary(RUN), patience=5.0)
                if not silent:
                    run.equal("after a drain that every shard answered")


def keys_of_an_unfinished_unit_wait_durably(case: StoreCase) -> None:
    """They are parked, not written, and a new process that finishes the unit syncs them."""
    with scene_of(case) as run:
        first = Process()
        with run.channel(run.move(first), run.ledger(first)) as channel:
            run.fill([1, 2])
            _until_parked(run, channel)
            hold(run.scene.held("target") == {}, "a key of a unit that was not copied was written")
        second = Process()
        move, held = run.move(second), run.ledger(second)
        waiting = [key for _, keys in held.parked(channel.name).values() for key in keys]
        hold(waiting, "the keys that wait are not in the journal")
        with run.channel(move, held, ChannelState.SYNC) as channel:
            for unit in move.units(Flow.FORWARD):
                channel.unit_done(unit)
            run.settle(channel)
            run.equal("after the units of the parked keys were done")


def a_channel_that_parks_writes_nothing(case: StoreCase) -> None:
    """Until it is told to sync."""
    with scene_of(case) as run:
        process = Process()
        move = run.move(process)
        run.copy(move)
        with run.channel(move, run.ledger(process), ChannelState.PARK) as channel:
            run.fill([1, 2, 3])
            _until_parked(run, channel)
            hold(run.scene.held("target") == {}, "a channel that parks has written")
            channel.become(ChannelState.SYNC)
            run.settle(channel)
            run.equal("after a channel that parked was told to sync")


def a_tripwire_tells_and_writes_nothing(case: StoreCase) -> None:
    """Each of the tenant's keys that is written while it watches is told, by its hash."""
    with scene_of(case) as run:
        process = Process()
        move = run.move(process)
        run.copy(move)
        with run.channel(move, run.ledger(process), ChannelState.WATCH) as channel:
            hold(channel.slips() == [], "slips are told before anything was written")
            run.fill(late := [1, 2])
            told = "a write while it watches was not told"
            run.until(lambda: _lives(channel) and len(set(channel.slips())) == len(late), told)
            hold(run.scene.held("target") == {}, "a channel that watches has written")


def what_changed_since_the_mark_is_told(case: StoreCase) -> None:
    """Keys since `mark`, None before one, and by time in a new process: verifications rest on them."""
    with scene_of(case) as run:
        run.fill()
        process = Process()
        move = run.move(process)
        with run.channel(move, run.ledger(process)) as channel:
            run.copy(move, channel=channel)
            run.settle(channel)
            hold(channel.changed() is None, "changed keys are told, and nothing was marked")
            channel.mark()
            began = run.clock.now()
            key = run.scene.write("source", 3, "changed")
            run.until(lambda: _lives(channel) and key in (channel.changed() or []), "a changed key is not told")
        second = Process()
        with run.channel(run.move(second), run.ledger(second)) as channel:
            told = channel.recent(began - 1.0, patience=run.scene.patience)
            hold(key in told, "a new process does not tell a key that changed a moment ago")


def a_channel_tells_what_it_cannot_write(case: StoreCase) -> None:
    """An item that the other side refuses is told until it is written; where there is such an item."""
    with scene_of(case) as run:
        process = Process()
        move = run.move(process)
        run.copy(move)
        with run.channel(move, run.ledger(process)) as channel:
            hold(not channel.refused(), "keys are told as unwritable, and nothing was written")
            if run.scene.unwritable() is not None:
                run.until(lambda: _lives(channel) and channel.refused(), "an unwritable key is not told")


def a_channel_killed_at_any_write_loses_nothing(case: StoreCase) -> None:
    """At each of its writes, to journal and other side, during the copy and after it: the next process ends equal."""
    for during in (True, False):
        for number in range(case().most_kills):
            with scene_of(case) as run:
                run.fill()
                process = Process()
                if not killed(process, functools.partial(_busy, run, process, number, during=during)):
                    break
                second = Process()
                move, held = run.move(second), run.ledger(second)
                with run.channel(move, held, taken_over=run.scene.horizon) as channel:
                    run.copy(move, channel=channel)
                    run.settle(channel)
                    run.equal(f"killed at write {number} {'during' if during else 'after'} the copy, and gone on")


def a_key_in_doubt_is_written_again(case: StoreCase) -> None:
    """A write without an answer lands after a newer one: past the horizon the other side is right again."""

    def attempt(run: StoreRun) -> bool:
        process = Process()
        move = run.move(process)
        run.copy(move)
        with run.channel(move, run.ledger(process)) as channel:
            began = run.clock.monotonic()
            _strike(run, process, "lands late")
            _newer(run, channel)
            doubtful = channel.lag().doubtful
            process.land()
            if not _within(run, began):
                return False
            hold(doubtful > 0, "a key is in doubt, and `lag` does not tell: a flip would not wait")
            run.settle(channel)
            run.equal("after a write without an answer landed late")
            run.until(lambda: channel.lag().doubtful == 0, "the doubt never ends")
        return True

    _in_time(case, attempt)


def a_doubt_outlives_its_process(case: StoreCase) -> None:
    """A process that dies with a key in doubt is followed by one that writes the key again after the horizon."""

    def attempt(run: StoreRun) -> bool:
        first, second = Process(), Process()
        move = run.move(first)
        run.copy(move)
        with run.channel(move, run.ledger(first)) as channel:
            began = run.clock.monotonic()
            _strike(run, first, "lands late")
            _newer(run, channel)
        if not _within(run, began):
            return False
        again = run.clock.monotonic()
        with run.channel(run.move(second), run.ledger(second)) as channel:
            doubtful = channel.lag().doubtful
            first.land()
            if not _within(run, again):
                return False
            hold(doubtful > 0, "a new process knows nothing of a key in doubt")
            run.settle(channel)
            run.equal("after a write of a process that was followed landed late")
        return True

    _in_time(case, attempt)


def a_write_of_a_replaced_process_does_not_last(case: StoreCase) -> None:
    """What a killed process had sent lands under its successor: past the horizon the other side is right again."""

    def attempt(run: StoreRun) -> bool:
        first, second = Process(), Process()
        move = run.move(first)
        run.copy(move)

        def turn() -> None:
            with run.channel(move, run.ledger(first)):
                _strike(run, first, "dies, lands late")

        killed(first, turn)
        held, began = run.ledger(second), run.clock.monotonic()
        with run.channel(run.move(second), held, taken_over=run.scene.horizon) as channel:
            _newer(run, channel)
            first.land()
            if not _within(run, began):
                return False
            run.settle(channel)
            run.equal("after a write of a replaced process landed late")
        return True

    _in_time(case, attempt)


RULES = (
    a_copy_beside_a_writer_ends_equal,
    a_drain_leaves_nothing_unread,
    keys_of_an_unfinished_unit_wait_durably,
    a_channel_that_parks_writes_nothing,
    a_tripwire_tells_and_writes_nothing,
    what_changed_since_the_mark_is_told,
    a_channel_tells_what_it_cannot_write,
    a_channel_killed_at_any_write_loses_nothing,
    a_key_in_doubt_is_written_again,
    a_doubt_outlives_its_process,
    a_write_of_a_replaced_process_does_not_last,
)


def _busy(run: StoreRun, process: Process, number: int, *, during: bool) -> None:
    """One process's copy beside a channel with writes between its units, then a quiet channel with a few more.

    It dies at its write `number`, counted from where the copy begins, or from where it is over.
    """
    move, held = run.move(process), run.ledger(process)
    with run.channel(move, held) as channel:
        process.at = process.points + number if during else None
        for turn, unit in enumerate(move.units(Flow.FORWARD)):
            run.scene.write("source", turn, f"turn {turn}")
            run.scene.write("source", turn + 3, None)
            for page in move.copy(Flow.FORWARD, unit, run.cursors.get(unit)):
                run.cursors[unit] = page.cursor
            run.cursors[unit] = msgspec.structs.replace(run.cursors[unit], done=True)
            channel.unit_done(unit)
        run.settle(channel)
        process.at = None if during else process.points + number
        for each in range(3):
            run.scene.write("source", each, "late")
            run.until(
                lambda each=each: _lives(channel) and run.scene.held("target").get(each) == "late",  # type: ignore[misc]
                "a late write is never carried over",
            )


def _strike(run: StoreRun, process: Process, fate: Fate) -> None:
    """Let item 1 be written, and let that fate befall the request that carries it over."""
    process.strike(fate)
    run.scene.write("source", 1, "older")
    run.until(lambda: process.struck, "a write at the source is never carried over")


def _newer(run: StoreRun, channel: Channel) -> None:
    """Let item 1 be written again, and arrive."""
    run.scene.write("source", 1, "newer")
    run.until(lambda: _lives(channel) and run.scene.held("target").get(1) == "newer", "a newer value never came")


def _within(run: StoreRun, since: float) -> bool:
    """Whether the horizon has not passed: what lands later is no concern of a store's."""
    return run.clock.monotonic() - since < run.scene.horizon


def _in_time(case: StoreCase, attempt: Callable[[StoreRun], bool]) -> None:
    """Attempt with horizons that grow until this machine is quick enough to let a write land within one."""
    for horizon in (case().horizon, *_LONGER):
        with scene_of(case) as run:
            run.scene.horizon = horizon
            if attempt(run):
                return
    raise ContractBroken(f"this machine needs more than {_LONGER[-1]:g} s for two writes")


_LONGER = (2.0, 10.0, 60.0)


def _lives(channel: Channel) -> bool:
    """True; what a channel died of is raised."""
    channel.lag()
    return True


def _until_parked(run: StoreRun, channel: Channel) -> None:
    run.until(lambda: channel.lag().parked > 0, "a key that was written is never parked")


@contextmanager
def _writer(scene: StoreScene) -> Iterator[None]:
    """The tenant's application, for as long as it is open and for 200 writes at least."""
    rng, stop, failures = random.Random(7), threading.Event(), list[BaseException]()  # noqa: S311 - a schedule

    def write() -> None:
        try:
            for turn in range(100_000):
                number = rng.randrange(5) if rng.random() < 0.3 else rng.randrange(scene.items + 10)  # noqa: PLR2004
                scene.write("source", number, None if rng.random() < 0.25 else f"turn {turn}")  # noqa: PLR2004
                time.sleep(0.001)
                if stop.is_set() and turn > _WRITES:
                    return
        except BaseException as failure:  # noqa: BLE001 - raised where the writer is stopped
            failures.append(failure)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failures:
        raise failures[0]


_WRITES = 200
