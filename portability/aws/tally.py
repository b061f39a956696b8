"""What a session's clients sent, counted where it leaves: reads, other calls, and the capacity DynamoDB says it took.

And what time it is where the answers come from.

Source: botocore events `before-parameter-build`, `before-send`, `after-call`; DynamoDB's `ConsumedCapacity`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from portability.aws.guard import is_read, service_of
from portability.aws.wire import heard_at

if TYPE_CHECKING:
    from botocore.client import BaseClient

ASKED = ("GetItem", "BatchGetItem", "TransactGetItems", "Query", "Scan")
"""Reads that tell their capacity when they are asked to."""


class Tally:
    """Counts since it was made; may be read and added to from any thread. `rcu` are read units."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reads = 0  # HTTP requests of operations on the allow-list of reads
        self.writes = 0  # every other HTTP request, repeated ones too
        self.rcu = 0.0
        self.heard: float | None = None  # the latest time that DynamoDB told with an answer; epoch seconds, whole
        self._date = ""

    def watch(self, client: BaseClient) -> None:
        """Count what this client sends from now on. Call after `guard.install`: what it refuses is not sent."""
        service = service_of(client)
        events = client.meta.events

        def sent(event_name: str, **_: Any) -> None:
            reads = is_read(service, event_name.rpartition(".")[2])
            with self._lock:
                self.reads += reads
                self.writes += not reads

        def answered(parsed: dict[str, Any], **_: Any) -> None:
            told = parsed.get("ConsumedCapacity") or []
            units = sum(float(one.get("CapacityUnits", 0.0)) for one in (told if isinstance(told, list) else [told]))
            with self._lock:
                self.rcu += units

        def told(http_response: Any, **_: Any) -> None:  # noqa: ANN401 - botocore's own, or the wire's
            date = http_response.headers.get("date", "")
            if date != self._date:
                with self._lock:
                    self._date = date
                    self.heard = max(heard_at({"date": date}) or 0.0, self.heard or 0.0) or None

        def ask(params: dict[str, Any], **_: Any) -> None:
            params.setdefault("ReturnConsumedCapacity", "TOTAL")

        events.register_last("before-send", sent)
        if service == "dynamodb":
            for operation in ASKED:
                events.register(f"before-parameter-build.dynamodb.{operation}", ask)
                events.register(f"after-call.dynamodb.{operation}", answered)
            events.register("after-call.dynamodb", told)
