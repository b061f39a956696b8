"""Shards and their records: on DynamoDB Local, and on a stub for what it never does."""

from __future__ import annotations

import email.utils
import random
import time
from collections.abc import Callable

import msgspec
import pytest

from portability import errors
from portability.aws.dynamodb import Dynamo
from portability.aws.session import Aws
from portability.aws.streams import Batch, Reader, Record, Streams
from portability.retry import Retry
from tests.aws.stub import Heard, http, refusal, serving
from tests.conftest import REGION

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/Order/stream/2026-01-01T00:00:00.000"


@pytest.fixture
def aws(aws_env: None) -> Aws:
    return Aws(region=REGION, read_only=False)


@pytest.fixture
def dynamo(aws: Aws) -> Dynamo:
    return aws.dynamodb()


@pytest.fixture
def streams(aws: Aws) -> Streams:
    return aws.streams()


@pytest.fixture
def table(dynamo: Dynamo, prefix: str) -> str:
    dynamo.create_table(
        TableName=prefix,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return prefix


@pytest.fixture
def arn(dynamo: Dynamo, table: str) -> str:
    return switch_on(dynamo, table)


def switch_on(dynamo: Dynamo, table: str) -> str:
    on = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    dynamo.update_table(TableName=table, StreamSpecification=on)
    described = dynamo.describe(table)
    assert described is not None
    return str(described["LatestStreamArn"])


def write(dynamo: Dynamo, table: str, *names: str) -> None:
    for name in names:
        dynamo.put(table, {"pk": {"S": name}, "secret": {"S": f"of {name}"}})


def names(records: list[Record]) -> list[str]:
    return [record.keys["pk"]["S"] for record in records]


def read(reader: Reader, want: int) -> list[Record]:
    """Pages until `want` records came; the engine shows them at once."""
    found: list[Record] = []
    for _ in range(20):
        found += reader.read().records
        if len(found) >= want:
            break
    return found


def test_a_stream_is_enabled_read_disabled_and_enabled_anew(
    dynamo: Dynamo, streams: Streams, table: str, arn: str
) -> None:
    assert streams.status(arn) == "ENABLED"
    shard = streams.describe(arn)[0]
    assert shard.open
    assert shard.parent is None
    write(dynamo, table, "a")
    reader = streams.records(arn, shard.id, trim_horizon=True)
    assert names(read(reader, 1)) == ["a"]
    dynamo.update_table(TableName=table, StreamSpecification={"StreamEnabled": False})
    assert streams.status(arn) in {"DISABLING", "DISABLED"}
    after = reader.read()
    assert after.closed
    assert reader.read() == Batch([], after.position, closed=True)
    closed = streams.describe(arn)[0]
    assert not closed.open
    assert closed.last is not None
    assert int(closed.last) >= int(after.position or 0)
    write(dynamo, table, "unseen")
    anew = switch_on(dynamo, table)
    assert anew != arn
    write(dynamo, table, "b")
    assert names(read(streams.records(anew, streams.describe(anew)[0].id, trim_horizon=True), 1)) == ["b"]


def test_records_carry_keys_numbers_times_and_kinds_and_no_image(
    dynamo: Dynamo, streams: Streams, table: str, arn: str
) -> None:
    began = int(time.time())
    write(dynamo, table, "a", "a")
    dynamo.put(table, {"pk": {"S": "a"}, "secret": {"S": "other"}})
    dynamo.delete(table, {"pk": {"S": "a"}})
    found = read(streams.records(arn, streams.describe(arn)[0].id, trim_horizon=True), 3)
    assert [record.event for record in found] == ["INSERT", "MODIFY", "REMOVE"]
    assert [record.keys for record in found] == [{"pk": {"S": "a"}}] * 3
    assert all(began - 60 <= record.created <= time.time() for record in found)  # rounded down to the minute here
    numbers = [int(record.sequence) for record in found]
    assert numbers == sorted(set(numbers))
    assert "secret" not in repr(found)


def test_a_reader_starts_after_or_at_a_number_and_pages_by_its_limit(
    dynamo: Dynamo, streams: Streams, table: str, arn: str
) -> None:
    write(dynamo, table, *"abcdef")
    shard = streams.describe(arn)[0].id
    every = read(streams.records(arn, shard, trim_horizon=True), 6)
    assert names(every) == list("abcdef")
    pin = every[2].sequence
    after = streams.records(arn, shard, after=pin, limit=2)
    assert after.position == pin
    first = after.read()
    assert (names(first.records), first.position, first.closed) == (["d", "e"], every[4].sequence, False)
    assert names(after.read().records) == ["f"]
    assert after.read() == Batch([], every[5].sequence, closed=False)
    at = streams.records(arn, shard, at=pin, limit=1)
    assert at.position is None
    assert names(at.read().records) == ["c"]


def test_a_stream_of_the_embedded_estate_is_read_in_the_same_way(
    aws_env: None, moto: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", moto)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", moto)
    aws = Aws(region=REGION, read_only=False)
    dynamo, streams = aws.dynamodb(), aws.streams()
    dynamo.create_table(
        TableName=prefix,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    arn = switch_on(dynamo, prefix)
    assert streams.status(arn) == "ENABLED"
    shard = streams.describe(arn)[0]
    assert shard.open
    write(dynamo, prefix, *"abc")
    every = read(streams.records(arn, shard.id, trim_horizon=True), 3)
    assert names(every) == list("abc")
    reader = streams.records(arn, shard.id, after=every[0].sequence)
    assert names(read(reader, 2)) == ["b", "c"]
    write(dynamo, prefix, "d")
    assert names(read(reader, 1)) == ["d"]


def test_a_shard_is_read_at_its_first_number(dynamo: Dynamo, streams: Streams, table: str, arn: str) -> None:
    write(dynamo, table, "a")
    shard = streams.describe(arn)[0]
    assert names(read(streams.records(arn, shard.id, at=shard.first), 1)) == ["a"]


def test_a_reader_at_latest_sees_only_what_came_after_it_was_opened(
    dynamo: Dynamo, streams: Streams, table: str, arn: str
) -> None:
    write(dynamo, table, "before")
    reader = streams.records(arn, streams.describe(arn)[0].id, latest=True)
    reader.open()
    assert reader.position is None
    write(dynamo, table, "after")
    assert names(read(reader, 1)) == ["after"]


def test_a_reader_starts_at_exactly_one_place(streams: Streams) -> None:
    for places in ({}, {"after": "1", "latest": True}, {"at": "1", "after": "1"}):
        with pytest.raises(ValueError, match="exactly one place"):
            streams.records(ARN, "s", **places)


def test_no_stream_has_no_status_and_no_shards(streams: Streams, arn: str) -> None:
    gone = arn.rpartition("/")[0] + "/2001-01-01T00:00:00.000"
    assert streams.status(gone) is None
    with pytest.raises(errors.NotFound):
        streams.describe(gone)


# -- what DynamoDB Local never does ------------------------------------------------------------------------------------


SHARD = "shardId-00000000000000000000-000000"


def no(number: int) -> str:
    """A sequence number: 21 digits at least, so that text and integer sort differently past the 21st."""
    return f"{number}{'0' * 21}"


@pytest.fixture
def streams_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Streams]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def at(endpoint: str) -> Streams:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", endpoint)
        retry = Retry(attempts=3, sleep=lambda _: None, rng=random.Random(1))
        return Aws(region=REGION, read_only=True, retry=retry).streams()

    return at


def iterator(name: str = "i") -> bytes:
    return http(200, {"ShardIterator": name})


def page(*numbers: int, following: str | None = "n", at: float | None = None) -> bytes:
    records = [
        {
            "eventName": "MODIFY",
            "dynamodb": {
                "Keys": {"pk": {"S": "a"}},
                "SequenceNumber": no(number),
                "ApproximateCreationDateTime": 1.7e9,
            },
        }
        for number in numbers
    ]
    body: dict[str, object] = {"Records": records}
    if following is not None:
        body["NextShardIterator"] = following
    return dated(http(200, body), at)


def dated(answer: bytes, at: float | None) -> bytes:
    head, _, body = answer.partition(b"\r\n\r\n")
    date = b"" if at is None else f"\r\nDate: {email.utils.formatdate(at, usegmt=True)}".encode()
    return head + date + b"\r\n\r\n" + body


EXPIRED = refusal("ExpiredIteratorException")
TRIMMED = refusal("TrimmedDataAccessException")
GONE = refusal("ResourceNotFoundException")


def asked(heard: Heard) -> tuple[str, str | None]:
    body = msgspec.json.decode(heard.body)
    return heard.operation, body.get("SequenceNumber") or body.get("ShardIterator") or body.get("ShardIteratorType")


@pytest.mark.parametrize(
    ("identity", "by_ttl"),
    (
        ({"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}, True),
        ({"Type": "Service", "PrincipalId": "replication.dynamodb.amazonaws.com"}, False),
        ({"Type": "AssumedRole", "PrincipalId": "dynamodb.amazonaws.com"}, False),
        (None, False),
    ),
)
def test_a_deletion_by_the_service_itself_is_told_from_an_applications(
    streams_at: Callable[[str], Streams], identity: dict[str, str] | None, by_ttl: bool
) -> None:
    change = {"Keys": {"pk": {"S": "a"}}, "SequenceNumber": no(1), "ApproximateCreationDateTime": 1.7e9}
    record = {"eventName": "REMOVE", "dynamodb": change, **({"userIdentity": identity} if identity else {})}
    answer = http(200, {"Records": [record], "NextShardIterator": "n"})
    with serving(iterator(), answer) as stub:
        batch = streams_at(stub.endpoint).records(ARN, SHARD, trim_horizon=True).read()
    assert [record.by_ttl for record in batch.records] == [by_ttl]
    assert batch.size == len(answer.partition(b"\r\n\r\n")[2])


def test_every_page_of_shards_is_described(streams_at: Callable[[str], Streams]) -> None:
    def described(ids: list[tuple[str, str | None]], following: str | None) -> bytes:
        shards = [
            {
                "ShardId": id_,
                "SequenceNumberRange": {
                    "StartingSequenceNumber": no(10),
                    **({"EndingSequenceNumber": end} if end else {}),
                },
            }
            for id_, end in ids
        ]
        more = {} if following is None else {"LastEvaluatedShardId": following}
        return http(200, {"StreamDescription": {"Shards": shards, **more}})

    with serving(
        described([(SHARD + "1", no(19)), (SHARD + "2", None)], SHARD + "2"),
        described([], SHARD + "2"),
        described([(SHARD + "3", None)], None),
    ) as stub:
        calls: list[None] = []
        shards = streams_at(stub.endpoint).describe(ARN, before=lambda: calls.append(None))
        assert len(calls) == 3
        assert msgspec.json.decode(stub.heard[1].body)["ExclusiveStartShardId"] == SHARD + "2"
    assert [(shard.id, shard.open, shard.first, shard.last) for shard in shards] == [
        (SHARD + "1", False, no(10), no(19)),
        (SHARD + "2", True, no(10), None),
        (SHARD + "3", True, no(10), None),
    ]


def test_an_expired_iterator_is_renewed_behind_the_last_record(streams_at: Callable[[str], Streams]) -> None:
    with serving(iterator(), page(9, 10), EXPIRED, iterator("j"), page(11)) as stub:
        reader = streams_at(stub.endpoint).records(ARN, SHARD, after=no(8))
        assert reader.read().position == no(10)
        assert [record.sequence for record in reader.read().records] == [no(11)]
        assert [asked(heard) for heard in stub.heard] == [
            ("GetShardIterator", no(8)),
            ("GetRecords", "i"),
            ("GetRecords", "n"),
            ("GetShardIterator", no(10)),
            ("GetRecords", "j"),
        ]


def test_an_expired_iterator_before_the_first_record_is_taken_at_the_same_number(
    streams_at: Callable[[str], Streams],
) -> None:
    with serving(iterator(), EXPIRED, iterator("j"), page(8)) as stub:
        assert [
            record.sequence for record in streams_at(stub.endpoint).records(ARN, SHARD, at=no(8)).read().records
        ] == [no(8)]
        assert asked(stub.heard[2]) == ("GetShardIterator", no(8))


def test_an_expired_iterator_at_latest_is_a_lost_position(streams_at: Callable[[str], Streams]) -> None:
    with serving(iterator(), page(), EXPIRED) as stub:
        reader = streams_at(stub.endpoint).records(ARN, SHARD, latest=True)
        reader.read()
        with pytest.raises(errors.Trimmed):
            reader.read()


@pytest.mark.parametrize(("hours", "lost"), ((1, False), (22, False), (24, True), (30, True)))
def test_an_expired_iterator_at_the_horizon_is_lost_once_records_may_be_gone(
    streams_at: Callable[[str], Streams], hours: int, lost: bool
) -> None:
    later = 1.7e9 + hours * 3600
    with serving(dated(iterator(), 1.7e9), EXPIRED, dated(iterator("j"), later), page(7, at=later)) as stub:
        reader = streams_at(stub.endpoint).records(ARN, SHARD, trim_horizon=True)
        if lost:
            with pytest.raises(errors.Trimmed):
                reader.read()
        else:
            assert reader.read().position == no(7)


@pytest.mark.parametrize("gone", (TRIMMED, GONE))
def test_a_position_that_is_gone_is_trimmed_wherever_it_shows(
    streams_at: Callable[[str], Streams], gone: bytes
) -> None:
    for answers in ([gone], [iterator(), gone], [iterator(), page(9), EXPIRED, gone]):
        with serving(*answers) as stub:
            reader = streams_at(stub.endpoint).records(ARN, SHARD, after=no(8))
            with pytest.raises(errors.Trimmed):  # noqa: PT012 - it shows at one of the pages
                for _ in answers:
                    reader.read()


def test_a_third_reader_is_throttled_and_asks_again(streams_at: Callable[[str], Streams]) -> None:
    with serving(iterator(), refusal("LimitExceededException"), page(9)) as stub:
        assert streams_at(stub.endpoint).records(ARN, SHARD, after=no(8)).read().position == no(9)


def test_an_empty_page_keeps_the_position_and_is_no_end(streams_at: Callable[[str], Streams]) -> None:
    with serving(iterator(), page(9), page(), page(following=None)) as stub:
        reader = streams_at(stub.endpoint).records(ARN, SHARD, after=no(8))
        reader.read()
        assert reader.read() == Batch([], no(9), closed=False)
        assert reader.read() == Batch([], no(9), closed=True)
