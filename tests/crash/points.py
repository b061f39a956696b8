"""Fault points: every mutating call of a journey, named by what it does, with its ordinal within its step.

Names come from the requests themselves, so a new step or a new call adds its points by itself, and they do not depend
on the order in which threads send: the third page that `copy` writes to a table is that, whatever was sent between.
Nor do they depend on what befell an earlier step: each counts from its own beginning.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.support.wire import Call

BEAT = "journal beat"
"""The renewal of a lease: sent by time, so its ordinal says when, not what."""

DRAWN = re.compile(r"/(?:[a-z0-9]{10}|r-[0-9A-Z]{26}\.jsonl\.gz)(?=/|$)")
"""Parts of a path that a service or a run drew by lot."""

ACT = re.compile(r'":?act": ?\{"S": ?"(\w+)"\}')
"""What a write of the directory's stamp is for."""


BEGUN = re.compile(r"journal entry (?:started|undoing) (?P<step>\S+)")
"""The call that begins a step."""

WITHIN = ": "


class Point(NamedTuple):
    """The nth call of that name `within` a step of a command: `migrate/copy`, or the command before its first step."""

    name: str
    nth: int
    within: str = ""

    def __str__(self) -> str:
        return f"{self.within}{WITHIN if self.within else ''}{self.name} #{self.nth}"

    @classmethod
    def parse(cls, text: str) -> Point:
        """The point that `str` made this text of."""
        named, _, nth = text.rpartition(" #")
        within, found, name = named.partition(WITHIN)
        return cls(name, int(nth), within) if found else cls(named, int(nth))


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


@dataclass
class Counting:
    """Gives the mutating calls of a journey their points, in the order in which they are met."""

    journal: str
    met: list[Point] = field(default_factory=list)
    _command: str = ""
    _within: str = ""
    _seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    _again: dict[tuple[str, str], bytes] = field(default_factory=dict)  # bodies that nobody heard the end of

    def unheard(self, call: Call, point: Point) -> None:
        """The call will not be answered as it should: sent once more, it is the same point and counts once."""
        self._again[point.within, point.name] = call.body

    def command(self, verb: str) -> None:
        """A command begins; said again, it is in the step in which it was."""
        if verb != self._command:
            self._command = self._within = verb

    def point(self, call: Call) -> Point:
        """The next call's point. It is not among those `met` if it is sent by time, or changes nothing."""
        name = name_of(call, self.journal)
        if begins := BEGUN.search(name):
            self._within = f"{self._command}/{begins['step']}"
            for each in [each for each in self._seen if each[0] == self._within]:
                del self._seen[each]
        if self._again.pop((self._within, name), None) != call.body or not self._seen[self._within, name]:
            self._seen[self._within, name] += 1
        point = Point(name, self._seen[self._within, name], self._within)
        if name != BEAT and set(name.split(" + ")) != {f"ConditionCheck {name.rpartition(' ')[2]}"}:
            self.met.append(point)  # a condition alone is a probe of the fence
        return point
