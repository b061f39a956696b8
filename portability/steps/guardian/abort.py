"""What a guardian does: one conditional write that competes with the flip, and with the fence itself."""

from __future__ import annotations

from collections.abc import Callable

from portability import errors
from portability.steps.directory import DirectoryTable, Stamp

AGAIN = 0.25
"""Seconds between two rounds, each of the policy's own attempts, while the directory does not answer."""

PATIENCE = 900.0
"""Seconds for which that is gone on with: a tenant waits, and nobody else will."""


def abort(table: DirectoryTable, tenant: str, run: str, epoch: int) -> Stamp | None:
    """Take back the fence that was to have `epoch`; the stamp written, None where there was nothing to take back.

    A fence that is not there yet may be on its way, so the epoch it needs is taken from it. Whatever else stands (the
    flip, the run's own abort, a later fence, another run's stamp) is left alone. May be repeated.
    """
    fenced, before = Stamp(run=run, epoch=epoch, fenced=True), Stamp(run=run, epoch=epoch - 1, fenced=False)
    for expected in (fenced, before, fenced):
        try:
            return table.abort(tenant, expected)
        except errors.StampMoved as moved:
            if moved.run != run or moved.epoch not in (epoch - 1, epoch):
                return None
    return None


def insist(
    act: Callable[[], Stamp | None], *, now: Callable[[], float], sleep: Callable[[float], None]
) -> Stamp | None:
    """Go on with `act` until the directory has answered. Raises its last error after `PATIENCE` seconds."""
    until = now() + PATIENCE
    while True:
        try:
            return act()
        except errors.UnknownName:
            return None  # there is no record, so there is no fence
        except errors.PortabilityError:
            if now() >= until:
                raise
            sleep(AGAIN)
