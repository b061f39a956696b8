"""What the estate says becomes of attributes, where a tenant leaves tables of its own for shared ones."""

from __future__ import annotations

from collections.abc import Iterator

from portability.model.change import Change, Sign
from portability.model.estate import Drift, Model
from portability.steps.base import Observe


def archiving(ctx: Observe) -> list[str]:
    """Stores with attributes that only the old copy keeps."""
    return [store for store, drift in _drifts(ctx) if drift.archive]


def mapped(ctx: Observe) -> Iterator[Change]:
    """`! attributes` for each store with a mapping: what becomes of which."""
    for store, drift in _drifts(ctx):
        told = [f"{name} -> {new}" for name, new in drift.rename.items()]
        told += [f"{name} as {tag}" for name, tag in drift.cast.items()]
        told += [f"{name} kept" for name in drift.keep] + [f"{name} archived" for name in drift.archive]
        if told:
            yield Change(step="", sign=Sign.NOTE, kind="attributes", name=store, detail=", ".join(told))


def _drifts(ctx: Observe) -> Iterator[tuple[str, Drift]]:
    for move in ctx.plan.moving:
        if move.source.model is Model.SILO and move.target.model is Model.POOL:
            yield move.store, ctx.estate.stores[move.store].attributes.of(ctx.plan.tenant)
