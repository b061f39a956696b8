"""The application as a process, fenced and moved while it writes, and held to its ledger afterwards."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from portability.sandbox import app
from portability.sandbox.data_access import DataAccess
from portability.sandbox.ledger import Ledger, check, items_of, read
from portability.sandbox.seed import find_shape, reset, seed
from portability.sandbox.shape import WRITE_ID
from portability.sandbox.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from portability.sandbox.clients import Clients
    from portability.sandbox.shape import Shape

TENANT = "tenant-42"
SHAPES = ("reference", "single-table")


class Accepting(DataAccess):
    """Accepts everything, and remembers it."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, store: str, operation: Any, request: Any, **_: Any) -> None:
        self.written.append(operation)


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest) -> Shape:
    return find_shape(request.param)


def _start(shape: Shape, folder: Path, writer: int, *more: str) -> subprocess.Popen[str]:
    argv = ["--shape", shape.name, "--tenant", TENANT, "--ledger", str(folder / f"w{writer}.jsonl"), "--rate", "100"]
    who = ["--writer", f"w{writer}", "--writers", "2", "--number", str(writer), "--seed", "7", "--cache-seconds", "0.2"]
    return subprocess.Popen(
        [sys.executable, "-m", "portability.sandbox.app", "write", *argv, *who, *more],
        stdout=subprocess.PIPE,
        text=True,
    )


@dataclass
class Writing:
    """Two writers that have begun."""

    folder: Path
    ledgers: list[Path]
    processes: list[subprocess.Popen[str]]

    def stop(self) -> None:
        (self.folder / "stop").touch()
        for process in self.processes:
            process.communicate(timeout=20)


@pytest.fixture
def writing(clients: Clients, shape: Shape, tmp_path: Path) -> Iterator[Writing]:
    reset()
    seed(shape.name, tenants=3, items_per_tenant=60)
    processes = [_start(shape, tmp_path, writer, "--until-file", str(tmp_path / "stop")) for writer in (0, 1)]
    began = Writing(tmp_path, [tmp_path / f"w{writer}.jsonl" for writer in (0, 1)], processes)
    try:
        _wait(lambda: all(ledger.exists() and _acks(ledger) > 5 for ledger in began.ledgers))
        yield began
    finally:
        began.stop()


def _acks(ledger: Path) -> int:
    return sum(line.kind == "ack" for line in read(ledger))


def _wait(condition: Any) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def _stamp(clients: Clients, shape: Shape, epoch: int, *, fenced: bool, config: dict[str, str] | None = None) -> None:
    update, values = (
        "SET portability = :stamp",
        {":stamp": {"M": {"run": {"S": "r-1"}, "epoch": {"N": str(epoch)}, "fenced": {"BOOL": fenced}}}},
    )
    for number, (name, value) in enumerate((config or {}).items()):
        update += f", {name} = :v{number}"
        values[f":v{number}"] = {"S": value}  # type: ignore[dict-item]
    request: Any = {"UpdateExpression": update, "ExpressionAttributeValues": values}
    key: Any = {shape.directory.key: {"S": TENANT}}
    clients.dynamodb.update_item(TableName=shape.directory.table, Key=key, **request)


def _elsewhere(clients: Clients, shape: Shape) -> dict[str, str]:
    """What the directory says once the tenant is moved to tables of its own, which are made here by copying."""
    for store, keys in shape.stores.items():
        attributes: Any = [{"AttributeName": each.name, "AttributeType": each.type} for each in keys.key]
        schema: Any = [
            {"AttributeName": each.name, "KeyType": kind}
            for each, kind in zip(keys.key, ("HASH", "RANGE"), strict=True)
        ]
        table = f"{store}-{TENANT}"
        clients.dynamodb.create_table(
            TableName=table, KeySchema=schema, AttributeDefinitions=attributes, BillingMode="PAY_PER_REQUEST"
        )
        for item in shape.read_items(clients.dynamodb, TENANT, store):
            clients.dynamodb.put_item(TableName=table, Item=item)
    if shape.name == "reference":
        return {"dedicatedTenancy": "true"}
    return {"config": json.dumps({"mainTable": f"Main-{TENANT}", "auditTable": f"Audit-{TENANT}"})}


def test_a_tenant_moved_behind_the_fence_loses_nothing_and_the_pause_is_measured(
    clients: Clients, shape: Shape, writing: Writing
) -> None:
    _stamp(clients, shape, 1, fenced=False)
    time.sleep(0.5)  # the applications' caches: from now on every write is checked
    _stamp(clients, shape, 2, fenced=True)
    time.sleep(0.1)  # what was accepted before is noted
    before = [_acks(ledger) for ledger in writing.ledgers]
    time.sleep(0.3)
    assert [_acks(ledger) - count for ledger, count in zip(writing.ledgers, before, strict=True)] == [0, 0]
    _stamp(clients, shape, 3, fenced=False, config=_elsewhere(clients, shape))
    _wait(lambda: all(_acks(ledger) > count + 20 for ledger, count in zip(writing.ledgers, before, strict=True)))
    writing.stop()
    verdict = check(writing.ledgers, items_of(clients.dynamodb, shape, TENANT))
    assert verdict.ok, verdict.problems
    assert verdict.found == verdict.acknowledged > 40
    assert verdict.refused > 2
    assert max(verdict.pauses["w0"]) > 300
    assert max(verdict.pauses["w1"]) > 300


def test_a_fenced_writer_that_is_told_to_stop_gives_up_at_once(
    clients: Clients, shape: Shape, writing: Writing
) -> None:
    _stamp(clients, shape, 1, fenced=True)
    _wait(lambda: all("refused" in ledger.read_text() for ledger in writing.ledgers))
    writing.stop()
    assert all(list(read(ledger))[-1].kind == "gave_up" for ledger in writing.ledgers)
    assert check(writing.ledgers, items_of(clients.dynamodb, shape, TENANT)).ok


def test_the_check_finds_what_was_taken_from_under_it(clients: Clients, shape: Shape, writing: Writing) -> None:
    store, keys = next(iter(shape.stores.items()))
    _wait(lambda: any(line.op == "Delete" and line.store == store for line in _last_of_each_key(writing.ledgers)))
    _wait(lambda: all(_acks(ledger) > 60 for ledger in writing.ledgers))
    writing.stop()
    reader = items_of(clients.dynamodb, shape, TENANT)
    assert check(writing.ledgers, reader).ok
    table = shape.table(clients.dynamodb, TENANT, store)
    written = [i for i in shape.read_items(clients.dynamodb, TENANT, store) if WRITE_ID in i]
    clients.dynamodb.delete_item(TableName=table, Key=keys.key_of(written[0]))
    clients.dynamodb.put_item(TableName=table, Item=written[1] | {WRITE_ID: {"S": "older"}})
    deleted = next(line for line in _last_of_each_key(writing.ledgers) if line.op == "Delete" and line.store == store)
    back: Any = {a.name: {a.type: value} for a, value in zip(keys.key, deleted.key, strict=True)}
    clients.dynamodb.put_item(TableName=table, Item=back)
    verdict = check(writing.ledgers, reader)
    assert (verdict.lost, verdict.stale, verdict.resurrected) == (1, 1, 1)
    assert verdict.found == verdict.acknowledged - 3
    argv = ["check", "--shape", shape.name, "--tenant", TENANT, *map(str, writing.ledgers)]
    assert app.main(argv) == 11


def _last_of_each_key(ledgers: list[Path]) -> list[Any]:
    return list(
        {(line.store, line.key): line for path in ledgers for line in read(path) if line.kind == "ack"}.values()
    )


def test_a_probe_says_whether_a_write_would_be_accepted_and_changes_nothing(
    clients: Clients, shape: Shape, capsys: pytest.CaptureFixture[str]
) -> None:
    reset()
    seed(shape.name, tenants=1, items_per_tenant=10)
    for epoch, fenced in ((None, False), (1, False), (2, True)):
        if epoch is not None:
            _stamp(clients, shape, epoch, fenced=fenced)
        assert app.main(["probe", "--shape", shape.name, "--tenant", TENANT, "--count", "2"]) == 0
        answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [answer["accepted"] for answer in answers] == [not fenced] * 2
    assert sum(1 for store in shape.stores for _ in shape.read_items(clients.dynamodb, TENANT, store)) == 10


def test_a_probe_without_an_answer_is_no_refusal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert app.main(["probe", "--tenant", TENANT]) == 1
    assert json.loads(capsys.readouterr().out)["accepted"] is None


def test_a_writer_deletes_often_writes_hot_keys_often_and_shares_no_key(shape: Shape, tmp_path: Path) -> None:
    rng = random.Random(3)
    seeded = [
        (store, keys.new_key(TENANT, f"seed-{number}", rng))
        for store, keys in shape.stores.items()
        for number in range(100)
    ]
    touched: list[Counter[tuple[str, ...]]] = []
    for number in range(3):
        access = Accepting()
        with Ledger(tmp_path / f"w{number}.jsonl", f"w{number}") as ledger:
            writer = Writer(
                f"w{number}", shape, TENANT, access, ledger, rng=random.Random(number), seeded=seeded, share=(number, 3)
            )
            for _ in range(240):
                assert writer.write_once() == "ack"
        operations = Counter(access.written)
        assert operations["Delete"] >= 0.2 * 240
        assert min(operations.values()) > 40
        lines = [line for line in read(tmp_path / f"w{number}.jsonl") if line.kind == "ack"]
        assert len({line.value for line in lines}) == 240
        touched.append(Counter((line.store, *line.key) for line in lines))
    assert not set(touched[0]) & set(touched[1]) | set(touched[0]) & set(touched[2]) | set(touched[1]) & set(touched[2])
    plain = {(store, *shape.stores[store].plain(key)) for store, key in seeded}
    assert sum(len(plain & set(keys)) for keys in touched) > 40
    assert touched[0].most_common(4)[3][1] > 8


def test_the_rate_is_kept_and_nothing_is_caught_up_after_a_pause() -> None:
    now, writes = 0.0, list[float]()

    def write_once() -> None:
        nonlocal now
        writes.append(now)
        now += 5.0 if len(writes) == 3 else 0.01

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    app.keep_writing(write_once, rate=10, done=lambda: len(writes) == 6, clock=lambda: now, sleep=sleep)
    assert writes == pytest.approx([0, 0.1, 0.2, 5.2, 5.21, 5.3], abs=0.02)
