"""API Gateway usage plans and API keys. A key's value never leaves `key_value` but as a hash.

Source: Amazon API Gateway REST API (GetUsagePlans, GetUsagePlanKeys, GetApiKeys, CreateUsagePlanKey,
DeleteUsagePlanKey). A key can be in one usage plan per API stage only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from portability import errors

if TYPE_CHECKING:
    from mypy_boto3_apigateway import APIGatewayClient

    from portability.aws.caller import Caller

PAGE = 500
"""The most that these listings give in one page."""


@dataclass(frozen=True)
class UsagePlan:
    """A usage plan. `stages` are `api-id:stage`; `rate` is requests a second, `quota` requests a `period`."""

    id: str
    name: str
    stages: frozenset[str]
    rate: float | None = None
    burst: int | None = None
    quota: int | None = None
    period: str | None = None


@dataclass(frozen=True)
class ApiKey:
    """A key without its value: `digest` is the value's SHA-256 in hex, empty where the listing was without values."""

    id: str
    name: str
    enabled: bool
    digest: str = ""


def digest_of(value: str) -> str:
    """How a key's value is told from another without being shown: SHA-256, hex."""
    return hashlib.sha256(value.encode()).hexdigest()


class ApiGateway:
    """One region and role. Reads are retried by the session, everything else is one attempt."""

    def __init__(self, client: APIGatewayClient, call: Caller) -> None:
        self._client = client
        self._call = call

    def usage_plans(self, *, key: str | None = None) -> list[UsagePlan]:
        """Every usage plan, or those that the key with this id is in; sorted by id."""
        where: Any = {} if key is None else {"keyId": key}
        pages = self._call.pages(
            self._client.get_usage_plans, answered="position", asked="position", limit=PAGE, **where
        )
        return sorted((_plan(plan) for page in pages for plan in page.get("items", [])), key=lambda plan: plan.id)

    def find_by_name(self, name: str) -> list[UsagePlan]:
        """The usage plans of that name: names are not unique."""
        return [plan for plan in self.usage_plans() if plan.name == name]

    def key(self, key: str) -> ApiKey | None:
        """The key with that id, without its value; None where there is none."""
        try:
            return _key(dict(self._call(self._client.get_api_key, apiKey=key, includeValue=False)))
        except errors.NotFound:
            return None

    def key_value(self, key: str) -> str | None:
        """The value of the key with that id: for the directory record only, never for a log or the journal."""
        try:
            return self._call(self._client.get_api_key, apiKey=key, includeValue=True).get("value")
        except errors.NotFound:
            return None

    def key_by_digest(self, digest: str) -> ApiKey | None:
        """The key whose value has this `digest_of`; None where no key has."""
        return next((key for key in self._keys() if key.digest == digest), None)

    def is_in(self, plan: str, key: str) -> bool:
        """Whether the key is in the plan."""
        try:
            self._call(self._client.get_usage_plan_key, usagePlanId=plan, keyId=key)
        except errors.NotFound:
            return False
        return True

    def ensure_key_in_plan(self, plan: str, key: str) -> None:
        """Ensure that the key is in the plan. `AlreadyExists` where another plan of the same stage still has it."""
        try:
            self._call(self._client.create_usage_plan_key, usagePlanId=plan, keyId=key, keyType="API_KEY")
        except errors.AlreadyExists:
            if not self.is_in(plan, key):
                raise

    def ensure_key_not_in_plan(self, plan: str, key: str) -> None:
        """Ensure that the key is not in the plan."""
        _gone(lambda: self._call(self._client.delete_usage_plan_key, usagePlanId=plan, keyId=key))

    def _keys(self) -> Iterator[ApiKey]:
        pages = self._call.pages(
            self._client.get_api_keys, answered="position", asked="position", limit=PAGE, includeValues=True
        )
        return (_key(dict(key)) for page in pages for key in page.get("items", []))


def _plan(answer: Any) -> UsagePlan:  # noqa: ANN401 - boto3's answer
    throttle, quota = answer.get("throttle") or {}, answer.get("quota") or {}
    return UsagePlan(
        id=answer["id"],
        name=answer.get("name") or "",
        stages=frozenset(f"{stage['apiId']}:{stage['stage']}" for stage in answer.get("apiStages") or []),
        rate=throttle.get("rateLimit"),
        burst=throttle.get("burstLimit"),
        quota=quota.get("limit"),
        period=quota.get("period"),
    )


def _key(answer: dict[str, Any]) -> ApiKey:
    value = answer.get("value")
    return ApiKey(
        id=answer["id"],
        name=answer.get("name") or "",
        enabled=bool(answer.get("enabled", False)),
        digest=digest_of(value) if value else "",
    )


def _gone(effect: Callable[[], object]) -> None:
    try:
        effect()
    except errors.NotFound:
        return
