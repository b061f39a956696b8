"""The `epoch` fence: the application checks the tenant's epoch in the transaction of every write."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import ClassVar

from portability import errors
from portability.model.estate import Estate, seconds
from portability.steps.base import Context
from portability.steps.directory import STAMP, Stamp, directory_of
from portability.steps.fence import hook_probe
from portability.steps.fence.base import UNTOLD, Answer, combined


@dataclass(frozen=True)
class Epoch:
    """Takes effect at once: DynamoDB serialises a write and the raise. The one kind that promises under a second.

    An application that re-reads the record instead of checking it in its transaction declares `max_in_flight`, which
    is waited out.
    """

    effective_within: float
    lifts_within: float
    run_probe: hook_probe.Run = hook_probe.run_argv
    kind: ClassVar[str] = "epoch"
    closes_in_flight: ClassVar[bool] = True

    @classmethod
    def of(cls, estate: Estate, run_probe: hook_probe.Run = hook_probe.run_argv) -> Epoch:
        """As the estate declares it."""
        declared = estate.fence.effective_within or estate.fence.max_in_flight or "0s"
        return cls(
            effective_within=seconds(declared),
            lifts_within=seconds(estate.fence.lifts_within or "0s"),
            run_probe=run_probe,
        )

    def probe(self, ctx: Context, before: Stamp) -> Answer:
        """See `Fence`: the check an application sends, alone in a transaction, and the declared hook's answer."""
        return combined([_check(ctx, before), *hook_probe.ask(ctx, self.run_probe)])


def _check(ctx: Context, before: Stamp) -> Answer:
    """AWS: TransactWriteItems with one ConditionCheck; it writes nothing."""
    spec = ctx.estate.directory
    member = {
        "ConditionCheck": {
            "TableName": spec.table,
            "Key": directory_of(ctx).key(ctx.plan.tenant),
            "ConditionExpression": "#stamp.#epoch = :epoch AND #stamp.#fenced = :open",
            "ExpressionAttributeNames": {"#stamp": STAMP, "#epoch": "epoch", "#fenced": "fenced"},
            "ExpressionAttributeValues": {":epoch": {"N": str(before.epoch)}, ":open": {"BOOL": False}},
        }
    }
    try:
        with closing(ctx.aws.dynamodb(region=ctx.estate.directory_region, fresh=True)) as dynamo:
            dynamo.transact([member], token=f"{ctx.rng.getrandbits(128):032x}")
    except errors.ConditionFailed:
        return Answer.REFUSED
    except UNTOLD:
        return Answer.UNKNOWN
    return Answer.ACCEPTED
