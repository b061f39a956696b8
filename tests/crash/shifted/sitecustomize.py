"""Shifts the wall clock of every process that has this folder on its path, by CRASH_CLOCK seconds.

The monotonic clock stays as it is: it is not one that can be set.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

NAME = "CRASH_CLOCK"
FOLDER = str(Path(__file__).parent)


def shift(seconds: float) -> None:
    """From now on `time.time` is off by so much, in this process."""
    honest = time.time
    time.time = lambda: honest() + seconds


if NAME in os.environ:
    shift(float(os.environ[NAME]))
