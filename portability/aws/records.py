"""GetRecords: of each stream record its key, number, time, kind and author. Images are passed over, never built.

Source: DynamoDB Streams API 2012-08-10 (GetRecords).
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import msgspec

from portability.aws.caller import Caller
from portability.aws.wire import Told, Wire, heard_at

TTL = ("Service", "dynamodb.amazonaws.com")
"""Who deletes an expired item."""


class Identity(msgspec.Struct, rename="pascal", frozen=True, gc=False):
    """Who made a change, where it was not the tenant's application."""

    type: str = ""
    principal_id: str = ""


class Change(msgspec.Struct, rename="pascal", frozen=True):
    """What changed: `keys` are as the service sends them, binary in base64; the time is epoch seconds."""

    keys: dict[str, dict[str, str]]
    sequence_number: str
    approximate_creation_date_time: float


class StreamRecord(msgspec.Struct, rename="camel", frozen=True):
    """One record of a stream."""

    dynamodb: Change
    event_name: str = ""  # INSERT, MODIFY or REMOVE
    user_identity: Identity | None = None

    @property
    def keys(self) -> dict[str, dict[str, Any]]:
        """The key, plain: binary as bytes."""
        return {
            name: {"B": binascii.a2b_base64(value["B"])} if "B" in value else value
            for name, value in self.dynamodb.keys.items()
        }

    @property
    def by_ttl(self) -> bool:
        """Whether DynamoDB itself deleted an expired item. AWS: TTL and Streams."""
        by = self.user_identity
        return by is not None and (by.type, by.principal_id) == TTL


class RecordsAnswer(Told, rename="pascal", kw_only=True):
    """GetRecords' own answer."""

    records: list[StreamRecord]
    next_shard_iterator: str | None = None


class RecordsPage(NamedTuple):
    """One page: `next` is the next iterator, None behind the end of a closed shard."""

    records: list[StreamRecord]
    next: str | None
    heard: float | None  # epoch seconds of the service's own clock, where it said so
    size: int  # bytes of the answer, 0 where boto3 does not tell it


class GetRecords(Protocol):
    """Asks for a page. Raises what `Caller` raises for a read. Thread-safe."""

    def __call__(self, iterator: str, limit: int) -> RecordsPage:
        """The records from `iterator` on, at most `limit` of them."""


class WireRecords:
    """`GetRecords` over the wire."""

    def __init__(self, wire: Wire, client: Any) -> None:  # noqa: ANN401 - its method names the operation
        self._wire = wire
        self._method: Callable[..., Any] = client.get_records
        self._decoder = msgspec.json.Decoder(RecordsAnswer)

    def __call__(self, iterator: str, limit: int) -> RecordsPage:
        """See `GetRecords`."""
        asked = {"ShardIterator": iterator, "Limit": limit}
        told, answer = self._wire(self._method, asked, self._decoder, where="")
        return RecordsPage(told.records, told.next_shard_iterator, heard_at(answer.headers), len(answer.body))


class BotoRecords:
    """`GetRecords` by boto3."""

    def __init__(self, client: Any, call: Caller) -> None:  # noqa: ANN401 - typed where it is made
        self._client = client
        self._call = call

    def __call__(self, iterator: str, limit: int) -> RecordsPage:
        """See `GetRecords`."""
        answer = self._call(self._client.get_records, ShardIterator=iterator, Limit=limit)
        records = [_record(found) for found in answer["Records"]]
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        size = int(headers.get("content-length", 0))
        return RecordsPage(records, answer.get("NextShardIterator"), heard_at(headers), size)


def _record(found: Any) -> StreamRecord:  # noqa: ANN401 - a record as boto3 gives it
    change, by = found.get("dynamodb", {}), found.get("userIdentity")
    keys = change.get("Keys", {})
    return StreamRecord(
        dynamodb=Change(
            keys=msgspec.json.decode(msgspec.json.encode(keys), type=dict[str, dict[str, str]]),
            sequence_number=change["SequenceNumber"],
            approximate_creation_date_time=change["ApproximateCreationDateTime"].timestamp(),
        ),
        event_name=found.get("eventName", ""),
        user_identity=Identity(by.get("Type", ""), by.get("PrincipalId", "")) if by else None,
    )
