"""Signals, closed pipes and full disks: what was begun is parked, what was not is not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portability import errors
from portability.cli.asked import Asked
from portability.cli.call import Call
from tests.cli.bench import TO_PREMIUM, Bench, a_holder_elsewhere, parked_after

MakeBench = Callable[..., Bench]


@pytest.fixture
def mine(fresh_bench: MakeBench) -> Bench:
    return fresh_bench()


@pytest.fixture
def interrupting() -> Iterator[Callable[[Path, str], None]]:
    """Send this process SIGINT as soon as the events file tells of a step's beginning."""
    threads: list[threading.Thread] = []

    def watch(events: Path, step: str) -> None:
        def wait() -> None:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                if (
                    events.exists()
                    and '"step_started"' in events.read_text()
                    and f'"step": "{step}"' in events.read_text()
                ):
                    os.kill(os.getpid(), signal.SIGINT)
                    return
                time.sleep(0.005)

        threads.append(threading.Thread(target=wait, daemon=True))
        threads[-1].start()

    yield watch
    for thread in threads:
        thread.join(5)


STAGES = ("preflight", "identity", "resources", "config", "channel", "copy", "catch-up", "verify", "cutover")


def test_ctrl_c_in_any_step_parks_gives_the_lease_back_and_resume_goes_on(
    mine: Bench, interrupting: Callable[[Path, str], None]
) -> None:
    parked, run = 0, None
    for step in STAGES:
        events = mine.folder / f"{step}.jsonl"
        interrupting(events, step)
        began = time.monotonic()
        ran = mine.run(*TO_PREMIUM, "--events", str(events), "-o", "json")
        if ran.exit == 0:
            break  # the last step may finish before it looks
        ran.expect(130)
        parked += 1
        assert time.monotonic() - began < 30
        run = ran.json["run_id"]
        assert (ran.json["state"], ran.json["reason"], ran.json["serving"]) == ("parked", "signal", "source")
        error = json.loads(ran.stderr.rstrip().split("\n")[-1])["error"]
        assert (error["code"], error["next"]) == ("PORT-E130", f"portability resume {run}")
        assert mine.run("lock", "show", run, "-o", "json").expect(0).json["holder"] is None
    assert parked >= 5
    resumed = mine.run("resume", str(run), "-o", "json").expect(0).json
    assert (resumed["run_id"], resumed["serving"]) == (run, "target")
    mine.run("journal", "verify", str(run)).expect(0)


def test_a_signal_before_a_run_changes_nothing(mine: Bench) -> None:
    env = os.environ | mine.env
    argv = [sys.executable, "-m", "portability.cli.main", "--config", "estate.yaml", "status", "--watch"]
    run = parked_after(mine, "preflight")["run_id"]
    held = a_holder_elsewhere(mine, run)
    process = subprocess.Popen(
        [*argv, run], cwd=mine.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        process.stderr.readline()  # it watches
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 143
        assert "Nothing was changed." in said
    finally:
        held.abandon()


def catches(pid: int, signum: int) -> bool:
    """Whether the process has a handler of its own for the signal."""
    caught = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (signum - 1) & 1)


def test_a_signal_while_a_lock_is_waited_for_is_that_signal_and_changes_nothing(mine: Bench) -> None:
    run = parked_after(mine, "preflight")["run_id"]
    held = a_holder_elsewhere(mine, run)
    argv = [
        sys.executable,
        "-m",
        "portability.cli.main",
        "--config",
        "estate.yaml",
        "resume",
        run,
        "--lock-timeout",
        "60s",
    ]
    process = subprocess.Popen(
        argv, cwd=mine.folder, env=os.environ | mine.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        while not catches(process.pid, signal.SIGTERM):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 143
        assert "Nothing was changed." in said
        assert mine.run("lock", "show", run, "-o", "json").json["holder"]["name"] == "bo@laptop"
    finally:
        held.abandon()


def test_the_second_signal_leaves_at_once(mine: Bench) -> None:
    env = os.environ | mine.env
    argv = [sys.executable, "-m", "portability.cli.main", "--config", "estate.yaml", *TO_PREMIUM, "--events", "e.jsonl"]
    process = subprocess.Popen(
        argv, cwd=mine.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    events = mine.folder / "e.jsonl"
    deadline = time.monotonic() + 60
    while not (events.exists() and '"step_started"' in events.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode in (130, 143)
    mine.run("cancel", "tenant-42", "--yes").expect(0)


@pytest.mark.parametrize("nohup", (True, False))
def test_a_hangup_is_answered_unless_the_command_was_begun_deaf_to_it(*, nohup: bool) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)
    try:
        with Call.begin(Asked()) as call:
            if nohup:
                os.kill(os.getpid(), signal.SIGHUP)
                assert not call.stop.requested
            else:
                with pytest.raises(errors.Interrupted):
                    os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is (signal.SIG_IGN if nohup else signal.SIG_DFL)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_closed_pipe_is_silent(mine: Bench) -> None:
    run = parked_after(mine, "preflight")["run_id"]
    env = os.environ | mine.env
    argv = [sys.executable, "-m", "portability.cli.main", "--config", "estate.yaml", "journal", "show", run]
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(argv, cwd=mine.folder, env=env, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    _, said = process.communicate(timeout=30)
    assert said == ""
    assert process.returncode == 0


def test_a_full_disk_under_the_result_is_exit_3(mine: Bench) -> None:
    env = os.environ | mine.env
    argv = [
        sys.executable,
        "-m",
        "portability.cli.main",
        "--config",
        "estate.yaml",
        "plan",
        "tenant-42",
        "--to",
        "premium",
    ]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            argv, cwd=mine.folder, env=env, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 3
    assert done.stderr.startswith("PORT-E309 ")
