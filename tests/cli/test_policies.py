"""The policies that `init` writes: no wildcard action, nobody else's table, and room for what the verbs really call."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portability.aws import tally
from portability.aws.guard import is_read
from portability.cli.policies import policies
from portability.plan.load import load_estate
from tests.cli.bench import Bench
from tests.support.dynamodb_local import ROOT

MakeBench = Callable[..., Bench]

NEEDS = {
    "dynamodb.TransactWriteItems": [
        *("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"),
    ],
    "dynamodb.TransactGetItems": ["dynamodb:GetItem"],
    "dynamodb-streams": "dynamodb",
    "cognito-identity-provider": "cognito-idp",
}  # fmt: skip
"""Where IAM's word for an operation is another. Source: Service Authorization Reference."""

NO_PERMISSION = {"sts.GetCallerIdentity"}
METHODS = {"Get": "GET", "Create": "POST", "Delete": "DELETE"}


def actions(operation: str) -> list[str]:
    """The IAM actions that an operation needs."""
    service, _, name = operation.partition(".")
    if operation in NO_PERMISSION:
        return []
    if operation in NEEDS:
        return list(NEEDS[operation])
    if service == "api-gateway":
        return [next(f"apigateway:{method}" for verb, method in METHODS.items() if name.startswith(verb))]
    return [f"{NEEDS.get(service, service)}:{name}"]


def allowed(document: dict[str, Any], action: str) -> bool:
    return any(action in one["Action"] for one in document["Statement"] if one["Effect"] == "Allow")


@pytest.mark.parametrize("estate", ("estate.yaml", "single-table/estate.yaml"))
def test_no_action_is_a_wildcard_and_no_resource_reaches_beyond_the_estate(estate: str) -> None:
    for document in policies(load_estate(ROOT / "plans" / estate)).values():
        assert len(json.dumps(document, separators=(",", ":"))) < 6144 * 2
        for statement in document["Statement"]:
            assert not any("*" in action for action in statement["Action"])
            for resource in statement["Resource"]:
                unscoped = statement["Sid"] in ("ListConsumers", "ListUserPools", "MakeUserPools", "ReadTableMetrics")
                assert resource != "*" or unscoped, statement["Sid"]
                assert (
                    not fnmatch.fnmatch("arn:aws:dynamodb:us-east-1:123456789012:table/somebody-else", resource)
                    or unscoped
                )


def test_a_plan_may_write_nothing_and_a_migration_may_delete_only_what_a_run_made() -> None:
    written = policies(load_estate(ROOT / "plans" / "estate.yaml"))
    verbs = {action.split(":")[1] for one in written["plan"]["Statement"] for action in one["Action"]}
    assert not [
        verb
        for verb in verbs
        if not verb.startswith(("Describe", "List", "Get", "BatchGet", "Query", "Scan", "GET", "Admin"))
    ]
    assert not {verb for verb in verbs if verb.startswith("Admin")} - {"AdminGetUser", "AdminListGroupsForUser"}
    deletes = [
        one
        for one in written["migrate"]["Statement"]
        if {"dynamodb:DeleteTable", "cognito-idp:DeleteUserPool"} & set(one["Action"])
    ]
    assert deletes
    assert all(one["Condition"] == {"Null": {"aws:ResourceTag/portability:run": "false"}} for one in deletes)


def test_completing_never_deletes_a_shared_table() -> None:
    document = policies(load_estate(ROOT / "plans" / "estate.yaml"))["complete"]
    denied = next(one for one in document["Statement"] if one["Effect"] == "Deny")
    assert denied["Action"] == ["dynamodb:DeleteTable"]
    assert "arn:aws:dynamodb:us-east-1:123456789012:table/Order-pooled" in denied["Resource"]


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The operations that any session sent from here on."""
    seen: set[str] = set()
    watch = tally.Tally.watch

    def watching(self: tally.Tally, client: Any) -> None:
        watch(self, client)
        service = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register_last(
            "before-send", lambda event_name, **_: seen.add(f"{service}.{event_name.rpartition('.')[2]}")
        )

    monkeypatch.setattr(tally.Tally, "watch", watching)
    return seen


def test_what_the_verbs_call_is_what_the_policies_allow(fresh_bench: MakeBench, called: set[str]) -> None:
    bench = fresh_bench()
    bench.run("init").expect(0)
    written = {
        path.stem.removeprefix("portability-"): json.loads(path.read_text())
        for path in (bench.folder / "policies").iterdir()
    }
    called.clear()
    bench.run("plan", "tenant-42", "--to", "premium", "--count", "exact").expect(0)
    assert not [one for operation in called for one in actions(operation) if not allowed(written["plan"], one)]
    assert not [operation for operation in called if not is_read(*operation.split("."))]

    called.clear()
    run = bench.run("migrate", "tenant-42", "--to", "premium", "--yes", "-o", "json").expect(0).json["run_id"]
    assert "dynamodb.TransactWriteItems" in called
    assert not [one for operation in called for one in actions(operation) if not allowed(written["migrate"], one)]
    bench.run("reverse", run).expect(0)
    bench.run("cancel", run).expect(0)
    assert not [one for operation in called for one in actions(operation) if not allowed(written["migrate"], one)]

    run = bench.run("migrate", "tenant-42", "--to", "premium", "--yes", "-o", "json").expect(0).json["run_id"]
    called.clear()
    bench.run("complete", run, "--confirm", "tenant-42").expect(0)
    assert not [one for operation in called for one in actions(operation) if not allowed(written["complete"], one)]


def test_init_makes_what_is_missing_and_replaces_nothing_of_yours(fresh_bench: MakeBench, tmp_path: Path) -> None:
    bench = fresh_bench()
    again = bench.run("init", "-o", "json").expect(0).json
    assert again["journal_made"] is False
    assert str(bench.folder / "estate.yaml") in again["kept"]

    empty = tmp_path / "empty"
    empty.mkdir()
    new = Bench(bench.env, empty)
    first = new.run("init", "-o", "json", config=Path("plans/estate.yaml")).expect(0).json
    assert min(first["written"]) == "plans/estate.yaml"
    assert "plans/pool-to-silo.yaml" in first["written"]
    new.run("validate", config=Path("plans/estate.yaml")).expect(0)
    (empty / "plans" / "estate.yaml").write_text(
        (bench.folder / "estate.yaml").read_text().replace("portability-journal", "journal-2")
    )
    made = new.run("init", "-o", "json", config=Path("plans/estate.yaml")).expect(0).json
    assert (made["journal"], made["journal_made"]) == ("journal-2", True)
    assert "journal-2" in (empty / "plans" / "estate.yaml").read_text()
    new.run("doctor", config=Path("plans/estate.yaml")).expect(0)
