"""Fault points: every mutating call of a recorded run, named by what it does, with its ordinal among those of its name.

Names come from the requests themselves, so a new step or a new call adds its points by itself, and they do not depend
on the order in which threads send: the third page written to a table is that, whatever was sent between.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tests.support.wire import Call

BEAT = "journal beat"
"""The renewal of a lease: sent by time, so its ordinal says when, not what."""

DRAWN = re.compile(r"/(?:[a-z0-9]{10}|r-[0-9A-Z]{26}\.jsonl\.gz)(?=/|$)")
"""Parts of a path that a service or a run drew by lot."""

ACT = re.compile(r'":?act": ?\{"S": ?"(\w+)"\}')
"""What a write of the directory's stamp is for."""


class Point(NamedTuple):
    """The nth call of that name."""

    name: str
    nth: int

    def __str__(self) -> str:
        return f"{self.name} #{self.nth}"

    @classmethod
    def parse(cls, text: str) -> Point:
        """The point that `str` made this text of."""
        name, _, nth = text.rpartition(" #")
        return cls(name, int(nth))


def name_of(call: Call, journal: str) -> str:
    """What a mutating call does: service, operation, and which table or which rows of the journal."""
    if call.service != "dynamodb":
        return f"{call.service} {DRAWN.sub('/*', call.operation)}"
    body: Mapping[str, Any] = json.loads(call.body)
    if call.operation == "TransactWriteItems":
        parts = [_part(kind, action, journal) for item in body["TransactItems"] for kind, action in item.items()]
        rows = sorted({part for part in parts if part.startswith("journal ")} - {BEAT}) or [BEAT] * (BEAT in parts)
        others = sorted({part for part in parts if not part.startswith("journal ")})
        return " + ".join([*rows, *others])
    if "RequestItems" in body:
        return f"{call.operation} {' '.join(sorted(body['RequestItems']))}"
    if body.get("TableName") == journal:
        return _part(call.operation, body, journal)
    act = ACT.search(call.body.decode())
    return " ".join(filter(None, [call.operation, str(body.get("TableName", "")), act[1] if act else ""]))


def _part(kind: str, action: Mapping[str, Any], journal: str) -> str:
    if action.get("TableName") != journal:
        return f"{kind} {action.get('TableName')}"
    key = action.get("Key") or action.get("Item") or {}
    pk, sk = key["pk"]["S"].partition("#")[0], key["sk"]["S"]
    if sk == "LEASE":
        return BEAT
    if sk.startswith("E#"):
        entry = json.loads(action["Item"]["body"]["S"])
        return " ".join(filter(None, ["journal entry", entry["fact"], entry["step"]]))
    row = sk.partition("#")[0] if pk == "RUN" else pk
    return f"journal {kind.lower()} {row}"


def points(calls: Iterable[Call], journal: str) -> list[Point]:
    """The points of a recorded run, in the order of their first being met; beats are left out."""
    seen: Counter[str] = Counter()
    found = []
    for call in calls:
        if not call.mutating:
            continue
        name = name_of(call, journal)
        if name == BEAT or set(name.split(" + ")) == {f"ConditionCheck {name.rpartition(' ')[2]}"}:
            continue  # a probe of the fence checks, and changes nothing
        seen[name] += 1
        found.append(Point(name, seen[name]))
    return found
