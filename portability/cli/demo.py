"""`demo`: the whole story in an embedded sandbox."""

from __future__ import annotations

import enum
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from portability.cli.call import Call
from portability.cli.sandbox import installed
from portability.cli.verb import verb


class Break(enum.StrEnum):
    """Which fault is planted at the end."""

    COPY = "copy"
    FENCE = "fence"
    KILL = "kill"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    verb(app, "demo", examples=["demo", "demo --break fence"])(demo)


def demo(
    call: Call,
    *,
    break_: Annotated[Break, typer.Option("--break", help="The fault that is planted at the end.")] = Break.COPY,
) -> int | None:
    """Play the whole story in an embedded sandbox. A tenant writes all the time; no account is touched."""
    installed()
    from portability.plan.load import shipped_plans
    from portability.sandbox.demo import play

    def say(text: str) -> None:
        if call.asked.machine:
            call.screen.tell(text)
        else:
            call.screen.raw(text + "\n")

    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="portability-plans-") as folder:
        for file in shipped_plans().iterdir():
            if file.is_file():
                (Path(folder) / file.name).write_bytes(file.read_bytes())
        play(say, config=Path(folder) / "estate.yaml", break_=break_.value)
    call.screen.result("", {"version": 1, "break": break_.value, "seconds": round(time.monotonic() - began, 1)})
    return None
