"""A run's journal and the estate beside it after every write of the journal, as files that a release leaves for good.

A file is one journey, JSON by line: first what it is, then for each moment what is set and what is gone since the one
before. A moment is what a process leaves that is killed there.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from portability.journal import rows
from portability.journal.table import Key
from tests.steps_data.run_plan import RUN
from tests.steps_data.run_world import Estate42
from tests.support.dynamodb_local import ROOT

GOLDEN = ROOT / "tests" / "journal" / "golden"
Moment = dict[str, Any]
"""Everything there is, flat: by a name whose first word says of what it is."""


def files() -> dict[str, Path]:
    """`release/journey` to its file, of every release."""
    return {f"{path.parent.name}/{path.stem}": path for path in sorted(GOLDEN.glob("*/*.jsonl"))}


def moments(path: Path) -> Iterator[Moment]:
    """Every moment of a journey, in order."""
    held: Moment = {}
    with path.open(encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            step = json.loads(line)
            held = {name: each for name, each in held.items() if name not in step["gone"]} | step["set"]
            yield dict(held)


def head(path: Path) -> dict[str, Any]:
    """What a file says of itself: release, journal schema, and the estate's shape."""
    with path.open(encoding="utf-8") as lines:
        found: dict[str, Any] = json.loads(next(lines))
    return found


def step(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """What lies between two moments."""
    return {
        "set": {name: each for name, each in now.items() if name not in before or before[name] != each},
        "gone": [name for name in before if name not in now],
    }


def taken(estate: Estate42) -> Moment:
    """The moment that an estate is in."""
    found: Moment = {
        "clock": [estate.clock.wall, estate.clock.mono],
        "armed": estate.armed,
        "flips": list(estate.flips),
        "stamped": list(estate.stamps[-1]) if estate.stamps else None,
    }
    for key, row in estate.table.rows.items():
        found[f"row {key.pk} {key.sk}"] = {
            name: _packed(each) for name, each in row.items() if name not in ("pk", "sk")
        }
    for side, shelf in (("source", estate.world.source), ("target", estate.world.target)):
        found |= {f"{side} {name}": each for name, each in shelf.items.items()}
        found |= {f"{side}-log {number}": list(each) for number, each in enumerate(shelf.log)}
    found |= {f"record {table} {key}": item for (table, key), item in estate.dynamo.rows.items()}
    found |= {f"acked {name}": each for name, each in estate.acked.items()}
    found |= {f"object {bucket} {key}": _packed(body) for (bucket, key), body in estate.bucket.objects.items()}
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def restored(moment: Moment, *, elsewhere: bool) -> Estate42:
    """An estate in that moment; its plan is the one that the journal has."""
    parts: dict[str, dict[str, Any]] = {}
    for name, each in moment.items():
        kind, _, rest = name.partition(" ")
        parts.setdefault(kind, {})[rest] = each
    stored = {
        Key(*name.split(" ", 1)): {at: _unpacked(one) for at, one in row.items()} for name, row in parts["row"].items()
    }
    plan = rows.header_of(stored[rows.run_key(RUN, rows.HEADER)], RUN).plan
    estate = Estate42(plan.estate, data=bool(plan.moving), items=0, elsewhere=elsewhere)
    estate.plan = plan
    estate.clock.wall, estate.clock.mono = parts["clock"][""]
    estate.armed, estate.flips = parts["armed"][""], parts["flips"][""]
    estate.stamps = [tuple(parts["stamped"][""])] if parts["stamped"][""] else []
    estate.table.rows = {key: {**row, "pk": key.pk, "sk": key.sk} for key, row in stored.items()}
    for side, shelf in (("source", estate.world.source), ("target", estate.world.target)):
        shelf.items = dict(parts.get(side, {}))
        log = parts.get(f"{side}-log", {})
        shelf.log = [tuple(log[str(number)]) for number in range(len(log))]
    estate.dynamo.rows = {
        (name.split(" ", 1)[0], name.split(" ", 1)[1]): item for name, item in parts["record"].items()
    }
    estate.acked = dict(parts.get("acked", {}))
    estate.bucket.objects = {_pair(name): _unpacked(body) for name, body in parts.get("object", {}).items()}
    return estate


def _pair(name: str) -> tuple[str, str]:
    first, _, second = name.partition(" ")
    return first, second


def _packed(value: Any) -> Any:
    return {"bytes": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _unpacked(value: Any) -> Any:
    return base64.b64decode(value["bytes"]) if isinstance(value, dict) else value
