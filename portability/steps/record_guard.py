"""The directory record, held still: what routes, a fingerprint of the rest, and putting it back conditionally."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from portability import errors
from portability.model.estate import Directory
from portability.steps.base import Context
from portability.steps.directory import REPEATABLE, STAMP, DirectoryRecord, directory_of
from portability.steps.record_rewrite import Rewrite, rewritten


def routing_of(spec: Directory, record: DirectoryRecord) -> dict[str, str | None]:
    """The record's routing fields under its own names: names, ids and a URL, never the API key's value."""
    logical = {
        spec.tier: record.tier,
        spec.user_pool: record.user_pool,
        spec.client: record.client,
        spec.url: record.url,
        spec.dedicated: record.dedicated,
        spec.placement: record.placement,
    }
    stores = {name: record.stores.get(store) for store, name in spec.stores.items()}
    return {name: value for name, value in logical.items() if name is not None} | stores


def attributes_of(spec: Directory) -> set[str]:
    """Attributes of the raw record that routing lives in, and those that are nobody's to compare."""
    names = {spec.key, STAMP, *spec.json, *spec.stores.values()}
    fields = (spec.tier, spec.user_pool, spec.client, spec.api_key, spec.url, spec.dedicated, spec.placement)
    return names | {name for name in fields if name is not None}


def fingerprint(spec: Directory, record: DirectoryRecord, *, salt: str) -> dict[str, str]:
    """Every attribute of the raw record, and the API key wherever it lives, as a hash: it tells a change, no value."""
    values: dict[str, object] = {name: value for name, value in record.raw.items() if name != STAMP}
    if spec.api_key is not None and record.api_key is not None:
        values[spec.api_key] = record.api_key
    return {name: _digest(value, salt) for name, value in values.items()}


def put_back(ctx: Context, record: DirectoryRecord, fields: Mapping[str, str | None]) -> None:
    """Set fields of the record, named as the record names them, where it is still as in `record`.

    Raises `Mismatch` where somebody else writes it at the same time. A lost reply is recognised.
    """
    spec = ctx.estate.directory
    wanted = rewritten(spec, record, fields)
    if not wanted:
        return
    update = Rewrite()
    update.add(wanted, record.raw)
    dynamo = ctx.aws.dynamodb(region=ctx.estate.directory_region)
    key = directory_of(ctx).key(ctx.plan.tenant)
    try:
        ctx.retry.call(
            lambda: dynamo.update(spec.table, key, update.expression, update.names, update.values, update.condition),
            on=REPEATABLE,
        )
    except errors.ConditionFailed as error:
        old = error.old[0] or {}
        if any(old.get(name) != new for name, new in wanted.items()):
            msg = f"the directory record of {ctx.plan.tenant} is being changed by somebody else"
            raise errors.Mismatch(msg, next=f"portability resume {ctx.run}", changed="The source serves.") from None


def _digest(value: object, salt: str) -> str:
    text = json.dumps(value, sort_keys=True, default=_plain)
    return hashlib.sha256(f"{salt}\0{text}".encode()).hexdigest()[:32]


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else str(value)
