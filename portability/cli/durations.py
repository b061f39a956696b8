"""Durations on the command line, spelled as in the estate file: 500ms, 5s, 10m, 24h, 7d."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from portability import errors

_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SHAPE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)\Z")

LockTimeout = Annotated[
    str, typer.Option("--lock-timeout", metavar="DURATION", help="Wait this long for another holder: 10m.")
]


def parse_duration(text: str, option: str) -> float:
    """Seconds. Raises `UsageMistake` naming the option."""
    found = _SHAPE.match(text)
    if not found:
        raise errors.UsageMistake(f"{option} {text!a} is not a duration", next=f"{option} 500ms, 5s, 10m, 24h or 7d")
    return float(found[1]) * _UNIT[found[2]]
