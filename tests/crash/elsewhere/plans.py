"""R17: a plan that is not what it was, or not for this estate, is refused, and nothing is written.

The trials are the fields of a real plan, whatever those are: each is edited in the file, and each field of the
fingerprint is edited and the plan sealed anew, so that only the estate itself can tell; then each observed fact is
changed in the estate, the plan is spent, and the account is another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from portability.model.plan import Plan
from portability.plan.digest import OUTSIDE, digest
from portability.plan.saved import read_plan, write_plan
from tests.cli.bench import Bench, Ran, make_bench
from tests.crash.elsewhere.base import Around, Made, Trials
from tests.crash.elsewhere.estates import environment, forget
from tests.crash.elsewhere.stale import TENANT, ways
from tests.plan.samples import leaves, replaced
from tests.support.wire import Wire, watched_by
from tests.support.world import World

REFUSED = (3, 6)
TO = ("--to", "premium")
Place = tuple[str | int, ...]


class Accepted(AssertionError):
    """A plan that was not refused, or a refusal that wrote."""


@dataclass(frozen=True)
class Plans:
    """The row."""

    says: str = "a plan edited, sealed anew, stale, spent or of another account: refused, nothing written"
    figure: int | None = None

    @contextmanager
    def opened(self, around: Around) -> Iterator[Trials]:
        forget(around)
        bench, wire = make_bench(around.folder, environment(around), items=6), Wire()
        detoured = cast("World", SimpleNamespace(env=bench.env, detour={}))
        with watched_by(detoured, wire):
            yield OfPlans(Bench(bench.env | detoured.detour, bench.folder), bench, wire)


@dataclass(frozen=True)
class OfPlans:
    """Trials by what is done to the plan, and the field. `behind` is the estate itself: its calls are not counted."""

    bench: Bench
    behind: Bench
    wire: Wire
    kept: list[bytes] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.bench.folder / "x.plan"

    def names(self, seed: int) -> Sequence[str]:
        plan = self._planned()
        body = json.loads(self.file.read_text())
        places = [place for place in leaves(body) if place]
        covered = [place[1:] for place in places if place[0] == "plan" and place[1:] and place[1] not in OUTSIDE]
        values = [place for place in covered if not _holds(_at(body["plan"], place))]
        return [
            *(f"edited/{_text(place)}" for place in places),
            *(f"sealed anew/{_text(place)}" for place in values),
            *(f"stale/{fact}" for fact in ways(plan)),
            "spent",
            "another account",
        ]

    def run(self, name: str) -> Made:
        how, _, part = name.partition("/")
        plan = self._planned(anew=how in ("stale", "spent"))
        match how:
            case "edited":
                self._edit(_place(part))
                self._refused(self._migrate(), part)
            case "sealed anew":
                self._seal_anew(plan, _place(part))
                self._refused(self._migrate(), part)
            case "stale":
                with ways(plan)[part](self.behind, plan):
                    self._refused(self._migrate(), f"facts.{part}")
            case "spent":
                self._spend()
                before = self.behind.inventory()
                ran = self._migrate()
                if ran.exit not in REFUSED or self.behind.inventory() != before:
                    raise Accepted(f"a spent plan ended {ran.exit}, or wrote: {ran.said[-600:]}")
            case _:
                config = self.behind.estate(accounts={"allowed": ["999999999999"]})
                self._refused(self._migrate(config), "account")
        return Made(frozenset({name}))

    def _planned(self, *, anew: bool = False) -> Plan:
        """The plan in its file. One is good for every trial that leaves the estate as it was and does not use it."""
        if anew or not self.kept:
            self.file.unlink(missing_ok=True)
            self.behind.run("plan", TENANT, *TO, "--out", str(self.file)).expect(0)
            self.kept[:] = [] if anew else [self.file.read_bytes()]
        else:
            self.file.write_bytes(self.kept[0])
        return read_plan(self.file)

    def _migrate(self, config: Path | None = None) -> Ran:
        self.wire.forget()
        argv = ("migrate", TENANT, *TO, "--plan", str(self.file), "--yes", "--until", "preflight")
        return self.bench.run(*argv, config=config)

    def _refused(self, ran: Ran, field: str) -> None:
        if ran.exit not in REFUSED:
            raise Accepted(f"exit {ran.exit} with another {field}: {ran.said[-600:]}")
        if self.wire.mutating:
            raise Accepted(f"refused for {field}, and sent {self.wire.mutating[:5]}")

    def _edit(self, place: Place) -> None:
        body = json.loads(self.file.read_text())
        self.file.write_text(json.dumps(replaced(body, place)))

    def _seal_anew(self, plan: Plan, place: Place) -> None:
        """As somebody would who wants it to be believed: a value of the same kind, the digest and the seal made anew.

        A value that no plan can have is refused when the file is read: then the field is only edited.
        """
        plain = msgspec.json.decode(msgspec.json.encode(plan))
        try:
            forged = msgspec.convert(_otherwise(plain, place), Plan)
        except msgspec.ValidationError:
            self._edit(("plan", *place))
            return
        if forged == plan:
            raise Accepted(f"nothing is changed by another {_text(place)}")
        write_plan(msgspec.structs.replace(forged, digest=digest(forged)), self.file, root=self.file.parent)

    def _spend(self) -> None:
        """Use the plan, and take back what was begun."""
        ran = self.behind.run(
            "migrate", TENANT, *TO, "--plan", str(self.file), "--yes", "--until", "preflight", "-o", "json"
        )
        self.behind.run("cancel", ran.expect(7).json["run_id"], "--yes").expect(0)


def _otherwise(value: Any, place: Place) -> Any:
    """Plain data with one place changed to something of its kind."""
    if place:
        copy: Any = dict(value) if isinstance(value, dict) else list(value)
        copy[place[0]] = _otherwise(value[place[0]], place[1:])
        return copy
    return _another(value)


def _another(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            longer = re.fullmatch(r"(\d+)([a-z]*)", value)
            return f"{int(longer[1]) + 1}{longer[2]}" if longer else f"{value}x"
        case list():
            return value[:-1] if value else ["x"]
        case dict():
            return dict(list(value.items())[:-1]) if value else {"x": "x"}
        case _:
            return "7s"


def _at(value: Any, place: Place) -> Any:
    """What stands at a place of plain data."""
    for step in place:
        value = value[step]
    return value


def _holds(value: Any) -> bool:
    """Whether there are places inside."""
    return isinstance(value, dict | list) and bool(value)


def _text(place: Place) -> str:
    """A place as a name: JSON, for the names of facts have blanks and dots."""
    return json.dumps(list(place), separators=(",", ":"))


def _place(text: str) -> Place:
    return tuple(json.loads(text))
