"""Retire the old copy: archive it, verify the archive, then delete; the one step that cannot be taken back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import ClassVar, Literal

from portability import errors
from portability.model.change import Change, Finding, Sign
from portability.model.estate import Duration, Identity, Model, Value, seconds
from portability.model.plan import StoreMove
from portability.steps import identity, user_removal
from portability.steps.archive import Archived, verify_archive, write_archive
from portability.steps.attributes import archiving
from portability.steps.base import Context, Observe, Output, Phase, irreversible
from portability.steps.channels import CLOSING, Channels, open_channels
from portability.steps.cutover.routing import waits_for_retirement
from portability.steps.directory import directory_of
from portability.steps.erase_guard import erase, guard_for, wait_out
from portability.steps.late_writes import horizon_left, wait_for_late_writes
from portability.stores.base import Flow

ARCHIVING = "archiving"
"""What is noted before an archive is put for the first time."""

PITR_DAYS = 35
"""How long a point-in-time or system backup keeps what was deleted. AWS: DynamoDB continuous backups."""


class RetireWith(Value, frozen=True, kw_only=True):
    """Options of `retire_source`."""

    archive: Literal["s3", "none"] = "s3"  # none: delete without an archive, said on purpose
    patience: Duration = "5m"  # how long pending keys may take to settle before the way back is closed


@dataclass(frozen=True)
class RetireSource:
    """Archive the old copy, close the way back, delete the tenant's items, tables and users at the source.

    Nothing is deleted before the archive was read back and its count and hash agreed, nor while the directory does not
    route to the target under this run's stamp. What outlives the deletion is listed with its expiry.
    """

    with_: RetireWith = field(default_factory=RetireWith)
    uses: ClassVar[str] = "retire_source"
    phase: ClassVar[Phase] = "retire"
    With: ClassVar[type[RetireWith]] = RetireWith

    def preview(self, ctx: Observe) -> Sequence[Change]:
        """`+ archive`, then `-` for each store's old copy and for the users; all irreversible."""
        stamp = Change(step="", sign=Sign.SAME, kind="stamp", name=ctx.plan.tenant, detail="taken off at the end")
        pool = None
        if identity.moves(ctx):
            pool, _ = identity.ids_at_source(ctx, directory_of(ctx).read(ctx.plan.tenant))
        row = None if ctx.plan.target.model is Model.SILO else directory_of(ctx).stack_row(ctx.plan.tenant)
        return [*deletions(ctx, archive=self.with_.archive == "s3", pool=pool, row=row), stamp]

    def findings(self, ctx: Observe) -> Sequence[Finding]:
        """An old copy without a place for its archive blocks, and so does an archive that is wanted and not made."""
        if self.with_.archive == "none" and (stores := archiving(ctx)):
            text = f"attributes of {', '.join(stores)} are archived with the old copy, and the recipe makes no archive"
            fix = "take `archive: none` off the retire_source step, or take them out of `attributes.archive`"
            return [Finding(level="block", about="archive", text=text, next=fix)]
        if ctx.estate.archive is not None or self.with_.archive == "none" or not _leaves_a_copy(ctx):
            return []
        text = "the old copy is archived before it is deleted, and the estate names no bucket"
        fix = "name one under `archive:`, or set `with: {archive: none}` on the retire_source step"
        return [Finding(level="block", about="archive", text=text, next=fix)]

    def apply(self, ctx: Context) -> Output:
        """Archive, verify, close, delete, unstamp; each part is noted when it is done and not done again."""
        if ctx.view.serving != "target":
            raise errors.Mismatch(
                f"the source serves {ctx.plan.tenant}: it is not the old side", next=f"portability status {ctx.run}"
            )
        pool = ctx.output("port_identity").get("source_pool_id")
        row = _row_left(ctx)
        for change in deletions(ctx, archive=self.with_.archive == "s3", pool=pool, row=row):
            ctx.intend(change, existed=change.sign is Sign.DELETE)
        self._settle(ctx)
        wait_for_late_writes(ctx)
        archived = self._archive(ctx)
        residual = _residual(ctx)
        self._close(ctx)
        self._erase(ctx)
        users = user_removal.retire(ctx, "" if archived is None else archived.key)
        if row is not None:
            directory_of(ctx).remove_stack_row(ctx.plan.tenant, row)
        directory_of(ctx).unstamp(ctx.plan.tenant, ctx.run)
        notes = ctx.view.step(ctx.step).notes
        return {
            "archive": None if archived is None else asdict(archived),
            "erased": {move.store: notes[f"erased {move.store}"]["items"] for move in ctx.moves},
            "users": users,
            "residual": residual,
        }

    undo = staticmethod(irreversible("the old copy was deleted; its archive is what is left of it"))

    def _settle(self, ctx: Context) -> None:
        """Bring the old copy up to date while there is a way back: the archive then holds every write made so far."""
        if ctx.moves and CLOSING not in ctx.view.step(ctx.step).notes:
            channels: Channels = ctx.resident("cut_over")
            channels.settle(patience=seconds(self.with_.patience) + horizon_left(ctx))

    def _archive(self, ctx: Context) -> Archived | None:
        if self.with_.archive == "none" or not _leaves_a_copy(ctx):
            return None
        if ctx.estate.archive is None:
            raise errors.PreflightRefused(
                "the estate names no bucket for the archive of the old copy", next="name one under `archive:`"
            )
        notes = ctx.view.step(ctx.step).notes
        noted = notes.get("archived")
        if noted is None:
            guard = guard_for(ctx, "target")
            guard()
            if ARCHIVING not in notes:
                ctx.note(ARCHIVING)
            else:
                # A put of then would replace the archive of now, once the copy it was made of is deleted.
                wait_out(ctx, "an archive that may still land", guard=guard)
            archived = write_archive(ctx, ctx.estate.archive)
            verify_archive(ctx, archived)
            ctx.note("archived", **asdict(archived))
            return archived
        # Written once: from here on the old copy may be deleted in part, and would make a poorer archive.
        archived = Archived(**{name: noted[name] for name in ("bucket", "key", "sha256", "counts")})
        verify_archive(ctx, archived)
        return archived

    def _close(self, ctx: Context) -> None:
        """End the way back for good: first nothing is pending, then no process may open it again, then it is gone."""
        if not ctx.moves:
            return
        if CLOSING not in ctx.view.step(ctx.step).notes:
            self._settle(ctx)
            ctx.resident("cut_over").stop()
            ctx.note(CLOSING)
        for flow in Flow:
            open_channels(ctx, flow, copied=True).close()

    def _erase(self, ctx: Context) -> None:
        guard = guard_for(ctx, "target")
        for move in ctx.moves:
            about = f"erased {move.store}"
            if about in ctx.view.step(ctx.step).notes:
                continue
            guard()
            count = erase(ctx, move, Flow.FORWARD, guard=guard)
            ctx.progress("erased", store=move.store, items=count)
            ctx.note(about, items=count)


def deletions(ctx: Observe, *, archive: bool, pool: str | None, row: str | None) -> list[Change]:
    """What completing the run makes and deletes, for plan and intents alike.

    `pool` is the source's user pool, `row` the stack in a mapping row that the tenant no longer needs.
    """
    lines = []
    if archive and ctx.estate.archive is not None and _leaves_a_copy(ctx):
        where = f"s3://{ctx.estate.archive.bucket}/{ctx.estate.archive.prefix}{ctx.plan.tenant}/"
        lines.append(_irreversible(Sign.CREATE, "archive", where, "the old copy, read back before anything is deleted"))
    lines += [_store_deletion(ctx, move) for move in ctx.plan.moving]
    if identity.moves(ctx):
        lines.append(_user_deletion(ctx, str(pool)))
    if row is not None:
        lines.append(_irreversible(Sign.DELETE, "stack mapping", row, "the tenant's row; the stack itself stays"))
    return lines


def _store_deletion(ctx: Observe, move: StoreMove) -> Change:
    if move.source.model is Model.SILO:
        return _irreversible(Sign.DELETE, "table", move.source.table, "the tenant's own")
    detail = f"items of {ctx.plan.tenant} only"
    return _irreversible(Sign.DELETE, "items", f"{move.store} in {move.source.table}", detail)


def _user_deletion(ctx: Observe, pool: str) -> Change:
    if ctx.plan.source.identity is Identity.SILO:
        return _irreversible(Sign.DELETE, "user pool", pool, "the tenant's own")
    return _irreversible(Sign.DELETE, "users", f"{pool}/{identity.group_of(ctx)}", "of this tenant only")


def _irreversible(sign: Sign, kind: str, name: str, detail: str) -> Change:
    return Change(step="", sign=sign, kind=kind, name=name, detail=detail, irreversible=True)


def _leaves_a_copy(ctx: Observe) -> bool:
    return bool(ctx.moves) or identity.moves(ctx)


def _row_left(ctx: Context) -> str | None:
    """The stack in the mapping row that the flip left as the way back."""
    stack = ctx.output("stage_config").get("stack")
    return str(stack["before"]) if stack and waits_for_retirement(ctx, Flow.FORWARD) else None


def _residual(ctx: Context) -> list[dict[str, str]]:
    """Copies that outlive the deletion, with their expiry (UTC date, or whose decision it is)."""
    until = dt.datetime.fromtimestamp(ctx.clock.now(), dt.UTC) + dt.timedelta(days=PITR_DAYS)
    left: list[dict[str, str]] = []
    for move in ctx.plan.moving:
        if not ctx.estate.stores[move.store].in_dynamodb:
            left.append({"what": "the engine's own backups", "where": move.source.table, "expires": "by its own rules"})
            continue
        dynamo = ctx.aws.dynamodb(region=move.source.region, role=move.source.role)
        table = move.source.table
        if dynamo.pitr(table):
            expires = until.date().isoformat()
            left.append({"what": "point-in-time recovery", "where": table, "expires": expires})
        left.append({"what": "on-demand backups, if any were made", "where": table, "expires": "until deleted"})
    left.append({"what": "application logs", "where": ctx.plan.source.region, "expires": "by their own retention"})
    if ctx.estate.archive is not None:
        left.append({"what": "archive", "where": ctx.estate.archive.bucket, "expires": "by the bucket's lifecycle"})
    return left
