"""The range of suffixes a tenant's items are spread over: from the tenant's row of a mapping table, or the estate."""

from __future__ import annotations

from portability import errors
from portability.aws.dynamodb import Dynamo
from portability.model.estate import Suffixes


def suffix_range(spec: Suffixes | None, tenant: str, dynamo: Dynamo) -> tuple[int, int] | None:
    """The inclusive range; None where the store has none. Raises `PreflightRefused` for a row that is no range."""
    if spec is None:
        return None
    low, high = spec.default
    if spec.table is not None:
        row = dynamo.get(spec.table, {spec.key: {"S": tenant}})
        if row is not None:
            low, high = (_number(row.get(name, {}), spec.table, name, tenant) for name in (spec.low, spec.high))
    if not 0 <= low <= high:
        raise _refused(f"suffixes {low} to {high} of {tenant} are no range")
    return low, high


def _number(value: dict[str, str], table: str, name: str, tenant: str) -> int:
    text = value.get("N") or value.get("S") or ""
    if not text.isdecimal():
        raise _refused(f"{table}: {name} of {tenant} is no whole number")
    return int(text)


def _refused(what: str) -> errors.PreflightRefused:
    return errors.PreflightRefused(what, next="portability validate")
