"""Gates a recipe may put before a step. An unmet gate parks the run with nothing frozen."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path
from typing import TypeVar

import msgspec

from portability import errors
from portability.model.estate import Value
from portability.model.recipe import Evidence, Gate, Window
from portability.model.status import ParkReason

S = TypeVar("S", bound=Value)


def check_gates(gates: list[Gate], *, run: str, step: str, now: float) -> None:
    """Raise `Parked` for the first gate that does not hold. `now` is epoch seconds."""
    for gate in gates:
        reason = (
            _outside(_settings(gate, Window), now) if gate.name == "window" else _lacking(_settings(gate, Evidence))
        )
        if reason:
            msg = f"step {step} waits at its {gate.name} gate: {reason}"
            raise errors.Parked(msg, reason=ParkReason.GATE, next=f"portability resume {run}")


def _settings(gate: Gate, schema: type[S]) -> S:
    try:
        return msgspec.convert(gate.with_, schema)
    except msgspec.ValidationError as error:
        msg = f"gate {gate.name}: {error}"
        raise errors.FileInvalid(msg, where="recipe", next="portability validate") from None


def _outside(window: Window, now: float) -> str:
    clock = dt.datetime.fromtimestamp(now, dt.UTC).strftime("%H:%M")
    inside = (
        window.from_ <= clock < window.to if window.from_ <= window.to else clock >= window.from_ or clock < window.to
    )
    return "" if inside else f"it is {clock} UTC, the window is {window.from_} to {window.to}"


def _lacking(evidence: Evidence) -> str:
    path = Path(evidence.file)
    if not path.is_file():
        return f"{evidence.file} is not there"
    if evidence.sha256 and hashlib.sha256(path.read_bytes()).hexdigest() != evidence.sha256:
        return f"{evidence.file} is not the file that was agreed on"
    return ""
