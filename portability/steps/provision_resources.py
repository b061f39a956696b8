"""Provision the target, or adopt what is there, and hold the directory record still meanwhile.

A stack may write into the live record while it is made (the reference's writes `apiGatewayUrl`), which is a cutover
before its time. The record is compared with a snapshot from before, put back and reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

from portability import errors
from portability.model.change import Change, Sign
from portability.model.run import Cursor
from portability.steps.base import Context, Observe, Output, Phase
from portability.steps.directory import DirectoryRecord, directory_of
from portability.steps.record_guard import attributes_of, fingerprint, put_back, routing_of

SNAPSHOT, LEARNED = "record", "learned"
TABLE = "table"


@dataclass(frozen=True)
class ProvisionResources:
    """Ensure the target of every moving store."""

    uses: ClassVar[str] = "provision_resources"
    phase: ClassVar[Phase] = "prepare"

    def preview(self, ctx: Observe) -> Sequence[Change]:
        """What each target still needs."""
        return [change for move in ctx.moves for change in move.provisioning()]

    def apply(self, ctx: Context) -> Output:
        """Ensure every target; what of the record was put back, and the URL that provisioning wanted to write."""
        record = self._record(ctx)
        before = self._snapshot(ctx, record)
        for move in ctx.moves:
            ctx.check()
            move.provision(run=ctx.run, intend=lambda change, existed: self._intend(ctx, change, existed=existed))
        learned, restored, others = self._hold(ctx, before, record)
        if restored or others:
            ctx.note("record changed while provisioning", restored=restored, left=others)
        return {"stores": [move.store for move in ctx.moves], "restored": restored, "learned": learned}

    def undo(self, ctx: Context) -> None:
        """Delete the tables this run made, and no other."""
        made = {change.name for change, existed in ctx.view.intents() if _makes_table(change) and not existed}
        targets = {move.store: move.target.table for move in ctx.plan.stores}
        for move in reversed(list(ctx.moves)):
            ctx.check()
            move.unprovision(run=ctx.run, created=targets[move.store] in made)

    @staticmethod
    def _intend(ctx: Context, change: Change, *, existed: bool) -> bool:
        """What the first record says: a repeat finds what this run made, and it did not exist before all the same."""
        return ctx.intend(msgspec.structs.replace(change, step=ctx.step), existed=existed)

    @staticmethod
    def _record(ctx: Context) -> DirectoryRecord:
        record = directory_of(ctx).read(ctx.plan.tenant)
        if record is None:
            msg = f"tenant {ctx.plan.tenant} is not in the directory {ctx.estate.directory.table}"
            raise errors.UnknownName(msg, next=f"portability doctor {ctx.plan.tenant}")
        return record

    @staticmethod
    def _snapshot(ctx: Context, record: DirectoryRecord) -> dict[str, Any]:
        """What the record said before the first attempt: routing names as they are, everything else as a hash."""
        saved = ctx.load_cursors().get(SNAPSHOT)
        if saved is not None and saved.position:
            return saved.position
        taken = {
            "routing": routing_of(ctx.estate.directory, record),
            "hashes": fingerprint(ctx.estate.directory, record, salt=ctx.run),
        }
        ctx.save_cursor(Cursor(unit=SNAPSHOT, position=taken, done=True))
        return taken

    def _hold(
        self, ctx: Context, before: dict[str, Any], mine: DirectoryRecord
    ) -> tuple[dict[str, str], list[str], list[str]]:
        """(what was learned, attributes put back, attributes that changed and are not ours to judge)."""
        saved = ctx.load_cursors().get(LEARNED)
        learned: dict[str, str] = dict(saved.position or {}) if saved is not None else {}
        now = self._record(ctx)
        spec = ctx.estate.directory
        routing: dict[str, str | None] = before["routing"]
        there = routing_of(spec, now)
        moved = {name: value for name, value in routing.items() if there.get(name) != value}
        if spec.url in moved and there.get(str(spec.url)):
            learned = {"url": str(there[str(spec.url)])}
            # Kept before it is put back: a crash between would forget what the target's URL is.
            ctx.save_cursor(Cursor(unit=LEARNED, position=dict(learned), done=True))
        hashes: dict[str, str] = before["hashes"]
        now_hashes = fingerprint(spec, now, salt=ctx.run)
        key = spec.api_key
        if key is not None and now_hashes.get(key) != hashes.get(key):
            if fingerprint(spec, mine, salt=ctx.run).get(key) != hashes.get(key):
                msg = f"provisioning replaced {key} in the directory record, and its old value is not kept anywhere"
                raise errors.Mismatch(
                    msg,
                    next=f"put the tenant's own key back, then portability resume {ctx.run}",
                    changed="The source serves; the record carries another API key.",
                )
            moved[key] = mine.api_key
        if moved:
            changes = [Change(step=ctx.step, sign=Sign.NOTE, kind="directory put back", name=", ".join(sorted(moved)))]
            ctx.intend(changes[0], existed=True)
            put_back(ctx, now, moved)
        known = set(routing) | attributes_of(spec)
        others = sorted(
            name
            for name, digest in {**dict.fromkeys(hashes), **now_hashes}.items()
            if name not in known and hashes.get(name) != digest
        )
        return learned, sorted(moved), others


def _makes_table(change: Change) -> bool:
    return change.sign is Sign.CREATE and change.kind == TABLE
