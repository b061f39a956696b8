"""Run one peer in a process of its own: `python -m tests.benchmarks.peers.run PEER SOURCE TARGET KEYS WORKERS`.

One line of JSON: items (0 where the peer does not know), seconds, CPU seconds. Needs boto3 and the peer's package.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence

from tests.benchmarks.measured import Stopwatch


def main(argv: Sequence[str]) -> int:
    """Copy and print the cost."""
    peer, source, target, keys, workers = argv
    copy = importlib.import_module(f"tests.benchmarks.peers.{peer}").prepared(
        source, target, keys.split(","), int(workers)
    )
    since = Stopwatch.started()
    items = copy()
    seconds, cpu = since.read()
    sys.stdout.write(json.dumps({"items": items, "seconds": seconds, "cpu_seconds": cpu}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
