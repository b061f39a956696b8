"""`sandbox up|down|status|seed|reset`: the embedded estate."""

from __future__ import annotations

import enum
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from portability import errors
from portability.cli.call import Call
from portability.cli.verb import verb

if TYPE_CHECKING:
    from portability.sandbox.server import Server

STATE = Path(".portability") / "sandbox"


class Shape(enum.StrEnum):
    """Which SaaS is built."""

    REFERENCE = "reference"
    SINGLE_TABLE = "single-table"


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    verb(app, "up", examples=["sandbox up", 'eval "$(portability sandbox up --export)"', "sandbox up --port 5555"])(up)
    verb(app, "down", examples=["sandbox down"])(down)
    verb(app, "status", examples=["sandbox status"])(status)
    verb(
        app,
        "seed",
        examples=[
            "sandbox seed",
            "sandbox seed --tenants 100 --items-per-tenant 50 --tenant tenant-42 --items 1500 --json",
        ],
    )(seed)
    verb(app, "reset", examples=["sandbox reset"])(reset)


def up(
    call: Call,
    *,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 0,
    export: Annotated[
        bool, typer.Option("--export", help="Print the lines for a shell to eval and nothing else.")
    ] = False,
) -> int | None:
    """Start this directory's server, or find it. Prints the lines that point a shell at it."""
    from portability.sandbox import server

    installed()
    running = server.start(STATE, port)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in _environment(running).items()]
    if not export:
        lines.insert(0, f"# the sandbox is at {running.endpoint}, pid {running.pid}; what points a shell at it:")
    call.screen.result("\n".join(lines), {"version": 1, **_object(running)})
    if not export:
        call.screen.tell('Next: eval "$(portability sandbox up --export)", then: portability sandbox seed')
    return None


def down(call: Call) -> int | None:
    """Stop this directory's server; its data is gone with it."""
    from portability.sandbox import server

    stopped = server.stop(STATE)
    call.screen.outcome("stopped" if stopped else "no server ran here", {"version": 1, "stopped": stopped})
    return None


def status(call: Call) -> int | None:
    """Say whether this directory's server runs, and where."""
    from portability.sandbox import server

    running = server.find(STATE)
    value: dict[str, Any] = {"version": 1, "running": running is not None, **(_object(running) if running else {})}
    text = f"{running.endpoint}, pid {running.pid}" if running else "no server runs here; next: portability sandbox up"
    call.screen.result(text, value)
    return None


def seed(
    call: Call,
    *,
    shape: Annotated[Shape, typer.Option("--shape", help="Which SaaS.")] = Shape.REFERENCE,
    tenants: Annotated[int | None, typer.Option("--tenants", min=0, metavar="N", help="How many tenants.")] = None,
    items_per_tenant: Annotated[
        int | None, typer.Option("--items-per-tenant", min=0, metavar="N", help="Items of each, over all stores.")
    ] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", metavar="TENANT", help="One tenant to single out.")] = None,
    items: Annotated[int | None, typer.Option("--items", min=0, metavar="N", help="Items of that tenant.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="As -o json.")] = False,
) -> int | None:
    """Build a SaaS estate on the environment's endpoints. Loopback only; again makes the same world."""
    import dataclasses

    from portability.cli.asked import Asked, Output

    installed()
    from portability.sandbox import seed as seeding

    if json_:
        call.screen.asked = call.asked.then(Asked(output=Output.JSON))
    with _here():
        each = seeding.ITEMS_PER_TENANT if items_per_tenant is None else items_per_tenant
        made = seeding.seed(shape.value, tenants=tenants, items_per_tenant=each, tenant=tenant, items=items)
    total = sum(sum(stores.values()) for stores in made.items.values())
    text = (
        f"{made.shape}: {len(made.tenants)} tenants, {total:,} items, {made.users} users in {made.seconds:.1f} s\n"
        f"Next: portability init, then portability plan {tenant or made.tenants[0]} --to TIER"
    )
    call.screen.outcome(text, {"version": 1, **dataclasses.asdict(made)})
    return None


def reset(call: Call) -> int | None:
    """Remove everything from the environment's loopback endpoints."""
    installed()
    from portability.sandbox import seed as seeding

    with _here():
        tables = seeding.reset()
    call.screen.outcome(f"removed everything, {tables} tables among it", {"version": 1, "tables": tables})
    return None


def _object(running: Server) -> dict[str, Any]:
    return {"endpoint": running.endpoint, "pid": running.pid, "environment": _environment(running)}


def _environment(running: Server) -> dict[str, str]:
    from portability.sandbox.clients import environment

    return environment(running.endpoint)


class _here:  # noqa: N801 - reads as what it is
    """Points the environment at this directory's server for the block, unless the environment names an endpoint."""

    def __enter__(self) -> None:
        from portability.sandbox import server

        self._set: list[str] = []
        if any(name.startswith("AWS_ENDPOINT_URL") for name in os.environ):
            return
        running = server.find(STATE)
        if running is None:
            raise errors.EndpointDown("no endpoint is named and no server runs here", next="portability sandbox up")
        for name, value in _environment(running).items():
            if name not in os.environ:
                os.environ[name] = value
                self._set.append(name)

    def __exit__(self, *_: object) -> None:
        for name in self._set:
            os.environ.pop(name, None)


def installed() -> None:
    """Raise `Refused` where the sandbox extra is missing."""
    import importlib.util

    if importlib.util.find_spec("moto") is None:
        raise errors.Refused("the sandbox is not installed", next="pip install 'portability[sandbox]'")
