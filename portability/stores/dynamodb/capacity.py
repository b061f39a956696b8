"""Whether a table can take at once what another one serves: its capacity, as described and as consumed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from portability.model.change import Finding
from portability.stores.dynamodb.table import Table

UNITS = {"WriteCapacityUnits": "WCU", "ReadCapacityUnits": "RCU"}
CONSUMED = {unit: f"Consumed{unit}" for unit in UNITS}
"""CloudWatch, AWS/DynamoDB: sums by minute."""

LOOKED_BACK = 3 * 3600.0
"""Seconds before the run began from which the peak is taken: the run's own reads would be in a later one."""

Peak = Mapping[str, float | None]
"""Units a second in the busiest minute, by `UNITS`; None: unknown."""

UNKNOWN: Peak = dict.fromkeys(UNITS)


def findings(origin: Table, destination: Table, peak: Peak) -> Iterator[Finding]:
    """A block for each way in which `destination` is provisioned below what `origin` is, or was seen to consume.

    On demand takes twice the earlier peak at once (AWS: 4,000 WCU and 12,000 RCU where there was none), so it passes.
    """
    if destination.on_demand:
        return
    has = _provisioned(destination.description)
    wanted = {} if origin.on_demand else _provisioned(origin.description)
    for index, units in has.items():
        where = destination.name if not index else f"index {index} of {destination.name}"
        for unit, word in UNITS.items():
            least, why = float(wanted.get(index, {}).get(unit, 0)), f"{origin.name} is provisioned for"
            seen = None if index else peak[unit]
            if seen is not None and seen > least:
                least, why = seen, f"{origin.name} consumed before the run, at its peak,"
            if units[unit] < least:
                fix = f"raise it to {least:,.0f} {word}, or make {destination.name} on-demand"
                text = f"{where} is provisioned for {units[unit]:,} {word}, {why} {least:,.0f}"
                yield Finding(level="block", about="capacity", text=text, next=fix)
    if origin.on_demand and any(peak[unit] is None for unit in UNITS):
        text = f"{destination.name} is provisioned, and what {origin.name} consumes at its peak is not known"
        yield Finding(level="warn", about="capacity", text=text, next=f"compare it with the metrics of {origin.name}")


def _provisioned(description: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Provisioned units of the table ("") and of each index."""
    found = {"": description, **{each["IndexName"]: each for each in description.get("GlobalSecondaryIndexes") or []}}
    return {
        name: {unit: int(one.get("ProvisionedThroughput", {}).get(unit, 0)) for unit in UNITS}
        for name, one in found.items()
    }
