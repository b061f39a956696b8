"""A `portability` command that is held before its first act, so that several can be let go at once.

    python -m tests.support.racer GATE --config estate.yaml migrate tenant-42 …

Everything is read and planned; where the command would start a run or take one, it makes the file `GATE.<pid>` and
waits for a byte out of the pipe `GATE`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from portability.cli.main import main
from portability.journal.runs import TableJournal


def hold(gate: Path, act: Callable[..., Any]) -> Callable[..., Any]:
    """`act`, behind the gate."""

    def held(*args: Any, **options: Any) -> Any:
        gate.with_name(f"{gate.name}.{os.getpid()}").touch()
        pipe = os.open(gate, os.O_RDONLY)
        os.read(pipe, 1)
        os.close(pipe)
        return act(*args, **options)

    return held


if __name__ == "__main__":
    here = Path(sys.argv.pop(1))
    for verb in ("start", "acquire"):
        setattr(TableJournal, verb, hold(here, getattr(TableJournal, verb)))
    main()
