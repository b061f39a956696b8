"""What passes between a cutover and its guardian: one JSON line, then one word a line in either direction."""

from __future__ import annotations

from portability.model.estate import Estate, Value

READY, ARMED, FAILED = "ready", "armed", "failed"
"""What a guardian says: it could do its work; its clock runs; why it cannot."""

LEAVE = "leave"
"""What it is told when there is no fence left to take back; any other word is the epoch of a fence about to rise."""

MARGIN = 1.0
"""Seconds by which a pause that a guardian ends may exceed `freeze_max`, where the directory answers at once."""


class Orders(Value, frozen=True, kw_only=True):
    """Whose fence, and for how long it may stand. Credentials are not among them: both resolve them the same way."""

    run: str
    tenant: str
    estate: Estate
    profile: str | None
    budget: float  # seconds from the moment it is armed
