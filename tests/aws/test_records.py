"""GetRecords by either client: keys and no images."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portability import errors
from portability.aws.records import BotoRecords, WireRecords
from portability.aws.session import Aws
from portability.retry import Retry
from tests.aws.stub import Stub, http, serving
from tests.conftest import REGION

KEYS = st.dictionaries(
    st.sampled_from(("pk", "sk")),
    st.one_of(
        st.text(st.characters(codec="utf-8"), max_size=9).map(lambda value: {"S": value}),
        st.integers(-(10**37), 10**37).map(lambda value: {"N": str(value)}),
        st.binary(max_size=9).map(lambda value: {"B": value}),
    ),
    min_size=1,
)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "eventID": st.just("e"),
            "eventName": st.sampled_from(("INSERT", "MODIFY", "REMOVE")),
            "awsRegion": st.just(REGION),
            "dynamodb": st.fixed_dictionaries(
                {
                    "Keys": KEYS,
                    "SequenceNumber": st.integers(10**20, 10**39).map(str),
                    "ApproximateCreationDateTime": st.integers(1_500_000_000, 2_000_000_000) | st.just(1.7e9),
                    "NewImage": KEYS,
                    "SizeBytes": st.integers(1, 9),
                }
            ),
        },
        optional={
            "userIdentity": st.fixed_dictionaries(
                {"Type": st.just("Service"), "PrincipalId": st.sampled_from(("dynamodb.amazonaws.com", "other"))}
            )
        },
    ),
    max_size=4,
)


def readers(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", endpoint)
    own, boto = (
        Aws(region=REGION, read_only=True, retry=Retry(attempts=1), wire=wire).streams()._get_records
        for wire in (True, False)
    )
    assert isinstance(own, WireRecords)
    assert isinstance(boto, BotoRecords)
    return [own, boto]


def test_both_clients_read_the_same_of_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(b"") as stub:
        own, boto = readers(stub.endpoint, monkeypatch)
        _same_of_every_page(stub, own, boto)


def _same_of_every_page(stub: Stub, own: WireRecords, boto: BotoRecords) -> None:
    @settings(max_examples=50)
    @given(records=RECORDS, following=st.none() | st.just("next"))
    def check(records: list[dict[str, Any]], following: str | None) -> None:
        answer = {"Records": records, **({"NextShardIterator": following} if following else {})}
        stub.answers = [http(200, answer, Date="Fri, 21 Nov 2025 11:00:00 GMT")]
        by_wire, by_boto = own("from", 7), boto("from", 7)
        assert by_wire == by_boto
        assert (by_wire.next, by_wire.heard) == (following, 1763722800.0)
        assert [record.keys for record in by_wire.records] == [record["dynamodb"]["Keys"] for record in records]
        assert stub.heard[-1].body.replace(b" ", b"") == stub.heard[-2].body.replace(b" ", b"")
        assert stub.heard[-1].headers["x-amz-target"] == stub.heard[-2].headers["x-amz-target"]

    check()


def test_an_answer_without_records_is_no_empty_page(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(http(200, {})) as stub, pytest.raises(errors.Unavailable):
        readers(stub.endpoint, monkeypatch)[0]("from", 7)
