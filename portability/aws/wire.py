"""DynamoDB without boto3: signed, looked at, sent and checked by the same rules, with attributes left undecoded.

boto3 decodes every attribute of an answer and encodes it again into the next request; here the bytes go through. What
is kept of botocore: credentials, the endpoint, certificates, its parser of refusals, and its events, which our rules
hang on (`guard.py`, `tally.py`): a call here is refused, looked at and counted as one of the boto3 client's is.
Events and their arguments: `provide-client-params` (params: an empty one), `before-send` (request: what is sent,
signed; changing it changes nothing), `before-parse`, `after-call` (parsed: the consumed capacity alone).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import mktime_tz, parsedate_tz
from functools import partial
from typing import Any, ClassVar, TypeVar

import msgspec
from botocore.awsrequest import HeadersDict
from botocore.client import BaseClient
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.parsers import create_parser

from portability.aws import answers, guard, requests
from portability.aws.attributes import RawItem, plain_key
from portability.aws.caller import Caller
from portability.aws.dynamodb import Got, Item, Page, Wrote
from portability.aws.http import Answer, Connection, Pool
from portability.aws.requests import Condition
from portability.aws.sigv4 import Draft, Signer

REFUSED = 300  # HTTP status of the first answer that is none

T = TypeVar("T", bound="Told")


class Units(msgspec.Struct, rename="pascal"):
    """What a call consumed of one table, indexes included."""

    capacity_units: float = 0.0


class Told(msgspec.Struct, rename="pascal", kw_only=True):
    """What every answer may hold."""

    consumed_capacity: Units | list[Units] | None = None

    @property
    def units(self) -> float:
        """Read or write units."""
        told = self.consumed_capacity
        return (
            sum([each.capacity_units for each in told])
            if isinstance(told, list)
            else told.capacity_units
            if told
            else 0.0
        )


class PageAnswer(Told, rename="pascal", kw_only=True):
    """Query and Scan."""

    count: int
    items: list[RawItem] = []
    last_evaluated_key: RawItem | None = None


class Keys(msgspec.Struct, rename="pascal"):
    """Keys of one table."""

    keys: list[RawItem]


class GetAnswer(Told, rename="pascal", kw_only=True):
    """BatchGetItem."""

    responses: dict[str, list[RawItem]] = {}
    unprocessed_keys: dict[str, Keys] = {}


class Put(msgspec.Struct, rename="pascal"):
    """A PutRequest."""

    item: RawItem


class Delete(msgspec.Struct, rename="pascal"):
    """A DeleteRequest."""

    key: RawItem


class WriteRequest(msgspec.Struct, rename="pascal"):
    """One of the two."""

    put_request: Put | None = None
    delete_request: Delete | None = None


class WriteAnswer(Told, rename="pascal", kw_only=True):
    """BatchWriteItem."""

    unprocessed_items: dict[str, list[WriteRequest]] = {}


@dataclass(slots=True)
class Signed:
    """A request as `before-send` shows it: botocore's `AWSPreparedRequest`, its headers made for who looks at them."""

    url: str
    plain_headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    method: ClassVar[str] = "POST"
    stream_output: ClassVar[bool] = False

    @property
    def headers(self) -> Mapping[str, str]:
        """By names of any case."""
        shown: Mapping[str, str] = HeadersDict(self.plain_headers)
        return shown


@dataclass(frozen=True)
class Operation:
    """What is the same in each call of an operation: its events, in their order, and the header that names it."""

    name: str
    model: Any
    asked: str
    signed: str
    answered: str
    done: str
    target: str

    @classmethod
    def of(cls, client: BaseClient, name: str) -> Operation:
        """An operation of a client's service, by the API's name."""
        service, event = client.meta.service_model, f"{guard.service_of(client)}.{name}"
        return cls(
            name=name,
            model=service.operation_model(name),
            asked=f"provide-client-params.{event}",
            signed=f"before-send.{event}",
            answered=f"before-parse.{event}",
            done=f"after-call.{event}",
            target=f"{service.metadata['targetPrefix']}.{name}",
        )


@dataclass(frozen=True, slots=True)
class Head:
    """What the requests of an operation have in common within a second, by the same credentials."""

    made_for: tuple[str, ReadOnlyCredentials]
    headers: Mapping[str, str]
    draft: Draft
    text: str


class Wire:
    """Sends operations of one boto3 client's service, region and credentials. Thread-safe; raises what `call` raises.

    `credentials` are asked before each signature, so that renewed ones are used at once; `now` is epoch seconds.
    """

    def __init__(
        self,
        client: BaseClient,
        call: Caller,
        pool: Pool,
        credentials: Callable[[], ReadOnlyCredentials | None],
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._call = call
        self._pool = pool
        self._credentials = credentials
        self._now = now
        self._second = (0, "19700101T000000Z")  # the last that was signed, and how it is written
        self._ahead = 0.0  # seconds by which the service's clock was ahead when it last refused a signature's time
        model = client.meta.service_model
        self._signer = Signer(client.meta.region_name, model.signing_name)
        self._encoder = msgspec.json.Encoder()
        to = pool.endpoint
        shown = f"[{to.host}]" if ":" in to.host else to.host
        self._headers = {
            "content-type": f"application/x-amz-json-{model.metadata['jsonVersion']}",
            "host": shown if to.port == (443 if to.tls else 80) else f"{shown}:{to.port}",
        }
        self._operations: dict[str, Operation] = {}
        self._heads: dict[str, Head] = {}  # the last of each operation
        config: Any = client.meta.config  # its members are made at run time
        app = f" app/{config.user_agent_appid}" if config.user_agent_appid else ""
        self._unsigned = f"accept-encoding: identity\r\nuser-agent: {config.user_agent}{app}\r\n"

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._pool.close()

    def __call__(
        self, method: Callable[..., Any], request: dict[str, Any], decoder: msgspec.json.Decoder[T], *, where: str
    ) -> tuple[T, Answer]:
        """Do what `method` of the boto3 client does; `where` names the resource, for an error."""
        name = self._client.meta.method_to_api_mapping[method.__name__]
        operation = self._operations.get(name) or self._operations.setdefault(name, Operation.of(self._client, name))
        body = self._encoder.encode(request)
        return self._call.around(method, partial(self._once, operation, body, decoder), where=where)

    def _once(self, operation: Operation, body: bytes, decoder: msgspec.json.Decoder[T]) -> tuple[T, Answer]:
        emit, model = self._client.meta.events.emit, operation.model
        emit(operation.asked, params={}, model=model, context={})
        connection = self._pool.take()
        try:
            answer = self._exchange(connection, operation, body)
            response = {"status_code": answer.status_code, "headers": answer.headers, "body": answer.body}
            emit(operation.answered, operation_model=model, response_dict=response, customized_response_dict={})
            told = decoded(answer, decoder) if answer.status_code < REFUSED else None
        except guard.CutAnswer:
            connection.drop()
            raise
        finally:
            self._pool.give(connection)
        if told is None:
            parsed = create_parser("json").parse({**response, "body": bytes(answer.body)}, model.output_shape)
            emit(operation.done, http_response=answer, parsed=parsed, model=model, context={})
            refusal = ClientError(parsed, operation.name)
            self._learn(refusal, answer)
            raise refusal
        consumed = {"ConsumedCapacity": {"CapacityUnits": told.units}}
        emit(operation.done, http_response=answer, parsed=consumed, model=model, context={})
        return told, answer

    def _exchange(self, connection: Connection, operation: Operation, body: bytes) -> Answer:
        """Sign, look, send."""
        held = self._credentials()
        second, at = self._second
        if second != (now := int(self._now() + self._ahead)):
            at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
            self._second = now, at
        head = self._heads.get(operation.name)
        if head is None or head.made_for != (at, held):
            head = self._heads[operation.name] = self._head(operation, held, at)
        signed = head.draft.authorization(body)
        request = Signed(self._pool.endpoint.url, {**head.headers, "authorization": signed}, body)
        self._client.meta.events.emit(operation.signed, request=request)
        text = f"{head.text}authorization: {signed}\r\ncontent-length: {len(body)}\r\n\r\n"
        return connection.exchange(text.encode() + body)

    def _head(self, operation: Operation, held: ReadOnlyCredentials | None, at: str) -> Head:
        if held is None or not held.access_key or not held.secret_key:
            raise NoCredentialsError
        headers = {**self._headers, "x-amz-date": at, "x-amz-target": operation.target}
        if held.token:
            headers["x-amz-security-token"] = held.token
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        return Head(
            made_for=(at, held),
            headers=headers,
            draft=self._signer.draft(held.access_key, held.secret_key, headers, at=at),
            text=f"POST / HTTP/1.1\r\n{lines}{self._unsigned}",
        )

    def _learn(self, refusal: ClientError, answer: Answer) -> None:
        """Sign by the service's clock from now on, where it refused ours."""
        if answers.time_was_lost(refusal) and (heard := heard_at(answer.headers)) is not None:
            self._ahead = heard - self._now()


class WireItems:
    """`items.Items` over the wire. Thread-safe."""

    def __init__(self, wire: Wire, client: Any) -> None:  # noqa: ANN401 - its methods name the operations
        self._wire = wire
        self._client = client
        self._page = msgspec.json.Decoder(PageAnswer)
        self._get = msgspec.json.Decoder(GetAnswer)
        self._write = msgspec.json.Decoder(WriteAnswer)

    def close(self) -> None:
        """See `Items`."""
        self._wire.close()

    def query(
        self,
        table: str,
        key_condition: Condition,
        *,
        start: Item | None = None,
        limit: int | None = None,
        index: str | None = None,
        consistent: bool = True,
        keys_only: Sequence[str] = (),
        backward: bool = False,
    ) -> Page:
        """See `Items`."""
        request = requests.query(table, key_condition, start, limit, index, consistent, keys_only, backward=backward)
        return _page(self._wire(self._client.query, request, self._page, where=table)[0])

    def scan(
        self,
        table: str,
        *,
        segment: int = 0,
        of: int = 1,
        start: Item | None = None,
        limit: int | None = None,
        consistent: bool = True,
        keys_only: Sequence[str] = (),
    ) -> Page:
        """See `Items`."""
        request = requests.scan(table, segment, of, start, limit, consistent, keys_only)
        return _page(self._wire(self._client.scan, request, self._page, where=table)[0])

    def batch_get(self, table: str, keys: Sequence[Item], *, keys_only: Sequence[str] = ()) -> Got:
        """See `Items`."""
        if not keys:
            return Got([], [], 0.0)
        request = requests.batch_get(table, keys, keys_only)
        told, _ = self._wire(self._client.batch_get_item, request, self._get, where="")
        left = told.unprocessed_keys.get(table)
        return Got(
            list(told.responses.get(table, ())), [plain_key(key) for key in left.keys] if left else [], told.units
        )

    def batch_write(self, table: str, puts: Sequence[RawItem], deletes: Sequence[Item]) -> Wrote:
        """See `Items`."""
        if not puts and not deletes:
            return Wrote([], [], 0.0)
        request = requests.batch_write(table, puts, deletes)
        told, _ = self._wire(self._client.batch_write_item, request, self._write, where="")
        left = told.unprocessed_items.get(table, ())
        return Wrote(
            [each.put_request.item for each in left if each.put_request is not None],
            [plain_key(each.delete_request.key) for each in left if each.delete_request is not None],
            told.units,
        )


def decoded(answer: Answer, decoder: msgspec.json.Decoder[T]) -> T:
    """The answer's members. Raises `CutAnswer` where they are not what the operation answers."""
    try:
        return decoder.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise guard.CutAnswer("the answer is not one of the operation's") from None


def heard_at(headers: Mapping[str, str]) -> float | None:
    """Epoch seconds of the service's own clock when it answered, where it said so."""
    date = parsedate_tz(headers.get("date"))
    return None if date is None else float(mktime_tz(date))


def _page(told: PageAnswer) -> Page:
    start = plain_key(told.last_evaluated_key) if told.last_evaluated_key else None
    return Page(items=told.items, next=start, rcu=told.units, count=told.count)
