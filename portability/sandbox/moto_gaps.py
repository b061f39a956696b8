"""What moto lacks or gets wrong and the sandbox needs, each with its reason. Drop an entry when moto has it.

Read against moto 5.2. Every patch is installed in the server process only, by `close`, before the first request.
"""

# ruff: noqa: SLF001 - a patch reaches inside

from __future__ import annotations

import contextlib
import copy
from typing import TYPE_CHECKING, Any

from moto.apigateway.exceptions import ApiKeyNotFoundException, ConflictException
from moto.apigateway.models import APIGatewayBackend
from moto.cognitoidp.exceptions import InvalidParameterException
from moto.cognitoidp.models import CognitoIdpBackend, CognitoIdpUserPool
from moto.core.responses import ActionResult
from moto.core.serialize import BaseJSONSerializer
from moto.dynamodb import models as dynamodb_models
from moto.dynamodb.exceptions import ResourceInUseException
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import StreamShard, Table
from moto.dynamodb.responses import DynamoHandler
from moto.dynamodbstreams.models import DynamoDBStreamsBackend, ShardIterator

if TYPE_CHECKING:
    from collections.abc import Callable


def close() -> None:
    """Install every patch; once per process."""
    _transactions_undo_only_what_they_touched()
    _streams_survive_being_disabled()
    _a_key_is_in_one_usage_plan_per_stage()
    _undeclared_attributes_are_refused()
    _kinesis_destinations_are_listed_as_none()
    _attribute_values_are_not_looked_up_member_by_member()


# -- DynamoDB transactions ---------------------------------------------------------------------------------------------
# moto deep-copies every table of a transaction and puts the copy back when it cancels. That costs time in proportion to
# the table, and it cuts off readers: their shard iterators go on reading the stream of the table that was thrown away.


class _CopyAllButTables:
    """Stands in for the module `copy` in moto's DynamoDB backend: a table is its own copy, so nothing is put back."""

    @staticmethod
    def deepcopy(value: Any, memo: dict[int, Any] | None = None) -> Any:  # noqa: ANN401 - copy's own signature
        return value if isinstance(value, Table) else copy.deepcopy(value, memo)


def _transactions_undo_only_what_they_touched() -> None:
    moto_transact: Callable[..., None] = DynamoDBBackend.transact_write_items

    def transact_write_items(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
        undos = [undo for entry in transact_items for undo in _undo_of(self, entry)]
        try:
            moto_transact(self, transact_items)
        except BaseException:
            for undo in reversed(undos):
                undo()
            raise

    dynamodb_models.copy = _CopyAllButTables  # type: ignore[assignment,attr-defined]
    DynamoDBBackend.transact_write_items = transact_write_items  # type: ignore[method-assign]


def _undo_of(backend: DynamoDBBackend, entry: dict[str, Any]) -> list[Callable[[], None]]:
    """How to put back the one item that `entry` writes, and its table's stream; nothing where `entry` is malformed."""
    operation = next(iter(entry.values()))
    table = backend.tables.get(operation.get("TableName", ""))
    attributes = operation.get("Key") or operation.get("Item") or {}
    if table is None or not {name for name in (table.hash_key_attr, table.range_key_attr) if name} <= set(attributes):
        return []
    hash_key = DynamoType(attributes[table.hash_key_attr])
    range_key = DynamoType(attributes[table.range_key_attr]) if table.range_key_attr else None
    before = copy.deepcopy(table.get_item(hash_key, range_key))
    shard, length = table.stream_shard, len(table.stream_shard.items) if table.stream_shard else 0

    def put_back() -> None:
        items: Any = table.items if range_key is None else table.items[hash_key]
        key = hash_key if range_key is None else range_key
        if before is None:
            items.pop(key, None)
        else:
            items[key] = before
        if shard is not None:
            del shard.items[length:]

    return [put_back]


# -- DynamoDB streams --------------------------------------------------------------------------------------------------
# In moto every write to a table whose stream was disabled answers 500, DescribeStream does too, and the stream can
# never be enabled again. On AWS a disabled stream stays readable under its ARN, its shard closed, and a new one begins.

_CLOSED = "portability_closed_streams"


def _closed(table: Table) -> dict[str, tuple[StreamShard, str]]:
    closed: dict[str, tuple[StreamShard, str]] = table.__dict__.setdefault(_CLOSED, {})
    return closed


def _streams_survive_being_disabled() -> None:
    moto_set: Callable[..., None] = Table.set_stream_specification
    moto_get: Callable[..., dict[str, Any]] = ShardIterator.get

    def set_stream_specification(self: Table, streams: dict[str, Any] | None) -> None:
        if self.stream_shard is not None and self.latest_stream_label is not None:
            view = str((self.stream_specification or {}).get("StreamViewType"))
            _closed(self)[self.latest_stream_label] = (self.stream_shard, view)
        self.stream_shard = None
        moto_set(self, streams)

    def update_table_streams(
        self: DynamoDBBackend,  # noqa: ARG001 - moto's
        table: Table,
        stream_specification: dict[str, Any],
    ) -> None:
        enable = stream_specification.get("StreamEnabled") or stream_specification.get("StreamViewType")
        if enable and table.stream_shard is not None:
            raise ResourceInUseException("Cannot enable stream")
        table.set_stream_specification(stream_specification)

    def describe_stream(self: DynamoDBStreamsBackend, arn: str) -> dict[str, Any]:
        table = self._get_table_from_arn(arn)
        shard, view, enabled = _stream(table, arn)
        shown = shard.to_json()
        if not enabled:
            last = shard.starting_sequence_number + max(len(shard.items) - 1, 0)
            shown["SequenceNumberRange"]["EndingSequenceNumber"] = str(last)
        return {
            "StreamArn": arn,
            "StreamLabel": _label(arn),
            "StreamStatus": "ENABLED" if enabled else "DISABLED",
            "StreamViewType": view,
            "CreationRequestDateTime": shard.created_on,
            "TableName": table.name,
            "KeySchema": table.schema,
            "Shards": [shown],
        }

    def get_shard_iterator(
        self: DynamoDBStreamsBackend,
        arn: str,
        shard_id: str,  # noqa: ARG001 - moto has one shard
        shard_iterator_type: str,
        sequence_number: str | None = None,
    ) -> ShardIterator:
        shard, _, _ = _stream(self._get_table_from_arn(arn), arn)
        iterator = ShardIterator(self, shard, shard_iterator_type, sequence_number)  # type: ignore[arg-type]  # an int: moto converts it earlier
        self.shard_iterators[iterator.arn] = iterator
        return iterator

    def get(self: ShardIterator, limit: int = 1000) -> dict[str, Any]:
        answer = moto_get(self, limit)
        shard = self.stream_shard
        if shard is not shard.table.stream_shard and len(answer["Records"]) < limit:
            answer["NextShardIterator"] = None  # a closed shard ends
        return answer

    Table.set_stream_specification = set_stream_specification  # type: ignore[method-assign]
    DynamoDBBackend.update_table_streams = update_table_streams  # type: ignore[method-assign]
    DynamoDBStreamsBackend.describe_stream = describe_stream  # type: ignore[method-assign]
    DynamoDBStreamsBackend.get_shard_iterator = get_shard_iterator  # type: ignore[method-assign]
    ShardIterator.get = get  # type: ignore[method-assign]


def _label(arn: str) -> str:
    return arn.rpartition("/stream/")[2]


def _stream(table: Table, arn: str) -> tuple[StreamShard, str, bool]:
    if table.stream_shard is not None and _label(arn) == table.latest_stream_label:
        return table.stream_shard, str((table.stream_specification or {})["StreamViewType"]), True
    shard, view = _closed(table)[_label(arn)]
    return shard, view, False


# -- API Gateway -------------------------------------------------------------------------------------------------------
# A key may be in one usage plan per API stage, and a repeated create or delete is an error that a mover has to meet.


def _a_key_is_in_one_usage_plan_per_stage() -> None:
    moto_create: Callable[..., Any] = APIGatewayBackend.create_usage_plan_key

    def create_usage_plan_key(self: APIGatewayBackend, usage_plan_id: str, payload: dict[str, Any]) -> Any:  # noqa: ANN401 - moto's
        wanted = _stages(self, usage_plan_id)
        for other, keys in self.usage_plan_keys.items():
            if payload["keyId"] in keys and (other == usage_plan_id or wanted & _stages(self, other)):
                raise ConflictException(f"API Key {payload['keyId']} is already in a usage plan of this stage")
        return moto_create(self, usage_plan_id, payload)

    def delete_usage_plan_key(self: APIGatewayBackend, usage_plan_id: str, key_id: str) -> None:
        if self.usage_plan_keys.get(usage_plan_id, {}).pop(key_id, None) is None:
            raise ApiKeyNotFoundException

    APIGatewayBackend.create_usage_plan_key = create_usage_plan_key  # type: ignore[method-assign]
    APIGatewayBackend.delete_usage_plan_key = delete_usage_plan_key  # type: ignore[method-assign]


def _stages(backend: APIGatewayBackend, usage_plan_id: str) -> set[tuple[str, str]]:
    with contextlib.suppress(KeyError):
        stages: list[dict[str, str]] = backend.usage_plans[usage_plan_id].api_stages or []
        return {(stage["apiId"], stage["stage"]) for stage in stages}
    return set()


# -- Cognito -----------------------------------------------------------------------------------------------------------
# moto keeps a custom attribute that the pool's schema does not declare. AWS refuses it, and schemas do differ.


def _undeclared_attributes_are_refused() -> None:
    moto_create: Callable[..., Any] = CognitoIdpBackend.admin_create_user
    moto_update: Callable[..., None] = CognitoIdpBackend.admin_update_user_attributes

    def admin_create_user(  # noqa: PLR0917 - moto calls it by position
        self: CognitoIdpBackend,
        user_pool_id: str,
        username: str,
        message_action: str,
        temporary_password: str,
        attributes: list[dict[str, str]],
    ) -> Any:  # noqa: ANN401 - moto's
        _refuse_undeclared(self.describe_user_pool(user_pool_id), attributes)
        return moto_create(self, user_pool_id, username, message_action, temporary_password, attributes)

    def admin_update_user_attributes(
        self: CognitoIdpBackend, user_pool_id: str, username: str, attributes: list[dict[str, str]]
    ) -> None:
        _refuse_undeclared(self.describe_user_pool(user_pool_id), attributes)
        moto_update(self, user_pool_id, username, attributes)

    CognitoIdpBackend.admin_create_user = admin_create_user  # type: ignore[method-assign]
    CognitoIdpBackend.admin_update_user_attributes = admin_update_user_attributes  # type: ignore[method-assign]


def _refuse_undeclared(pool: CognitoIdpUserPool, attributes: list[dict[str, str]] | None) -> None:
    for attribute in attributes or []:
        name = attribute["Name"]
        if name.startswith("custom:") and name not in pool.schema_attributes:
            raise InvalidParameterException(f"user.{name}: Attribute does not exist in the schema.")


# -- DynamoDB's Kinesis destinations -----------------------------------------------------------------------------------
# Whoever lists a table's consumers asks for them; moto answers 500.


def _kinesis_destinations_are_listed_as_none() -> None:
    def describe_kinesis_streaming_destination(self: DynamoHandler) -> ActionResult:
        table = self.dynamodb_backend.get_table(self.body["TableName"])
        return ActionResult({"TableName": table.name, "KinesisDataStreamDestinations": []})

    DynamoHandler.describe_kinesis_streaming_destination = describe_kinesis_streaming_destination  # type: ignore[attr-defined]


# -- the speed of reads ------------------------------------------------------------------------------------------------
# moto asks of each attribute value, ten times, which of the ten kinds it is: four fifths of the time of a Query.


def _attribute_values_are_not_looked_up_member_by_member() -> None:
    moto_structure: Callable[..., None] = BaseJSONSerializer._serialize_type_structure

    def serialize_structure(self: BaseJSONSerializer, serialized: Any, value: Any, shape: Any, key: str) -> None:  # noqa: ANN401 - moto's
        if shape.name == "AttributeValue" and key:
            serialized[self.get_serialized_name(shape, key)] = _plain(self, value)
        else:
            moto_structure(self, serialized, value, shape, key)

    BaseJSONSerializer._serialize_type_structure = serialize_structure  # type: ignore[method-assign]


def _plain(serializer: BaseJSONSerializer, value: dict[str, Any]) -> dict[str, Any]:
    ((kind, content),) = value.items()
    if kind == "M":
        content = {name: _plain(serializer, member) for name, member in content.items()}
    elif kind == "L":
        content = [_plain(serializer, member) for member in content]
    elif kind == "B":
        content = serializer._base64(content)
    elif kind == "BS":
        content = [serializer._base64(member) for member in content]
    return {kind: content}
