"""What stands in the way of a store's move, read-only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from portability import errors
from portability.aws.eventsources import EventSources
from portability.model.change import Finding
from portability.model.estate import StoreSpec
from portability.stores.dynamodb.layout import Index, Layout, Segments
from portability.stores.dynamodb.provision import RUN_TAG, TENANT_TAG
from portability.stores.dynamodb.reading import Reading
from portability.stores.dynamodb.table import Table

STACK_TAG = "aws:cloudformation:stack-name"
SAMPLE = 25  # items looked at to see whether a table is empty


@dataclass(frozen=True)
class End:
    """One side of a move, as preflight looks at it."""

    reading: Reading
    table: Table | None
    tags: dict[str, str]
    eventsources: EventSources

    @property
    def name(self) -> str:
        """The table's name."""
        return self.reading.plane.table


@dataclass(frozen=True)
class Look:
    """Looks at both sides of one store."""

    store: str
    spec: StoreSpec
    layout: Layout
    source: End
    target: End
    adopts: bool  # the target is made by somebody else

    def findings(self) -> list[Finding]:
        """Every finding; one `ok` where there is no other."""
        found = [*self._source(), *self._target()]
        return found or [Finding(level="ok", about=self.store, text=f"{self.source.name} -> {self.target.name}")]

    # ---------------------------------------------------------------------------------------------------------- source

    def _source(self) -> Iterator[Finding]:
        table = self.source.table
        if table is None:
            yield self._block(f"the source table {self.source.name} is not there", "name it in the estate")
            return
        yield from self._schema(table)
        yield from self._common(self.source, table)
        yield from self._reach(table)
        yield from self._beyond()

    def _schema(self, table: Table) -> Iterator[Finding]:
        expected = list(self.layout.key_names)
        if table.keys != expected:
            yield self._block(
                f"{table.name} is keyed by {table.keys}, the estate says {expected}", "correct the estate"
            )
        elif table.types[self.layout.partition_key] != "S":
            yield self._block(
                f"{table.name}: {self.layout.partition_key} is no string, it cannot name a tenant", "correct the estate"
            )
        if table.ttl != self.spec.ttl:
            yield self._warn(f"{table.name} expires items by {table.ttl}, the estate says {self.spec.ttl}")

    def _reach(self, table: Table) -> Iterator[Finding]:
        try:
            reach = self.layout.reach(owned=self.source.reading.owned)
        except errors.PreflightRefused as refusal:
            yield self._block(refusal.what, refusal.next)
            return
        match reach:
            case Index(name=name, attribute=attribute):
                index = table.indexes.get(name)
                if index is None or index["keys"][0] != f"{attribute} S":
                    yield self._block(
                        f"{table.name} has no index {name} by {attribute}", "correct `enumerate` in the estate"
                    )
                else:
                    yield self._warn(
                        f"items of {table.name} without {attribute} are not in index {name} and would stay behind"
                    )
            case Segments() if not self.source.reading.owned:
                yield self._warn(f"{table.name} is scanned whole to find the tenant's keys; an index would spare that")
            case _:
                pass

    def _beyond(self) -> Iterator[Finding]:
        """Items one suffix below and above the range: the range is wrong where there are any."""
        pattern, suffixes = self.layout.pattern, self.layout.suffixes
        if not pattern.has_suffix or suffixes is None:
            return
        for suffix in (suffixes[0] - 1, suffixes[1] + 1):
            if suffix < 0:
                continue
            partition = pattern.render(self.layout.tenant, str(suffix))
            if self.source.reading.plane.partition(partition, limit=1, consistent=False).items:
                yield self._block(
                    f"{self.source.name} has items of suffix {suffix}, outside the range {list(suffixes)}",
                    "widen `suffixes` in the estate",
                )

    # ---------------------------------------------------------------------------------------------------------- target

    def _target(self) -> Iterator[Finding]:
        source, target = self.source.table, self.target.table
        if target is None:
            if self.adopts:
                yield self._block(
                    f"the target table {self.target.name} is not there, and the tier adopts it",
                    "create it with your own IaC",
                )
            return
        yield from self._common(self.target, target)
        if source is not None:
            for difference in source.differences(target):
                yield self._block(f"{target.name} differs from {source.name}: {difference}", "make both alike")
        yield from self._occupied()

    def _occupied(self) -> Iterator[Finding]:
        name, reading, tags = self.target.name, self.target.reading, self.target.tags
        if reading.owned and tags.get(TENANT_TAG) == self.layout.tenant and RUN_TAG in tags:
            yield self._warn(f"table {name} was made by run {tags[RUN_TAG]}; any other run refuses it")
        elif reading.owned:
            if not self.adopts:
                yield self._block(
                    f"table {name} is there and was not made by a run of this tool", "adopt it, or take it away"
                )
            page = reading.plane.segment(0, 1, limit=SAMPLE, consistent=False)
            if any(not self.layout.is_canary(item) for item in page.items):
                yield self._block(f"table {name} is not empty", "take away what an earlier attempt left")
        elif self._has_items(reading):
            yield self._block(
                f"{name} holds items of {self.layout.tenant} already: keys would collide",
                "take away what an earlier attempt left",
            )

    def _has_items(self, reading: Reading) -> bool:
        reach = self.layout.reach(owned=False)
        if isinstance(reach, Segments):
            return False  # only a whole scan could tell; what is there is found as a stray
        return any(reading.page(unit, limit=1, consistent=False).items for unit in reach.units)

    # ------------------------------------------------------------------------------------------------------ both sides

    def _common(self, end: End, table: Table) -> Iterator[Finding]:
        if not table.active:
            yield self._block(f"{table.name} is not ACTIVE", "wait until it is")
        if table.replicas:
            yield self._block(
                f"{table.name} is a global table ({', '.join(table.replicas)}): not supported", "move it by hand"
            )
        declared = {consumer.name for consumer in self.spec.consumers}
        for consumer in self._consumers(end, table):
            if consumer not in declared:
                yield self._block(
                    f"{consumer} reads the changes of {table.name} and is not declared",
                    f"declare it under stores.{self.store}.consumers",
                )
        if table.stream_view not in {None, "KEYS_ONLY"}:
            yield self._note(
                f"the stream of {table.name} carries {table.stream_view}; its keys are enough for this tool"
            )
        stack = end.tags.get(STACK_TAG)
        if stack is not None and table.stream_view is None and self.spec.iac != "acknowledged":
            yield self._block(
                f"{table.name} belongs to stack {stack}, and its stream has to be turned on",
                f"turn it on in the stack, or set stores.{self.store}.iac: acknowledged",
            )

    def _consumers(self, end: End, table: Table) -> Iterator[str]:
        for mapping in end.eventsources.mappings(table.arn):
            if mapping.state not in {"Disabled", "Deleting"}:
                yield mapping.function.partition(":function:")[2].partition(":")[0] or mapping.function
        for arn in end.reading.plane.dynamo.kinesis_destinations(table.name):
            yield arn.rpartition("/")[2]

    def _block(self, text: str, fix: str) -> Finding:
        return Finding(level="block", about=self.store, text=text, next=fix)

    def _warn(self, text: str) -> Finding:
        return Finding(level="warn", about=self.store, text=text)

    def _note(self, text: str) -> Finding:
        return Finding(level="ok", about=self.store, text=text)
