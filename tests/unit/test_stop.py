"""The machine's clock, as leases and pauses are measured by it."""

from __future__ import annotations

import sys
import time

import pytest

from portability.engine import stop


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts suspended time on a clock of its own")
def test_time_in_which_the_machine_was_suspended_counts() -> None:
    assert time.CLOCK_BOOTTIME == stop.BOOTTIME


@pytest.mark.parametrize("clock", (time.CLOCK_PROCESS_CPUTIME_ID, time.CLOCK_REALTIME))
def test_the_chosen_clock_is_the_one_that_is_read(monkeypatch: pytest.MonkeyPatch, clock: int) -> None:
    monkeypatch.setattr(stop, "BOOTTIME", clock)
    assert abs(stop.SystemClock(stop.Stop()).monotonic() - time.clock_gettime(clock)) < 5.0


def test_a_system_without_such_a_clock_has_the_one_that_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop, "BOOTTIME", None)
    assert abs(stop.SystemClock(stop.Stop()).monotonic() - time.monotonic()) < 5.0
