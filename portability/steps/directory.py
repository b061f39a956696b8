"""The tenant directory record: the item that routes, and that every fence, abort and flip competes for.

Attribute names and the encoding of the record come from the estate. The stamp is the map attribute
`portability = {run: S, epoch: N, fenced: BOOL, act: S}`; an application needs `epoch` and `fenced` of it. `act` tells a
flip from an abort, which leave the same epoch: without it a lost reply of one could be taken for the other. It tells
the guardian's abort from the run's own as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from portability import errors
from portability.aws.dynamodb import Condition, Dynamo, Item
from portability.model.estate import Estate
from portability.model.tenant import slug
from portability.retry import RETRYABLE, Retry
from portability.steps.base import Observe
from portability.steps.directory_record import (
    ABORTED,
    FENCED,
    FLIPPED,
    LIFTED,
    STAMP,
    STAMPED,
    DirectoryRecord,
    Stamp,
    record_of,
    stamp_of,
    stamp_value,
    text_of,
)
from portability.steps.record_rewrite import Rewrite, rewritten

__all__ = [
    "ABORTED",
    "FENCED",
    "FLIPPED",
    "LIFTED",
    "STAMP",
    "STAMPED",
    "DirectoryRecord",
    "DirectoryTable",
    "Stamp",
    "directory_of",
    "location",
    "record_of",
    "stamp_of",
    "text_of",
]

REPEATABLE = (*RETRYABLE, errors.NoDefiniteAnswer)
"""A conditional write that recognises its own outcome may be sent again after a lost reply."""


class DirectoryTable:
    """Reads and conditional writes of tenant records. `dynamo` is a client of the directory's region.

    Source: DynamoDB GetItem (strong), UpdateItem, TransactWriteItems `Update` members.
    """

    def __init__(self, estate: Estate, dynamo: Dynamo, retry: Retry | None = None) -> None:
        self._estate = estate
        self._spec = estate.directory
        self._dynamo = dynamo
        self._retry = retry or Retry()

    def reading(self, dynamo: Dynamo) -> DirectoryTable:
        """The same directory through another client."""
        return DirectoryTable(self._estate, dynamo, self._retry)

    def key(self, tenant: str) -> Item:
        """The record's key."""
        return {self._spec.key: {"S": tenant}}

    def read(self, tenant: str) -> DirectoryRecord | None:
        """The record, strongly consistent; None where the directory has no such tenant."""
        raw = self._dynamo.get(self._spec.table, self.key(tenant))
        return None if raw is None else record_of(self._spec, tenant, raw)

    def stamp(self, tenant: str, run: str, epoch: int) -> Stamp:
        """Ensure our stamp: put it where there is none, keep our own with the epoch it has.

        Raises `UnknownName` without a record, `StampMoved` where another run's stamp stands.
        """
        wanted = Stamp(run=run, epoch=epoch, fenced=False)
        try:
            self._update(
                tenant,
                "SET #stamp = :stamp",
                {"#key": self._spec.key, "#stamp": STAMP},
                {":stamp": stamp_value(wanted)},
                "attribute_exists(#key) AND attribute_not_exists(#stamp)",
            )
        except errors.ConditionFailed as error:
            there = self._standing(tenant, error)
            if there is not None and there.run == run:
                return there
            raise self._moved(tenant, there, f"expected no stamp, or one of {run}") from None
        return wanted

    def raise_epoch(self, tenant: str, run: str, expected_epoch: int, *, fenced: bool) -> Stamp:
        """Write `expected_epoch + 1`: `fenced` closes the tenant's writes, otherwise the fence is lifted.

        Our own stamp at that epoch by the same act is our lost reply, and success. Anything else raises `StampMoved`
        whose `act` is `flipped` where our flip came first.
        """
        before = Stamp(run=run, epoch=expected_epoch, fenced=not fenced)
        return self._advance(tenant, before, FENCED if fenced else LIFTED, "")

    def abort(self, tenant: str, before: Stamp) -> Stamp:
        """Write the epoch after `before` and open the tenant's writes, if run, epoch and fence are those of `before`.

        Our own write of that epoch is our lost reply, and success. Anything else raises `StampMoved`.
        """
        return self._advance(tenant, before, ABORTED, " AND #stamp.#fenced = :was")

    def _advance(self, tenant: str, before: Stamp, act: str, condition: str) -> Stamp:
        wanted = before.after(act)
        values = {
            ":run": {"S": before.run},
            ":expected": {"N": str(before.epoch)},
            ":epoch": {"N": str(wanted.epoch)},
            ":fenced": {"BOOL": wanted.fenced},
            ":act": {"S": wanted.act},
        }
        try:
            self._update(
                tenant,
                "SET #stamp.#epoch = :epoch, #stamp.#fenced = :fenced, #stamp.#act = :act",
                {"#stamp": STAMP, "#run": "run", "#epoch": "epoch", "#fenced": "fenced", "#act": "act"},
                {**values, ":was": {"BOOL": before.fenced}} if condition else values,
                "#stamp.#run = :run AND #stamp.#epoch = :expected" + condition,
            )
        except errors.ConditionFailed as error:
            there = self._standing(tenant, error)
            if there == wanted:
                return wanted
            raise self._moved(tenant, there, f"expected epoch {before.epoch} of {before.run}") from None
        return wanted

    def flip_member(
        self,
        tenant: str,
        record: DirectoryRecord,
        *,
        run: str,
        epoch: int,
        fenced: bool,
        fields: Mapping[str, str | None],
        stamp_after: Stamp,
    ) -> dict[str, Any]:
        """The `TransactItems` member that routes the tenant anew.

        `fields` maps the names the record itself uses (`tenantTier`, `userPoolId`, also those inside a JSON attribute)
        to their new text, None to remove one. The condition holds run, epoch, fence and, for every attribute that
        changes, its value in `record`; a JSON attribute is compared whole and only the named fields of it change.
        """
        update = Rewrite(
            names={"#stamp": STAMP, "#run": "run", "#epoch": "epoch", "#fenced": "fenced"},
            values={
                ":run": {"S": run},
                ":epoch": {"N": str(epoch)},
                ":fenced": {"BOOL": fenced},
                ":after": stamp_value(stamp_after),
            },
            sets=["#stamp = :after"],
            conditions=["#stamp.#run = :run", "#stamp.#epoch = :epoch", "#stamp.#fenced = :fenced"],
        )
        update.add(rewritten(self._spec, record, fields), record.raw)
        return {
            "Update": {
                "TableName": self._spec.table,
                "Key": self.key(tenant),
                "UpdateExpression": update.expression,
                "ConditionExpression": update.condition,
                "ExpressionAttributeNames": update.names,
                "ExpressionAttributeValues": update.values,
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def unstamp(self, tenant: str, run: str) -> bool:
        """Ensure that no stamp of this run is left; whether one was removed now. Another run's stamp is not touched.

        Raises `StampMoved` while our stamp is fenced: taking it away would let writes through.
        """
        try:
            self._update(
                tenant,
                "REMOVE #stamp",
                {"#stamp": STAMP, "#run": "run", "#fenced": "fenced"},
                {":run": {"S": run}, ":open": {"BOOL": False}},
                "#stamp.#run = :run AND #stamp.#fenced = :open",
            )
        except errors.ConditionFailed as error:
            old = error.old[0]
            there = None if old is None else stamp_of(old)
            if there is not None and there.run == run:
                raise self._moved(tenant, there, "expected it to be open") from None
            return False
        return True

    def stack_row(self, tenant: str) -> str | None:
        """The tenant's stack in the stack-mapping table, strongly consistent; None without a table or a row."""
        spec = self._estate.stack_mapping
        if spec is None:
            return None
        row = self._dynamo.get(spec.table, {spec.key: {"S": tenant}})
        return None if row is None else text_of(row.get(spec.stack))

    def stack_name(self, tenant: str) -> str | None:
        """The name the estate gives to the tenant's own stack; None where it has no stack-mapping table."""
        spec = self._estate.stack_mapping
        return None if spec is None else spec.name.format(tenant=tenant, slug=slug(tenant))

    def stack_member(self, tenant: str, *, before: str | None, after: str | None) -> dict[str, Any] | None:
        """The `TransactItems` member that takes the stack-mapping row from `before` to `after` (None: no row).

        None where the estate has no such table or nothing changes. Other attributes of a row are kept.
        """
        spec = self._estate.stack_mapping
        if spec is None or before == after:
            return None
        member: dict[str, Any] = {
            "TableName": spec.table,
            "Key": {spec.key: {"S": tenant}},
            "ExpressionAttributeNames": {"#stack": spec.stack},
            "ExpressionAttributeValues": {},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if before is None:
            member["ConditionExpression"] = "attribute_not_exists(#stack)"
        else:
            member["ConditionExpression"] = "#stack = :before"
            member["ExpressionAttributeValues"][":before"] = {"S": before}
        if after is None:
            return {"Delete": member}
        member["ExpressionAttributeValues"][":after"] = {"S": after}
        return {"Update": {**member, "UpdateExpression": "SET #stack = :after"}}

    def remove_stack_row(self, tenant: str, stack: str) -> bool:
        """Ensure that the tenant's stack-mapping row no longer names `stack`; whether a row was removed now."""
        spec = self._estate.stack_mapping
        if spec is None:
            return False
        condition = Condition("#stack = :stack", {"#stack": spec.stack}, {":stack": {"S": stack}})
        key = {spec.key: {"S": tenant}}
        try:
            self._retry.call(lambda: self._dynamo.delete(spec.table, key, condition), on=REPEATABLE)
        except errors.ConditionFailed:
            return False
        return True

    def _update(self, tenant: str, expression: str, names: dict[str, str], values: Item, condition: str) -> Item:
        return self._retry.call(
            lambda: self._dynamo.update(self._spec.table, self.key(tenant), expression, names, values, condition),
            on=REPEATABLE,
        )

    def _standing(self, tenant: str, error: errors.ConditionFailed) -> Stamp | None:
        old = error.old[0]
        if old is None:
            raise errors.UnknownName(
                f"{self._spec.table} has no record of {tenant}", next="portability doctor"
            ) from None
        return stamp_of(old)

    def _moved(self, tenant: str, there: Stamp | None, expected: str) -> errors.StampMoved:
        found = "none stands there" if there is None else f"{there.act} by {there.run} at epoch {there.epoch}"
        return errors.StampMoved(
            f"the stamp on the directory record of {tenant}: {expected}, found: {found}",
            run=None if there is None else there.run,
            epoch=None if there is None else there.epoch,
            act=None if there is None else there.act,
            next=f"portability status {tenant}",
        )


def directory_of(ctx: Observe, *, quick: bool = False) -> DirectoryTable:
    """The plan's directory. `quick` keeps pauses between attempts at 0.2 s: a tenant waits meanwhile."""
    region = ctx.estate.directory_region
    retry = replace(ctx.retry, cap=0.2) if quick else ctx.retry
    return DirectoryTable(ctx.estate, ctx.aws.dynamodb(region=region), retry)


def location(estate: Estate, record: DirectoryRecord) -> tuple[str, str]:
    """The tier and the placement the record says. Raises `UnknownName` for one the estate does not declare."""
    tier = estate.tiers.get(record.tier)
    if tier is None:
        raise errors.UnknownName(
            f"the directory puts {record.tenant} in tier {record.tier!a}, which the estate does not declare",
            next="portability doctor",
        )
    placement = record.placement or "default"
    if placement not in tier.placements:
        raise errors.UnknownName(
            f"the directory puts {record.tenant} at {placement!a}, which tier {record.tier} does not declare",
            next="portability doctor",
        )
    return record.tier, placement
