"""The guardian's process: `python -m portability.steps.guardian`, started by a cutover and by nobody else.

It says `ready` once it has a client, a connection and an answer, so that what it needs later cannot fail for want of a
module or a permission to read. It writes nothing but the one stamp: what it did is observed by whoever resumes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

import msgspec

from portability import errors
from portability.aws.session import Aws
from portability.retry import Retry
from portability.steps.directory import DirectoryTable
from portability.steps.guardian.abort import abort, insist
from portability.steps.guardian.orders import FAILED, READY, Orders
from portability.steps.guardian.stand_by import Line, boot_seconds, stand_by

DEAF_TO = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends the cutover must not end its guardian; it ends by itself."""

CONNECT, ANSWER = 1.0, 2.0
"""Seconds to wait for a connection and for an answer: a tenant waits, and the write may be sent again."""


def main() -> int:
    """Guard one fence; 0 when there is nothing left to take back, 1 when it could not do its work."""
    for signum in DEAF_TO:
        signal.signal(signum, signal.SIG_IGN)
    line = Line(sys.stdin.fileno())
    word = line.word(None)
    if not word:
        return 0  # the cutover was gone before it had said anything
    orders = msgspec.json.decode(word, type=Orders)
    try:
        guard(orders, line)
    except errors.PortabilityError as error:
        say(" ".join([FAILED, error.code, *error.what.split()]))
        return 1
    return 0


def guard(orders: Orders, line: Line) -> None:
    """Stand by with a directory that has answered. Raises what kept it from reading, or from writing to the end."""
    tenant, retry = orders.tenant, Retry(cap=0.2)
    aws = Aws(
        profile=orders.profile,
        region=orders.estate.directory_region,
        read_only=False,
        retry=retry,
        connect_timeout=CONNECT,
        read_timeout=ANSWER,
    )
    table = DirectoryTable(orders.estate, aws.dynamodb(), retry)
    table.read(tenant)
    say(READY)
    stand_by(
        line,
        say,
        budget=orders.budget,
        look=lambda: table.read(tenant),
        act=lambda epoch: insist(lambda: abort(table, tenant, orders.run, epoch), now=boot_seconds, sleep=time.sleep),
    )


def say(word: str) -> None:
    """Tell the cutover; one that is gone does not keep a guardian from its work."""
    with contextlib.suppress(OSError):
        os.write(sys.stdout.fileno(), f"{word}\n".encode())


if __name__ == "__main__":
    sys.exit(main())
