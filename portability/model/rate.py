"""A rate of capacity as recipes and `run tune` write it: `500wcu`, `1500rcu`, `500wcu+1500rcu`."""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta

from portability.model.estate import Value

RATE = r"^[1-9][0-9]{0,5}(wcu(\+[1-9][0-9]{0,5}rcu)?|rcu(\+[1-9][0-9]{0,5}wcu)?)\Z"
"""1 to 999,999 units a second of one kind, or of both."""

RateText = Annotated[
    str, Meta(pattern=RATE, description="a rate: 500wcu, 1500rcu or 500wcu+1500rcu, 1 to 999999 units a second")
]

TunedRate = Annotated[
    str,
    Meta(
        pattern=f"{RATE}|^none\\Z", description="a rate: 500wcu, 1500rcu or 500wcu+1500rcu, or none to lift the limit"
    ),
]


class Rate(Value, frozen=True, kw_only=True):
    """Capacity units a second; None is not limited."""

    wcu: float | None = None
    rcu: float | None = None

    @property
    def text(self) -> str | None:
        """As a recipe writes it; None where nothing is limited."""
        parts = [f"{units:.0f}{kind}" for kind, units in (("wcu", self.wcu), ("rcu", self.rcu)) if units is not None]
        return "+".join(parts) or None


def parse_rate(text: str | None) -> Rate:
    """The rate that `text` says; None limits nothing. Raises `ValueError`."""
    if text is None:
        return Rate()
    if re.fullmatch(RATE, text) is None:
        msg = f"not a rate: {text!a}"
        raise ValueError(msg)
    given = {part[-3:]: float(part[:-3]) for part in text.split("+")}
    return Rate(wcu=given.get("wcu"), rcu=given.get("rcu"))
