"""Routers between an application and its tables: each refuses what its version of the tenant's policy does not permit.

No engine at hand enforces a policy, so these do: a proxy that lets a tenant's writes through to the tables that served
it, unfenced, when the router last looked. One may look much later than another. The operator's probe asks all of them.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from portability.sandbox.seed import find_shape
from tests.crash.faults import Refusal, refusal
from tests.crash.scene import TENANT, Scene
from tests.support.wire import Call, Reply, Wire, proxy

ASKING = Path(__file__).with_name("ask_routers.py")


@dataclass(eq=False)
class Router(Wire):
    """`look` tells which tables the policy permits now; for `lag` seconds that is what this router goes by."""

    look: Callable[[], frozenset[str]] = frozenset
    lag: float = 0.0
    _permitted: frozenset[str] = frozenset()
    _looked: float = float("-inf")
    _looking: threading.Lock = field(default_factory=threading.Lock)

    def permitted(self) -> frozenset[str]:
        """The tables to which it lets the tenant's writes through."""
        with self._looking:
            now = time.monotonic()
            if now - self._looked >= self.lag:
                self._permitted, self._looked = self.look(), now
            return self._permitted

    def instead(self, call: Call) -> Reply | None:
        if call.operation == "GET /policy":
            return Reply(200, b"open" if self.permitted() else b"shut")
        if call.mutating and json.loads(call.body)["TableName"] not in self.permitted():
            return refusal(call, Refusal.DENIED)
        return None


@contextmanager
def routers(scene: Scene, lags: Sequence[float]) -> Iterator[tuple[list[Router], list[str]]]:
    """Routers before the tables until the block ends, and their URLs."""
    made = [Router(look=lambda: policy(scene), lag=lag) for lag in lags]
    with ExitStack() as stack:
        urls = [stack.enter_context(proxy(scene.env["AWS_ENDPOINT_URL_DYNAMODB"], router)) for router in made]
        yield made, urls


def policy(scene: Scene) -> frozenset[str]:
    """The tables that the tenant may write to: those that serve it, none while it is fenced."""
    shape = find_shape(scene.shape)
    key = {shape.directory.key: {"S": TENANT}}
    record = scene.client("dynamodb").get_item(TableName=shape.directory.table, Key=key, ConsistentRead=True)["Item"]
    stamp = record.get("portability")
    if stamp is not None and stamp["M"]["fenced"]["BOOL"]:
        return frozenset()
    return frozenset(shape.directory.place(record, TENANT, store) for store in shape.stores)


def probed(urls: Sequence[str]) -> dict[str, Any]:
    """The parts of an estate by which the operator's probe asks these routers."""
    return {"fence": {"probe": {"hook": [sys.executable, "-I", str(ASKING), *urls]}}, "hooks": {"enabled": True}}
