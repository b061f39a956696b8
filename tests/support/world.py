"""A whole estate on real engines, with writers beside it and eyes on every resource.

All tables are on DynamoDB Local, in a database of the world's own (its access key names it); every other service is on
a moto server of the test worker's own, reset for each world. Commands run as real processes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import yaml

from portability.sandbox import ledger
from portability.sandbox.seed import find_shape
from tests.support.dynamodb_local import ROOT

REGION = "us-east-1"
ESTATES = {"reference": ROOT / "plans" / "estate.yaml", "single-table": ROOT / "plans" / "single-table" / "estate.yaml"}
TIERS = {"reference": ("basic", "premium"), "single-table": ("starter", "enterprise")}
WITHIN_POOL = {"reference": ("tenant-7", "standard"), "single-table": ("acme-1", "growth")}
STORES = {"reference": ("Product", "Order"), "single-table": ("Main", "Audit")}
OWN_TABLE = {"reference": "{store}-{tenant}", "single-table": "crm-{lower}-{tenant}"}
STOP_WITHIN = 60.0


@dataclass(frozen=True)
class Ran:
    """What a command did. `json` reads its standard output."""

    exit: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    def expect(self, code: int) -> Ran:
        assert self.exit == code, f"exit {self.exit}, wanted {code}\n{self.stdout}\n{self.stderr}"
        return self


@dataclass
class World:
    """One seeded estate; made by the `world` fixture."""

    shape: str
    folder: Path
    env: dict[str, str]
    config: Path
    processes: list[subprocess.Popen[Any]] = field(default_factory=list)
    detour: dict[str, str] = field(default_factory=dict)  # of the commands' environment: see `tests.support.wire`

    @property
    def upper(self) -> str:
        """The silo tier."""
        return TIERS[self.shape][1]

    @property
    def lower(self) -> str:
        """The pool tier."""
        return TIERS[self.shape][0]

    @property
    def within_pool(self) -> tuple[str, str]:
        """A tenant, and a tier of the same pool that it can move to: no data moves."""
        return WITHIN_POOL[self.shape]

    def own_table(self, store: str, tenant: str = "tenant-42") -> str:
        """The table of the tenant's own in the silo tier."""
        return OWN_TABLE[self.shape].format(store=store, lower=store.lower(), tenant=tenant)

    def start(self, *argv: str) -> subprocess.Popen[str]:
        """Start `portability ARGV`."""
        process = subprocess.Popen(
            [sys.executable, "-m", "portability.cli.main", "--config", str(self.config), *argv],
            cwd=self.folder,
            env=self.env | self.detour,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def run(self, *argv: str, timeout: float = 240.0) -> Ran:
        """Run `portability ARGV` to its end."""
        process = self.start(*argv)
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            stdout, stderr = process.communicate()
            raise AssertionError(f"{argv} took more than {timeout} s\n{stdout}\n{stderr}") from None
        return Ran(process.returncode, stdout, stderr)

    def client(self, service: str) -> Any:
        """A plain boto3 client of this world."""
        endpoint = self.env.get(f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}", self.env["AWS_ENDPOINT_URL"])
        if service == "dynamodbstreams":
            endpoint = self.env["AWS_ENDPOINT_URL_DYNAMODB_STREAMS"]
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=endpoint,
            region_name=REGION,
            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key="testing",
        )

    @contextlib.contextmanager
    def writers(self, count: int, tenant: str = "tenant-42", *, rate: float = 10.0) -> Iterator[list[Path]]:
        """`count` application processes write for `tenant` until the block ends; gives their ledgers."""
        until = self.folder / f"stop-{uuid.uuid4().hex}"
        ledgers = [self.folder / f"{until.name}-w{number}.jsonl" for number in range(count)]
        processes = [
            subprocess.Popen(
                [
                    *(sys.executable, "-m", "portability.sandbox.app", "write"),
                    *("--shape", self.shape, "--tenant", tenant, "--ledger", str(ledger)),
                    *("--rate", str(rate), "--until-file", str(until)),
                    *("--seed", str(number), "--writer", f"w{number}-{until.name[-6:]}"),
                    *("--writers", str(count), "--number", str(number)),
                ],
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number, ledger in enumerate(ledgers)
        ]
        try:
            deadline = time.monotonic() + STOP_WITHIN
            while not all(acknowledged(ledger) for ledger in ledgers):
                assert time.monotonic() < deadline, "a writer did not start"
                assert all(process.poll() is None for process in processes), "a writer ended early"
                time.sleep(0.05)
            yield ledgers
        finally:
            until.touch()
            for process in processes:
                _, stderr = process.communicate(timeout=STOP_WITHIN)
                assert process.returncode == 0, stderr

    def verdict(self, ledgers: Sequence[Path], tenant: str = "tenant-42") -> ledger.Verdict:
        """The ledgers held against the tenant's data where it is served now."""
        return ledger.check(ledgers, ledger.items_of(self.client("dynamodb"), find_shape(self.shape), tenant))

    def race(self, *argv: str, operators: Sequence[str]) -> dict[str, int]:
        """Let every operator do `portability ARGV` at once, from its first act on; their exit codes."""
        gate = self.folder / f"gate-{uuid.uuid4().hex}"
        os.mkfifo(gate)
        racers = {
            name: subprocess.Popen(
                [sys.executable, "-m", "tests.support.racer", str(gate), "--config", str(self.config), *argv],
                cwd=self.folder,
                env=self.env | self.detour | {"PORTABILITY_OPERATOR": name, "AWS_SDK_UA_APP_ID": name},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for name in operators
        }
        self.processes += racers.values()
        wait_for(lambda: len(list(self.folder.glob(f"{gate.name}.*"))) == len(racers))
        with gate.open("wb", buffering=0) as barrier:
            barrier.write(b"." * len(racers))
            return {name: racer.wait(STOP_WITHIN) for name, racer in racers.items()}

    def rows(self, pk: str, prefix: str = "") -> list[dict[str, Any]]:
        """Rows of the journal's table, by a consistent read."""
        values = {":pk": {"S": pk}, ":sk": {"S": prefix}}
        where = "pk = :pk AND begins_with(sk, :sk)" if prefix else "pk = :pk"
        asked = {name: value for name, value in values.items() if name in where}
        table = find_shape(self.shape).journal
        pages = (
            self.client("dynamodb")
            .get_paginator("query")
            .paginate(
                TableName=table, KeyConditionExpression=where, ExpressionAttributeValues=asked, ConsistentRead=True
            )
        )
        return [{name: next(iter(it.values())) for name, it in row.items()} for page in pages for row in page["Items"]]

    def active(self, tenant: str = "tenant-42") -> str:
        """The tenant's active run, "" where there is none."""
        return "".join(row["run"] for row in self.rows(f"TENANT#{tenant}", "ACTIVE"))

    def journal(self, run: str) -> list[dict[str, Any]]:
        """The run's entries as `journal show` prints them."""
        entries: list[dict[str, Any]] = self.run("journal", "show", run, "-o", "json").expect(0).json["entries"]
        return entries

    def tenant_items(self, tenant: str = "tenant-42", tables: Mapping[str, str] | None = None) -> dict[str, int]:
        """How many items the tenant has per store, in the tables named or those that serve."""
        shape, dynamodb = find_shape(self.shape), self.client("dynamodb")
        return {
            store: sum(1 for _ in shape.read_items(dynamodb, tenant, store, (tables or {}).get(store)))
            for store in shape.stores
        }

    def neighbours(self, tenant: str = "tenant-42") -> dict[str, str]:
        """A digest per table of every item that is not `tenant`'s, over every table but the journal."""
        shape, dynamodb = find_shape(self.shape), self.client("dynamodb")
        digests: dict[str, str] = {}
        for table in sorted(dynamodb.list_tables()["TableNames"]):
            if table == shape.journal or table.endswith(f"-{tenant}"):
                continue
            others = sorted(
                json.dumps(item, sort_keys=True, default=repr)
                for page in dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
                for item in page["Items"]
                if not _belongs(item, tenant)
            )
            digests[table] = hashlib.sha256("\n".join(others).encode()).hexdigest()
        return digests

    def kill(self, process: subprocess.Popen[str]) -> None:
        """SIGKILL, and wait until it is gone."""
        process.send_signal(signal.SIGKILL)
        process.communicate()

    def close(self) -> None:
        """End what is still running, and close every pipe."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            if process.stdout is None or not process.stdout.closed:
                process.communicate()


def acknowledged(path: Path) -> bool:
    """Whether the writer has at least one acknowledged write."""
    return path.exists() and '"ack"' in path.read_text()


def _belongs(item: Mapping[str, Any], tenant: str) -> bool:
    """Whether any attribute says `tenant`, one of its shards, or one of its prefixed keys."""
    texts = [str(next(iter(value.values()))) for value in item.values() if "S" in value]
    return any(
        text == tenant
        or text.startswith((f"TENANT#{tenant}#", "portability-canary"))
        or (text.startswith(f"{tenant}-") and text[len(tenant) + 1 :].isdigit())
        for text in texts
    )


def make_world(
    shape: str, folder: Path, *, dynamodb: str, moto: str, items: int, overrides: Mapping[str, Any]
) -> World:
    """Seed a world; `overrides` are merged into the estate file (durations that a test cannot wait for)."""
    urllib.request.urlopen(urllib.request.Request(f"{moto}/moto-api/reset", method="POST")).close()  # noqa: S310 - loopback
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PORTABILITY_"))}
    env |= {
        "AWS_ACCESS_KEY_ID": f"world{uuid.uuid4().hex[:12]}",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": moto,
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb,
        "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": dynamodb,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "PYTHONPATH": str(ROOT),
        "NO_COLOR": "1",
    }
    estate = merge(yaml.safe_load(ESTATES[shape].read_text()), overrides)
    estate["recipes"] = str(ROOT / "plans")
    config = folder / "estate.yaml"
    config.write_text(yaml.safe_dump(estate, sort_keys=False))
    world = World(shape=shape, folder=folder, env=env, config=config)
    argv = ["sandbox", "seed", "--shape", shape, "--tenant", "tenant-42", "--items", str(items), "-o", "json"]
    world.run(*argv).expect(0)
    return world


def merge(into: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A deep merge of mappings; anything else replaces."""
    merged = dict(into)
    for name, value in overrides.items():
        old = merged.get(name)
        merged[name] = merge(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return merged


QUICK: dict[str, Any] = {
    "journal": {"lease": "6s", "beat": "1s", "horizon": "2s", "far_horizon": "4s"},
    "directory": {"cache": "2s"},
    "fence": {"tripwire": "1s", "freeze_max": "20s"},
    "soak": "2s",
}
"""Durations a test can wait for. Horizons are shortened: what they stand for is tested by itself.

The pause may be longer than an estate would let it: two cores run the engine, the writers, the mover and other tests.
"""


def wait_for(condition: Any, *, within: float = 60.0, every: float = 0.05) -> None:
    """Wait until `condition()` holds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"{condition} did not come true within {within} s"
        time.sleep(every)


def sequence(entries: Sequence[Mapping[str, Any]], step: str) -> list[str]:
    """The facts of one step, in order."""
    return [entry["fact"] for entry in entries if entry["step"] == step]
