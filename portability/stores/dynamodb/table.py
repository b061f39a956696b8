"""What a table is made of, as observed, without anything that changes by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from portability.aws.dynamodb import Dynamo


@dataclass(frozen=True)
class Table:
    """One table as DescribeTable gives it, with its TTL attribute and PITR state."""

    description: Mapping[str, Any]
    ttl: str | None
    pitr: bool | None  # None: the engine lacks it

    @property
    def name(self) -> str:
        """The table's name."""
        return str(self.description["TableName"])

    @property
    def arn(self) -> str:
        """The table's ARN."""
        return str(self.description["TableArn"])

    @property
    def active(self) -> bool:
        """Whether the table and every index of it are ACTIVE."""
        indexes = self.description.get("GlobalSecondaryIndexes", [])
        return self.description.get("TableStatus") == "ACTIVE" and all(
            index.get("IndexStatus", "ACTIVE") == "ACTIVE" for index in indexes
        )

    @cached_property
    def types(self) -> dict[str, str]:
        """Attribute name to S, N or B, for every key attribute of table and indexes."""
        return {each["AttributeName"]: each["AttributeType"] for each in self.description["AttributeDefinitions"]}

    @property
    def keys(self) -> list[str]:
        """The primary key's attributes: partition key, then sort key if there is one."""
        return _schema(self.description)

    @property
    def stream_view(self) -> str | None:
        """The stream's view type; None where the stream is off."""
        specification = self.description.get("StreamSpecification") or {}
        return specification.get("StreamViewType") if specification.get("StreamEnabled") else None

    @property
    def on_demand(self) -> bool:
        """Whether the table is billed by request."""
        return (self.description.get("BillingModeSummary") or {}).get("BillingMode") == "PAY_PER_REQUEST"

    @property
    def indexes(self) -> dict[str, dict[str, Any]]:
        """Every index by name: kind, keys with types, projection."""
        found = {}
        for kind, members in (("global", "GlobalSecondaryIndexes"), ("local", "LocalSecondaryIndexes")):
            for index in self.description.get(members) or []:
                projection = index.get("Projection", {})
                found[index["IndexName"]] = {
                    "kind": kind,
                    "keys": [f"{name} {self.types[name]}" for name in _schema(index)],
                    "projection": projection.get("ProjectionType", "ALL"),
                    "attributes": sorted(projection.get("NonKeyAttributes", [])),
                }
        return found

    @property
    def replicas(self) -> list[str]:
        """Regions of a global table's replicas."""
        return [each.get("RegionName", "") for each in self.description.get("Replicas") or []]

    def facts(self) -> dict[str, Any]:
        """Structure for a plan's digest: no counts, no times, and no stream of ours."""
        return {
            "keys": [f"{name} {self.types[name]}" for name in self.keys],
            "indexes": self.indexes,
            "ttl": self.ttl,
            "billing": "on-demand" if self.on_demand else "provisioned",
            "pitr": self.pitr,
            "encryption": (self.description.get("SSEDescription") or {}).get("SSEType"),
            "deletion_protection": bool(self.description.get("DeletionProtectionEnabled")),
            "class": (self.description.get("TableClassSummary") or {}).get("TableClass", "STANDARD"),
        }

    def differences(self, other: Table) -> list[str]:
        """In what `other` is not made like this table, as far as items can tell: keys, types, indexes, TTL."""
        mine, its = self.facts(), other.facts()
        found = [f"{what}: {its[what]} instead of {mine[what]}" for what in ("keys", "ttl") if mine[what] != its[what]]
        for name in sorted({*self.indexes, *other.indexes}):
            if name not in other.indexes:
                found.append(f"index {name} is missing")
            elif name not in self.indexes:
                found.append(f"index {name} is not expected")
            elif self.indexes[name] != other.indexes[name]:
                found.append(f"index {name} is defined differently")
        return found

    @property
    def summary(self) -> str:
        """The half line of a preview: `1 GSI, TTL, on-demand, PITR`."""
        kinds = [index["kind"] for index in self.indexes.values()]
        parts = [
            f"{kinds.count(kind)} {short}" for kind, short in (("global", "GSI"), ("local", "LSI")) if kind in kinds
        ]
        parts += ["TTL"] if self.ttl else []
        parts += ["on-demand" if self.on_demand else "provisioned"]
        return ", ".join([*parts, "PITR"] if self.pitr else parts)


def observe(dynamo: Dynamo, name: str) -> Table | None:
    """Read a table's structure; None where there is no table."""
    description = dynamo.describe(name)
    if description is None:
        return None
    return Table(description, dynamo.ttl(name), dynamo.pitr(name))


def clone_request(model: Table, name: str, tags: Mapping[str, str], view: str | None) -> dict[str, Any]:
    """A CreateTable request for a table like `model`: keys, indexes, billing, encryption, class, stream view `view`."""
    given = model.description
    request: dict[str, Any] = {
        "TableName": name,
        "KeySchema": given["KeySchema"],
        "AttributeDefinitions": given["AttributeDefinitions"],
        "BillingMode": "PAY_PER_REQUEST" if model.on_demand else "PROVISIONED",
        "Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())],
    }
    if not model.on_demand:
        request["ProvisionedThroughput"] = _throughput(given)
    for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        if indexes := given.get(kind):
            request[kind] = [_index(each, throughput=kind.startswith("G") and not model.on_demand) for each in indexes]
    encryption = given.get("SSEDescription") or {}
    if encryption.get("Status") in {"ENABLED", "UPDATING"}:
        key = {"KMSMasterKeyId": encryption["KMSMasterKeyArn"]} if encryption.get("KMSMasterKeyArn") else {}
        request["SSESpecification"] = {"Enabled": True, "SSEType": encryption.get("SSEType", "KMS"), **key}
    if table_class := (given.get("TableClassSummary") or {}).get("TableClass"):
        request["TableClass"] = table_class
    if view is not None:
        request["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": view}
    return request


def _index(index: Mapping[str, Any], *, throughput: bool) -> dict[str, Any]:
    made = {"IndexName": index["IndexName"], "KeySchema": index["KeySchema"], "Projection": index["Projection"]}
    return made | ({"ProvisionedThroughput": _throughput(index)} if throughput else {})


def _throughput(given: Mapping[str, Any]) -> dict[str, int]:
    throughput = given["ProvisionedThroughput"]
    return {unit: int(throughput[unit]) for unit in ("ReadCapacityUnits", "WriteCapacityUnits")}


def _schema(described: Mapping[str, Any]) -> list[str]:
    schema: Sequence[Mapping[str, str]] = described["KeySchema"]
    return [each["AttributeName"] for each in sorted(schema, key=lambda each: each["KeyType"] != "HASH")]
