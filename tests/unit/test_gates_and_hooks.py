"""Gates park with a reason; hooks are argv lists that see no credential and may not go wrong quietly."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from portability import errors
from portability.engine.gates import check_gates
from portability.engine.hooks import run_hook
from portability.model.recipe import Gate

FACTS = {"run": "r-1", "tenant": "tenant-42"}


def at(hour: int, minute: int = 0) -> float:
    return dt.datetime(2031, 5, 6, hour, minute, tzinfo=dt.UTC).timestamp()


def gate(name: Any, **settings: str) -> list[Gate]:
    return [Gate(name=name, with_=settings)]


@pytest.mark.parametrize(
    ("window", "now", "open_"),
    (
        (("09:00", "17:00"), at(9), True),
        (("09:00", "17:00"), at(16, 59), True),
        (("09:00", "17:00"), at(17), False),
        (("09:00", "17:00"), at(8, 59), False),
        (("22:00", "05:00"), at(23), True),
        (("22:00", "05:00"), at(4, 59), True),
        (("22:00", "05:00"), at(5), False),
        (("22:00", "05:00"), at(12), False),
    ),
)
def test_a_window_is_open_from_its_first_minute_to_its_last_and_may_cross_midnight(
    window: tuple[str, str], now: float, open_: bool
) -> None:
    gates = gate("window", **{"from": window[0], "to": window[1]})
    if open_:
        check_gates(gates, run="r-1", step="cutover", now=now)
        return
    with pytest.raises(errors.Parked) as parked:
        check_gates(gates, run="r-1", step="cutover", now=now)
    assert parked.value.reason == "gate"
    assert "portability resume r-1" in parked.value.next


def test_evidence_is_the_very_file_that_was_agreed_on(tmp_path: Path) -> None:
    file = tmp_path / "audit.pdf"
    agreed = gate("evidence", file=str(file), sha256=hashlib.sha256(b"agreed").hexdigest())
    with pytest.raises(errors.Parked, match="is not there"):
        check_gates(agreed, run="r-1", step="cutover", now=0.0)
    file.write_bytes(b"another")
    with pytest.raises(errors.Parked, match="not the file that was agreed on"):
        check_gates(agreed, run="r-1", step="cutover", now=0.0)
    file.write_bytes(b"agreed")
    check_gates(agreed, run="r-1", step="cutover", now=0.0)


def test_a_gate_with_an_unknown_setting_is_named() -> None:
    with pytest.raises(errors.FileInvalid, match="window"):
        check_gates(gate("window", since="22:00"), run="r-1", step="cutover", now=0.0)


@pytest.mark.parametrize("hour", ("9:00", "24:00", "12:60", "12", ""))
def test_a_window_of_a_run_in_flight_that_is_no_time_of_day_is_no_open_one(hour: str) -> None:
    with pytest.raises(errors.FileInvalid, match="window"):
        check_gates(gate("window", **{"from": hour, "to": "17:00"}), run="r-1", step="cutover", now=at(12))


def test_a_hook_reads_one_json_object_and_sees_no_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "dummy")
    out = tmp_path / "out.json"
    script = (
        "import json, os, sys;"
        "json.dump({'facts': json.load(sys.stdin), 'env': sorted(os.environ)}, open(sys.argv[1], 'w'))"
    )
    run_hook([sys.executable, "-c", script, str(out)], FACTS, enabled=True)
    seen = json.loads(out.read_text())
    assert seen["facts"] == FACTS
    assert not [name for name in seen["env"] if name.startswith("AWS_")]


def test_a_hook_that_is_not_enabled_is_not_run(tmp_path: Path) -> None:
    out = tmp_path / "ran"
    with pytest.raises(errors.StepFailed, match="does not enable hooks"):
        run_hook(["touch", str(out)], FACTS, enabled=False)
    assert not out.exists()


@pytest.mark.parametrize(
    ("argv", "says"),
    (
        (["/nowhere/hook"], "was not found"),
        (["/etc/passwd"], "is not executable"),
        ([sys.executable, "-c", "raise SystemExit(3)"], "exited 3"),
        ([sys.executable, "-c", "import time; time.sleep(30)"], "took more than"),
    ),
)
def test_a_hook_that_goes_wrong_fails_its_step(argv: list[str], says: str) -> None:
    with pytest.raises(errors.StepFailed, match=says):
        run_hook(argv, FACTS, enabled=True, timeout=1.0)


def test_a_hook_is_never_a_shell(tmp_path: Path) -> None:
    out = tmp_path / "injected"
    run_hook([sys.executable, "-c", "pass", f"; touch {out}"], FACTS, enabled=True)
    assert not out.exists()
