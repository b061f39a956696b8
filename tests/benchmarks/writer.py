"""An application that puts items at a rate until its standard input ends, at the least cost to the machine it shares.

python -m tests.benchmarks.writer ENDPOINT TABLE RATE ITEMS PARTITION-KEYS
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Sequence

from portability.sandbox.app import keep_writing
from tests.benchmarks import items
from tests.benchmarks.replay import Connection, put_requests


def main(argv: Sequence[str]) -> int:
    """Write until told to stop; each write puts one of the items that are there anew."""
    endpoint, table, rate, count, partitions = argv
    chosen = random.sample(items.spread(items.SIZES[0], int(count), partitions.split(",")), min(int(count), 1000))
    requests = put_requests(endpoint, table, [each | {"status": {"S": "CHANGED"}} for each in chosen])
    over = threading.Event()

    def listen() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=listen, daemon=True).start()
    with Connection(endpoint) as connection:
        sys.stdout.write("writing\n")
        sys.stdout.flush()
        keep_writing(lambda: connection.exchange(random.choice(requests)), rate=float(rate), done=over.is_set)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
