"""The guardian as a process: how it starts, what it is told, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest

from portability import errors
from portability.model.estate import Estate
from portability.steps.base import Context
from portability.steps.directory import STAMP, Stamp
from portability.steps.directory_record import stamp_value
from portability.steps.guardian.beside import beside
from tests.steps_data.run_plan import DIRECTORY, RUN, TENANT, estate
from tests.support.world import wait_for

EPOCH = 101


@dataclass
class Cutover:
    """As much of a step's context as a guardian is started with."""

    profile: str | None = None
    run: str = RUN
    estate: Estate = field(default_factory=estate)
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    checked: Callable[[], None] = lambda: None

    @property
    def context(self) -> Context:
        plan, aws = SimpleNamespace(tenant=TENANT), SimpleNamespace(profile=self.profile)
        known = {"run": self.run, "estate": self.estate, "plan": plan, "aws": aws, "check": self.checked}
        return cast("Context", SimpleNamespace(**known, progress=self._told))

    def _told(self, event: str, /, **fields: Any) -> None:
        self.told.append((event, fields))

    @property
    def pid(self) -> int:
        return int(dict(self.told)["guarded"]["pid"])


@pytest.fixture
def directory(aws_env: None, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A directory with the tenant's fenced record, in a database of its own."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", prefix)
    dynamodb = boto3.session.Session().client("dynamodb")
    dynamodb.create_table(
        TableName=DIRECTORY,
        KeySchema=[{"AttributeName": "tenantId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "tenantId", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    stamp = stamp_value(Stamp(RUN, EPOCH, fenced=True, act="fenced"))
    dynamodb.put_item(TableName=DIRECTORY, Item={"tenantId": {"S": TENANT}, STAMP: stamp})
    yield lambda: dynamodb.get_item(TableName=DIRECTORY, Key={"tenantId": {"S": TENANT}})["Item"][STAMP]["M"]["act"][
        "S"
    ]
    dynamodb.close()


def test_a_guardian_that_is_told_to_leave_leaves_the_fence_and_is_gone(directory: Callable[[], str]) -> None:
    cutover = Cutover()
    with beside(cutover.context, 60.0) as guardian:
        guardian.ready()
        guardian.arm(EPOCH)
        guardian.check()
        argv = Path(f"/proc/{cutover.pid}/cmdline").read_bytes().split(b"\0")
        assert argv[1:-1] == [b"-P", b"-m", b"portability.steps.guardian"]
        guardian.leave()
    assert directory() == "fenced"
    assert not Path(f"/proc/{cutover.pid}").exists(), "not even as a zombie"


def test_a_cutover_that_leaves_its_fence_has_it_taken_back_at_once(directory: Callable[[], str]) -> None:
    with beside(Cutover().context, 60.0) as guardian:
        guardian.ready()
        guardian.arm(EPOCH)
    assert directory() == "aborted"


def test_a_cutover_that_never_armed_its_guardian_has_nothing_taken_back(directory: Callable[[], str]) -> None:
    with beside(Cutover().context, 60.0) as guardian:
        guardian.ready()
    assert directory() == "fenced"


def test_a_guardian_whose_time_is_up_takes_the_fence_back_and_is_missed(directory: Callable[[], str]) -> None:
    def missed() -> bool:
        try:
            guardian.check()
        except errors.Parked as parked:
            return parked.reason == "gate"
        return False

    with beside(Cutover().context, 0.3) as guardian:
        guardian.ready()
        guardian.arm(EPOCH)
        wait_for(missed)
    assert directory() == "aborted"


@pytest.mark.parametrize(
    ("cutover", "why"),
    (
        (Cutover(profile="nobody"), "could not be found"),
        (Cutover(estate=estate()), "ResourceNotFoundException"),
    ),
    ids=("profile", "table"),
)
def test_a_guardian_that_could_not_do_its_work_says_why_before_anything_is_frozen(
    aws_env: None, prefix: str, monkeypatch: pytest.MonkeyPatch, cutover: Cutover, why: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", prefix)
    with beside(cutover.context, 5.0) as guardian, pytest.raises(errors.Parked) as parked:
        guardian.ready()
    assert why in parked.value.what
    assert (parked.value.reason, parked.value.changed) == ("gate", "Nothing is frozen.")
    assert cutover.told == []


def test_a_program_that_cannot_be_started_parks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(errors.Parked) as parked, beside(Cutover().context, 5.0):
        pass
    assert "did not start" in parked.value.what


def test_a_stop_is_heard_while_a_guardian_starts(aws_env: None) -> None:
    def stop() -> None:
        raise errors.Parked("asked to stop", reason="signal", next="portability resume")

    with beside(Cutover(checked=stop).context, 5.0) as guardian, pytest.raises(errors.Parked) as parked:
        guardian.ready()
    assert parked.value.reason == "signal"


def test_a_folder_with_a_module_of_the_same_name_is_not_where_it_comes_from(
    directory: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "msgspec.py").write_text("raise SystemExit(9)\n")
    monkeypatch.chdir(tmp_path)
    with beside(Cutover().context, 60.0) as guardian:
        guardian.ready()
    assert directory() == "fenced"


def test_one_whose_cutover_said_nothing_ends() -> None:
    argv = [sys.executable, "-m", "portability.steps.guardian"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False, env=os.environ)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
