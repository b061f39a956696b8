"""Runs the command line in this process over a seeded estate, and looks at everything it could have changed."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import yaml

from portability.cli.asked import Asked
from portability.cli.call import Call
from portability.cli.main import run_cli
from portability.journal.base import Held
from portability.model.run import Holder
from portability.sandbox.seed import seed
from tests.support.dynamodb_local import ROOT
from tests.support.world import merge

REGION = "us-east-1"
TO_PREMIUM = ("migrate", "tenant-42", "--to", "premium", "--yes")
QUICK = {
    "journal": {"lease": "6s", "beat": "1s", "horizon": "200ms", "far_horizon": "1s"},
    "fence": {"tripwire": "200ms"},
    "directory": {"cache": "100ms"},
    "soak": "1s",
    "retries": 2,
}
"""Durations a test can wait for."""


@dataclass(frozen=True)
class Ran:
    """What a command line did."""

    exit: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """Standard output, read as JSON."""
        return json.loads(self.stdout)

    @property
    def said(self) -> str:
        """Both streams with white space folded, for looking for a sentence."""
        return " ".join((self.stdout + self.stderr).split())

    def expect(self, code: int) -> Ran:
        """Fail with everything that was said unless it ended with `code`."""
        assert self.exit == code, f"exit {self.exit}, wanted {code}\n{self.stdout}\n{self.stderr}"
        return self


@contextlib.contextmanager
def surroundings(env: Mapping[str, str], folder: Path) -> Iterator[None]:
    """This process's environment and directory for a block: nothing of AWS or ours but what `env` says."""
    before, where = dict(os.environ), Path.cwd()
    kept = {name: value for name, value in before.items() if not name.startswith(("AWS_", "PORTABILITY_"))}
    os.environ.clear()
    os.environ.update(kept | {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull} | dict(env))
    os.chdir(folder)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        os.chdir(where)


def run(argv: list[str], env: Mapping[str, str], folder: Path) -> Ran:
    """Run `portability ARGV` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with surroundings(env, folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_cli(argv)
    return Ran(code, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Bench:
    """A seeded estate; `env` is what points a command at it, `folder` where it runs."""

    env: dict[str, str]
    folder: Path

    def run(self, *argv: str, config: Path | None = None, **env: str) -> Ran:
        """Run `portability ARGV`; `env` is added to the environment."""
        return run(["--config", str(config or self.folder / "estate.yaml"), *argv], self.env | env, self.folder)

    def estate(self, **overrides: Any) -> Path:
        """An estate file like the bench's, with `overrides` merged into it."""
        text = yaml.safe_load((self.folder / "estate.yaml").read_text())
        path = self.folder / f"estate-{hashlib.sha256(repr(overrides).encode()).hexdigest()[:8]}.yaml"
        path.write_text(yaml.safe_dump(merge(text, overrides), sort_keys=False))
        return path

    def client(self, service: str) -> Any:
        """A plain boto3 client."""
        endpoint = self.env.get(f"AWS_ENDPOINT_URL_{service.upper()}", self.env["AWS_ENDPOINT_URL"])
        make: Any = boto3.client  # the stubs want a literal
        return make(
            service,
            endpoint_url=endpoint,
            region_name=REGION,
            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key="testing",
        )

    def inventory(self) -> dict[str, str]:
        """Everything a command could have changed: items and settings of every table, user pools, keys of plans."""
        dynamodb, found = self.client("dynamodb"), {}
        for table in sorted(dynamodb.list_tables()["TableNames"]):
            described = dynamodb.describe_table(TableName=table)["Table"]
            settings = {name: described.get(name) for name in ("KeySchema", "StreamSpecification", "TableStatus")}
            pages = dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
            items = sorted(json.dumps(item, sort_keys=True, default=repr) for page in pages for item in page["Items"])
            found[table] = hashlib.sha256(json.dumps([settings, items]).encode()).hexdigest()
        cognito, gateway = self.client("cognito-idp"), self.client("apigateway")
        pools = [pool["Id"] for pool in cognito.list_user_pools(MaxResults=60)["UserPools"]]
        found["user pools"] = repr(sorted(pools))
        plans = gateway.get_usage_plans(limit=500)["items"]
        found["plan keys"] = repr(
            sorted(
                (plan["name"], key["id"])
                for plan in plans
                for key in gateway.get_usage_plan_keys(usagePlanId=plan["id"], limit=500)["items"]
            )
        )
        return found


def make_bench(
    folder: Path,
    env: dict[str, str],
    *,
    items: int = 60,
    tenants: int = 3,
    overrides: Mapping[str, Any] | None = None,
) -> Bench:
    """Seed the reference estate for `env` and write an estate file for it."""
    estate = merge(yaml.safe_load((ROOT / "plans" / "estate.yaml").read_text()), merge(QUICK, overrides or {}))
    (folder / "estate.yaml").write_text(yaml.safe_dump(estate | {"recipes": str(ROOT / "plans")}, sort_keys=False))
    with surroundings(env, folder):
        seed("reference", tenants=tenants, items_per_tenant=6, tenant="tenant-42", items=items)
    return Bench(env, folder)


def parked_after(bench: Bench, step: str, *argv: str) -> dict[str, Any]:
    """Park a run of tenant-42 after `step`; its status object."""
    ran = bench.run(*TO_PREMIUM, "--until", step, "-o", "json", *argv).expect(7)
    value: dict[str, Any] = ran.json
    assert (value["state"], value["serving"]) == ("parked", "source")
    return value


def a_holder_elsewhere(bench: Bench, run: str) -> Held:
    """Take the run's lease as a process of another host would."""
    with surroundings(bench.env, bench.folder), Call.begin(Asked(config=bench.folder / "estate.yaml")) as call:
        other = Holder(name="bo@laptop", host="laptop", boot="b", namespace="n", pid=1, started="1")
        return call.desk.journal.acquire(run, other)
