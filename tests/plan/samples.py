"""Small files the tests of this folder change one thing at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from portability.model.change import Change
from portability.model.plan import Plan
from portability.plan.digest import digest, plain
from portability.steps.catalog import STEPS

KNOWN = frozenset(STEPS)

ESTATE = """\
apiVersion: portability/v1
kind: Estate
accounts:
  allowed: ["123456789012"]
  regions: [us-east-1, eu-west-1]
journal:
  table: portability-journal
  lease: 60s
  beat: 10s
directory:
  table: tenants
  placement: dataPlacement
cognito: {settings_table: settings}
tiers:
  basic:
    model: pool
    placements:
      default: {pool: pooled}
      pool-b: {pool: pool-b}
  premium: {model: silo, identity: silo}
stores:
  Order:
    pool: "Order-{pool}"
    silo: "Order-{slug}"
    partition_key: shardId
    sort_key: orderId
    tenant:
      pattern: "{tenant}-{suffix}"
      suffixes: {default: [1, 10]}
fence:
  use: [epoch]
  freeze_max: 5s
"""

RECIPE = """\
apiVersion: portability/v1
kind: MigrationPlan
name: pool-to-silo
from: pool
to: silo
steps:
  - id: preflight
    uses: preflight
  - id: channel
    uses: open_channel
    needs: [preflight]
  - id: copy
    uses: copy_data
    needs: [channel]
  - id: cutover
    uses: cut_over
    needs: [copy]
    closes: [channel]
"""


def edited(text: str, old: str, new: str) -> str:
    """The text with one place changed; fails where there is not exactly one."""
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the sample"
    return text.replace(old, new)


def with_facts(plan: Plan, facts: Mapping[str, Any], changes: Sequence[Change] = ()) -> Plan:
    """The plan as if it had been compiled with these facts."""
    observed = msgspec.structs.replace(plan, facts=plain(facts), changes=list(changes))
    return msgspec.structs.replace(observed, digest=digest(observed))


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in plain data, containers too."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in inner for place in leaves(child, (*path, key)))]


def replaced(value: Any, path: tuple[str | int, ...]) -> Any:
    """The same with one place changed."""
    if not path:
        return {"changed": True} if value == "changed" else "changed"
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:])
    return copy
